"""Threads for downloads, with a lane for each host: a host with many URLs leaves room for the others.

The fetcher bounds requests by host as well; here nobody holds a thread only to wait for his turn.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Lane:
    running: int = 0
    waiting: deque[tuple[Future[None], Callable[[], None]]] = field(default_factory=deque)


class HostLanes:
    """At most `threads` calls at once, and at most `per_host` of one host. Starts no thread before the first call."""

    def __init__(self, *, threads: int, per_host: int) -> None:
        self._per_host = per_host
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="download")
        self._lock = threading.Lock()
        self._lanes: dict[str, _Lane] = {}

    def submit(self, host: str, call: Callable[[], None]) -> Future[None]:
        """Run a call that raises nothing as soon as its host has room. The future can be cancelled until then."""
        future: Future[None] = Future()
        with self._lock:
            lane = self._lanes.setdefault(host, _Lane())
            if lane.running >= self._per_host:
                lane.waiting.append((future, call))
                return future
            lane.running += 1
        self._executor.submit(self._run, host, future, call)
        return future

    def close(self) -> None:
        """Wait for what runs."""
        self._executor.shutdown()

    def _run(self, host: str, future: Future[None], call: Callable[[], None]) -> None:
        try:
            if future.set_running_or_notify_cancel():
                call()
                future.set_result(None)
        finally:
            self._give_way(host)

    def _give_way(self, host: str) -> None:
        with self._lock:
            lane = self._lanes[host]
            # Who was cancelled while he waited needs no thread.
            while lane.waiting and lane.waiting[0][0].cancelled():
                lane.waiting.popleft()
            if not lane.waiting:
                lane.running -= 1
                if not lane.running:
                    del self._lanes[host]
                return
            future, call = lane.waiting.popleft()
        # By the queue of all, so that other hosts have their turn.
        self._executor.submit(self._run, host, future, call)
