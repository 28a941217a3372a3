"""Pictures to points, and points of pictures to vectors of titles.

Invariant: Postgres is written first and last. A point is durable in Qdrant before the ledger of pictures says so, and a
title whose pictures changed there is stale from the same transaction on.
"""
