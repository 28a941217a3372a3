"""img2dataset, the yardstick of (g), in a virtual environment of its own: its dependencies do not agree with ours.

It is asked for what we do, as far as it goes: decode each picture (no smaller copy is made, and a JPEG is kept as it
came), SHA-256, one file a picture, X-Robots-Tag obeyed. Whole decodes are its only check; it knows no quick ones.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

REQUIREMENTS = ("img2dataset>=1.47,<2",)
_FOLDER = Path(__file__).resolve().parents[1] / "var" / "bench" / "img2dataset"
_INSTALL_LIMIT_S = 900
_RUN_LIMIT_S = 600
_SHARDS_PER_PROCESS = 6


def ensure_environment(folder: Path = _FOLDER) -> Path:
    """The program in its virtual environment, installed if it is not there. Raises CalledProcessError."""
    venv, ready = folder / ".venv", folder / ".ready"
    if not ready.exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True, timeout=120)
        subprocess.run(
            [str(venv / "bin" / "pip"), "install", "--quiet", *REQUIREMENTS], check=True, timeout=_INSTALL_LIMIT_S
        )
        ready.touch()
    return venv / "bin" / "img2dataset"


def count_processes(connections: int) -> int:
    """A process for each core, as it is meant to be used; ours gets as many."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, connections))


def run(urls: Path, *, count: int, connections: int, resize_mode: str = "no") -> dict[str, Any]:
    """One run over a list of `count` URLs. `seconds` is from its first shard's begin to its last one's end.

    Its start (imports, processes) is left out, as ours is; `cpu_ms` a picture has it.
    """
    processes = count_processes(connections)
    options = {
        "url_list": urls,
        "input_format": "txt",
        "processes_count": processes,
        "thread_count": connections // processes,
        "resize_mode": resize_mode,
        "image_size": 256,
        "skip_reencode": True,
        "compute_hash": "sha256",
        "number_sample_per_shard": max(1, count // (_SHARDS_PER_PROCESS * processes)),
        "output_format": "files",
        "disallowed_header_directives": '["noai","noindex"]',
    }
    with tempfile.TemporaryDirectory(prefix="avs-img2dataset-") as folder:
        out = Path(folder, "out")
        command = [str(ensure_environment()), *(f"--{name}={value}" for name, value in options.items())]
        env = {**os.environ, "NO_ALBUMENTATIONS_UPDATE": "1", "WANDB_MODE": "disabled"}
        before = _read_children_cpu_s()
        subprocess.run(
            [*command, f"--output_folder={out}"], check=True, capture_output=True, env=env, timeout=_RUN_LIMIT_S
        )
        cpu_s = _read_children_cpu_s() - before
        shards = [json.loads(path.read_text()) for path in out.glob("*_stats.json")]
    seconds = max(one["end_time"] for one in shards) - min(one["start_time"] for one in shards)
    done = sum(one["successes"] for one in shards)
    if done != count:
        raise RuntimeError(f"img2dataset brought {done} of {count} pictures")
    return {"seconds": round(seconds, 2), "per_s": round(count / seconds, 1), "cpu_ms": round(1_000 * cpu_s / count, 2)}


def _read_children_cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
