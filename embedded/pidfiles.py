"""Which processes an owner of a home has started, on disk: the next owner ends what outlived a kill -9.

A process id alone says nothing, since ids are used again; together with the start time it names one process.
"""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import psutil

from embedded.files import read_json, write_json

_END_WAIT_S = 10.0
_CLOCK_SLACK_S = 1.0


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
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.NoSuchProcess:
        return None


def end_leftovers(home: Path) -> list[str]:
    """Kill every remembered process that is alive, with its group, and answer the names. The caller owns the home."""
    ended = []
    for path in sorted(_get_folder(home).glob("*.json")):
        kept = read_json(path)
        process = find_process(kept["pid"], started=kept["started"]) if kept else None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            with contextlib.suppress(psutil.NoSuchProcess):
                process.wait(timeout=_END_WAIT_S)
            ended.append(path.stem)
        path.unlink(missing_ok=True)
    return ended
