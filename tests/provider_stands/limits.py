"""The providers' limits as they publish them, and a strict measure of what comes.

Written down here once more, on purpose: what our providers declare of themselves must not be what they are judged by.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tests.picture_host.replies import Reply


@dataclass(frozen=True, slots=True)
class Window:
    """At most `amount` requests in any `period_s` seconds."""

    amount: int
    period_s: float


# Jikan: docs.api.jikan.moe; AniList: 30 a minute since its degradation; AniDB: a page in two seconds (its wiki);
# AnimeSchedule: 120 a minute (its documentation). Kitsu and Anime-Planet publish none: two a second, and a page in two
# seconds, the crawl-delay here.
TRUE_LIMITS: Final[Mapping[str, tuple[Window, ...]]] = {
    "jikan": (Window(3, 1.0), Window(60, 60.0)),
    "anilist": (Window(30, 60.0),),
    "kitsu": (Window(120, 60.0),),
    "anidb": (Window(1, 2.0),),
    "animeschedule": (Window(120, 60.0),),
    "anime-planet": (Window(1, 2.0),),
}


class Limiter:
    """One provider's measure. Times are divided by `factor`.

    What is shaved off each window, `slack_s`, is what the way between two processes may shift an arrival by: two
    requests that left a window apart may arrive a little closer. It is real time, whatever the factor.
    """

    def __init__(self, provider: str, *, factor: float, slack_s: float) -> None:
        self.provider = provider
        self.factor = factor
        self._windows = [
            (window, max(window.period_s / factor - slack_s, 0.0), deque[float]()) for window in TRUE_LIMITS[provider]
        ]

    def take(self, at: float) -> float | None:
        """Count a request; None if it may come, else the real seconds until the next one may."""
        waits = []
        for window, length_s, taken in self._windows:
            while taken and at - taken[0] >= length_s:
                taken.popleft()
            if len(taken) >= window.amount:
                waits.append(taken[0] + length_s - at)
        if waits:
            return max(waits)
        for _, _, taken in self._windows:
            taken.append(at)
        return None

    def count_left(self, at: float) -> int:
        """Requests left in the longest window."""
        window, length_s, taken = self._windows[-1]
        return window.amount - sum(at - one < length_s for one in taken)

    def build_headers(self, at: float, *, wait_s: float | None = None) -> dict[str, str]:
        """What this provider says of its limit, in an answer or in a refusal (then with `wait_s`)."""
        amount = self._windows[-1][0].amount
        headers: dict[str, str] = {}
        if self.provider in ("anilist", "animeschedule"):
            headers["X-RateLimit-Limit"] = str(amount)
            headers["X-RateLimit-Remaining"] = str(0 if wait_s is not None else self.count_left(at))
        if self.provider == "animeschedule":
            headers["X-RateLimit-Reset"] = str(math.ceil(time.time() + self._windows[-1][1]))
        if wait_s is None:
            return headers
        if self.provider == "anilist":
            headers["X-RateLimit-Reset"] = str(math.ceil(time.time() + wait_s))
        if self.provider != "jikan":
            # Jikan says nothing of the kind.
            headers["Retry-After"] = str(math.ceil(wait_s))
        return headers


REFUSALS: Final[Mapping[str, tuple[str, bytes]]] = {
    "jikan": (
        "application/json",
        b'{"status":429,"type":"RateLimitException","message":"You are being rate-limited. Please follow Rate Limiting'
        b' guidelines","error":null}',
    ),
    "anilist": (
        "application/json",
        b'{"data":null,"errors":[{"message":"Too Many Requests.","status":429,"locations":[{"line":1,"column":1}]}]}',
    ),
    "kitsu": ("text/plain", b"Retry later\n"),
    "anidb": ("text/xml", b'<error code="500">banned</error>'),
    "animeschedule": ("text/plain", b"Too Many Requests"),
    "anime-planet": ("text/html", b"<html><body><h1>429 Too Many Requests</h1></body></html>"),
}


def build_refusal(limiter: Limiter, at: float, wait_s: float) -> Reply:
    """What the provider answers to one too many. AniDB bans, with 200."""
    media_type, body = REFUSALS[limiter.provider]
    headers = {"Content-Type": media_type, **limiter.build_headers(at, wait_s=wait_s)}
    return Reply(status=200 if limiter.provider == "anidb" else 429, body=body, headers=headers)
