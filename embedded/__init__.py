"""Redis, Postgres and a Qdrant server that come from pip, for a machine with no Docker.

Nothing in the product imports this package: it is reached over the network, by address only.
"""
