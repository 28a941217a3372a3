"""What a running stack says of itself, in a file under its home: addresses, pids, states, restarts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

import psutil

from embedded.files import read_json, write_json
from embedded.pidfiles import find_process


class ProcessState(StrEnum):
    """Where one process is in its life."""

    STARTING = "starting"
    RUNNING = "running"
    WAITING = "waiting to restart"
    STOPPED = "stopped"


class Phase(StrEnum):
    """Where the stack is in its life."""

    STARTING = "starting servers"
    MIGRATING = "migrating"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class ProcessStatus:
    """One process. `exit_code` is that of its last end, negative for a signal."""

    state: ProcessState
    address: str | None = None
    pid: int | None = None
    restarts: int = 0
    exit_code: int | None = None


@dataclass(frozen=True, kw_only=True)
class StackState:
    """The whole stack at one moment. `ready` is the answer of the API's /health/ready."""

    phase: Phase
    ready: bool = False
    failure: str | None = None
    supervisor_pid: int = 0
    supervisor_started: float = 0.0
    services: Mapping[str, ProcessStatus] = field(default_factory=dict)
    # Holds the servers' password, so it stays in the file and out of `avs status`.
    env: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def is_alive(self) -> bool:
        """True while the supervisor that wrote this runs the stack."""
        if self.phase in (Phase.STOPPED, Phase.FAILED):
            return False
        return find_process(self.supervisor_pid, started=self.supervisor_started) is not None

    def to_public(self) -> dict[str, Any]:
        """For people and scripts: everything but the environment."""
        return {name: value for name, value in asdict(self).items() if name not in ("env", "supervisor_started")}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Read what `save_state` wrote. Raises KeyError, TypeError or ValueError for anything else."""
        services = {
            name: ProcessStatus(**{**entry, "state": ProcessState(entry["state"])})
            for name, entry in value["services"].items()
        }
        return cls(**{**value, "phase": Phase(value["phase"]), "services": services})


def get_own_start() -> float:
    """When this process was started, as `find_process` compares it."""
    return psutil.Process().create_time()


def save_state(home: Path, state: StackState) -> None:
    """Replace the state file in one step."""
    write_json(home / "state.json", asdict(state))


def load_state(home: Path) -> StackState | None:
    """The state of the stack that runs in this home, None when none does."""
    value = read_json(home / "state.json")
    if value is None:
        return None
    try:
        state = StackState.from_json(value)
    except (KeyError, TypeError, ValueError):
        # Written by another version: that supervisor, if it still ran, would hold the lock and say so.
        return None
    return state if state.is_alive else None
