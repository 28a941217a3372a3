"""Lanes: bounded in all and by host, in order, and nobody is forgotten."""

from __future__ import annotations

import threading
import time
from collections import Counter

from indexing.downloads.lanes import HostLanes


class Calls:
    """Calls that tell how many run at once."""

    def __init__(self, *, seconds: float = 0.002) -> None:
        self._lock = threading.Lock()
        self._seconds = seconds
        self._running: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.most_in_all = 0
        self.done: list[str] = []

    def call(self, host: str) -> None:
        """One call of a host."""
        with self._lock:
            self._running[host] += 1
            self.most[host] = max(self.most[host], self._running[host])
            self.most_in_all = max(self.most_in_all, self._running.total())
        time.sleep(self._seconds)
        with self._lock:
            self._running[host] -= 1
            self.done.append(host)


def test_bounds_hold_and_all_are_called() -> None:
    """No host has more than its share at once, all of them no more than the threads, and each call is made once."""
    calls, lanes = Calls(), HostLanes(threads=6, per_host=2)
    futures = [lanes.submit(host, lambda host=host: calls.call(host)) for _ in range(40) for host in "abcd"]
    for future in futures:
        future.result(timeout=30)
    lanes.close()
    assert Counter(calls.done) == dict.fromkeys("abcd", 40)
    assert max(calls.most.values()) <= 2 and calls.most_in_all <= 6


def test_a_busy_host_leaves_room() -> None:
    """Calls of a host that has its share at work wait without a thread: another host is served meanwhile."""
    lanes, release, served = HostLanes(threads=3, per_host=2), threading.Event(), threading.Event()
    waiting = [lanes.submit("slow", lambda: release.wait(30) and None) for _ in range(10)]
    lanes.submit("quick", served.set)
    assert served.wait(10)
    assert sum(future.running() for future in waiting) == 2
    release.set()
    for future in waiting:
        future.result(timeout=30)
    lanes.close()


def test_what_waits_can_be_called_off() -> None:
    """A cancelled call is never made, and those behind it are."""
    lanes, release = HostLanes(threads=2, per_host=1), threading.Event()
    first = lanes.submit("host", lambda: release.wait(30) and None)
    made: list[int] = []
    others = [lanes.submit("host", lambda number=number: made.append(number)) for number in range(6)]
    assert all(future.cancel() for future in others[:5])
    release.set()
    others[5].result(timeout=30)
    assert first.done() and made == [5]
    again = lanes.submit("host", lambda: made.append(7))
    again.result(timeout=30)
    lanes.close()
    assert made == [5, 7]
