"""The cache on a real Redis, and without one."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
from pydantic import SecretStr

from core.errors import DependencyUnavailableError
from core.settings import Settings
from embedded.services import EmbeddedServices
from storage.cache import Cache


def _open(url: str) -> Cache:
    return Cache(Settings(_env_file=None, redis_cache_url=SecretStr(url)))


@pytest.fixture
def cache(cache_url: str) -> Iterator[Cache]:
    """An empty cache."""
    opened = _open(cache_url)
    yield opened
    opened.close()


def test_values_are_kept_in_the_order_of_the_keys(cache: Cache) -> None:
    """Bytes come back as they went in; a key that nobody set gives None."""
    cache.set_many({"a": (b"\x00\xff", 60), "b": (b"", 60)})
    assert cache.get_many(["b", "nobody", "a"]) == [b"", None, b"\x00\xff"]
    assert cache.get("a") == b"\x00\xff" and cache.get("nobody") is None
    assert cache.get_many([]) == [] and cache.ping()


def test_values_have_the_life_they_were_given(cache: Cache, cache_url: str) -> None:
    """Each key has its own, all written in one round trip; a life of 0 keeps nothing."""
    cache.set_many({"a": (b"1", 60), "b": (b"1", 0), "c": (b"1", 600)})
    with redis.Redis.from_url(cache_url) as client:
        assert 0 < client.ttl("a") <= 60 < client.ttl("c") <= 600
    assert cache.get("b") is None


def test_without_redis_the_cache_is_empty() -> None:
    """Nobody listens: reads give nothing, writes are passed over, and nothing is raised."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        cache = _open(f"redis://127.0.0.1:{reserved.getsockname()[1]}/0")
        assert cache.ping() is False
        cache.set_many({"a": (b"1", 60)})
        assert cache.get_many(["a", "b"]) == [None, None] and cache.get("a") is None


def test_a_dead_redis_is_left_alone_for_a_while_and_found_again(
    cache_url: str, fresh_services: EmbeddedServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a failure no call reaches for Redis until the pause is over; then it answers again, without old values."""
    cache = _open(cache_url)
    cache.set_many({"a": (b"1", 60)})
    fresh_services.kill("redis-cache")
    assert cache.get("a") is None
    fresh_services.restart("redis-cache", wipe=True)
    monkeypatch.setattr("storage.cache.time.monotonic", lambda: 0.0)
    cache.set_many({"a": (b"2", 60)})
    assert cache.get("a") is None, "still paused"
    monkeypatch.setattr("storage.cache.time.monotonic", lambda: 1e12)
    assert cache.get("a") is None
    cache.set_many({"a": (b"3", 60)})
    assert cache.get("a") == b"3"
    cache.close()


def test_a_claim_is_won_by_one(cache: Cache, cache_url: str) -> None:
    """Of all who claim a key one is told yes, until the claim ends by itself."""
    other = _open(cache_url)
    assert [cache.claim("job", ttl_s=60), other.claim("job", ttl_s=60), cache.claim("job", ttl_s=60)].count(True) == 1
    with redis.Redis.from_url(cache_url) as client:
        assert 0 < client.pttl("job") <= 60_000
        client.delete("job")
    assert other.claim("job", ttl_s=60)
    other.close()


def test_counters_are_added_up(cache: Cache, cache_url: str) -> None:
    """Counts of several processes add up in a hash, several hashes in one answer; each has a life."""
    assert cache.add_counts("h1", {"hits": 2, "misses": 1}, ttl_s=60)
    assert cache.add_counts("h1", {"hits": 3}, ttl_s=60)
    assert cache.add_counts("h2", {"hits": 10}, ttl_s=60)
    assert cache.get_counts(["h1", "h2", "nobody"]) == {"hits": 15, "misses": 1}
    with redis.Redis.from_url(cache_url) as client:
        assert 0 < client.ttl("h1") <= 60


def test_clearing_deletes_what_begins_so(cache: Cache) -> None:
    """Keys with the prefix go, however many they are, and no others."""
    cache.set_many({f"avs:a:{number}": (b"1", 60) for number in range(1_200)} | {"avs:v:1": (b"1", 60)})
    assert cache.clear("avs:a:") == 1_200
    assert cache.get_many(["avs:a:0", "avs:v:1"]) == [None, b"1"]


def test_without_redis_claims_are_won_and_counts_are_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens: everybody does the work himself, counts stay with their owner, and an operator is told."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        cache = _open(f"redis://127.0.0.1:{reserved.getsockname()[1]}/0")
        assert cache.is_well
        assert cache.claim("job", ttl_s=60) and cache.claim("job", ttl_s=60)
        assert not cache.is_well and cache.failures == 1
        assert not cache.add_counts("h", {"hits": 1}, ttl_s=60)
        assert cache.get_counts(["h"]) is None
        with pytest.raises(DependencyUnavailableError):
            cache.clear("avs:")


def test_a_server_that_hangs_costs_one_thread_its_timeout(cache_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the pause is over one thread tries again; those that ask meanwhile go on without Redis."""
    cache = _open(cache_url)
    tried, go_on = threading.Event(), threading.Event()
    calls: list[int] = []

    def hang(keys: list[str]) -> list[bytes | None]:
        calls.append(len(keys))
        if len(calls) > 1:
            tried.set()
            assert go_on.wait(10)
            return [b"1"]
        raise redis.TimeoutError

    monkeypatch.setattr(cache._redis, "mget", hang)
    assert cache.get("a") is None
    monkeypatch.setattr("storage.cache.time.monotonic", lambda: 1e12)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(cache.get, "a")
        assert tried.wait(10)
        assert [cache.get("a") for _ in range(20)] == [None] * 20
        go_on.set()
        assert first.result(10) == b"1"
    assert calls == [1, 1] and cache.is_well
    cache.close()
