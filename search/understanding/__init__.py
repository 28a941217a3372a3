"""Rules that read titles, years, seasons, types, studios and genres out of the text of a search."""
