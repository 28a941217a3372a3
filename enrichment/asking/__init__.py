"""Asking providers: within limits that all workers share, never twice for what is fresh, and keeping what came.

Invariant: whoever is not given leave does not ask, what came is kept before anybody reads it, and nothing that a
provider sends is worse than an error with a reason.
"""

from enrichment.asking.building import build_clients, build_gate
from enrichment.asking.client import AskOptions, ProviderClient, Readiness
from enrichment.asking.errors import AnswerFailedError, AnswerRefusedError

__all__ = [
    "AnswerFailedError",
    "AnswerRefusedError",
    "AskOptions",
    "ProviderClient",
    "Readiness",
    "build_clients",
    "build_gate",
]
