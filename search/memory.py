"""A bounded store in this process: what was used least recently goes first, and nothing stays for long.

It stands before Redis where even a round trip costs more than the answer is worth. Keys hold the state of the index,
so what is stale is never asked for again.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
# The node of the dictionary, the tuples and the headers of the texts of one entry.
ENTRY_BYTES = 400


class Memory(Generic[K, V]):
    """Values by key, each for `ttl_s` seconds. Safe between threads.

    All together take at most `max_bytes`: what `size_of` says of a key and its value, and an entry's own objects.
    """

    def __init__(self, *, max_bytes: int, ttl_s: float, size_of: Callable[[K, V], int]) -> None:
        self._max_bytes = max_bytes
        self._ttl_s = ttl_s
        self._size_of = size_of
        self._lock = threading.Lock()
        self._entries: OrderedDict[K, tuple[float, V]] = OrderedDict()
        self._bytes = 0

    def get(self, key: K) -> V | None:
        """The value, None if there is none or it is too old."""
        return self.get_many((key,)).get(key)

    def get_many(self, keys: Iterable[K]) -> dict[K, V]:
        """The values that are there."""
        now = time.monotonic()
        found: dict[K, V] = {}
        with self._lock:
            for key in keys:
                entry = self._entries.get(key)
                if entry is not None and entry[0] > now:
                    self._entries.move_to_end(key)
                    found[key] = entry[1]
        return found

    def put_many(self, values: Mapping[K, V]) -> None:
        """Keep the values; what does not fit any more goes, the least recently used first."""
        if self._ttl_s <= 0:
            return
        until = time.monotonic() + self._ttl_s
        with self._lock:
            for key, value in values.items():
                old = self._entries.pop(key, None)
                self._bytes += self._weigh(key, value) - (self._weigh(key, old[1]) if old else 0)
                self._entries[key] = (until, value)
            while self._bytes > self._max_bytes:
                key, (_, value) = self._entries.popitem(last=False)
                self._bytes -= self._weigh(key, value)

    def _weigh(self, key: K, value: V) -> int:
        return self._size_of(key, value) + ENTRY_BYTES

    @property
    def size_bytes(self) -> int:
        """What is kept now."""
        return self._bytes
