"""HTTP only: routes, schemas, and the one place that turns errors into answers.

Invariant: imports no model, no task and nothing of the write side; sends work by name.
"""
