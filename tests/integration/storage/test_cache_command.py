"""`avs cache` on a real Redis and a real Postgres."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import redis
from click.testing import CliRunner, Result

from cli.caching import cache_command
from core.errors import DependencyUnavailableError
from core.settings import Settings
from search.cache_counts import CacheCounts
from storage.cache import Cache
from storage.database.query_log import LoggedQuery, QueryLogRepository
from storage.database.session import Database

Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, cache_url: str, database_url: str) -> Run:
    """Run the command over the test's servers."""
    monkeypatch.setenv("REDIS_CACHE_URL", cache_url)
    monkeypatch.setenv("DATABASE_URL", database_url)
    return lambda *args: CliRunner().invoke(cache_command, args)


def test_clearing_deletes_answers_and_leaves_the_rest(run: Run, cache_url: str) -> None:
    """Answers go, vectors only on request, and what others keep in the same Redis stays."""
    with redis.Redis.from_url(cache_url) as client:
        client.mset({"avs:a:1": "1", "avs:a:2": "1", "avs:v:1": "1", "avs:other": "1"})
        assert run("clear").output == "2 entries deleted\n"
        assert run("clear", "--vectors").output == "1 entries deleted\n"
        assert client.keys() == [b"avs:other"]


def test_stats_are_those_of_all_processes(run: Run, cache_url: str) -> None:
    """What processes have sent is printed as JSON; without Redis it is an error."""
    counts = CacheCounts(Cache(Settings(_env_file=None, redis_cache_url=cache_url)))
    counts.add("hits")
    counts.flush()
    assert json.loads(run("stats").output)["hit_rate"] == 1.0


def test_without_redis_both_say_so(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens at the address: the command ends with an error that names the cache."""
    monkeypatch.setenv("REDIS_CACHE_URL", "redis://127.0.0.1:1/0")
    for name in ("stats", "clear"):
        assert isinstance(run(name).exception, DependencyUnavailableError)


def test_the_most_asked_searches_are_listed(run: Run, database_url: str) -> None:
    """The most asked first, as a table or as JSON, no more than wanted."""
    database = Database(database_url)
    request = {"kind": "search", "query": "mecha"}
    QueryLogRepository(database).add([LoggedQuery("a", request, 3), LoggedQuery("b", {"kind": "search"}, 2)])
    database.close()
    assert json.loads(run("asked", "--limit", "1", "--json").output) == [{"asked": 3, "request": request}]
    assert "mecha" in run("asked").output
