"""The six providers. Each is pure: it builds requests and parses answers; `enrichment.asking` does the asking."""
