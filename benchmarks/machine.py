"""What a result was measured on and with. Nothing that names this machine or a place on it."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[1]
_PACKAGES = ("celery", "redis", "flask", "gunicorn", "qdrant-client", "qdrant-edge-py", "torch", "transformers")


def describe_machine() -> dict[str, Any]:
    """Date, processor, cores, versions and commit."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": _read_cpu_model(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: found for name in _PACKAGES if (found := _find_version(name)) is not None},
        "commit": _run_git("rev-parse", "HEAD"),
        "has_local_changes": bool(_run_git("status", "--porcelain", "--untracked-files=no")),
    }


def _read_cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _find_version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _run_git(*arguments: str) -> str | None:
    """The output, None outside a repository or without git."""
    try:
        done = subprocess.run(["git", *arguments], cwd=_ROOT, check=False, capture_output=True, text=True, timeout=10)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
