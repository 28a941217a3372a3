"""The Qdrant server of `embedded.qdrant` as a supervised process."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from embedded.http_probe import answers_ok
from embedded.ports import LOOPBACK
from embedded.unit import Launch

_SOURCE_ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, kw_only=True)
class QdrantServer:
    """One server process over one storage folder; the engine locks the folder to it."""

    name: str
    port: int
    data_dir: Path
    grace_s: float = 20.0
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    @property
    def address(self) -> str:
        """The server's URL."""
        return f"http://{LOOPBACK}:{self.port}"

    def prepare(self) -> Launch:
        """Nothing to heal: the server discards half-built copies itself."""
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        command = (
            sys.executable,
            "-m",
            "embedded.qdrant",
            "--path",
            str(self.data_dir.absolute()),
            "--port",
            str(self.port),
        )
        return Launch(command=command, cwd=_SOURCE_ROOT, env={**os.environ, "PYTHONUNBUFFERED": "1"})

    def is_ready(self) -> bool:
        """True once /readyz answers 200: every collection is loaded."""
        return answers_ok(f"{self.address}/readyz")

    def wipe(self) -> None:
        """Delete all collections."""
        shutil.rmtree(self.data_dir, ignore_errors=True)
