"""Ends the servers of a supervisor that was killed with -9: a tiny process that outlives it by a few seconds.

It reads `+PID SIGNAL` and `-PID` lines from a pipe. When the pipe closes, its owner is gone, and whatever is still
listed gets its own stop signal, then SIGKILL for its process group. PR_SET_PDEATHSIG would not do: it fires when the
*thread* that started a child ends, is lost when a child changes its user, and reaches no grandchildren.

This file runs alone (`python -I -S watchdog.py`), so it imports the standard library only.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

_GRACE_S = 5.0
_POLL_S = 0.05


class Watchdog:
    """The owner's side. One for each process that starts servers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(__file__).resolve())],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            text=True,
            cwd="/",
        )

    @property
    def pid(self) -> int:
        """The process id of the watchdog."""
        return self._process.pid

    def add(self, pid: int, stop_signal: signal.Signals) -> None:
        """From now on this process group does not outlive us."""
        self._tell(f"+{pid} {int(stop_signal)}\n")

    def remove(self, pid: int) -> None:
        """This process has ended and its id may be used by others."""
        self._tell(f"-{pid}\n")

    def close(self) -> None:
        """End the watchdog, and with it whatever is still listed."""
        with self._lock:
            if self._process.stdin is not None:
                # A watchdog that was killed itself has nothing left to be told.
                with contextlib.suppress(BrokenPipeError):
                    self._process.stdin.close()
        self._process.wait(timeout=_GRACE_S * 2)

    def _tell(self, line: str) -> None:
        with self._lock:
            if self._process.stdin is None or self._process.stdin.closed:
                return
            # Losing the watchdog must not stop the supervisor: only the case of both being killed is unguarded then,
            # and that is healed from the pid files at the next start.
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.write(line)
                self._process.stdin.flush()


def _signal(pid: int, number: int) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def _is_alive(pid: int) -> bool:
    """False for a zombie too, where the system tells: in a container there may be nobody to reap it."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0] != "Z"
    return _signal(pid, 0)


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def _end_all(listed: dict[int, int]) -> None:
    for pid, number in listed.items():
        _signal(pid, number)
    deadline = time.monotonic() + _GRACE_S
    while any(_is_alive(pid) for pid in listed) and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    for pid in listed:
        _kill_group(pid)


def _watch() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    listed: dict[int, int] = {}
    for line in sys.stdin:
        kind, rest = line[0], line[1:].split()
        if kind == "+":
            listed[int(rest[0])] = int(rest[1])
        else:
            listed.pop(int(rest[0]), None)
    _end_all(listed)


if __name__ == "__main__":
    _watch()
