"""One live shard: an engine, closed once its last reader has left (closing makes running queries fail)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import qdrant_edge as edge


class Shard:
    """An open engine and its readers. `acquire()` first, then `with shard as engine: ...` releases."""

    def __init__(self, engine: edge.EdgeShard, path: Path) -> None:
        self.engine = engine
        self.path = path
        self._readers = 0
        self._retired = False
        self._lock = threading.Lock()
        self._when_closed: Callable[[], None] = lambda: None

    def acquire(self) -> bool:
        """Count the caller as a reader; false if the shard is on its way out."""
        with self._lock:
            if self._retired:
                return False
            self._readers += 1
            return True

    def __enter__(self) -> edge.EdgeShard:
        return self.engine

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._readers -= 1
            last = self._retired and self._readers == 0
        if last:
            self._close()

    def retire(self, when_closed: Callable[[], None]) -> None:
        """Take no new readers; the last one closes the engine and calls `when_closed`."""
        with self._lock:
            self._retired = True
            self._when_closed = when_closed
            last = self._readers == 0
        if last:
            self._close()

    def _close(self) -> None:
        self.engine.close()
        self._when_closed()
