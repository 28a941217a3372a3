"""Requests at once: bounded in all and by host, in one process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from fetching.deadlines import Deadline
from fetching.errors import FetchReason, build_error


@dataclass(slots=True)
class _Gate:
    slots: threading.Semaphore
    users: int = field(default=0)


class Gates:
    """One gate for all and one for each host that is being asked. Thread-safe."""

    def __init__(self, *, in_all: int, by_host: int) -> None:
        self._all = threading.Semaphore(in_all)
        self._by_host = by_host
        self._lock = threading.Lock()
        self._gates: dict[str, _Gate] = {}

    @contextmanager
    def enter(self, host: str, *, most_wait_s: float) -> Iterator[float]:
        """Hold a slot of the host and one of all; gives the seconds waited. Raises FetchFailedError, host-busy."""
        waiting = Deadline(most_wait_s)
        gate = self._join(host)
        try:
            # The host first: who waits for a slow host takes no slot from the others.
            with _hold(gate.slots, host, waiting), _hold(self._all, host, waiting):
                yield most_wait_s - waiting.left_s
        finally:
            self._part(host, gate)

    def _join(self, host: str) -> _Gate:
        with self._lock:
            gate = self._gates.setdefault(host, _Gate(threading.Semaphore(self._by_host)))
            gate.users += 1
            return gate

    def _part(self, host: str, gate: _Gate) -> None:
        with self._lock:
            gate.users -= 1
            if gate.users == 0:
                del self._gates[host]


@contextmanager
def _hold(slots: threading.Semaphore, host: str, deadline: Deadline) -> Iterator[None]:
    if not slots.acquire(timeout=deadline.left_s):
        raise build_error(FetchReason.HOST_BUSY, f"{host}: no connection became free in time")
    try:
        yield
    finally:
        slots.release()
