"""Kept answers over a cache in memory: who makes them, how long they are shown, what an outage changes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import search.answers
from core.errors import DeadlineExceededError, DependencyUnavailableError, OverloadedError
from search.answer_format import KeptAnswer, pack_answer, unpack_answer
from search.answers import AnswerCache, AnswerKey, Lives, Made
from search.cache_counts import CacheCounts
from storage.cache_writer import CacheWriter

LIVES = Lives(fresh_s=100, stale_s=20, beside_s=50)
KEY = AnswerKey("titles_1", "s1", "q", "avs:v:text")
NEXT = AnswerKey("titles_1", "s2", "q", "avs:v:text")


class MemoryCache:
    """What `Cache` is to its callers, without lives; `away` is an outage."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self.lives: dict[str, int] = {}
        self.claims: set[str] = set()
        self.counts: dict[str, int] = {}
        self.round_trips = 0
        self.away = False
        self.failures = 0

    @property
    def is_well(self) -> bool:
        return not self.away

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        self.round_trips += 1
        return [None if self.away else self.values.get(key) for key in keys]

    def set_many(self, values: Mapping[str, tuple[bytes, int]]) -> None:
        if not self.away:
            self.values |= {key: value for key, (value, _) in values.items()}
            self.lives |= {key: ttl_s for key, (_, ttl_s) in values.items()}

    def claim(self, key: str, *, ttl_s: float) -> bool:
        is_first = key not in self.claims
        self.claims.add(key)
        return self.away or is_first

    def add_counts(self, key: str, counts: Mapping[str, int], *, ttl_s: int) -> bool:
        if not self.away:
            self.counts |= {name: self.counts.get(name, 0) + number for name, number in counts.items()}
        return not self.away

    def get_counts(self, keys: Sequence[str]) -> dict[str, int] | None:
        return None if self.away else dict(self.counts)


class Clock:
    """Both clocks of the module, moved by hand."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def time(self) -> float:
        return self.now

    monotonic = time


class Process:
    """One web process: an AnswerCache over the shared cache."""

    def __init__(self, redis: MemoryCache, *, max_bytes: int = 10_000) -> None:
        shared: Any = redis
        self.writer = CacheWriter(shared)
        self.counts = CacheCounts(shared)
        self.answers = AnswerCache(shared, self.writer, self.counts, max_bytes=max_bytes)

    def fetch(self, key: AnswerKey, body: bytes | Callable[[], bytes], *, lives: Lives = LIVES) -> tuple[bytes, str]:
        """Ask, with an answer if none is kept; what is to be written is written."""

        def make(beside: bytes | None) -> Made:
            return Made(body if isinstance(body, bytes) else body(), beside=b"vector" if beside is None else None)

        fetched = self.answers.fetch(key, make, lives=lives, timeout_s=10)
        self.settle()
        return fetched.body, fetched.state

    def settle(self) -> None:
        """Wait until everything in the background is done."""
        until(lambda: not self.answers._refreshing)
        assert self.writer.flush(timeout_s=10)

    def close(self) -> None:
        self.answers.close()
        self.writer.close()


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition that another thread makes true."""
    pause = threading.Event()
    for _ in range(2_000):
        if condition():
            return
        pause.wait(0.005)
    raise AssertionError("the condition did not come true")


@pytest.fixture
def redis() -> MemoryCache:
    """The cache that processes share."""
    return MemoryCache()


@pytest.fixture
def start(redis: MemoryCache) -> Iterator[Callable[..., Process]]:
    """Start web processes over the shared cache."""
    started: list[Process] = []

    def _start(**more: int) -> Process:
        started.append(Process(redis, **more))
        return started[-1]

    yield _start
    for process in started:
        process.close()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The time, as the answers see it."""
    moved = Clock()
    monkeypatch.setattr(search.answers, "time", moved)
    return moved


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Threads that ask."""
    with ThreadPoolExecutor(64) as executor:
        yield executor


def refuse() -> bytes:
    """For answers that must not be made."""
    raise AssertionError("nobody should have asked")


def test_an_answer_is_made_once_and_then_kept(start: Callable[..., Process], redis: MemoryCache) -> None:
    """The second question is answered by every process without making anything, in one round trip."""
    assert start().fetch(KEY, b"answer") == (b"answer", "miss")
    redis.round_trips = 0
    assert start().fetch(KEY, refuse) == (b"answer", "hit")
    assert redis.round_trips == 1


def test_what_helps_to_make_an_answer_is_kept_beside_it(start: Callable[..., Process], redis: MemoryCache) -> None:
    """Another question with the same text is given the vector that the first one left; lives are as they were said."""
    process, seen = start(), []
    process.fetch(KEY, b"answer")
    other = AnswerKey("titles_1", "s1", "other", KEY.beside)
    process.answers.fetch(other, lambda beside: seen.append(beside) or Made(b"2"), lives=LIVES, timeout_s=1)
    assert seen == [b"vector"]
    assert redis.lives == {KEY.redis_key: 120, "avs:v:text": 50}


def test_equal_questions_at_once_are_answered_once(start: Callable[..., Process], pool: ThreadPoolExecutor) -> None:
    """Of fifty threads one makes the answer, the others wait for it and are counted as joined."""
    process, gate, made = start(), threading.Event(), []

    def make(_: bytes | None) -> Made:
        made.append(1)
        assert gate.wait(10)
        return Made(b"answer")

    asked = [pool.submit(process.answers.fetch, KEY, make, lives=LIVES, timeout_s=10) for _ in range(50)]
    until(lambda: len(made) == 1)
    gate.set()
    states = [future.result(10).state for future in asked]
    assert len(made) == 1
    assert states.count("miss") == 1
    assert {future.result().body for future in asked} == {b"answer"}
    assert set(states) <= {"miss", "joined", "hit"}


def test_an_answer_is_not_made_again_while_it_is_being_kept(
    start: Callable[..., Process], redis: MemoryCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keeping takes a moment in the background: who asks within it joins, although the answer is there already."""
    process, gate = start(), threading.Event()
    keep = redis.set_many

    def keep_slowly(values: Mapping[str, tuple[bytes, int]]) -> None:
        assert gate.wait(10)
        keep(values)

    monkeypatch.setattr(redis, "set_many", keep_slowly)
    process.answers.fetch(KEY, lambda _: Made(b"answer"), lives=LIVES, timeout_s=1)
    assert process.answers.fetch(KEY, lambda _: Made(refuse()), lives=LIVES, timeout_s=1).state == "joined"
    gate.set()
    process.settle()
    assert process.fetch(KEY, refuse) == (b"answer", "hit")
    assert not process.answers._flights


def _ask_behind_a_gate(
    process: Process, pool: ThreadPoolExecutor, gate: threading.Event, error: Exception
) -> list[Future[Any]]:
    entered = threading.Event()

    def make(_: bytes | None) -> Made:
        entered.set()
        assert gate.wait(10)
        raise error

    first = pool.submit(process.answers.fetch, KEY, make, lives=LIVES, timeout_s=10)
    assert entered.wait(10)
    joined = [pool.submit(process.answers.fetch, KEY, make, lives=LIVES, timeout_s=10) for _ in range(5)]
    waiting = process.answers._flights[KEY].done
    until(lambda: len(waiting._cond._waiters) == 5)  # type: ignore[attr-defined]
    return [first, *joined]


def test_an_error_reaches_all_who_wait_and_is_not_kept(start: Callable[..., Process], pool: ThreadPoolExecutor) -> None:
    """Everybody who joined gets the error; the next question is a new one."""
    process, gate = start(), threading.Event()
    asked = _ask_behind_a_gate(process, pool, gate, DependencyUnavailableError("qdrant", "away"))
    gate.set()
    for future in asked:
        with pytest.raises(DependencyUnavailableError):
            future.result(10)
    assert process.fetch(KEY, b"answer") == (b"answer", "miss")
    assert process.counts.get_stats()["errors"] == 1


def test_who_joins_keeps_a_deadline_of_his_own(start: Callable[..., Process], pool: ThreadPoolExecutor) -> None:
    """A thread that waits for another's answer gives up at its deadline, and the answer is made all the same."""
    process, gate = start(), threading.Event()
    asked = _ask_behind_a_gate(process, pool, gate, OverloadedError("full"))
    with pytest.raises(DeadlineExceededError):
        process.answers.fetch(KEY, lambda _: Made(b""), lives=LIVES, timeout_s=0.01)
    assert not asked[0].done()
    gate.set()


def test_an_old_answer_is_shown_while_a_new_one_is_made(start: Callable[..., Process], clock: Clock) -> None:
    """Past its life an answer is shown once more, then the one that was made meanwhile; long past it, never."""
    process = start()
    process.fetch(KEY, b"old")
    clock.now += 110
    assert process.fetch(KEY, b"new") == (b"old", "stale")
    assert process.fetch(KEY, refuse) == (b"new", "hit")
    clock.now += 121
    assert process.fetch(KEY, b"newest") == (b"newest", "miss")


def test_after_a_write_the_last_answer_is_shown_for_seconds_only(start: Callable[..., Process], clock: Clock) -> None:
    """An answer of the state before is stale for `stale_s` after that state ended, and then it is none."""
    process = start()
    process.fetch(KEY, b"old")
    other = AnswerKey("titles_1", "s1", "other")
    process.fetch(other, b"old")
    clock.now += 5
    assert process.fetch(NEXT, b"new") == (b"old", "stale")
    assert process.fetch(NEXT, refuse) == (b"new", "hit")
    clock.now += 21
    assert process.fetch(AnswerKey("titles_1", "s2", "other"), b"new") == (b"new", "miss")


def test_an_answer_from_before_two_writes_is_as_old_as_its_state(start: Callable[..., Process], clock: Clock) -> None:
    """What counts is when the answer's own state ended, not when the last one began."""
    process = start()
    process.fetch(KEY, b"oldest")
    process.fetch(AnswerKey("titles_1", "s2", "other"), b"")
    clock.now += 30
    assert process.fetch(AnswerKey("titles_1", "s3", "q"), b"new") == (b"new", "miss")


def test_a_process_that_has_just_begun_shows_no_old_answer(start: Callable[..., Process], clock: Clock) -> None:
    """It cannot know when the other state ended."""
    start().fetch(KEY, b"old")
    assert start().fetch(NEXT, b"new") == (b"new", "miss")


def test_another_scope_never_sees_an_old_answer(start: Callable[..., Process], clock: Clock) -> None:
    """An alias swap, or a title that was excluded, is another scope."""
    process = start()
    process.fetch(KEY, b"old")
    assert process.fetch(AnswerKey("titles_2", "s2", "q"), b"new") == (b"new", "miss")


def test_one_process_refreshes(start: Callable[..., Process], clock: Clock) -> None:
    """While one process makes the new answer, or has just failed to, the others show the old one and make nothing."""
    first, second = start(), start()
    first.fetch(KEY, b"old")
    second.fetch(KEY, refuse)
    clock.now += 110

    def fail() -> bytes:
        raise DependencyUnavailableError("qdrant", "away")

    assert first.fetch(KEY, fail) == (b"old", "stale")
    assert second.fetch(KEY, refuse) == (b"old", "stale")
    assert first.counts.get_stats()["errors"] == 1
    assert second.counts.get_stats()["errors"] == 0


def test_a_fault_in_a_refresh_does_not_end_refreshing(start: Callable[..., Process], clock: Clock) -> None:
    """Whatever it raises, the stale answer stands and the next question may be refreshed."""
    process = start()
    other = AnswerKey("titles_1", "s1", "other")
    process.fetch(KEY, b"old")
    process.fetch(other, b"old")
    clock.now += 110
    assert process.fetch(KEY, refuse) == (b"old", "stale")
    assert process.fetch(other, b"new") == (b"old", "stale")
    assert process.fetch(other, refuse) == (b"new", "hit")


def test_too_many_refreshes_are_dropped(
    start: Callable[..., Process], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Above its bound a stale answer is shown without a new one being made: the queue never grows."""
    monkeypatch.setattr(search.answers, "_REFRESH_WAITING_MAX", 3)
    process, gate = start(), threading.Event()
    keys = [AnswerKey("titles_1", "s1", f"q{number}") for number in range(10)]
    for key in keys:
        process.fetch(key, b"old")
    clock.now += 110

    def make(_: bytes | None) -> Made:
        assert gate.wait(10)
        return Made(b"new")

    states = [process.answers.fetch(key, make, lives=LIVES, timeout_s=1).state for key in keys]
    assert states == ["stale"] * 10
    assert len(process.answers._refreshing) == 3
    gate.set()
    process.settle()
    assert [process.fetch(key, b"")[0] for key in keys].count(b"new") == 3


def test_without_redis_everybody_makes_his_answer(start: Callable[..., Process], redis: MemoryCache) -> None:
    """An outage costs the kept answers and nothing else; afterwards they are kept again."""
    process = start()
    process.fetch(KEY, b"1")
    redis.away = True
    assert process.fetch(KEY, b"2") == (b"2", "miss")
    assert process.answers.get_stats()["redis"] == {"ok": False, "failures": 0}
    assert process.answers.get_stats()["service"] is None
    redis.away = False
    assert process.fetch(KEY, refuse) == (b"1", "hit")


def test_large_answers_are_not_kept(start: Callable[..., Process]) -> None:
    """An answer above the limit is handed out; its vector is kept all the same."""
    process, seen = start(max_bytes=10), []
    process.fetch(KEY, b"x" * 11)
    process.answers.fetch(KEY, lambda beside: seen.append(beside) or Made(b"short"), lives=LIVES, timeout_s=1)
    assert seen == [b"vector"]
    process.settle()
    assert process.fetch(KEY, refuse) == (b"short", "hit")


def test_a_life_of_zero_turns_keeping_off(start: Callable[..., Process], redis: MemoryCache) -> None:
    """Nothing is read or written, and equal questions at once are still answered once."""
    process, off = start(), Lives(fresh_s=0)
    assert process.fetch(KEY, b"1", lives=off) == (b"1", "miss")
    assert process.fetch(KEY, b"2", lives=off) == (b"2", "miss")
    assert redis.round_trips == 0


def test_many_are_loaded_in_one_round_trip(start: Callable[..., Process], redis: MemoryCache) -> None:
    """Fresh answers and vectors come in the order of the keys; a batch shows nothing stale."""
    process = start()
    process.fetch(KEY, b"answer")
    bare = AnswerKey("titles_1", "s1", "nobody")
    redis.round_trips = 0
    assert process.answers.load_many([bare, KEY, NEXT], lives=LIVES) == [
        (None, None),
        (b"answer", b"vector"),
        (None, b"vector"),
    ]
    assert redis.round_trips == 1


def test_refilling_makes_what_is_not_fresh_and_counts_nothing(start: Callable[..., Process], clock: Clock) -> None:
    """An answer that is missing or old is made anew, a fresh one is left as it is, and the hit rate knows nothing."""
    process = start()
    assert process.answers.refill(KEY, lambda _: Made(b"1"), lives=LIVES)
    process.settle()
    assert not process.answers.refill(KEY, lambda _: Made(refuse()), lives=LIVES)
    clock.now += 110
    assert process.answers.refill(KEY, lambda _: Made(b"2"), lives=LIVES)
    assert process.counts.get_stats()["hit_rate"] is None
    process.settle()
    assert process.fetch(KEY, refuse) == (b"2", "hit")


def test_counts_are_added_up_over_processes(start: Callable[..., Process], redis: MemoryCache) -> None:
    """What processes counted is sent once, kept through an outage, and shown with the share of hits."""
    first, second = start(), start()
    first.fetch(KEY, b"answer")
    second.fetch(KEY, refuse)
    second.fetch(KEY, refuse)
    redis.away = True
    first.counts.flush()
    redis.away = False
    for process in (first, second, first):
        process.counts.flush()
    service = first.counts.get_stats()["service"]
    assert service == {"hours": 24, "hits": 2, "stale": 0, "misses": 1, "joined": 0, "errors": 0, "hit_rate": 0.6667}
    assert second.counts.get_stats()["hit_rate"] == 1.0


@given(body=st.binary(max_size=5_000), state=st.text(max_size=40), made_at=st.floats(0, 4e9))
def test_answers_come_back_as_they_went_in(body: bytes, state: str, made_at: float) -> None:
    """Packing and unpacking lose nothing, whatever the size."""
    kept = KeptAnswer(body, state.encode(errors="replace").decode(), made_at)
    assert unpack_answer(pack_answer(kept), max_bytes=10_000) == kept


@given(data=st.binary(max_size=200))
def test_foreign_bytes_are_no_answer(data: bytes) -> None:
    """What another release or a fault left in Redis is passed over."""
    assert unpack_answer(b"\x00" + data, max_bytes=10_000) is None
    damaged = pack_answer(KeptAnswer(b"x" * 2_000, "s", 1.0))[:-3]
    assert unpack_answer(damaged, max_bytes=10_000) is None


def test_a_writer_that_is_full_drops_and_goes_on_after_a_fault(redis: MemoryCache) -> None:
    """Writes above the bound are dropped and counted; one that cannot be made ready costs no other."""
    shared: Any = redis
    writer, gate = CacheWriter(shared, max_bytes=10), threading.Event()

    def wait() -> dict[str, tuple[bytes, int]]:
        assert gate.wait(10)
        raise ValueError("a fault")

    assert writer.put(wait, size_bytes=1)
    until(lambda: writer._bytes == 0)
    assert writer.put(lambda: {"a": (b"1", 5)}, size_bytes=8)
    assert not writer.put(lambda: {"b": (b"1", 5)}, size_bytes=8)
    gate.set()
    assert writer.flush(timeout_s=10)
    assert redis.values == {"a": b"1"}
    assert writer.dropped == 1
    writer.close()
    assert not writer.put(lambda: {"c": (b"1", 5)}, size_bytes=1)
