"""Real servers for the integration tests: started once a session on free ports, always stopped.

A server that cannot start is a failure, never a skip.

| fixture | scope | what |
|---|---|---|
| `new_home` | session | a function that makes an empty folder for servers (not below `tmp_path`, see there) |
| `services` | session | the four servers; `.env`, `.kill(name)`, `.start(name)`, `.restart(name, wipe=)` |
| `fresh_services` | function | the same, all of them running, whatever the test before did to them |
| `database_url` | module | a fresh, migrated database (SQLAlchemy URL) |
| `new_database` | session | a function that makes another one, for a test that needs its own |
| `redis_url` | module | the broker, emptied |
| `cache_url` | function | the cache, emptied |
| `qdrant_url` | session | the Qdrant server; use collection names of your own |
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import redis
import structlog
from psycopg import sql

from embedded.services import EmbeddedServices

_ROOT = Path(__file__).resolve().parents[2]
_TEMPLATE = "avs_template"


@pytest.fixture(scope="session")
def new_home() -> Iterator[Callable[[], Path]]:
    """Make an empty folder for servers; all of them are deleted at the end of the session.

    pytest's own folders won't do for root: each new pytest session closes their common parent to other users again,
    and with it to the user that Postgres runs as.
    """
    with tempfile.TemporaryDirectory(prefix="avs-tests-") as parent:
        numbers = itertools.count()

        def make() -> Path:
            home = Path(parent) / str(next(numbers))
            home.mkdir()
            return home

        yield make


@pytest.fixture(scope="session")
def services(new_home: Callable[[], Path]) -> Iterator[EmbeddedServices]:
    """Both Redis servers, Postgres and Qdrant."""
    with EmbeddedServices(new_home()) as running:
        yield running


@pytest.fixture
def fresh_services(services: EmbeddedServices) -> Iterator[EmbeddedServices]:
    """All servers running before the test, and again after it: for tests that take servers away."""
    services.ensure_running()
    yield services
    services.ensure_running()


@pytest.fixture(scope="session")
def new_database(services: EmbeddedServices) -> Iterator[Callable[[], str]]:
    """Make a migrated database and answer its URL; all of them are dropped at the end of the session."""
    admin_url = services.env["DATABASE_URL"]
    _migrate(admin_url, name=_TEMPLATE)
    made: list[str] = []

    def make() -> str:
        name = f"test_{uuid.uuid4().hex[:12]}"
        _execute(admin_url, "CREATE DATABASE {} TEMPLATE {}", name, _TEMPLATE)
        made.append(name)
        return _to_sqlalchemy_url(admin_url, name=name)

    yield make
    services.ensure_running()
    for name in made:
        _execute(admin_url, "DROP DATABASE IF EXISTS {} WITH (FORCE)", name)


@pytest.fixture(scope="module")
def database_url(new_database: Callable[[], str]) -> str:
    """A migrated database of this module's own."""
    return new_database()


@pytest.fixture(scope="module")
def redis_url(services: EmbeddedServices) -> str:
    """The broker, empty at the start of the module."""
    return _flush(services.env["REDIS_URL"])


@pytest.fixture
def cache_url(services: EmbeddedServices) -> str:
    """The cache, empty at the start of the test."""
    return _flush(services.env["REDIS_CACHE_URL"])


@pytest.fixture(scope="session")
def qdrant_url(services: EmbeddedServices) -> str:
    """The Qdrant server, shared by the session."""
    return services.env["QDRANT_URL"]


def _migrate(admin_url: str, *, name: str) -> None:
    _execute(admin_url, "CREATE DATABASE {}", name)
    env = {**os.environ, "DATABASE_URL": _to_sqlalchemy_url(admin_url, name=name)}
    command = [sys.executable, "-m", "alembic", "-c", "migrations/alembic.ini", "upgrade", "head"]
    done = subprocess.run(command, cwd=_ROOT, env=env, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0:
        pytest.fail(f"the migrations do not run:\n{done.stdout}{done.stderr}", pytrace=False)


def _execute(url: str, statement: str, *names: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def _to_sqlalchemy_url(admin_url: str, *, name: str) -> str:
    return f"{admin_url.rpartition('/')[0]}/{name}".replace("postgresql://", "postgresql+psycopg://", 1)


def _flush(url: str) -> str:
    with redis.Redis.from_url(url, socket_timeout=5) as client:
        client.flushall()
    return url


@pytest.fixture(autouse=True)
def restore_logging() -> Iterator[None]:
    """A command that is run in this process sets up logging for itself, not for the tests after it."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)
