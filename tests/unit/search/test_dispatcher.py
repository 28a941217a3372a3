"""The dispatcher alone, with calls that the test opens and closes by hand."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from core.errors import DeadlineExceededError, DependencyUnavailableError, OverloadedError, ServiceError
from search.dispatcher import Dispatcher


class Gate:
    """A call that doubles its keys, records its batches, and waits at a gate while that is shut."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.open.set()
        self.entered = threading.Semaphore(0)
        self.batches: list[list[int]] = []
        self.timeouts: list[float] = []

    def __call__(self, keys: list[int], timeout_s: float) -> list[int]:
        self.batches.append(keys)
        self.timeouts.append(timeout_s)
        self.entered.release()
        assert self.open.wait(10)
        if any(key < 0 for key in keys):
            raise ValueError("a negative key")
        return [2 * key for key in keys]


@pytest.fixture
def gate() -> Gate:
    """A call that the test holds."""
    return Gate()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Threads that ask."""
    with ThreadPoolExecutor(128) as executor:
        yield executor


@pytest.fixture
def build(gate: Gate) -> Iterator[Callable[..., Dispatcher[int, int]]]:
    """Make dispatchers over the gate, closed at the end."""
    made: list[Dispatcher[int, int]] = []

    def _build(*, batch_max: int = 64, queue_max: int = 512) -> Dispatcher[int, int]:
        made.append(Dispatcher(gate, batch_max=batch_max, queue_max=queue_max, name="test"))
        return made[-1]

    yield _build
    gate.open.set()
    for dispatcher in made:
        dispatcher.close()


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for a condition that another thread makes true."""
    pause = threading.Event()
    for _ in range(2_000):
        if condition():
            return
        pause.wait(0.005)
    raise AssertionError("the condition did not come true")


def ask_behind_a_shut_gate(
    dispatcher: Dispatcher[int, int], gate: Gate, pool: ThreadPoolExecutor, keys: list[int]
) -> tuple[Future[int], list[Future[int]]]:
    """One key in flight behind the gate, then the given keys waiting."""
    gate.open.clear()
    first = pool.submit(dispatcher.get, 1_000, timeout_s=10)
    assert gate.entered.acquire(timeout=10)
    rest = [pool.submit(dispatcher.get, key, timeout_s=10) for key in keys]
    wait_until(lambda: dispatcher.get_stats().requests == len(keys) + 1)
    return first, rest


def test_no_thread_runs_before_the_first_key(build: Callable[..., Dispatcher[int, int]]) -> None:
    """The thread begins with the first key, so that a fork before it is harmless."""
    before = threading.active_count()
    dispatcher = build()
    assert threading.active_count() == before
    assert dispatcher.get(4, timeout_s=10) == 8
    assert threading.active_count() == before + 1


def test_keys_gather_while_a_call_is_in_flight(
    build: Callable[..., Dispatcher[int, int]], gate: Gate, pool: ThreadPoolExecutor
) -> None:
    """All that came during one call go out together in the next, and each gets its own value."""
    dispatcher = build()
    first, rest = ask_behind_a_shut_gate(dispatcher, gate, pool, list(range(50)))
    gate.open.set()
    assert first.result(10) == 2_000
    assert [future.result(10) for future in rest] == [2 * key for key in range(50)]
    assert [len(batch) for batch in gate.batches] == [1, 50]
    assert dispatcher.get_stats().largest_batch == 50


def test_equal_keys_are_asked_for_once(
    build: Callable[..., Dispatcher[int, int]], gate: Gate, pool: ThreadPoolExecutor
) -> None:
    """Threads that want the same key share one place, and also join a call that is in flight for it."""
    dispatcher = build()
    first, rest = ask_behind_a_shut_gate(dispatcher, gate, pool, [7, 7, 7, 8, 1_000])
    gate.open.set()
    assert first.result(10) == 2_000
    assert [future.result(10) for future in rest] == [14, 14, 14, 16, 2_000]
    assert [sorted(batch) for batch in gate.batches] == [[1_000], [7, 8]]


def test_a_batch_is_never_larger_than_its_limit(
    build: Callable[..., Dispatcher[int, int]], gate: Gate, pool: ThreadPoolExecutor
) -> None:
    """What does not fit waits for the next call, in order of arrival."""
    dispatcher = build(batch_max=4)
    _, rest = ask_behind_a_shut_gate(dispatcher, gate, pool, list(range(10)))
    gate.open.set()
    for future in rest:
        future.result(10)
    assert [len(batch) for batch in gate.batches] == [1, 4, 4, 2]


def test_a_full_queue_is_an_answer(
    build: Callable[..., Dispatcher[int, int]], gate: Gate, pool: ThreadPoolExecutor
) -> None:
    """One more than the queue holds is refused at once, with a hint when to come back."""
    dispatcher = build(queue_max=3)
    _, rest = ask_behind_a_shut_gate(dispatcher, gate, pool, [1, 2, 3])
    with pytest.raises(OverloadedError) as refusal:
        dispatcher.get(4, timeout_s=10)
    assert refusal.value.retry_after_s > 0
    gate.open.set()
    assert [future.result(10) for future in rest] == [2, 4, 6]


def test_the_deadline_belongs_to_the_waiting_thread(build: Callable[..., Dispatcher[int, int]], gate: Gate) -> None:
    """A thread stops waiting at its deadline although the call has not come back."""
    dispatcher = build()
    gate.open.clear()
    with pytest.raises(DeadlineExceededError):
        dispatcher.get(1, timeout_s=0.05)


def test_nobody_works_for_those_who_have_left(
    build: Callable[..., Dispatcher[int, int]], gate: Gate, pool: ThreadPoolExecutor
) -> None:
    """A key whose only waiter gave up before its turn is dropped unsent."""
    dispatcher = build()
    first, _ = ask_behind_a_shut_gate(dispatcher, gate, pool, [])
    with pytest.raises(DeadlineExceededError):
        dispatcher.get(5, timeout_s=0.02)
    gate.open.set()
    first.result(10)
    assert dispatcher.get(6, timeout_s=10) == 12
    assert gate.batches == [[1_000], [6]]
    assert dispatcher.get_stats().expired == 1


def test_the_call_is_told_how_long_anybody_waits(build: Callable[..., Dispatcher[int, int]], gate: Gate) -> None:
    """The call's time is that of its most patient waiter, never more."""
    build().get(1, timeout_s=3.0)
    assert 0 < gate.timeouts[0] <= 3.0


def test_who_joins_a_call_keeps_his_own_deadline(pool: ThreadPoolExecutor) -> None:
    """When the call gives up at the deadline of those who came first, the key is asked for again for the others."""
    entered, go_on = threading.Event(), threading.Event()
    timeouts: list[float] = []

    def call(keys: list[int], timeout_s: float) -> list[int]:
        timeouts.append(timeout_s)
        if len(timeouts) > 1:
            return [2 * key for key in keys]
        entered.set()
        assert go_on.wait(10)
        raise DeadlineExceededError("late")

    dispatcher = Dispatcher(call, batch_max=4, queue_max=4, name="test")
    first = pool.submit(dispatcher.get, 1, timeout_s=1)
    assert entered.wait(10)
    joined = pool.submit(dispatcher.get, 1, timeout_s=30)
    wait_until(lambda: dispatcher.get_stats().requests == 2)
    with pytest.raises(DeadlineExceededError):
        first.result(10)
    go_on.set()
    assert joined.result(10) == 2
    assert timeouts[0] <= 1 < timeouts[1]
    dispatcher.close()


def test_a_bad_key_fails_alone(
    build: Callable[..., Dispatcher[int, int]], gate: Gate, pool: ThreadPoolExecutor
) -> None:
    """Strangers that shared a batch with it get their values, and the dispatcher lives on."""
    dispatcher = build(batch_max=3)
    first, (bad, *rest) = ask_behind_a_shut_gate(dispatcher, gate, pool, [-1, 2, 3])
    later = pool.submit(dispatcher.get, 4, timeout_s=10)
    gate.open.set()
    assert first.result(10) == 2_000
    with pytest.raises(ValueError, match="a negative key"):
        bad.result(10)
    assert [future.result(10) for future in (*rest, later)] == [4, 6, 8]
    assert gate.batches == [[1_000], [-1, 2, 3], [-1], [2], [3], [4]]


def test_an_outage_reaches_the_whole_batch(gate: Gate, pool: ThreadPoolExecutor) -> None:
    """A server that is away is not asked again for each key: all who waited for the batch get its error."""

    def fail(keys: list[int], timeout_s: float) -> list[int]:
        gate(keys, timeout_s)
        raise DependencyUnavailableError("qdrant", "away")

    dispatcher = Dispatcher(fail, batch_max=4, queue_max=4, name="test")
    _, rest = ask_behind_a_shut_gate(dispatcher, gate, pool, [1, 2])
    gate.open.set()
    for future in rest:
        with pytest.raises(DependencyUnavailableError):
            future.result(10)
    assert gate.batches == [[1_000], [1, 2]]
    dispatcher.close()


def test_a_call_that_loses_values_is_an_error() -> None:
    """Fewer values than keys must never hand a thread the value of another."""
    dispatcher: Dispatcher[int, int] = Dispatcher(lambda keys, _: keys[1:], batch_max=4, queue_max=4, name="test")
    with pytest.raises(ServiceError, match="0 values for 1 keys"):
        dispatcher.get(1, timeout_s=10)
    dispatcher.close()


def test_a_group_gets_its_values_in_order(
    build: Callable[..., Dispatcher[int, int]], gate: Gate, pool: ThreadPoolExecutor
) -> None:
    """A group is asked for together, equal keys once, and joins what others wait for already."""
    dispatcher = build()
    first, (single,) = ask_behind_a_shut_gate(dispatcher, gate, pool, [5])
    group = pool.submit(dispatcher.get_many, [3, 5, 3, 1_000, 4], timeout_s=10)
    wait_until(lambda: dispatcher.get_stats().requests == 7)
    gate.open.set()
    assert group.result(10) == [6, 10, 6, 2_000, 8]
    assert (first.result(10), single.result(10)) == (2_000, 10)
    assert gate.batches == [[1_000], [5, 3, 4]]
    assert dispatcher.get_many([], timeout_s=10) == []


def test_a_group_that_does_not_fit_changes_nothing(
    build: Callable[..., Dispatcher[int, int]], gate: Gate, pool: ThreadPoolExecutor
) -> None:
    """All keys of a group are taken up or none: one too many refuses the group, and nobody works for its keys."""
    dispatcher = build(queue_max=8)
    _, rest = ask_behind_a_shut_gate(dispatcher, gate, pool, [1, 2, 3, 4, 5, 6])
    with pytest.raises(OverloadedError):
        dispatcher.get_many([7, 8, 9], timeout_s=10)
    pair = pool.submit(dispatcher.get_many, [7, 8], timeout_s=10)
    wait_until(lambda: dispatcher.get_stats().requests == 12)
    gate.open.set()
    assert pair.result(10) == [14, 16]
    assert [future.result(10) for future in rest] == [2, 4, 6, 8, 10, 12]
    assert 9 not in gate.batches[1]
    assert dispatcher.get_stats().refused == 3


def test_a_group_larger_than_the_queue_is_taken_up_when_half_of_it_is_free(
    build: Callable[..., Dispatcher[int, int]], gate: Gate, pool: ThreadPoolExecutor
) -> None:
    """A batch of a thousand would never fit into a queue of a few hundred, busy or not; a second one must wait."""
    dispatcher = build(queue_max=8, batch_max=16)
    ask_behind_a_shut_gate(dispatcher, gate, pool, [1, 2])
    group = pool.submit(dispatcher.get_many, list(range(10, 40)), timeout_s=10)
    wait_until(lambda: dispatcher.get_stats().requests == 33)
    with pytest.raises(OverloadedError):
        dispatcher.get_many(list(range(50, 80)), timeout_s=10)
    gate.open.set()
    assert group.result(10) == [2 * key for key in range(10, 40)]
    assert dispatcher.is_idle


def test_a_group_has_one_deadline(build: Callable[..., Dispatcher[int, int]], gate: Gate) -> None:
    """A group whose answers do not come stops waiting at its deadline, not at one for each key."""
    dispatcher = build()
    gate.open.clear()
    with pytest.raises(DeadlineExceededError):
        dispatcher.get_many([1, 2, 3], timeout_s=0.05)
    assert not dispatcher.is_idle


def test_an_error_of_one_key_is_that_of_its_group(build: Callable[..., Dispatcher[int, int]]) -> None:
    """A group that holds a bad key fails with the error of that key."""
    with pytest.raises(ValueError, match="a negative key"):
        build().get_many([1, -1, 2], timeout_s=10)


def test_closing_lets_waiting_threads_go(
    build: Callable[..., Dispatcher[int, int]], gate: Gate, pool: ThreadPoolExecutor
) -> None:
    """Those who wait when it closes are told so, the call in flight still answers, newcomers are refused."""
    dispatcher = build()
    first, rest = ask_behind_a_shut_gate(dispatcher, gate, pool, [1, 2])
    closing = pool.submit(dispatcher.close)
    for future in rest:
        with pytest.raises(OverloadedError):
            future.result(10)
    gate.open.set()
    assert first.result(10) == 2_000
    closing.result(10)
    with pytest.raises(OverloadedError):
        dispatcher.get(3, timeout_s=10)


def test_many_threads_get_their_own_values(
    build: Callable[..., Dispatcher[int, int]], gate: Gate, pool: ThreadPoolExecutor
) -> None:
    """Thousands of questions from a hundred threads are answered rightly, in fewer calls than questions."""
    dispatcher = build()
    futures = [pool.submit(dispatcher.get, number % 501, timeout_s=30) for number in range(5_000)]
    assert [future.result(30) for future in futures] == [2 * (number % 501) for number in range(5_000)]
    stats = dispatcher.get_stats()
    assert stats.requests == 5_000
    assert stats.keys <= 5_000
    assert stats.refused == stats.expired == 0
