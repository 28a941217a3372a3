"""CPU seconds of processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from benchmarks.processes import read_cpu


def test_work_of_a_process_shows_in_its_group() -> None:
    """What this process burns between two readings is found, and is part of what the machine did."""
    before = read_cpu({"own": os.getpid()})
    until = time.process_time() + 0.2
    while time.process_time() < until:
        pass
    spent = read_cpu({"own": os.getpid()}).since(before)
    assert spent.groups["own"] >= 0.15
    assert spent.machine_s > 0


def test_a_process_that_has_ended_counts_nothing() -> None:
    """A server that died during a run does not end the measurement."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert read_cpu({"gone": process.pid}).groups == {"gone": 0.0}
