"""Settings, value types, errors and log events: what every other package may rely on.

Invariant: imports nothing of ours, opens no connection, reads no file but `.env`.
"""
