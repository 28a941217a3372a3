"""Something that Postgres knows and every search needs, read at most every two seconds."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from typing import Generic, TypeVar

from core.errors import ConflictError, DependencyUnavailableError
from core.log import Event, Log

T = TypeVar("T")
REFRESH_S = 2.0
_log = Log("search")


class LiveReader(ABC, Generic[T]):
    """Keeps what was read last. While Postgres is away the last one known stands. Safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: T | None = None
        self._failure: DependencyUnavailableError | None = None
        self._checked_at = float("-inf")

    def get(self) -> T:
        """Raises a ConflictError while there is none yet, and DependencyUnavailableError."""
        age_s = time.monotonic() - self._checked_at
        # One thread asks, the others go on with what is known; without anything known they all wait for it.
        if age_s > REFRESH_S and self._lock.acquire(blocking=self._known is None):
            try:
                if time.monotonic() - self._checked_at > REFRESH_S:
                    self._refresh()
            finally:
                self._lock.release()
        if (known := self._known) is not None:
            return known
        if (failure := self._failure) is not None:
            raise failure.with_traceback(None)
        raise self._build_missing()

    def peek(self) -> T | None:
        """What is known and fresh, without asking anybody."""
        return self._known if time.monotonic() - self._checked_at <= REFRESH_S else None

    def forget(self) -> None:
        """Ask Postgres again at the next search: what was live is gone."""
        self._checked_at = float("-inf")

    @abstractmethod
    def _read(self) -> T | None:
        """The present one, None if there is none. Raises DependencyUnavailableError."""

    @abstractmethod
    def _build_missing(self) -> ConflictError:
        """What to say while there is none."""

    def _refresh(self) -> None:
        try:
            # Assigned once: the threads that do not wait never see anything half-read.
            self._known, self._failure = self._read(), None
        except DependencyUnavailableError as error:
            # Remembered for those who waited meanwhile: they need not find it out one after the other.
            self._failure = error
            _log.warning(Event.DEPENDENCY_UNAVAILABLE, dependency=error.dependency, reason=error.reason)
        self._checked_at = time.monotonic()
