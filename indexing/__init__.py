"""The write side: catalogue files to titles, titles to passages, passages to points.

Invariant: Postgres is written first and last. A point is durable in Qdrant before the ledger says so, and every
step may be repeated at any time with the same result.
"""
