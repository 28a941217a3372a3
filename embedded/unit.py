"""What a supervisor runs: one long-lived process with its own way to start, to be ready and to stop."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from embedded.unprivileged import Identity


@dataclass(frozen=True, kw_only=True)
class Launch:
    """A command line, ready to be executed. `env` is the whole environment of the process."""

    command: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str] = field(default_factory=dict)
    run_as: Identity | None = None


class Unit(Protocol):
    """A process that can be started again and again.

    `prepare` heals what a kill -9 left behind and says what to execute; `is_ready` asks the process itself and never
    waits longer than about a second; `grace_s` is the time between `stop_signal` and SIGKILL.
    """

    @property
    def name(self) -> str:
        """Unique name: of the log file, the state entry and the command line."""

    @property
    def address(self) -> str | None:
        """Where it listens, without passwords; None for processes that don't."""

    @property
    def grace_s(self) -> float:
        """Seconds that it may take to stop."""

    @property
    def stop_signal(self) -> signal.Signals:
        """The signal that asks it to finish what it holds and end."""

    def prepare(self) -> Launch:
        """Make its files and heal stale ones. Only called while the process does not run."""

    def is_ready(self) -> bool:
        """True once it answers."""


class Server(Unit, Protocol):
    """A unit that keeps data."""

    def wipe(self) -> None:
        """Delete its data. Only called while the process does not run."""
