"""Counts of requests in sliding windows, in the cache's Redis. Without Redis nothing is limited.

The windows are those of the `limits` library, by its own scripts: a request is counted only if it is allowed, in one
step, and a request and the reading of the windows travel together. A count is two small keys, which expire.
"""

from __future__ import annotations

import time
from typing import Any

import redis
from limits.storage import RedisStorage
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError
from redis.retry import Retry

from core.log import Event, Log
from core.rates import Rate, Window
from core.settings import Settings

_log = Log("rate-limits")
_PREFIX = "avs:rate"
# As in storage.cache: a dead Redis must not add its timeout to every request.
_PAUSE_S = 2.0


class RateLimiter:
    """Counts by name. One connection a waiting thread."""

    def __init__(self, settings: Settings, *, timeout_s: float = 0.25) -> None:
        self._storage = RedisStorage(
            settings.redis_cache_url.get_secret_value(),
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            retry=Retry(NoBackoff(), 1),  # type: ignore[arg-type]  # handed on to redis-py
            max_connections=256,
        )
        self._redis: Any = self._storage.storage
        self._paused_until = 0.0

    def hit(self, name: str, rate: Rate, *, cost: int = 1) -> Window | None:
        """Count `cost` requests (at most `rate.amount`) if the limit allows. None when Redis is away: nothing is known.

        One round trip.
        """
        if time.monotonic() < self._paused_until:
            return None
        try:
            return self._hit(name, rate, cost=cost)
        except NoScriptError:
            return self._load_and_hit(name, rate, cost=cost)
        except redis.RedisError as error:
            self._pause(error)
            return None

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()

    def _load_and_hit(self, name: str, rate: Rate, *, cost: int) -> Window | None:
        """A Redis that has been started anew has forgotten the scripts."""
        try:
            for script in (self._storage.lua_acquire_sliding_window, self._storage.lua_sliding_window):
                self._redis.script_load(script.script)
            return self._hit(name, rate, cost=cost)
        except redis.RedisError as error:
            self._pause(error)
            return None

    def _hit(self, name: str, rate: Rate, *, cost: int) -> Window:
        # Braces keep the two keys on one node of a Redis cluster. Another limit is another count.
        current = f"{_PREFIX}:{{{name}:{rate.amount}:{rate.window_s}}}"
        keys = (f"{current}/-1", current)
        with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.evalsha(self._storage.lua_acquire_sliding_window.sha, 2, *keys, rate.amount, rate.window_s, cost)
            pipeline.evalsha(self._storage.lua_sliding_window.sha, 2, *keys, rate.window_s)
            acquired, counts = pipeline.execute()
        return _build_window(rate, is_allowed=bool(acquired), counts=counts)

    def _pause(self, error: redis.RedisError) -> None:
        self._paused_until = time.monotonic() + _PAUSE_S
        _log.warning(Event.RATE_LIMITS_UNAVAILABLE, reason=type(error).__name__)


def _build_window(rate: Rate, *, is_allowed: bool, counts: list[Any]) -> Window:
    """`counts`: count and milliseconds to live of the window before, then of the present one, as Redis says them."""
    before, before_ms, now, now_ms = (max(0, int(value or 0)) for value in counts)
    # The present window's key lives for one window more, as that of the window before.
    now_left_s = max(0.0, now_ms / 1_000 - rate.window_s)
    return Window(rate, is_allowed, (before, before_ms / 1_000), (now, now_left_s))
