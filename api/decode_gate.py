"""How many pictures are decoded at once in this process: a decoder takes a core and, for a moment, much memory."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from core.errors import OverloadedError

_WAIT_S = 2.0
_PLACES_MAX = 8


class DecodeGate:
    """So many at once; who has waited for a place for too long is sent away, so that no threads pile up."""

    def __init__(self, places: int | None = None, *, wait_s: float = _WAIT_S) -> None:
        self._places = threading.BoundedSemaphore(places or min(os.cpu_count() or 1, _PLACES_MAX))
        self._wait_s = wait_s

    @contextmanager
    def enter(self) -> Iterator[None]:
        """Hold a place. Raises OverloadedError."""
        if not self._places.acquire(timeout=self._wait_s):
            raise OverloadedError("too many pictures are being decoded", retry_after_s=self._wait_s)
        try:
            yield
        finally:
            self._places.release()
