"""`avs demo --exit`: from nothing to pictures that are found, with the project's own processes and encoders."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.exits import Exit

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.timeout(900)
def test_the_demo_ends_well_and_leaves_nothing_running(new_home: Callable[[], Path]) -> None:
    """All pictures are drawn, fetched and stored; the cropped cover and the piece with a text find their titles."""
    home = new_home()
    done = _avs("demo", "--exit", home=home)
    assert done.returncode == Exit.OK, done.stdout[-3_000:] + done.stderr[-3_000:]
    assert "1030/1030" in done.stdout
    cropped = done.stdout.split("the middle of the cover of Cowboy Bebop")[1]
    assert "Cowboy Bebop" in next(line for line in cropped.splitlines() if line.startswith("1 "))
    assert len([path for path in (home / "media").rglob("*") if path.is_file()]) > 700
    assert _avs("status", home=home).returncode == Exit.UNAVAILABLE


def _avs(*args: str, home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *args],
        env={**os.environ, "AVS_HOME": str(home)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )
