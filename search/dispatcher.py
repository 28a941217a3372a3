"""Many waiting threads, one call: the dispatcher collects what is waiting and asks for all of it at once.

While one call is in flight the next batch gathers, so batching adds no wait of its own. The thread that asks owns its
deadline; the dispatcher's thread only ever works for those who still wait. Overload is an answer, not a longer queue.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from core.errors import DeadlineExceededError, OverloadedError, ServiceError, TransientError
from core.log import Event, Log

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_log = Log("dispatcher")


@dataclass(frozen=True, slots=True)
class DispatcherStats:
    """What a dispatcher has done since it began. `keys / calls` is the mean batch size."""

    calls: int
    keys: int
    requests: int
    refused: int
    expired: int
    largest_batch: int


@dataclass(slots=True, eq=False)
class _Entry(Generic[V]):
    """One key with all the threads that wait for it; `deadline` is the latest of theirs."""

    deadline: float
    done: threading.Event = field(default_factory=threading.Event)
    value: V | None = None
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class Bounds(Generic[K]):
    """What a key weighs, in bytes, and how much a batch and all that waits may weigh. One key always fits a batch."""

    get_size: Callable[[K], int]
    batch_bytes: int
    queue_bytes: int


class Dispatcher(Generic[K, V]):
    """Hands each thread the value of its key. Equal keys that wait at the same time are asked for once.

    `call` gets distinct keys, at most `batch_max`, and the seconds until the last of their waiters gives up; it returns
    their values in order. What it raises reaches exactly the threads that waited for that batch. Unless it is
    transient, the keys are asked for one by one first, so that a bad key fails alone. `call` runs on one thread, which
    starts at the first `get`, so after any fork of the web server.

    Where keys are large, `bounds` says what they weigh: neither a batch nor the queue is heavier than allowed then.
    """

    def __init__(
        self,
        call: Callable[[list[K], float], Sequence[V]],
        *,
        batch_max: int,
        queue_max: int,
        name: str,
        bounds: Bounds[K] | None = None,
    ) -> None:
        self._call = call
        self._batch_max = batch_max
        self._queue_max = queue_max
        self._bounds = bounds
        self._name = name
        self._changed = threading.Condition()
        self._waiting: OrderedDict[K, _Entry[V]] = OrderedDict()
        self._in_flight: dict[K, _Entry[V]] = {}
        self._thread: threading.Thread | None = None
        self._closed = False
        self._calls = self._keys = self._requests = self._refused = self._expired = self._largest = 0

    def get(self, key: K, *, timeout_s: float) -> V:
        """The value of the key.

        Raises DeadlineExceededError after `timeout_s`, OverloadedError when too many wait, and whatever `call` raised.
        """
        return self.get_many((key,), timeout_s=timeout_s)[0]

    def get_many(self, keys: Sequence[K], *, timeout_s: float) -> list[V]:
        """The values of the keys in their order, asked for together: all are queued or none is, with one deadline.

        A group larger than half the queue gets in when half of it is free: it would never fit otherwise. Raises as
        `get`; of several errors, that of the first key that has one.
        """
        return self.begin(keys, timeout_s=timeout_s)()

    def begin(self, keys: Sequence[K], *, timeout_s: float) -> Callable[[], list[V]]:
        """As `get_many`, in two steps: the keys are queued now, and what is returned waits for their values.

        So a thread can ask two dispatchers at once. Raises OverloadedError.
        """
        deadline = time.monotonic() + timeout_s
        entries = self._enqueue(keys, deadline)

        def wait() -> list[V]:
            for entry in entries:
                if not entry.done.wait(deadline - time.monotonic()):
                    raise DeadlineExceededError(f"{self._name}: no answer within {timeout_s:.1f} s")
                if entry.error is not None:
                    # Several threads raise the same error: none shall show the stack of another.
                    raise entry.error.with_traceback(None)
            return [entry.value for entry in entries]  # type: ignore[misc]

        return wait

    @property
    def is_idle(self) -> bool:
        """True if nobody waits for anything."""
        return not self._waiting and not self._in_flight

    def get_stats(self) -> DispatcherStats:
        """Counts since the start of the process."""
        with self._changed:
            return DispatcherStats(
                calls=self._calls,
                keys=self._keys,
                requests=self._requests,
                refused=self._refused,
                expired=self._expired,
                largest_batch=self._largest,
            )

    def close(self) -> None:
        """Refuse new keys and let those who wait go. A call in flight ends by itself."""
        with self._changed:
            self._closed = True
            waiting, self._waiting = self._waiting, OrderedDict()
            self._changed.notify()
        for entry in waiting.values():
            _finish(entry, error=OverloadedError(f"{self._name} is shutting down"))
        if self._thread is not None:
            self._thread.join(timeout=5)

    def _enqueue(self, keys: Sequence[K], deadline: float) -> list[_Entry[V]]:
        with self._changed:
            self._requests += len(keys)
            entries = {key: entry for key in keys if (entry := self._waiting.get(key) or self._in_flight.get(key))}
            new = [key for key in dict.fromkeys(keys) if key not in entries]
            if new:
                self._refuse_overload(new)
            for entry in entries.values():
                entry.deadline = max(entry.deadline, deadline)
            for key in new:
                entries[key] = self._waiting[key] = _Entry(deadline)
            if new:
                self._start()
                self._changed.notify()
            return [entries[key] for key in keys]

    def _refuse_overload(self, new: Sequence[K]) -> None:
        """Raises OverloadedError if these keys would be too many, or too heavy."""
        needed = min(len(new), max(self._queue_max // 2, 1))
        if self._closed or len(self._waiting) + needed > self._queue_max or self._is_too_heavy(new):
            self._refused += len(new)
            raise OverloadedError(f"{self._name}: {len(self._waiting)} are waiting already", retry_after_s=1.0)

    def _is_too_heavy(self, new: Sequence[K]) -> bool:
        if self._bounds is None or not self._waiting:
            return False
        return sum(map(self._bounds.get_size, (*self._waiting, *new))) > self._bounds.queue_bytes

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=f"dispatcher-{self._name}", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while (batch := self._take_batch()) is not None:
            if batch:
                self._answer(batch)

    def _take_batch(self) -> dict[K, _Entry[V]] | None:
        """The next keys for which somebody still waits; None when closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            if self._closed:
                return None
            now = time.monotonic()
            batch: dict[K, _Entry[V]] = {}
            weight = 0
            while self._waiting and len(batch) < self._batch_max:
                if self._bounds is not None:
                    weight += self._bounds.get_size(next(iter(self._waiting)))
                    if batch and weight > self._bounds.batch_bytes:
                        break
                key, entry = self._waiting.popitem(last=False)
                if entry.deadline > now:
                    batch[key] = entry
                else:
                    self._expired += 1
            self._in_flight = dict(batch)
            if batch:
                self._calls += 1
                self._keys += len(batch)
                self._largest = max(self._largest, len(batch))
            return batch

    def _answer(self, batch: dict[K, _Entry[V]]) -> None:
        until = max(entry.deadline for entry in batch.values())
        try:
            values = self._ask(list(batch), max(until - time.monotonic(), 0.001))
        except Exception as error:  # whatever it is, it belongs to those who wait, and the thread must live on
            if isinstance(error, DeadlineExceededError):
                batch = self._put_back_patient(batch, until)
            _log.warning(Event.QUERY_BATCH_FAILED, dispatcher=self._name, keys=len(batch), reason=type(error).__name__)
            if len(batch) > 1 and not isinstance(error, TransientError):
                for key, entry in batch.items():
                    self._answer({key: entry})
                return
            self._release(batch)
            for entry in batch.values():
                _finish(entry, error=error)
            return
        self._release(batch)
        for entry, value in zip(batch.values(), values, strict=True):
            _finish(entry, value=value)

    def _put_back_patient(self, batch: dict[K, _Entry[V]], until: float) -> dict[K, _Entry[V]]:
        """Ask once more for the keys of those who joined the call later than it was made; returns the others."""
        with self._changed:
            patient = [] if self._closed else [key for key, entry in batch.items() if entry.deadline > until]
            for key in patient:
                self._waiting[key] = self._in_flight.pop(key)
                self._waiting.move_to_end(key, last=False)
        return {key: entry for key, entry in batch.items() if key not in patient}

    def _ask(self, keys: list[K], timeout_s: float) -> Sequence[V]:
        values = self._call(keys, timeout_s)
        if len(values) != len(keys):
            raise ServiceError(f"{self._name}: {len(values)} values for {len(keys)} keys")
        return values

    def _release(self, batch: dict[K, _Entry[V]]) -> None:
        """From here on an equal key is a new question."""
        with self._changed:
            for key in batch:
                del self._in_flight[key]


def _finish(entry: _Entry[V], *, value: V | None = None, error: BaseException | None = None) -> None:
    entry.value, entry.error = value, error
    entry.done.set()
