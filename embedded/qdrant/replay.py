"""The writes that arrive while an index is built, kept in order to be done again on the new shard.

The file needs no fsync: the shard in service has every one of these writes in its own log, and a crash
during a build discards the copy that the replay is for.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

_LENGTH_BYTES = 8


class ReplayLog:
    """A file of records (name, body, whether it failed), written by one thread and read by another."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("wb")
        self._size = 0

    def append(self, name: str, body: Any, *, failed: bool) -> None:
        """Add a write after it was tried."""
        record = orjson.dumps((name, body, failed))
        self._file.write(len(record).to_bytes(_LENGTH_BYTES, "big") + record)
        self._file.flush()
        self._size += _LENGTH_BYTES + len(record)

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return self._size

    def read(self, start: int, stop: int) -> Iterator[tuple[str, Any, bool]]:
        """Yield the records between two sizes seen before."""
        with self._path.open("rb") as file:
            file.seek(start)
            while file.tell() < stop:
                length = int.from_bytes(file.read(_LENGTH_BYTES), "big")
                name, body, failed = orjson.loads(file.read(length))
                yield name, body, failed

    def discard(self) -> None:
        """Close and remove the file."""
        self._file.close()
        self._path.unlink(missing_ok=True)  # a deleted collection took it along
