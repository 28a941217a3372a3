"""Fills the cache again with what is asked most, after the index has changed and while nobody else is waiting.

It runs in the web process, on a thread of its own: no address and no key are needed to ask oneself, and the answers go
into the same cache in the same way. Of several processes one does it, by a claim in Redis.

While jobs write, answers live half a minute anyway: warming waits until the state of the index has stood still for
longer. A new collection, which is an alias swap, is warmed at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.errors import ConflictError, InvalidInputError, NotFoundError
from core.log import Event, Log
from search.asked import Request, rebuild_request
from search.live import LiveIndex, NothingIndexedError
from storage.cache import Cache
from storage.database.query_log import LoggedQuery

# Longer than the states of an index that is being written to.
_STILL_S = 35.0
# At most so many searches a second, and none while somebody waits.
_PAUSE_S = 0.1
_BUSY_PAUSE_S = 0.5
_log = Log("cache")


@dataclass(frozen=True, slots=True)
class WarmingNeeds:
    """What the warmer asks others.

    The live index, the most asked searches, one search (it raises what a search raises), whether nobody waits for an
    answer, and a pause of so many seconds that is True when the process ends.
    """

    get_live: Callable[[], LiveIndex]
    load_top: Callable[[], Sequence[LoggedQuery]]
    ask: Callable[[Request], None]
    is_idle: Callable[[], bool]
    pause: Callable[[float], bool]


class Warmer:
    """Notices a new state of the index and asks the most asked searches again. `every_s`: also when nothing changed."""

    def __init__(self, cache: Cache, needs: WarmingNeeds, *, every_s: float) -> None:
        self._cache = cache
        self._needs = needs
        self._every_s = every_s
        self._seen: LiveIndex | None = None
        self._seen_at = 0.0
        self._warmed: str | None = None
        self._warmed_at = float("-inf")

    def run(self) -> None:
        """Look, and warm if it is time to. Raises TransientError: what was not warmed by then waits for `every_s`."""
        try:
            live = self._needs.get_live()
        except NothingIndexedError:
            return
        is_new_scope = self._seen is not None and self._seen.collection != live.collection
        if self._seen is None or self._seen.state != live.state:
            self._seen, self._seen_at = live, time.monotonic()
        if not (is_new_scope or self._is_due(live)) or not self._cache.is_well:
            return
        self._warmed, self._warmed_at = live.state, time.monotonic()
        if self._cache.claim(f"avs:w:{live.state}", ttl_s=self._every_s):
            self._warm(live)

    def _is_due(self, live: LiveIndex) -> bool:
        now = time.monotonic()
        is_still = now - self._seen_at >= _STILL_S
        return is_still and (self._warmed != live.state or now - self._warmed_at >= self._every_s)

    def _warm(self, live: LiveIndex) -> None:
        queries = self._needs.load_top()
        asked = refused = 0
        for query in queries:
            if self._must_stop(live):
                break
            request = rebuild_request(query.request)
            try:
                if request is None:
                    refused += 1
                    continue
                self._needs.ask(request)
                asked += 1
            except (InvalidInputError, NotFoundError, ConflictError):
                # Asked when it still had an answer.
                refused += 1
        _log.info(Event.CACHE_WARMED, asked=asked, refused=refused, of=len(queries))

    def _must_stop(self, live: LiveIndex) -> bool:
        """Wait for a quiet moment; True if none is to come: the process ends, or the index has changed again."""
        pause_s = _PAUSE_S
        while not self._needs.pause(pause_s):
            if self._needs.get_live().state != live.state:
                return True
            if self._needs.is_idle():
                return False
            pause_s = _BUSY_PAUSE_S
        return True
