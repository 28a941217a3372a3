"""CPU seconds of groups of processes, so that a request's cost can be split among the servers that worked on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class CpuReading:
    """CPU seconds since their start by group, and busy seconds of all cores of the machine."""

    groups: Mapping[str, float]
    machine_s: float

    def since(self, earlier: CpuReading) -> CpuReading:
        """What was spent between two readings."""
        spent = {name: value - earlier.groups.get(name, 0.0) for name, value in self.groups.items()}
        return CpuReading(spent, self.machine_s - earlier.machine_s)


def read_cpu(pids: Mapping[str, int]) -> CpuReading:
    """Each process with its descendants; one that has ended counts nothing."""
    times = psutil.cpu_times()
    idle = times.idle + getattr(times, "iowait", 0.0)
    # Guest time is counted within user time already.
    counted = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
    return CpuReading({name: _sum_tree(pid) for name, pid in pids.items()}, counted - idle)


def _sum_tree(pid: int) -> float:
    try:
        root = psutil.Process(pid)
        return sum(_read_one(process) for process in (root, *root.children(recursive=True)))
    except psutil.NoSuchProcess:
        return 0.0


def _read_one(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return times.user + times.system
