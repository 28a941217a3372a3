"""How much is decoded at once in a process.

A file of a megabyte may hold fifty million pixels: what decoding costs is its pixels, not its pictures. So the room is
counted in bytes of memory, and a picture's header says how many it takes before it takes any.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from core.errors import OverloadedError

# A PNG of the largest size twice at once; a WebP or an AVIF of it alone.
_LARGEST_AT_ONCE: Final = 2
_BYTES_A_PIXEL: Final = 9
# A second for who is sent away without having waited for long.
_LEAST_RETRY_S: Final = 1.0


class DecodeBudget:
    """Bytes and places for pictures that are being decoded. Safe between threads.

    Whoever comes first is served first, so that a large picture is not passed by small ones for ever. `wait_s`: who has
    waited for so long is sent away, and no threads pile up; None waits until there is room.
    """

    def __init__(self, *, most_bytes: int, places: int, wait_s: float | None = None) -> None:
        if most_bytes < 1 or places < 1:
            raise ValueError(f"no room for any picture: {most_bytes} bytes, {places} places")
        self._most = self._free = most_bytes
        self._places = places
        self._wait_s = wait_s
        self._changed = threading.Condition()
        self._waiting: deque[object] = deque()

    @classmethod
    def of(cls, *, max_pixels: int, places: int, wait_s: float | None = None) -> DecodeBudget:
        """The room for pictures of up to `max_pixels`: 900 MB for 50 million."""
        return cls(most_bytes=_LARGEST_AT_ONCE * _BYTES_A_PIXEL * max_pixels, places=places, wait_s=wait_s)

    @contextmanager
    def hold(self, size: int) -> Iterator[None]:
        """Hold a place and `size` bytes; what is larger than the whole room has all of it. Raises OverloadedError."""
        share = min(size, self._most)
        self._enter(share)
        try:
            yield
        finally:
            self._leave(share)

    def _enter(self, share: int) -> None:
        ticket = object()
        with self._changed:
            self._waiting.append(ticket)
            try:
                if not self._changed.wait_for(lambda: self._is_next(ticket, share), self._wait_s):
                    retry_s = max(self._wait_s or 0.0, _LEAST_RETRY_S)
                    raise OverloadedError("too many pictures are being decoded", retry_after_s=retry_s)
                self._free -= share
                self._places -= 1
            finally:
                self._waiting.remove(ticket)
                # There may be room for the next one as well, or this one was in his way.
                self._changed.notify_all()

    def _leave(self, share: int) -> None:
        with self._changed:
            self._free += share
            self._places += 1
            self._changed.notify_all()

    def _is_next(self, ticket: object, share: int) -> bool:
        return self._waiting[0] is ticket and self._places > 0 and self._free >= share
