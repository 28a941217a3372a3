"""The project's own Procfile under the supervisor: `avs up --detach`, ready, `avs down`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil

from embedded.addresses import SERVICE_NAMES
from embedded.procfile import RELEASE, load_procfile

ROOT = Path(__file__).resolve().parents[3]


def _avs(*args: str, home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *args],
        env={**os.environ, "AVS_HOME": str(home)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def test_the_whole_stack_comes_up_and_goes_down(new_home: Callable[[], Path]) -> None:
    """Every process of the Procfile runs, the API says that it is ready, Flower answers, and nothing is left after."""
    home = new_home()
    up = _avs("up", "--detach", "--timeout", "150", home=home)
    try:
        assert up.returncode == 0, up.stdout + up.stderr
        shown = json.loads(_avs("status", "--json", home=home).stdout)
        services = shown["services"]
        assert set(services) == {*SERVICE_NAMES, *load_procfile(ROOT / "Procfile")} - {RELEASE}
        assert httpx.get(f"{services['web']['address']}/health/ready").status_code == 200
        assert httpx.get(f"{services['flower']['address']}/healthcheck").status_code == 200
        family = psutil.Process(shown["supervisor_pid"]).children(recursive=True)
    finally:
        down = _avs("down", home=home)
    assert down.returncode == 0, down.stderr
    assert not [process for process in family if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
    assert _avs("status", home=home).returncode == 4
