"""One measured run: write the bodies, start the load generator, read CPU before and after, and put it together."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median_low
from typing import Any

from benchmarks.processes import CpuReading

_ROOT = Path(__file__).resolve().parents[1]
_WARM_UP_S = 1.0
# More than any server here answers in a second; where it is too few, the run ends early and says so.
BODIES_PER_S = 2_500

Run = dict[str, Any]


def run_load(
    *,
    port: int,
    path: str,
    bodies: Sequence[bytes] | None,
    clients: int,
    seconds: float,
    read_cpu: Callable[[], CpuReading],
    repeat: bool = False,
    are_requests: bool = False,
) -> Run:
    """Figures of the load generator, with CPU milliseconds a request by process, the load generator's own among them.

    `are_requests`: each of `bodies` is a whole request, path and body. `others_busy_cores` is what processes that are
    not part of the run took meanwhile. Raises RuntimeError when no request succeeded.
    """
    with tempfile.TemporaryDirectory(prefix="avs-load-") as folder:
        wanted, result = Path(folder, "bodies.jsonl"), Path(folder, "result.json")
        command = [sys.executable, "-m", "benchmarks.load", "--port", str(port), "--path", path, "--out", str(result)]
        command += ["--clients", str(clients), "--seconds", str(seconds), "--warm-up", str(_WARM_UP_S)]
        if bodies is not None:
            wanted.write_bytes(b"\n".join(bodies))
            command += ["--requests" if are_requests else "--bodies", str(wanted)]
        if repeat:
            command.append("--repeat")
        before = read_cpu()
        subprocess.run(command, cwd=_ROOT, check=True, timeout=seconds + 120)
        spent = read_cpu().since(before)
        run: Run = json.loads(result.read_text(encoding="utf-8"))
    if not run["requests"]:
        raise RuntimeError(f"{path}: no request succeeded: {run['faults']}")
    return _add_cpu(run, spent, window_s=seconds + _WARM_UP_S)


def choose_median(runs: Sequence[Run]) -> Run:
    """The run whose throughput is the median, with the throughputs of all."""
    middle = median_low(run["per_s"] for run in runs)
    chosen = next(run for run in runs if run["per_s"] == middle)
    return {**chosen, "per_s_of_all_runs": [run["per_s"] for run in runs]}


def sum_cpu_ms(run: Run) -> float:
    """CPU milliseconds a request of everything but the load generator."""
    by_process: dict[str, float] = run["cpu_ms"]
    return round(sum(value for name, value in by_process.items() if name != "load"), 3)


def _add_cpu(run: Run, spent: CpuReading, *, window_s: float) -> Run:
    groups = {**spent.groups, "load": run.pop("cpu_s")}
    others_s = max(spent.machine_s - sum(groups.values()), 0.0)
    run["cpu_ms"] = {name: round(1_000 * value / run["answers"], 3) for name, value in groups.items()}
    run["others_busy_cores"] = round(others_s / window_s, 2)
    return run
