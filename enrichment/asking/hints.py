"""What an answer's headers say about limits: how many, when again. No clock of ours is asked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

# Above this a number of seconds is a point in time, and above the second one in milliseconds.
_EPOCH_FROM_S = 1_000_000_000.0
_EPOCH_FROM_MS = 1_000_000_000_000.0
_MOST_RESET_S = 86_400.0
_NUMBER = re.compile(r"\s*(\d{1,15}(?:\.\d{1,9})?)")


@dataclass(frozen=True, slots=True)
class LimitHints:
    """`limit`: requests in the provider's period; `remaining`: of these; `reset_s`: until there are new ones."""

    limit: float | None
    remaining: float | None
    reset_s: float | None


def read_hints(headers: Mapping[str, str]) -> LimitHints:
    """From X-RateLimit-* or RateLimit-*; names in lower case. Nonsense says nothing."""
    limit, remaining, reset = (_read(headers, name) for name in ("limit", "remaining", "reset"))
    return LimitHints(limit or None, remaining, _to_seconds(reset, headers.get("date")))


def read_date_s(headers: Mapping[str, str]) -> float | None:
    """The provider's own clock, in seconds since 1970; None if it does not say."""
    try:
        return parsedate_to_datetime(headers["date"]).timestamp()
    except (KeyError, ValueError, OverflowError):
        return None


def _read(headers: Mapping[str, str], name: str) -> float | None:
    value = headers.get(f"x-ratelimit-{name}") or headers.get(f"ratelimit-{name}")
    match = _NUMBER.match(value or "")
    return float(match[1]) if match else None


def _to_seconds(reset: float | None, date: str | None) -> float | None:
    """Some send seconds, some a point in time: that is measured from the provider's own clock, or not at all."""
    if reset is None:
        return None
    if reset >= _EPOCH_FROM_S:
        now_s = read_date_s({"date": date} if date else {})
        if now_s is None:
            return None
        reset = (reset / 1_000 if reset >= _EPOCH_FROM_MS else reset) - now_s
    return min(max(0.0, reset), _MOST_RESET_S)
