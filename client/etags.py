"""Answers of GET requests kept with their ETags, so that an unchanged one is not sent again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

# One long answer must not push the many short ones out of a memory that is counted in entries.
_BODY_MAX_BYTES = 1_048_576


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """A body and the ETag that the service gave it."""

    etag: str
    body: bytes


class EtagMemory:
    """The answers used last, `size` of them at most; 0 keeps none. Threads may share it."""

    def __init__(self, size: int) -> None:
        if size < 0:
            raise ValueError("the number of kept answers must not be negative")
        self._size = size
        self._kept: OrderedDict[str, KeptAnswer] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, url: str) -> KeptAnswer | None:
        """What was kept for this address."""
        with self._lock:
            if url in self._kept:
                self._kept.move_to_end(url)
            return self._kept.get(url)

    def keep(self, url: str, *, etag: str | None, body: bytes) -> None:
        """Keep an answer if it has an ETag; one without takes the place of what was kept."""
        with self._lock:
            self._kept.pop(url, None)
            if etag is None or len(body) > _BODY_MAX_BYTES:
                return
            self._kept[url] = KeptAnswer(etag, body)
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)
