"""The Redis cache: a second copy of what can be made again. Losing it costs time, never an answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import TypeVar, cast

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from core.errors import DependencyUnavailableError
from core.log import Event, Log
from core.settings import Settings

_log = Log("cache")
# After a failure the cache is left alone for so long: a dead cache must not add its timeout to every search.
_PAUSE_S = 2.0
_SCAN_COUNT = 500
T = TypeVar("T")


class Cache:
    """Bytes by key with a life. Every method answers as if the cache were empty when Redis is away.

    After a pause one thread tries Redis again while the others go on without it: a server that hangs costs one of them
    its timeout, not all.
    """

    def __init__(self, settings: Settings, *, timeout_s: float = 0.25) -> None:
        self._redis = redis.Redis.from_url(
            settings.redis_cache_url.get_secret_value(),
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            retry=Retry(NoBackoff(), 1),
            max_connections=256,
        )
        # 0 while Redis answers.
        self._paused_until = 0.0
        self._trying = threading.Lock()
        self._failures = 0

    @property
    def is_well(self) -> bool:
        """True if Redis answered when it was last asked."""
        return self._paused_until == 0.0

    @property
    def failures(self) -> int:
        """How often Redis did not answer, since the start of the process."""
        return self._failures

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
        if not keys:
            return []
        # Typed for clients that decode; ours does not.
        return self._ask(lambda: cast(list[bytes | None], self._redis.mget(list(keys))), [None] * len(keys))

    def set_many(self, values: Mapping[str, tuple[bytes, int]]) -> None:
        """Keep each value for its number of seconds, all in one round trip. A life of 0 keeps nothing."""
        kept = {key: entry for key, entry in values.items() if entry[1] > 0}

        def write() -> None:
            with self._redis.pipeline(transaction=False) as pipeline:
                for key, (value, ttl_s) in kept.items():
                    pipeline.set(key, value, ex=ttl_s)
                pipeline.execute()

        if kept:
            self._ask(write, None)

    def claim(self, key: str, *, ttl_s: float) -> bool:
        """True for one caller in `ttl_s` seconds. For all of them while Redis is away: nothing is left undone."""
        return self._ask(lambda: bool(self._redis.set(key, b"", px=round(ttl_s * 1_000), nx=True)), True)

    def add_counts(self, key: str, counts: Mapping[str, int], *, ttl_s: int) -> bool:
        """Add to the counters of a hash that lives `ttl_s` seconds from now on. False if Redis is away."""

        def add() -> bool:
            with self._redis.pipeline(transaction=True) as pipeline:
                for name, number in counts.items():
                    pipeline.hincrby(key, name, number)
                pipeline.expire(key, ttl_s)
                pipeline.execute()
            return True

        return self._ask(add, False)

    def get_counts(self, keys: Sequence[str]) -> dict[str, int] | None:
        """The counters of several hashes added up, in one round trip. None if Redis is away."""

        def read() -> list[dict[bytes, bytes]]:
            with self._redis.pipeline(transaction=False) as pipeline:
                for key in keys:
                    pipeline.hgetall(key)
                return cast(list[dict[bytes, bytes]], pipeline.execute())

        hashes = self._ask(read, None)
        if hashes is None:
            return None
        total: dict[str, int] = {}
        for counts in hashes:
            for name, number in counts.items():
                total[name.decode()] = total.get(name.decode(), 0) + int(number)
        return total

    def clear(self, prefix: str) -> int:
        """Delete the keys that begin so; returns how many. Raises DependencyUnavailableError."""
        deleted = 0
        try:
            keys = iter(self._redis.scan_iter(match=f"{prefix}*", count=_SCAN_COUNT))
            while group := list(islice(keys, _SCAN_COUNT)):
                deleted += self._redis.unlink(*group)
        except redis.RedisError as error:
            raise DependencyUnavailableError("cache", type(error).__name__) from error
        return deleted

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()

    def _ask(self, call: Callable[[], T], otherwise: T) -> T:
        """What Redis answers, `otherwise` if it is away."""
        if self.is_well:
            return self._try(call, otherwise)
        if time.monotonic() < self._paused_until or not self._trying.acquire(blocking=False):
            return otherwise
        try:
            return self._try(call, otherwise)
        finally:
            self._trying.release()

    def _try(self, call: Callable[[], T], otherwise: T) -> T:
        try:
            answer = call()
        except redis.RedisError as error:
            self._pause(error)
            return otherwise
        if not self.is_well:
            self._paused_until = 0.0
        return answer

    def _pause(self, error: redis.RedisError) -> None:
        self._paused_until = time.monotonic() + _PAUSE_S
        self._failures += 1
        _log.warning(Event.CACHE_UNAVAILABLE, reason=type(error).__name__)
