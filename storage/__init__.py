"""Where things are kept: Postgres (the truth), Qdrant (the index), Redis (the cache).

Invariant: the only package that imports sqlalchemy, qdrant_client or a Redis client for caching.
"""
