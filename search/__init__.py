"""The read side: request -> plan -> embed (the dispatcher) -> retrieve -> fuse -> answer, with the result cache.

Invariant: never writes to Postgres or Qdrant, imports neither Flask nor torch.
"""
