"""Celery tasks: ids in, one call of a service, counts out. Nothing is decided here.

Invariant: a task may be delivered never, once or often, and the outcome is the same.
"""
