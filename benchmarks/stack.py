"""A whole stack to be measured: embedded servers, workers with the real encoder, an indexed catalogue, one gunicorn.

The web server runs `benchmarks.wsgi` with the product's own gunicorn settings; everything else is what `avs up` starts.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from benchmarks.processes import CpuReading, read_cpu
from embedded.plan import StackOptions
from embedded.ports import choose_port
from embedded.supervisor import Supervisor

ROOT = Path(__file__).resolve().parents[1]
_WORKERS = ("worker-query", "worker-embed", "worker-network")
_SERVERS = ("qdrant", "redis-broker", "redis-cache", "postgres")
_START_LIMIT_S = 180.0
_IMPORT_LIMIT_S = 1_800.0
_STOP_LIMIT_S = 20.0
_POLL_S = 0.2
# Port 0 is a free one: nothing collides with a stack that a developer runs.
_ENV = {"LOG_FORMAT": "json", "LOG_LEVEL": "WARNING", "VECTOR_SERVICE_PORT": "0", "FLOWER_PORT": "0"}


class SearchStack:
    """Enter to start and index, leave to stop. `env` goes to every process; `processes` work beside web and servers."""

    def __init__(
        self,
        home: Path,
        *,
        catalogue: Path,
        env: Mapping[str, str] | None = None,
        processes: tuple[str, ...] = _WORKERS,
    ) -> None:
        self._home = home
        self._catalogue = catalogue
        self._supervisor = Supervisor(StackOptions(home=home, processes=processes, env={**_ENV, **(env or {})}))
        self._web: subprocess.Popen[bytes] | None = None
        self.port = 0
        self.imported: dict[str, Any] = {}

    def __enter__(self) -> Self:
        self._supervisor.__enter__()
        try:
            self.port = choose_port()
            self._web = self._start_web()
            self._wait_for("ready", self._is_ready, limit_s=_START_LIMIT_S)
            self.imported = self._import()
            self._wait_for("optimised", self._is_optimised, limit_s=_START_LIMIT_S)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def read_cpu(self) -> CpuReading:
        """CPU seconds of web, query worker and servers."""
        assert self._web is not None
        services = self._supervisor.snapshot().services
        named = {name: services[name].pid for name in ("worker-query", *_SERVERS)}
        return read_cpu({"web": self._web.pid, **{name: pid for name, pid in named.items() if pid is not None}})

    def get_pid(self, name: str) -> int | None:
        """The process id of `web`, a worker or a server."""
        if name == "web":
            return self._web.pid if self._web else None
        return self._supervisor.snapshot().services[name].pid

    def get_stats(self) -> dict[str, Any]:
        """The API's own counters."""
        answer = httpx.get(f"http://127.0.0.1:{self.port}/stats", timeout=10)
        answer.raise_for_status()
        stats: dict[str, Any] = answer.json()
        return stats

    def _start_web(self) -> subprocess.Popen[bytes]:
        log = self._home / "logs" / "bench-web.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "gunicorn", "--config", "api/gunicorn_config.py", "benchmarks.wsgi:app"]
        env = {**os.environ, **_ENV, **self._supervisor.env, "VECTOR_SERVICE_PORT": str(self.port)}
        with log.open("wb") as out:
            return subprocess.Popen(command, cwd=ROOT, env=env, stdout=out, stderr=subprocess.STDOUT)

    def run_command(self, *arguments: str) -> str:
        """What an `avs` command prints. Raises RuntimeError if it fails."""
        command = [sys.executable, "-m", "cli.main", *arguments]
        env = {**os.environ, **self._supervisor.env}
        done = subprocess.run(
            command, cwd=ROOT, env=env, check=False, capture_output=True, text=True, timeout=_IMPORT_LIMIT_S
        )
        if done.returncode != 0:
            raise RuntimeError(f"avs {arguments[0]} ended with {done.returncode}: {done.stderr[-2_000:]}")
        return done.stdout

    def _import(self) -> dict[str, Any]:
        printed = self.run_command("import", str(self._catalogue.absolute()), "--json")
        result: dict[str, Any] = json.loads(printed[printed.index("{") :])
        return result

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/health/ready", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    def _is_optimised(self) -> bool:
        return bool(self.get_stats()["is_optimised"])

    def _wait_for(self, what: str, holds: Callable[[], bool], *, limit_s: float) -> None:
        deadline = time.monotonic() + limit_s
        while not holds():
            if self._web is not None and self._web.poll() is not None:
                raise RuntimeError(f"the web server ended with {self._web.returncode}; see bench-web.log")
            if not self._supervisor.is_running:
                raise RuntimeError(f"the stack ended: {self._supervisor.snapshot().failure}")
            if time.monotonic() > deadline:
                raise TimeoutError(f"the stack is not {what} after {limit_s:.0f} s")
            time.sleep(_POLL_S)

    def _stop(self) -> None:
        if self._web is not None:
            stop_process(self._web)
            self._web = None
        self._supervisor.close()


def stop_process(process: subprocess.Popen[Any]) -> None:
    """Ask, wait, then kill."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=_STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
