"""The same title at another provider: by id tables first, then by what both say. A wrong link is worse than none."""
