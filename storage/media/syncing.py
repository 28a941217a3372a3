"""Bringing many files to the disk at once.

`fsync` for each of them and their folders costs more than fetching and checking a picture. Linux brings a whole file
system to the disk in one call, which is as safe and, for a hundred files, a hundred times cheaper.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path


def sync_files(folder: Path, paths: Sequence[str]) -> None:
    """Return when these files and folders, all on the file system of `folder`, are on the disk. Raises OSError."""
    sync_file_system = _find_syncfs()
    if sync_file_system is None:
        for path in paths:
            _with_descriptor(path, os.fsync)
    else:
        _with_descriptor(folder, sync_file_system)


def _with_descriptor(path: str | Path, call: Callable[[int], None]) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        call(descriptor)
    finally:
        os.close(descriptor)


@cache
def _find_syncfs() -> Callable[[int], None] | None:
    """Linux's syncfs, which Python does not offer; None elsewhere."""
    function = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if function is None:
        return None

    def syncfs(descriptor: int) -> None:
        if function(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    return syncfs
