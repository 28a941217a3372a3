"""The cache on a real Redis, and without one."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
import redis
from pydantic import SecretStr

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
