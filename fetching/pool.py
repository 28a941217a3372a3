"""Connections that wait for their next request."""

from __future__ import annotations

import select
import ssl
import threading
import time
from collections import OrderedDict, deque
from http.client import HTTPConnection

from fetching.deadlines import Deadline
from fetching.opening import Opener
from fetching.urls import Target


class ConnectionPool:
    """Idle connections by origin, bounded by number and by age. Thread-safe."""

    def __init__(self, opener: Opener, *, most_idle: int, idle_s: float = 30.0) -> None:
        self._opener = opener
        self._most_idle = most_idle
        self._idle_s = idle_s
        self._lock = threading.Lock()
        # The origin used last is at the end, and so is the connection used last within each.
        self._idle: OrderedDict[str, deque[tuple[float, HTTPConnection]]] = OrderedDict()
        self._count = 0
        self._closed = False

    def take(self, target: Target, deadline: Deadline) -> tuple[HTTPConnection, bool]:
        """A connection, and whether it was used before. Raises FetchRefusedError or FetchFailedError."""
        while (entry := self._pop(target.origin)) is not None:
            since, connection = entry
            if time.monotonic() - since < self._idle_s and not _has_news(connection):
                return connection, True
            connection.close()
        return self._opener.open(target, deadline), False

    def give_back(self, target: Target, connection: HTTPConnection) -> None:
        """Keep a connection whose answer was read to its end; the one unused for longest goes if there are too many."""
        with self._lock:
            if self._closed:
                connection.close()
                return
            self._idle.setdefault(target.origin, deque()).append((time.monotonic(), connection))
            self._idle.move_to_end(target.origin)
            self._count += 1
            surplus = self._pop_oldest() if self._count > self._most_idle else None
        if surplus is not None:
            surplus.close()

    def close(self) -> None:
        """Close all idle connections, and keep none from now on."""
        with self._lock:
            self._closed = True
            entries = [entry for waiting in self._idle.values() for entry in waiting]
            self._idle.clear()
            self._count = 0
        for _, connection in entries:
            connection.close()

    def _pop(self, origin: str) -> tuple[float, HTTPConnection] | None:
        with self._lock:
            waiting = self._idle.get(origin)
            if not waiting:
                return None
            entry = waiting.pop()
            self._count -= 1
            if not waiting:
                del self._idle[origin]
            return entry

    def _pop_oldest(self) -> HTTPConnection:
        origin = next(iter(self._idle))
        _, connection = self._idle[origin].popleft()
        self._count -= 1
        if not self._idle[origin]:
            del self._idle[origin]
        return connection


def _has_news(connection: HTTPConnection) -> bool:
    """True if the host closed the connection, or sent what nobody asked for: the next answer could be a forged one."""
    sock = connection.sock
    if isinstance(sock, ssl.SSLSocket) and sock.pending():
        return True
    poll = select.poll()
    poll.register(sock, select.POLLIN | select.POLLERR | select.POLLHUP)
    return bool(poll.poll(0))
