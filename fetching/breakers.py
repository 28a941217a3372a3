"""A circuit breaker for each host: one that fails again and again is left alone for a while.

Closed: requests pass. After so many transient failures in a row the circuit opens, and requests are refused at once.
When its time is over one request may try (half-open): success closes the circuit, failure opens it for twice as long.
A host that asks for a pause (429 or 503 with Retry-After) gets it in the same way.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from core.log import Event, Log
from fetching.errors import DEFAULT_RETRY_AFTER_S, FetchFailedError, FetchReason

# Hosts that are remembered; the one that changed longest ago is forgotten first.
_MOST_HOSTS = 10_000
_log = Log("fetching")


class BreakerState(StrEnum):
    """Whether requests to a host pass."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(slots=True)
class _Circuit:
    failures: int = 0
    opened: int = 0
    open_until: float = 0.0
    probing: bool = False


class HostBreakers:
    """The circuits of all hosts. Thread-safe. A threshold of 0 keeps all of them closed."""

    def __init__(
        self, *, threshold: int, open_s: float, most_open_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._threshold = threshold
        self._open_s = open_s
        self._most_open_s = most_open_s
        self._clock = clock
        self._lock = threading.Lock()
        self._circuits: OrderedDict[str, _Circuit] = OrderedDict()

    def enter(self, host: str) -> None:
        """Ask leave for one request, which must end in `succeed`, `fail` or `leave`. Raises FetchFailedError."""
        with self._lock:
            circuit = self._circuits.get(host)
            if circuit is None or not circuit.open_until:
                return
            left_s = circuit.open_until - self._clock()
            if left_s <= 0 and not circuit.probing:
                circuit.probing = True
                return
        message = f"{host} has failed too often, or asked for a pause"
        raise FetchFailedError(FetchReason.CIRCUIT_OPEN, message, retry_after_s=max(left_s, DEFAULT_RETRY_AFTER_S))

    def succeed(self, host: str) -> None:
        """The host answered, whatever it said of the picture."""
        with self._lock:
            circuit = self._circuits.get(host)
            # An answer to a request from before the circuit opened does not close it.
            if circuit is not None and (circuit.probing or not circuit.open_until):
                del self._circuits[host]

    def fail(self, host: str) -> None:
        """The host failed in a way that may pass."""
        if not self._threshold:
            self.leave(host)
            return
        with self._lock:
            circuit = self._touch(host)
            circuit.failures += 1
            if circuit.probing or (not circuit.open_until and circuit.failures >= self._threshold):
                circuit.opened += 1
                wait_s = min(self._open_s * 2 ** (circuit.opened - 1), self._most_open_s)
                self._open(host, circuit, wait_s)

    def pause(self, host: str, seconds: float) -> None:
        """The host asked for a pause."""
        with self._lock:
            self._open(host, self._touch(host), min(seconds, self._most_open_s))

    def leave(self, host: str) -> None:
        """The request ended and says nothing about the host."""
        with self._lock:
            circuit = self._circuits.get(host)
            if circuit is not None:
                circuit.probing = False

    def get_states(self) -> dict[str, BreakerState]:
        """The hosts whose circuit is not closed, for metrics."""
        with self._lock:
            now = self._clock()
            return {
                host: BreakerState.OPEN if circuit.open_until > now else BreakerState.HALF_OPEN
                for host, circuit in self._circuits.items()
                if circuit.open_until
            }

    def _touch(self, host: str) -> _Circuit:
        circuit = self._circuits.setdefault(host, _Circuit())
        self._circuits.move_to_end(host)
        if len(self._circuits) > _MOST_HOSTS:
            self._circuits.popitem(last=False)
        return circuit

    def _open(self, host: str, circuit: _Circuit, seconds: float) -> None:
        circuit.probing = False
        circuit.open_until = max(circuit.open_until, self._clock() + seconds)
        _log.warning(Event.CIRCUIT_OPENED, host=host, seconds=round(seconds, 1), failures=circuit.failures)
