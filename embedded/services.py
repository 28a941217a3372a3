"""The four servers, and a handle that starts and stops them without a supervisor: for tests and scripts.

Nothing restarts by itself here, so that a test decides when a server is away:

    with EmbeddedServices(home=folder) as services:
        services.kill("postgres")
        services.start("postgres")
        services.restart("redis-broker", wipe=True)
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from core.errors import NotFoundError
from embedded.addresses import (
    POSTGRES,
    QDRANT,
    REDIS_BROKER,
    REDIS_CACHE,
    SERVICE_NAMES,
    Addresses,
    choose_addresses,
)
from embedded.child import Child
from embedded.files import HomeLock
from embedded.pidfiles import end_leftovers
from embedded.postgres_server import PostgresServer
from embedded.qdrant_server import QdrantServer
from embedded.redis_server import BROKER_POLICY, CACHE_POLICY, RedisServer
from embedded.unit import Server
from embedded.watchdog import Watchdog

_POLL_S = 0.05
START_LIMIT_S = 90.0


def build_servers(home: Path, *, addresses: Addresses) -> dict[str, Server]:
    """The servers of a home by name, in the order in which they start; they stop in the opposite one."""
    ports, password = addresses.ports, addresses.password
    servers: list[Server] = [
        RedisServer(
            name=REDIS_BROKER,
            port=ports[REDIS_BROKER],
            password=password,
            data_dir=home / REDIS_BROKER,
            policy=BROKER_POLICY,
        ),
        RedisServer(
            name=REDIS_CACHE,
            port=ports[REDIS_CACHE],
            password=password,
            data_dir=home / REDIS_CACHE,
            policy=CACHE_POLICY,
        ),
        PostgresServer(name=POSTGRES, port=ports[POSTGRES], password=password, data_dir=home / POSTGRES),
        QdrantServer(name=QDRANT, port=ports[QDRANT], data_dir=home / QDRANT),
    ]
    return {server.name: server for server in servers}


def wait_until_ready(child: Child, *, limit_s: float = START_LIMIT_S) -> None:
    """Return once the child answers. Raises DependencyUnavailableError, with its log, when it ends or is late."""
    deadline = time.monotonic() + limit_s
    while not child.unit.is_ready():
        if not child.is_alive():
            raise child.build_error(f"it ended with status {child.exit_code}")
        if time.monotonic() > deadline:
            raise child.build_error(f"it does not answer after {limit_s:.0f} s")
        time.sleep(_POLL_S)


class EmbeddedServices:
    """Both Redis servers, Postgres and Qdrant of one home, always stopped on leaving the context."""

    def __init__(self, home: Path, *, names: tuple[str, ...] = SERVICE_NAMES) -> None:
        self.home = home.absolute()
        self._names = names
        self._lock = HomeLock(self.home)
        self._children: dict[str, Child] = {}
        self._watchdog: Watchdog | None = None
        self._addresses: Addresses | None = None

    @property
    def addresses(self) -> Addresses:
        """Ports and password; only while the context is entered."""
        if self._addresses is None:
            raise RuntimeError("the services are not started")
        return self._addresses

    @property
    def env(self) -> dict[str, str]:
        """DATABASE_URL, REDIS_URL, REDIS_CACHE_URL, QDRANT_URL and AVS_HOME for processes that use the servers."""
        return {**self.addresses.build_env(), "AVS_HOME": str(self.home)}

    @property
    def pids(self) -> Mapping[str, int | None]:
        """Process ids by name; None for a server that is down."""
        return {name: child.pid for name, child in self._children.items()}

    def __enter__(self) -> Self:
        self._lock.acquire()
        try:
            # Before the ports are looked at: a leftover would make its own port look taken.
            end_leftovers(self.home)
            self._watchdog = Watchdog()
            self._addresses = choose_addresses(self.home)
            servers = build_servers(self.home, addresses=self._addresses)
            for name in self._names:
                self._children[name] = Child(servers[name], home=self.home, watchdog=self._watchdog)
            self.ensure_running()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def ensure_running(self) -> None:
        """Start every server that is down, all at once, and wait for each."""
        for child in self._children.values():
            child.start()
        for child in self._children.values():
            wait_until_ready(child)

    def start(self, name: str) -> None:
        """Start one server and wait until it answers."""
        child = self._get_child(name)
        child.start()
        wait_until_ready(child)

    def stop(self, name: str) -> None:
        """Stop one server in good order."""
        self._get_child(name).stop()

    def kill(self, name: str) -> None:
        """`kill -9` one server; it stays down until `start` or `restart`."""
        self._get_child(name).kill()

    def restart(self, name: str, *, wipe: bool = False) -> None:
        """Stop one server if it runs, delete its data if asked to, and start it at its old address."""
        child = self._get_child(name)
        child.stop()
        if wipe:
            build_servers(self.home, addresses=self.addresses)[name].wipe()
        child.start()
        wait_until_ready(child)

    def close(self) -> None:
        """Stop everything, Qdrant first and Redis last."""
        for child in reversed(self._children.values()):
            child.stop()
        if self._watchdog is not None:
            self._watchdog.close()
            self._watchdog = None
        self._lock.release()

    def _get_child(self, name: str) -> Child:
        if name not in self._children:
            raise NotFoundError("server", name)
        return self._children[name]
