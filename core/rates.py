"""Rate limits as values: `600/minute`, `10 per 5 seconds`, or `none`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from limits import parse

NO_LIMIT = "none"


@dataclass(frozen=True, slots=True)
class Rate:
    """So many requests in so many seconds."""

    amount: int
    window_s: int

    def __str__(self) -> str:
        return f"{self.amount} in {self.window_s} s"


@lru_cache(maxsize=256)
def parse_rate(text: str) -> Rate | None:
    """The limit; None for `none`. Raises ValueError."""
    if text.strip().lower() == NO_LIMIT:
        return None
    try:
        item = parse(text)
    except ValueError:
        raise ValueError(f"must be like 600/minute, or {NO_LIMIT}") from None
    if item.amount < 1:
        raise ValueError("must allow at least one request")
    return Rate(item.amount, item.get_expiry())


@dataclass(frozen=True, slots=True)
class Window:
    """A sliding window after a request: counts and seconds left of the window before and of the present one.

    The count of the one before fades evenly: all of it counts when the present one begins, nothing when it ends.
    """

    rate: Rate
    is_allowed: bool
    before: tuple[int, float]
    now: tuple[int, float]

    @property
    def remaining(self) -> int:
        """Requests that are allowed at once."""
        count, left_s = self.before
        return max(0, self.rate.amount - int(count * left_s / self.rate.window_s) - self.now[0])

    @property
    def reset_s(self) -> float:
        """Seconds until more is allowed than now: at the end of the present window, or, with nothing left, sooner."""
        return self.now[1] if self.remaining else self.get_wait_s()

    def get_wait_s(self, cost: int = 1) -> float:
        """Seconds until so many requests, `rate.amount` at most, are allowed if nobody else asks; 0 if they are now."""
        (before, before_left_s), (now, now_left_s) = self.before, self.now
        room = self.rate.amount - cost - now
        if room >= 0:
            return max(0.0, before_left_s - self._get_harmless_s(before, room))
        # Nothing of the present window fades before it has become the one before.
        return now_left_s + self.rate.window_s - self._get_harmless_s(now, self.rate.amount - cost)

    def _get_harmless_s(self, count: int, room: int) -> float:
        """How long before its end a window's count, faded and rounded down, no longer exceeds the room."""
        return self.rate.window_s if count <= room else (room + 1) * self.rate.window_s / count
