"""What a web process does beside answering: small duties at fixed intervals, one after the other, on one thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.errors import ServiceError
from core.log import Event, Log

_CLOSE_WAIT_S = 5.0
_log = Log("chores")


@dataclass(frozen=True, slots=True)
class Chore:
    """`run` is called every `every_s` seconds, and once more at the end if `at_end`."""

    name: str
    every_s: float
    run: Callable[[], None]
    at_end: bool = False


class Chores:
    """Runs chores until it is closed. One that fails is logged and tried again at its next time.

    `stopping` is set when it closes: a chore that takes long waits on it and ends early.
    """

    def __init__(self, chores: Sequence[Chore], *, stopping: threading.Event | None = None) -> None:
        self._chores = tuple(chores)
        self._stopping = stopping or threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread, in the process that serves; starting again does nothing."""
        with self._lock:
            if self._thread is None and not self._stopping.is_set():
                self._thread = threading.Thread(target=self._run, name="chores", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Stop, and run what is due at the end."""
        self._stopping.set()
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join(_CLOSE_WAIT_S)

    def _run(self) -> None:
        now = time.monotonic()
        due = {chore.name: now + chore.every_s for chore in self._chores}
        while not self._stopping.wait(max(min(due.values(), default=now) - time.monotonic(), 0.0)):
            for chore in self._chores:
                if due[chore.name] <= time.monotonic():
                    _run_safely(chore)
                    due[chore.name] = time.monotonic() + chore.every_s
        for chore in self._chores:
            if chore.at_end:
                _run_safely(chore)


def _run_safely(chore: Chore) -> None:
    try:
        chore.run()
    except ServiceError as error:
        _log.warning(Event.CHORE_FAILED, chore=chore.name, reason=str(error))
    except Exception as error:  # a fault of ours: the other chores, and this one's next turn, must not suffer
        _log.error(Event.CHORE_FAILED, chore=chore.name, error=error)
