"""Small files under AVS_HOME that are never seen half-written, and the lock that keeps a home to one owner."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from core.errors import ConflictError


def write_json(path: Path, value: Any) -> None:
    """Replace the file in one step; readable by its owner alone, since addresses hold passwords."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(value, file, indent=2)
        file.write("\n")
    temporary.replace(path)


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in the file; None when there is no file or it holds no JSON object."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return value if isinstance(value, dict) else None


class HomeLock:
    """Held by the one process that runs servers in a home; the kernel frees it when that process dies.

    Raises ConflictError on entering when another process holds it.
    """

    def __init__(self, home: Path) -> None:
        self._path = home / "lock"
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock, or raise ConflictError."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise ConflictError(f"a stack is already running in {self._path.parent}") from error
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the lock back; harmless when it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
