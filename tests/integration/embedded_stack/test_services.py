"""The four servers: policies, kill -9, wiping, ports that stay, and no orphans."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
import redis
from qdrant_client import QdrantClient, models
from redis.backoff import NoBackoff
from redis.retry import Retry

from core.errors import ConflictError, DependencyUnavailableError
from embedded.addresses import POSTGRES, QDRANT, REDIS_BROKER, REDIS_CACHE, SERVICE_NAMES
from embedded.pidfiles import end_leftovers, find_process
from embedded.services import EmbeddedServices

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def own(new_home: Callable[[], Path]) -> Iterator[EmbeddedServices]:
    """Servers of this module's own, which it may break."""
    with EmbeddedServices(new_home()) as services:
        yield services


@pytest.fixture
def home(new_home: Callable[[], Path]) -> Path:
    """A folder of the test's own for a stack."""
    return new_home()


@pytest.fixture(autouse=True)
def _all_running(own: EmbeddedServices) -> None:
    own.ensure_running()


def _connect(own: EmbeddedServices) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(own.env["DATABASE_URL"], autocommit=True)


def _read_policy(own: EmbeddedServices, variable: str) -> tuple[str, str]:
    with redis.Redis.from_url(own.env[variable], decode_responses=True) as client:
        config = client.config_get("*")
        return config["maxmemory-policy"], config["appendonly"]


def test_each_redis_has_the_policy_of_its_job(own: EmbeddedServices) -> None:
    """The broker never drops a message and keeps them on disk; the cache evicts and writes nothing."""
    assert _read_policy(own, "REDIS_URL") == ("noeviction", "yes")
    assert _read_policy(own, "REDIS_CACHE_URL") == ("allkeys-lru", "no")


def test_redis_and_postgres_ask_for_the_password(own: EmbeddedServices) -> None:
    """Another user of this machine cannot just connect."""
    ports = own.addresses.ports
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(f"postgresql://avs@127.0.0.1:{ports[POSTGRES]}/avs", passfile="/nonexistent")
    with (
        redis.Redis(port=ports[REDIS_BROKER], retry=Retry(NoBackoff(), 0)) as client,
        pytest.raises(redis.AuthenticationError),
    ):
        client.ping()


def test_nothing_listens_beyond_loopback(own: EmbeddedServices) -> None:
    """Every listening socket of the servers is on 127.0.0.1."""
    pids = {pid for pid in own.pids.values() if pid is not None}
    listening = [
        connection.laddr.ip
        for pid in pids
        for connection in psutil.Process(pid).net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= len(SERVICE_NAMES)
    assert set(listening) == {"127.0.0.1"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes users")
def test_postgres_does_not_run_as_root(own: EmbeddedServices) -> None:
    """Root's Postgres runs as another user, who owns its folder."""
    pid = own.pids[POSTGRES]
    assert pid is not None
    assert psutil.Process(pid).uids().real == (own.home / POSTGRES).stat().st_uid != 0


@pytest.mark.parametrize("name", SERVICE_NAMES)
def test_a_killed_server_comes_back_at_its_address(own: EmbeddedServices, name: str) -> None:
    """After kill -9 a server is down until it is started again, and then answers at the same port."""
    before = own.pids[name]
    address = own.addresses.get_url(name)
    own.kill(name)
    assert own.pids[name] is None
    own.start(name)
    assert own.pids[name] not in (None, before)
    assert own.addresses.get_url(name) == address


def test_postgres_keeps_what_was_committed(own: EmbeddedServices) -> None:
    """Rows committed before a kill -9 are there afterwards, three times in a row."""
    with _connect(own) as connection:
        connection.execute("CREATE TABLE kept (number int)")
    for number in range(3):
        with _connect(own) as connection:
            connection.execute("INSERT INTO kept VALUES (%s)", [number])
            own.kill(POSTGRES)
        own.start(POSTGRES)
    with _connect(own) as connection:
        assert connection.execute("SELECT number FROM kept ORDER BY 1").fetchall() == [(0,), (1,), (2,)]


def test_postgres_starts_over_a_stale_pid_file_of_a_living_stranger(own: EmbeddedServices) -> None:
    """A reused process id in postmaster.pid does not keep Postgres down."""
    own.stop(POSTGRES)
    stranger = subprocess.Popen(["sleep", "60"], user=(own.home / POSTGRES).stat().st_uid, cwd="/")
    try:
        stale = own.home / POSTGRES / "postmaster.pid"
        stale.write_text(f"{stranger.pid}\n{own.home / POSTGRES}\n0\n5432\n\n127.0.0.1\n  1 1\nready\n")
        own.start(POSTGRES)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_the_broker_keeps_its_messages_over_a_stop(own: EmbeddedServices) -> None:
    """The append-only file brings the queue back after an orderly restart."""
    with redis.Redis.from_url(own.env["REDIS_URL"]) as client:
        client.rpush("queue", "message")
        own.restart(REDIS_BROKER)
        assert client.lrange("queue", 0, -1) == [b"message"]


@pytest.mark.parametrize("name", [REDIS_BROKER, REDIS_CACHE])
def test_a_wiped_redis_is_empty(own: EmbeddedServices, name: str) -> None:
    """`wipe` deletes the data before the server starts again."""
    with redis.Redis.from_url(own.addresses.get_url(name, with_password=True)) as client:
        client.set("key", "value")
        own.restart(name, wipe=True)
        assert client.dbsize() == 0


def test_qdrant_keeps_acknowledged_points_over_a_kill(own: EmbeddedServices) -> None:
    """A point written with wait=true is there after kill -9."""
    client = QdrantClient(url=own.env["QDRANT_URL"])
    params = models.VectorParams(size=2, distance=models.Distance.COSINE)
    client.create_collection("kept", vectors_config={"v": params})
    client.upsert("kept", [models.PointStruct(id=1, vector={"v": [1.0, 0.0]})], wait=True)
    own.kill(QDRANT)
    own.start(QDRANT)
    assert client.count("kept").count == 1
    client.close()


def test_a_home_is_used_by_one_owner_at_a_time(own: EmbeddedServices) -> None:
    """A second owner is refused and disturbs nothing."""
    with pytest.raises(ConflictError), EmbeddedServices(own.home):
        pass
    assert all(own.pids.values())


def test_a_server_that_cannot_start_says_why(home: Path) -> None:
    """The error names the server and carries the end of its log, and the servers beside it are stopped."""
    (home / REDIS_BROKER).mkdir()
    (home / REDIS_BROKER / "appendonly.aof").write_bytes(b"no such thing\n" * 10)
    with pytest.raises(DependencyUnavailableError, match=r"(?s)redis-broker is unavailable.*Bad file format"):
        EmbeddedServices(home).__enter__()
    assert end_leftovers(home) == []


_OWNER = """
import sys, time
from pathlib import Path
from embedded.services import EmbeddedServices
with EmbeddedServices(Path(sys.argv[1])) as services:
    print(*services.pids.values(), *services.addresses.ports.values(), flush=True)
    time.sleep(120)
"""


def _start_owner(home: Path) -> tuple[subprocess.Popen[str], list[int]]:
    owner = subprocess.Popen(
        [sys.executable, "-c", _OWNER, str(home)], stdout=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True
    )
    assert owner.stdout is not None
    return owner, [int(word) for word in owner.stdout.readline().split()]


def test_no_server_outlives_an_owner_that_was_killed(home: Path) -> None:
    """After kill -9 of the owner the watchdog ends every server, and the next owner gets the same ports."""
    owner, numbers = _start_owner(home)
    started = {pid: psutil.Process(pid).create_time() for pid in numbers[:4]}
    os.kill(owner.pid, signal.SIGKILL)
    owner.wait()
    deadline = time.monotonic() + 20
    while any(find_process(pid, started=at) for pid, at in started.items()):
        assert time.monotonic() < deadline, "a server is still alive"
        time.sleep(0.05)
    with EmbeddedServices(home) as services:
        assert list(services.addresses.ports.values()) == numbers[4:]


def test_the_next_owner_ends_what_even_the_watchdog_could_not(home: Path) -> None:
    """With owner and watchdog both killed, servers live on until somebody starts the home again; then all is well."""
    owner, numbers = _start_owner(home)
    started = {pid: psutil.Process(pid).create_time() for pid in numbers[:4]}
    watchdog = next(c for c in psutil.Process(owner.pid).children() if "watchdog.py" in " ".join(c.cmdline()))
    watchdog.kill()
    os.kill(owner.pid, signal.SIGKILL)
    owner.wait()
    with EmbeddedServices(home) as services:
        assert list(services.addresses.ports.values()) == numbers[4:]
        assert not any(find_process(pid, started=at) for pid, at in started.items())
