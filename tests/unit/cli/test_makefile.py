"""The Makefile's checks fail when what they run fails."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("status", [0, 1])
def test_audit_ends_as_pip_audit_does(tmp_path: Path, status: int) -> None:
    """A vulnerability that pip-audit finds is not lost in the pipe that shortens its output."""
    program = tmp_path / "pip-audit"
    program.write_text(f"#!/bin/sh\necho found\nexit {status}\n")
    program.chmod(0o755)
    ready = tmp_path / "ready"
    ready.touch()
    done = subprocess.run(
        ["make", "audit", f"BIN={tmp_path}", f"READY={ready}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "found" in done.stdout
    assert (done.returncode == 0) is (status == 0)
