"""Qdrant: the schema of the titles collection and the one client that talks to it."""
