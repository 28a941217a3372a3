"""The state machine of one supervised process, with a real child and a clock of our own."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import pytest

from core.errors import ConfigurationError
from embedded.child import Child
from embedded.keeper import Keeper
from embedded.state import ProcessState
from embedded.unit import Launch
from embedded.watchdog import Watchdog


@dataclass
class Sleeper:
    """A unit that sleeps, and is ready or broken on demand."""

    cwd: Path
    code: str = "import time; time.sleep(60)"
    ready: bool = False
    broken: bool = False
    name: str = "sleeper"
    address: str | None = None
    grace_s: float = 0.5
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    def prepare(self) -> Launch:
        """Run Python, or fail as a missing program would."""
        if self.broken:
            raise ConfigurationError("no such program")
        return Launch(command=(sys.executable, "-c", self.code), cwd=self.cwd, env={})

    def is_ready(self) -> bool:
        """As the test says."""
        return self.ready


@dataclass
class Clock:
    """Time that passes when the test says so."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Rig:
    """A keeper with everything around it."""

    unit: Sleeper
    child: Child
    clock: Clock = field(default_factory=Clock)
    keeper: Keeper = field(init=False)

    def __post_init__(self) -> None:
        self.keeper = Keeper(self.child, clock=self.clock)

    def read_state(self) -> ProcessState:
        return self.keeper.state


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """A keeper over a sleeping process; stopped afterwards."""
    watchdog = Watchdog()
    unit = Sleeper(cwd=tmp_path)
    child = Child(unit, home=tmp_path, watchdog=watchdog)
    yield Rig(unit=unit, child=child)
    child.stop()
    watchdog.close()


def test_running_means_that_the_probe_said_so(rig: Rig) -> None:
    """A process that runs but does not answer yet is still starting."""
    rig.keeper.start()
    rig.keeper.step()
    assert rig.read_state() is ProcessState.STARTING
    rig.unit.ready = True
    rig.keeper.step()
    assert rig.read_state() is ProcessState.RUNNING


def test_a_dead_process_waits_and_is_started_again(rig: Rig) -> None:
    """Death is noticed with its signal, the delay passes, then there is a new process."""
    rig.keeper.start()
    first = rig.child.pid
    rig.child.kill()
    rig.keeper.step()
    assert rig.read_state() is ProcessState.WAITING
    rig.keeper.step()
    assert rig.keeper.status.pid is None
    rig.clock.now = 1.0
    rig.keeper.step()
    assert rig.read_state() is ProcessState.STARTING
    assert rig.child.pid not in (None, first)
    assert (rig.keeper.restarts, rig.keeper.status.exit_code) == (1, -9)


def test_a_start_that_fails_is_tried_again(rig: Rig) -> None:
    """A unit that cannot be prepared waits like one that died, and comes up once it can."""
    rig.unit.broken = True
    rig.keeper.start()
    assert rig.read_state() is ProcessState.WAITING
    rig.unit.broken = False
    rig.clock.now = 1.0
    rig.keeper.step()
    assert rig.read_state() is ProcessState.STARTING


def test_a_process_that_was_stopped_on_purpose_stays_down(rig: Rig) -> None:
    """Stopping is no death."""
    rig.keeper.start()
    rig.child.stop()
    rig.keeper.mark_stopped()
    rig.clock.now = 100.0
    rig.keeper.step()
    assert rig.child.pid is None


def test_a_process_that_ignores_its_signal_is_killed(rig: Rig) -> None:
    """After the grace time comes SIGKILL."""
    rig.unit.code = "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    rig.keeper.start()
    while "deaf" not in rig.child.read_log_tail():
        time.sleep(0.01)
    rig.child.stop()
    assert rig.child.pid is None


def test_a_large_log_is_set_aside_at_the_next_start(rig: Rig) -> None:
    """Logs do not grow for ever."""
    rig.child.log_path.parent.mkdir()
    rig.child.log_path.write_bytes(b"x" * 10_000_001)
    rig.keeper.start()
    assert rig.child.log_path.stat().st_size < 1_000
    assert rig.child.log_path.with_suffix(".log.1").stat().st_size == 10_000_001
