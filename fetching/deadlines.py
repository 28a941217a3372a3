"""Limits on a whole answer, kept by every single read of the socket.

A timeout of a socket is for one read, so a host that sends a byte now and then would never meet it. These sockets ask
before each read how much of the call's time is left. They count what comes as well: a host could send interim answers
or extensions of chunks without end, which http.client drops silently.
"""

from __future__ import annotations

import socket
import ssl
import time
from typing import Any


class Deadline:
    """A point in time. Every step asks it how long it may take."""

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    def extend(self, seconds: float) -> None:
        """Move it: time that we made the call wait does not count."""
        self._at += seconds

    @property
    def left_s(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self._at - time.monotonic())

    def least_s(self, limit_s: float) -> float:
        """Seconds that one step may take. Raises TimeoutError if none are left."""
        left = self.left_s
        if left <= 0:
            raise TimeoutError("the time for the whole call is over")
        return min(left, limit_s)


class FloodError(OSError):
    """More came than one answer may take, with its status lines, headers and chunk sizes."""


class _Bounded:
    """Reads and writes of a socket that keep to the deadline and the size of the present answer."""

    _deadline: Deadline
    _read_timeout_s: float
    _bytes_left: int

    def bound(self, deadline: Deadline, *, read_timeout_s: float, most_bytes: int = 0) -> None:
        """Keep to these bounds from now on. Raises TimeoutError if the deadline has passed."""
        self._deadline, self._read_timeout_s, self._bytes_left = deadline, read_timeout_s, most_bytes
        self.settimeout(deadline.least_s(read_timeout_s))  # type: ignore[attr-defined]

    def allow(self, more_bytes: int) -> None:
        """So many more bytes may come."""
        self._bytes_left += more_bytes

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        """What http.client reads by. Raises TimeoutError or FloodError."""
        if self._bytes_left <= 0:
            raise FloodError("more came than an answer may take")
        # As long as the deadline is further away than one read may take, the timeout is already right.
        if self._deadline.left_s < self._read_timeout_s:
            self.settimeout(self._deadline.least_s(self._read_timeout_s))  # type: ignore[attr-defined]
        received: int = super().recv_into(*args, **kwargs)  # type: ignore[misc]
        self._bytes_left -= received
        return received


class BoundedSocket(_Bounded, socket.socket):
    """A plain socket with a deadline."""


class BoundedSSLSocket(_Bounded, ssl.SSLSocket):
    """A TLS socket with a deadline. The handshake runs before `bound` can be called: within the timeout then set."""
