"""Encoders behind one protocol.

Invariant: nothing imports torch before an encoder that needs it is loaded, and a named model is loaded or refused,
never replaced by another.
"""
