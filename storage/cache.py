"""The Redis cache: a second copy of what can be made again. Losing it costs time, never an answer."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import cast

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from core.log import Event, Log
from core.settings import Settings

_log = Log("cache")
# After a failure the cache is left alone for so long: a dead cache must not add its timeout to every search.
_PAUSE_S = 2.0


class Cache:
    """Bytes by key with a life. Every method answers as if the cache were empty when Redis is away."""

    def __init__(self, settings: Settings, *, timeout_s: float = 0.25) -> None:
        self._redis = redis.Redis.from_url(
            settings.redis_cache_url.get_secret_value(),
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            retry=Retry(NoBackoff(), 1),
            max_connections=256,
        )
        self._paused_until = 0.0

    def ping(self) -> bool:
        """True if Redis answers."""
        try:
            return bool(self._redis.ping())
        except redis.RedisError:
            return False

    def get(self, key: str) -> bytes | None:
        """The value, None if there is none."""
        return self.get_many([key])[0]

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """The values in the order of the keys, in one round trip."""
        if not keys or self._is_paused():
            return [None] * len(keys)
        try:
            # Typed for clients that decode; ours does not.
            values = cast(list[bytes | None], self._redis.mget(list(keys)))
        except redis.RedisError as error:
            self._pause(error)
            return [None] * len(keys)
        return values

    def set_many(self, values: Mapping[str, tuple[bytes, int]]) -> None:
        """Keep each value for its number of seconds, all in one round trip. A life of 0 keeps nothing."""
        kept = {key: entry for key, entry in values.items() if entry[1] > 0}
        if not kept or self._is_paused():
            return
        try:
            with self._redis.pipeline(transaction=False) as pipeline:
                for key, (value, ttl_s) in kept.items():
                    pipeline.set(key, value, ex=ttl_s)
                pipeline.execute()
        except redis.RedisError as error:
            self._pause(error)

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()

    def _is_paused(self) -> bool:
        return time.monotonic() < self._paused_until

    def _pause(self, error: redis.RedisError) -> None:
        self._paused_until = time.monotonic() + _PAUSE_S
        _log.warning(Event.CACHE_UNAVAILABLE, reason=type(error).__name__)
