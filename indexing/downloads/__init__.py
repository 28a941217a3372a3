"""The downloader: URLs that titles and lists name become checked pictures in the media store.

Invariant: the bytes lie in the media store before Postgres says so, and what Postgres calls done is not fetched again.
"""
