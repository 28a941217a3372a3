"""Keeps one unit running: start, probe, notice its death, wait, start again. A step never blocks for long."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable

from core.errors import ServiceError
from core.log import Event, Log
from embedded.backoff import Backoff
from embedded.child import Child
from embedded.state import ProcessState, ProcessStatus

_log = Log("supervisor")


class Keeper:
    """The state machine of one process: starting -> running -> (died) waiting -> starting -> ..."""

    def __init__(self, child: Child, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.child = child
        self.state = ProcessState.STOPPED
        self.restarts = 0
        self._clock = clock
        self._backoff = Backoff()
        self._started_at = 0.0
        self._next_start_at = 0.0
        self._exit_code: int | None = None

    @property
    def name(self) -> str:
        """The unit's name."""
        return self.child.unit.name

    @property
    def status(self) -> ProcessStatus:
        """What the state file says of this process."""
        return ProcessStatus(
            state=self.state,
            address=self.child.unit.address,
            pid=self.child.pid,
            restarts=self.restarts,
            exit_code=self._exit_code,
        )

    def start(self) -> None:
        """Start the process; `step` finds out when it is ready. A failed start is tried again like a death."""
        self._started_at = self._clock()
        try:
            self.child.start()
        except (ServiceError, OSError, subprocess.SubprocessError) as error:
            _log.error(Event.PROCESS_STOPPED, process=self.name, reason=str(error))
            self._wait_for_next_start()
            return
        self.state = ProcessState.STARTING
        _log.info(Event.PROCESS_STARTED, process=self.name, pid=self.child.pid)

    def step(self) -> None:
        """Look at the process once and do what its state asks for."""
        if self.state is ProcessState.WAITING:
            if self._clock() >= self._next_start_at:
                self.restarts += 1
                self.start()
        elif self.state in (ProcessState.STARTING, ProcessState.RUNNING):
            self._check()

    def mark_stopped(self) -> None:
        """It was ended on purpose: don't start it again."""
        self.state = ProcessState.STOPPED

    def _check(self) -> None:
        if not self.child.is_alive():
            self._exit_code = self.child.exit_code
            self._wait_for_next_start()
            _log.warning(Event.PROCESS_STOPPED, process=self.name, exit_code=self._exit_code)
        elif self.state is ProcessState.STARTING and self.child.unit.is_ready():
            self.state = ProcessState.RUNNING

    def _wait_for_next_start(self) -> None:
        uptime_s = self._clock() - self._started_at
        self._next_start_at = self._clock() + self._backoff.next_delay_s(uptime_s=uptime_s)
        self.state = ProcessState.WAITING
