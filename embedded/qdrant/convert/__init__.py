"""The one place where the protocol's JSON and the engine's objects meet, as tables.

Each converter refuses what it does not know: a field that would change the answer is never ignored.
"""
