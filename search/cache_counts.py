"""How often kept answers helped: counted in this process, and added up over all processes by the hour in Redis."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any, Literal

from storage.cache import Cache

WINDOW_H = 24
_KEY = "avs:counts:"
_HOUR_S = 3_600

Name = Literal["hits", "stale", "misses", "joined", "errors"]
_NAMES: tuple[Name, ...] = ("hits", "stale", "misses", "joined", "errors")


class CacheCounts:
    """Counters of the answer cache. Safe between threads."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._lock = threading.Lock()
        self._counts: dict[str, int] = dict.fromkeys(_NAMES, 0)
        self._unsent: dict[str, int] = {}

    def add(self, name: Name) -> None:
        """One more."""
        with self._lock:
            self._counts[name] += 1
            self._unsent[name] = self._unsent.get(name, 0) + 1

    def flush(self) -> None:
        """Add what was counted since the last time to the hour's counters; kept for the next time if Redis is away."""
        with self._lock:
            unsent, self._unsent = self._unsent, {}
        if unsent and not self._cache.add_counts(_build_key(0), unsent, ttl_s=(WINDOW_H + 1) * _HOUR_S):
            with self._lock:
                for name, number in unsent.items():
                    self._unsent[name] = self._unsent.get(name, 0) + number

    def get_stats(self) -> dict[str, Any]:
        """This process since its start, and `service`: all processes in the last day (None while Redis is away)."""
        with self._lock:
            own = dict(self._counts)
        service = self._cache.get_counts([_build_key(hours) for hours in range(WINDOW_H)])
        shown = None if service is None else {"hours": WINDOW_H, **_describe(service)}
        return {**_describe(own), "service": shown}


def _build_key(hours_ago: int) -> str:
    return f"{_KEY}{int(time.time()) // _HOUR_S - hours_ago}"


def _describe(counts: Mapping[str, int]) -> dict[str, Any]:
    """The counters with `hit_rate`: the share of searches that did not have to be made for the one who asked."""
    shown: dict[str, Any] = {name: counts.get(name, 0) for name in _NAMES}
    asked = shown["hits"] + shown["stale"] + shown["joined"] + shown["misses"]
    return {**shown, "hit_rate": round(1 - shown["misses"] / asked, 4) if asked else None}
