"""How long to wait before another try: what the host asks for, and full jitter where it asks for nothing."""

from __future__ import annotations

import random
import time
from email.utils import parsedate_to_datetime

# A host may ask for a day; what asks for a year is a mistake or a trap.
MOST_RETRY_AFTER_S = 86_400.0


def parse_retry_after(value: str | None, *, now: float | None = None) -> float | None:
    """Seconds that a Retry-After header asks for, in seconds or as a date, within 0 and a day; None for nonsense."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:12]), MOST_RETRY_AFTER_S)
    try:
        at = parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None
    return min(max(0.0, at - (time.time() if now is None else now)), MOST_RETRY_AFTER_S)


def draw_backoff(attempt: int, *, base_s: float, most_s: float) -> float:
    """Seconds to wait after so many attempts: anything up to a bound that doubles ("full jitter").

    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/: many who failed together must not
    return together.
    """
    bound = min(base_s * 2 ** min(attempt - 1, 30), most_s)
    return random.uniform(0.0, bound)  # noqa: S311 - nothing is kept secret by it
