"""Which processes an owner of a home has started, on disk: the next owner ends what outlived a kill -9.

A process id alone says nothing, since ids are used again; together with the start time it names one process.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

from embedded.files import read_json, write_json

_END_WAIT_S = 10.0
_CLOCK_SLACK_S = 1.0
_POLL_S = 0.02


def _get_folder(home: Path) -> Path:
    return home / "run"


def remember_process(home: Path, *, name: str, pid: int) -> None:
    """Write down that this process is ours. A process that has ended already is left out."""
    _get_folder(home).mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.suppress(psutil.NoSuchProcess):
        write_json(_get_folder(home) / f"{name}.json", {"pid": pid, "started": psutil.Process(pid).create_time()})


def forget_process(home: Path, *, name: str) -> None:
    """It has ended."""
    (_get_folder(home) / f"{name}.json").unlink(missing_ok=True)


def find_process(pid: int, *, started: float) -> psutil.Process | None:
    """The process with this id if it is alive and still the one that was started then."""
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - started) < _CLOCK_SLACK_S
        return process if same and not _is_over(process) else None
    except psutil.NoSuchProcess:
        return None


def _is_over(process: psutil.Process) -> bool:
    """A zombie is over once its last thread is: until then the kernel keeps its ports."""
    return bool(process.status() == psutil.STATUS_ZOMBIE and process.num_threads() <= 1)


def wait_until_gone(processes: Mapping[int, float], *, limit_s: float = _END_WAIT_S) -> bool:
    """True once none of these (start time by id) is alive. A zombie is gone: nobody may be there to reap it."""
    deadline = time.monotonic() + limit_s
    while any(find_process(pid, started=started) for pid, started in processes.items()):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True


def end_leftovers(home: Path) -> list[str]:
    """Kill every remembered process that is alive, with its group, and answer the names. The caller owns the home."""
    kept = {path.stem: read_json(path) for path in sorted(_get_folder(home).glob("*.json"))}
    alive = {
        name: (entry["pid"], entry["started"])
        for name, entry in kept.items()
        if entry and find_process(entry["pid"], started=entry["started"])
    }
    for pid, _ in alive.values():
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
    wait_until_gone(dict(alive.values()))
    for name in kept:
        forget_process(home, name=name)
    return list(alive)
