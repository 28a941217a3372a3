"""One running unit: started in a process group of its own, logged to a file, stopped or killed without orphans."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import IO

from core.errors import DependencyUnavailableError
from embedded.pidfiles import forget_process, remember_process
from embedded.unit import Launch, Unit
from embedded.watchdog import Watchdog

_LOG_LIMIT_BYTES = 10_000_000
_LOG_TAIL_BYTES = 2_000
_KILL_WAIT_S = 10.0


class Child:
    """The process of a unit, over all its restarts."""

    def __init__(self, unit: Unit, *, home: Path, watchdog: Watchdog) -> None:
        self.unit = unit
        self._watchdog = watchdog
        self._process: subprocess.Popen[bytes] | None = None
        self._home = home
        self.log_path = home / "logs" / f"{unit.name}.log"

    @property
    def pid(self) -> int | None:
        """The id of the living process, None when it is not running."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    @property
    def exit_code(self) -> int | None:
        """How the last process ended: negative for a signal, None while it runs or before the first start."""
        return self._process.poll() if self._process is not None else None

    def is_alive(self) -> bool:
        """Look whether the process runs, and reap it if it does not: Postgres takes its own zombie for alive."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the process; no wait for readiness. Does nothing when it runs already."""
        if self.is_alive():
            return
        # Workers of a server that was killed alone would keep its port.
        self._kill_group()
        self._forget()
        launch = self.unit.prepare()
        with self._open_log() as log:
            self._process = _spawn(launch, log=log)
        self._watchdog.add(self._process.pid, self.unit.stop_signal)
        remember_process(self._home, name=self.unit.name, pid=self._process.pid)

    def ask_to_stop(self) -> None:
        """Send the unit's stop signal and return at once."""
        if self.is_alive() and self._process is not None:
            self._process.send_signal(self.unit.stop_signal)

    def stop(self) -> None:
        """Ask, wait for the grace time, then kill."""
        self.ask_to_stop()
        self.finish(timeout_s=self.unit.grace_s)

    def finish(self, *, timeout_s: float) -> None:
        """Wait for the end of a process that was asked to stop; kill its whole group when the time is over."""
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=timeout_s)
            self._kill_group()
        self._forget()

    def kill(self) -> None:
        """`kill -9` of the process alone, as the kernel's memory killer would do it. It is reaped."""
        if self._process is not None and self.is_alive():
            self._process.kill()
            self._process.wait(timeout=_KILL_WAIT_S)

    def read_log_tail(self) -> str:
        """The last lines of the log, for error messages."""
        try:
            content = self.log_path.read_bytes()
        except FileNotFoundError:
            return ""
        return content[-_LOG_TAIL_BYTES:].decode(errors="replace").strip()

    def read_reason(self) -> str:
        """Why the process ended, by its last log line: the `reason` of an event, else the line as it is."""
        line = self.read_log_tail().rpartition("\n")[2]
        with contextlib.suppress(ValueError):
            event = json.loads(line)
            if isinstance(event, dict) and event.get("reason"):
                return str(event["reason"])
        return line

    def build_error(self, reason: str) -> DependencyUnavailableError:
        """The error for a unit that cannot be had, with the end of its log."""
        return DependencyUnavailableError(
            self.unit.name, f"{reason}; the end of {self.log_path}:\n{self.read_log_tail()}"
        )

    def _open_log(self) -> IO[bytes]:
        self.log_path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.log_path.exists() and self.log_path.stat().st_size > _LOG_LIMIT_BYTES:
            self.log_path.replace(self.log_path.with_suffix(".log.1"))
        return self.log_path.open("ab")

    def _kill_group(self) -> None:
        """Grandchildren first of all: a leader that ended by itself may have left some."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(timeout=_KILL_WAIT_S)

    def _forget(self) -> None:
        if self._process is not None:
            self._watchdog.remove(self._process.pid)
            self._process = None
        forget_process(self._home, name=self.unit.name)


def _spawn(launch: Launch, *, log: IO[bytes]) -> subprocess.Popen[bytes]:
    identity = launch.run_as
    return subprocess.Popen(
        launch.command,
        cwd=launch.cwd,
        env=dict(launch.env),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        user=None if identity is None else identity.uid,
        group=None if identity is None else identity.gid,
        extra_groups=None if identity is None else list(identity.groups),
        umask=0o077 if identity is not None else -1,
    )
