"""When a request is sent again, and how long to wait before.

Sent again are: what was refused for its rate (429, nothing was done), what never left this machine, and, if the route
is repeatable, what met a server that was away (502, 503, 504) or a connection that broke.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from client.problems import ApiError, ClientError, RateLimitedError, TransportError, UnexpectedAnswerError

T = TypeVar("T")

_AWAY = frozenset({502, 503, 504})
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often a request is sent again, and when.

    `retries`: attempts after the first. `deadline_s`: no attempt begins later than this after the first, and no body is
    read longer. Waits double from `first_wait_s` up to `longest_wait_s`, and are shortened by chance down to a half, so
    that many clients do not come back at once. `Retry-After` is obeyed, never cut: a longer one than
    `longest_retry_after_s` is not waited for, the error is raised at once and says how long it would be.
    `sleep`, `clock` (monotonic seconds) and `rand` (0 to 1) are there to be replaced.
    """

    retries: int = 3
    deadline_s: float = 60.0
    first_wait_s: float = 0.2
    longest_wait_s: float = 5.0
    longest_retry_after_s: float = 30.0
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)
    rand: Callable[[], float] = field(default=random.random, repr=False)

    def __post_init__(self) -> None:
        if self.retries < 0:
            raise ValueError("retries must not be negative")
        if min(self.deadline_s, self.first_wait_s, self.longest_wait_s) <= 0 or self.longest_retry_after_s < 0:
            raise ValueError("times must be positive")

    def run(self, attempt: Callable[[int, float], T], *, name: str, is_repeatable: bool, extra_s: float = 0.0) -> T:
        """Call `attempt(number, deadline)` until it succeeds; raise its last error when trying again is no use.

        `deadline` is a time of `clock`; `extra_s` moves it for answers that are meant to take long.
        """
        deadline = self.clock() + self.deadline_s + extra_s
        number = 1
        while True:
            try:
                return attempt(number, deadline)
            except ClientError as error:
                wait_s = self._choose_wait(error, number, is_repeatable=is_repeatable)
                if wait_s is None or self.clock() + wait_s >= deadline:
                    raise
                _log.info("%s is sent again in %.2f s, after attempt %d: %s", name, wait_s, number, _describe(error))
            self.sleep(wait_s)
            number += 1

    def _choose_wait(self, error: ClientError, number: int, *, is_repeatable: bool) -> float | None:
        """Seconds to wait, None: do not try again."""
        if number > self.retries or not _may_repeat(error, is_repeatable=is_repeatable):
            return None
        asked_s = error.retry_after_s if isinstance(error, ApiError) else None
        if asked_s is None:
            # The exponent is bounded: 2.0 to a large power is an error, not infinity.
            longest = min(self.longest_wait_s, self.first_wait_s * 2.0 ** min(number - 1, 32))
            return longest * (0.5 + 0.5 * self.rand())
        if asked_s > self.longest_retry_after_s:
            return None
        # A little later, and not all clients in the same moment.
        return asked_s + self.rand() * max(0.1 * asked_s, self.first_wait_s)


def may_pass(error: ClientError) -> bool:
    """True if the same request may be answered later: nobody answered, a server was away, or there were too many."""
    if isinstance(error, ApiError):
        return isinstance(error, RateLimitedError) or error.status in _AWAY
    return isinstance(error, TransportError)


def _may_repeat(error: ClientError, *, is_repeatable: bool) -> bool:
    if isinstance(error, UnexpectedAnswerError) or not may_pass(error):
        return False
    was_left_undone = isinstance(error, RateLimitedError) or (isinstance(error, TransportError) and not error.was_sent)
    return is_repeatable or was_left_undone


def _describe(error: ClientError) -> str:
    return f"{error.status} {error.code}" if isinstance(error, ApiError) else str(error)
