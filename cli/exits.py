"""Exit codes of `avs`, for scripts. Documented in the README; a number never changes its meaning."""

from __future__ import annotations

from enum import IntEnum

from core.errors import (
    ConfigurationError,
    InvalidInputError,
    NotFoundError,
    ServiceError,
    TransientError,
)


class Exit(IntEnum):
    """What a finished command says to its caller."""

    OK = 0
    FAILED = 1
    USAGE = 2
    CONFIGURATION = 3
    UNAVAILABLE = 4
    NOT_FOUND = 5
    DEAD_LETTERS = 6


_CODES: tuple[tuple[type[ServiceError], Exit], ...] = (
    (ConfigurationError, Exit.CONFIGURATION),
    (TransientError, Exit.UNAVAILABLE),
    (NotFoundError, Exit.NOT_FOUND),
    (InvalidInputError, Exit.USAGE),
)


def get_exit_code(error: ServiceError) -> Exit:
    """The code for an error that ends a command."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), Exit.FAILED)
