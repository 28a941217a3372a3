"""What the broker says of itself and of the workers behind it; for health checks."""

from __future__ import annotations

from typing import cast

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from core.errors import DependencyUnavailableError
from core.settings import Settings
from messaging.names import heartbeat_key


class BrokerProbe:
    """Asks the broker's Redis; every method answers or raises within `timeout_s` or so."""

    def __init__(self, settings: Settings, *, timeout_s: float = 0.5) -> None:
        self._redis = redis.Redis.from_url(
            settings.redis_url.get_secret_value(),
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            retry=Retry(NoBackoff(), 1),
        )

    def ping(self) -> None:
        """Raises DependencyUnavailableError for `redis`."""
        try:
            self._redis.ping()
        except redis.RedisError as error:
            raise DependencyUnavailableError("redis", type(error).__name__) from error

    def check_worker(self, queue: str) -> None:
        """Raises DependencyUnavailableError unless a worker of the queue has shown itself lately."""
        try:
            sign = cast(bytes | None, self._redis.get(heartbeat_key(queue)))
        except redis.RedisError as error:
            raise DependencyUnavailableError("redis", type(error).__name__) from error
        if sign is None:
            raise DependencyUnavailableError(f"{queue}-worker", f"no worker of the queue '{queue}' is running")

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()
