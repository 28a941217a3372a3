"""What answers say beside their bodies: rate limits, when to come back, the request's name."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime


@dataclass(frozen=True, slots=True)
class RateLimit:
    """The `RateLimit-*` headers: requests allowed in a window, requests left, seconds until the window begins anew."""

    limit: int | None
    remaining: int | None
    reset_s: float | None


@dataclass(frozen=True, slots=True)
class AnswerInfo:
    """The answer beside its body. `attempts` counts from 1; `is_from_memory`: 304, the body was here already."""

    status: int
    request_id: str | None
    rate_limit: RateLimit | None
    attempts: int
    is_from_memory: bool = False


def parse_rate_limit(headers: Mapping[str, str]) -> RateLimit | None:
    """None when there are no such headers, or when they are no numbers."""
    limit, remaining, reset = (
        _parse_number(headers.get(f"ratelimit-{name}")) for name in ("limit", "remaining", "reset")
    )
    if limit is None and remaining is None and reset is None:
        return None
    return RateLimit(None if limit is None else int(limit), None if remaining is None else int(remaining), reset)


def parse_retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds from now, at least 0; from a number or an HTTP date (RFC 9110, 10.2.3), None for anything else.

    A date is compared with the answer's own `Date`: this machine's clock may differ from the service's.
    """
    value = headers.get("retry-after")
    if (seconds := _parse_number(value)) is not None:
        return max(0.0, seconds)
    until = _parse_date(value)
    if until is None:
        return None
    now = _parse_date(headers.get("date"))
    return max(0.0, until - (time.time() if now is None else now))


def _parse_number(value: str | None) -> float | None:
    try:
        number = float(value or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _parse_date(value: str | None) -> float | None:
    try:
        parsed = parsedate_to_datetime(value or "")
    except ValueError:
        return None
    # A date without a zone would be read as this machine's.
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
