"""robots.txt (RFC 9309): fetched once for an origin, kept for a bounded time."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from protego import Protego

from fetching.deadlines import Deadline
from fetching.errors import FetchFailedError, FetchReason, FetchRefusedError, build_error
from fetching.urls import Target

# RFC 9309 2.5 wants at least 500 KiB to be read; what follows is not looked at.
MAX_ROBOTS_BYTES = 512_000
_MOST_ORIGINS = 2_000
# An origin whose robots.txt cannot be read is not asked for it before every picture.
_UNREACHABLE_S = 60.0

LoadRobots = Callable[[Target, Deadline], str | None]


@dataclass(slots=True)
class _Entry:
    lock: threading.Lock = field(default_factory=threading.Lock)
    rules: Protego | None = None
    due_at: float = 0.0
    known: bool = False
    unreachable: str | None = None


class RobotsKeeper:
    """Answers whether a path may be fetched. Thread-safe; one thread fetches, others that want the same wait for it.

    `load` brings the text, None where there is none (a 4xx, or more redirects than are followed: all is allowed), or
    raises: FetchRefusedError for what holds for the whole origin, FetchFailedError otherwise.
    """

    def __init__(
        self, load: LoadRobots, *, agent: str, life_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._load = load
        self._agent = agent
        self._life_s = life_s
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, _Entry] = OrderedDict()

    def check(self, target: Target, deadline: Deadline) -> None:
        """Raise FetchRefusedError (robots), or FetchFailedError while robots.txt cannot be read."""
        entry = self._get_entry(target.origin)
        if not entry.lock.acquire(timeout=deadline.left_s):
            raise build_error(FetchReason.TIMEOUT, f"{target.authority}: robots.txt did not come in time")
        try:
            if self._clock() >= entry.due_at:
                self._renew(entry, target, deadline)
            rules, unreachable = entry.rules, entry.unreachable
        finally:
            entry.lock.release()
        if unreachable:
            raise build_error(FetchReason.ROBOTS_UNREACHABLE, unreachable, retry_after_s=_UNREACHABLE_S)
        if rules is not None and not rules.can_fetch(target.url, self._agent):
            raise FetchRefusedError(FetchReason.ROBOTS, f"robots.txt of {target.authority} forbids {target.path}")

    def _get_entry(self, origin: str) -> _Entry:
        with self._lock:
            entry = self._entries.setdefault(origin, _Entry())
            self._entries.move_to_end(origin)
            if len(self._entries) > _MOST_ORIGINS:
                self._entries.popitem(last=False)
            return entry

    def _renew(self, entry: _Entry, target: Target, deadline: Deadline) -> None:
        try:
            text = self._load(target, deadline)
        except FetchFailedError as error:
            if error.reason in _SAYS_NOTHING:
                raise
            entry.due_at = self._clock() + _UNREACHABLE_S
            # Old rules are better than none (RFC 9309 2.4); with none, all is forbidden for now (2.3.1.4).
            entry.unreachable = None if entry.known else f"robots.txt of {target.authority}: {error}"
            return
        entry.rules = None if text is None else Protego.parse(text)
        entry.known, entry.unreachable = True, None
        entry.due_at = self._clock() + self._life_s


# These would meet the picture in the same way, and are the plainer reason.
_SAYS_NOTHING = frozenset(
    {FetchReason.CONNECT, FetchReason.DNS, FetchReason.TLS, FetchReason.CIRCUIT_OPEN, FetchReason.HOST_BUSY}
)
