"""The small files of a home: lock, state, process ids."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from core.errors import ConflictError
from embedded.files import HomeLock, read_json, write_json
from embedded.pidfiles import end_leftovers, find_process, remember_process
from embedded.state import Phase, ProcessState, ProcessStatus, StackState, get_own_start, load_state, save_state


def _build_state(**changes: object) -> StackState:
    values = {
        "phase": Phase.RUNNING,
        "supervisor_pid": os.getpid(),
        "supervisor_started": get_own_start(),
        "services": {"web": ProcessStatus(state=ProcessState.RUNNING, address="http://x", pid=1)},
        "env": {"DATABASE_URL": "secret"},
    }
    return StackState(**{**values, **changes})  # type: ignore[arg-type]


def test_a_home_has_one_owner(tmp_path: Path) -> None:
    """A second owner is told so, and may come once the first has left."""
    with HomeLock(tmp_path), pytest.raises(ConflictError, match="already running"):
        HomeLock(tmp_path).acquire()
    with HomeLock(tmp_path):
        pass


def test_broken_json_reads_as_nothing(tmp_path: Path) -> None:
    """A file that is missing, cut short or no object counts as absent."""
    path = tmp_path / "a.json"
    assert read_json(path) is None
    for text in ("{", "[1]", ""):
        path.write_text(text)
        assert read_json(path) is None
    write_json(path, {"a": 1})
    assert read_json(path) == {"a": 1}


def test_the_state_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    """While its supervisor lives, the file gives the same state."""
    save_state(tmp_path, _build_state())
    assert load_state(tmp_path) == _build_state()


@pytest.mark.parametrize(
    "changes", [{"supervisor_started": 1.0}, {"phase": Phase.STOPPED}, {"phase": Phase.FAILED}], ids=str
)
def test_the_state_of_a_dead_supervisor_is_no_state(tmp_path: Path, changes: dict[str, object]) -> None:
    """A reused process id or a finished stack does not look like a running one."""
    save_state(tmp_path, _build_state(**changes))
    assert load_state(tmp_path) is None


def test_a_state_of_another_version_is_no_state(tmp_path: Path) -> None:
    """A file with other fields is not an error."""
    write_json(tmp_path / "state.json", {"phase": "running", "services": {}, "new": 1})
    assert load_state(tmp_path) is None


def test_what_is_shown_holds_no_environment() -> None:
    """The public form leaves the password out."""
    assert "secret" not in str(_build_state().to_public())


def test_leftovers_are_ended_and_strangers_are_not(tmp_path: Path) -> None:
    """A remembered process is killed; one that merely got its id again is left alone."""
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    ours = subprocess.Popen(command, start_new_session=True)
    stranger = subprocess.Popen(command, start_new_session=True)
    try:
        started = psutil.Process(ours.pid).create_time()
        remember_process(tmp_path, name="ours", pid=ours.pid)
        write_json(tmp_path / "run" / "stranger.json", {"pid": stranger.pid, "started": 1.0})
        assert end_leftovers(tmp_path) == ["ours"]
        assert find_process(ours.pid, started=started) is None
        assert stranger.poll() is None
        assert not list((tmp_path / "run").glob("*.json"))
    finally:
        for process in (ours, stranger):
            process.kill()
            process.wait()


def test_a_process_is_known_by_id_and_start() -> None:
    """Either alone is not enough."""
    started = psutil.Process().create_time()
    assert find_process(os.getpid(), started=started) is not None
    assert find_process(os.getpid(), started=started - 100) is None
