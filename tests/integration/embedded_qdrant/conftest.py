"""A real server process for each test module, spoken to by the ordinary client."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from qdrant_client import QdrantClient

ROOT = Path(__file__).parents[3]


class RunningServer:
    """`python -m embedded.qdrant` on a free port."""

    def __init__(self, path: Path, *, quiet_seconds: float = 0.5) -> None:
        command = [sys.executable, "-m", "embedded.qdrant", "--path", str(path), "--port", "0"]
        self.process = subprocess.Popen(
            [*command, "--quiet-seconds", str(quiet_seconds), "--build-nice", "0"],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        assert self.process.stdout is not None
        self.port: int = json.loads(self.process.stdout.readline())["port"]
        self.url = f"http://127.0.0.1:{self.port}"

    def client(self) -> QdrantClient:
        """The ordinary client."""
        return QdrantClient(url=self.url, timeout=60, check_compatibility=False)

    def kill(self) -> None:
        """End it as a power user would: kill -9."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Ask it to stop and return its exit status."""
        return self._end(signal.SIGTERM)

    def _end(self, number: int) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return self.process.wait(30)


StartServer = Callable[..., RunningServer]


@pytest.fixture(scope="module")
def start_server() -> Iterator[StartServer]:
    """Start servers that are ended with the module."""
    running: list[RunningServer] = []

    def start(path: Path, *, quiet_seconds: float = 0.5) -> RunningServer:
        running.append(RunningServer(path, quiet_seconds=quiet_seconds))
        return running[-1]

    yield start
    for server in running:
        server.kill()


@pytest.fixture(scope="module")
def server(start_server: StartServer, tmp_path_factory: pytest.TempPathFactory) -> RunningServer:
    """One server for the module."""
    return start_server(tmp_path_factory.mktemp("qdrant"))


@pytest.fixture(scope="module")
def client(server: RunningServer) -> Iterator[QdrantClient]:
    """The ordinary client of the module's server."""
    opened = server.client()
    yield opened
    opened.close()
