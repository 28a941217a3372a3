"""Rate limits on a real Redis, and without one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
from pydantic import SecretStr

from core.rates import Rate, Window
from core.settings import Settings
from embedded.services import EmbeddedServices
from storage.rate_limits import RateLimiter

RATE = Rate(5, 60)


@pytest.fixture
def open_limiter() -> Iterator[Callable[[str], RateLimiter]]:
    """Limiters as separate processes would have them."""
    opened = []

    def make(url: str) -> RateLimiter:
        opened.append(RateLimiter(Settings(_env_file=None, redis_cache_url=SecretStr(url))))
        return opened[-1]

    yield make
    for limiter in opened:
        limiter.close()


def _hit(limiter: RateLimiter, name: str = "a", rate: Rate = RATE, *, cost: int = 1) -> Window:
    window = limiter.hit(name, rate, cost=cost)
    assert window is not None
    return window


def test_so_many_and_no_more(open_limiter: Callable[[str], RateLimiter], cache_url: str) -> None:
    """Two processes share the count; what remains is said; what is refused is not counted."""
    one, two = open_limiter(cache_url), open_limiter(cache_url)
    assert [_hit(limiter).remaining for limiter in (one, two, one, two, one)] == [4, 3, 2, 1, 0]
    for limiter in (one, two):
        window = _hit(limiter)
        assert not window.is_allowed and window.remaining == 0
        assert 59 < window.get_wait_s() <= 60
    assert _hit(one, "b").is_allowed and _hit(one, "a", Rate(6, 60)).is_allowed


def test_a_request_may_count_as_many(open_limiter: Callable[[str], RateLimiter], cache_url: str) -> None:
    """All of its cost fits, or none of it is taken."""
    limiter = open_limiter(cache_url)
    assert _hit(limiter, cost=3).remaining == 2
    assert not _hit(limiter, cost=3).is_allowed
    assert _hit(limiter, cost=2).remaining == 0


def test_it_is_allowed_again_when_it_was_said(open_limiter: Callable[[str], RateLimiter], cache_url: str) -> None:
    """After the wait that a refusal names the next request passes."""
    limiter, rate = open_limiter(cache_url), Rate(3, 1)
    for _ in range(3):
        assert _hit(limiter, rate=rate).is_allowed
    refused = _hit(limiter, rate=rate)
    assert not refused.is_allowed
    time.sleep(refused.get_wait_s() + 0.01)
    assert _hit(limiter, rate=rate).is_allowed


def test_many_at_once_get_no_more(open_limiter: Callable[[str], RateLimiter], cache_url: str) -> None:
    """Of a hundred threads exactly so many pass."""
    limiter = open_limiter(cache_url)
    with ThreadPoolExecutor(20) as pool:
        windows = list(pool.map(lambda _: _hit(limiter, rate=Rate(30, 60)), range(100)))
    assert sum(window.is_allowed for window in windows) == 30


def test_one_round_trip(open_limiter: Callable[[str], RateLimiter], cache_url: str) -> None:
    """A request costs two commands sent together, and leaves keys that expire."""
    limiter = open_limiter(cache_url)
    _hit(limiter)
    with redis.Redis.from_url(cache_url) as client:
        before = client.info("commandstats").get("cmdstat_evalsha", {}).get("calls", 0)
        _hit(limiter)
        stats = client.info("commandstats")
        assert stats["cmdstat_evalsha"]["calls"] == before + 2
        assert "cmdstat_script" not in stats or stats["cmdstat_script"]["calls"] <= 4
        assert all(0 < client.ttl(key) <= 120 for key in client.keys("avs:rate:*"))


def test_a_wiped_redis_begins_anew(
    open_limiter: Callable[[str], RateLimiter], fresh_services: EmbeddedServices, cache_url: str
) -> None:
    """A server that lost counts and scripts goes on limiting with the next request."""
    limiter = open_limiter(cache_url)
    for _ in range(6):
        last = _hit(limiter)
    assert not last.is_allowed
    with redis.Redis.from_url(cache_url) as client:
        client.flushall()
        client.script_flush()
    assert [_hit(limiter).remaining for _ in range(5)] == [4, 3, 2, 1, 0]
    assert not _hit(limiter).is_allowed


def test_without_redis_nothing_is_known(
    open_limiter: Callable[[str], RateLimiter], fresh_services: EmbeddedServices, cache_url: str
) -> None:
    """Away: None, which lets requests pass, and it is not asked again at once; back: limits hold again."""
    limiter = open_limiter(cache_url)
    assert _hit(limiter).is_allowed
    fresh_services.kill("redis-cache")
    assert limiter.hit("a", RATE) is None
    started = time.monotonic()
    assert [limiter.hit("a", RATE) for _ in range(1_000)] == [None] * 1_000
    assert time.monotonic() - started < 1.5  # not a thousand time-outs of 0.25 s
    fresh_services.start("redis-cache")
    deadline = time.monotonic() + 20
    while limiter.hit("a", RATE) is None:
        assert time.monotonic() < deadline, "limits did not come back"
        time.sleep(0.1)
