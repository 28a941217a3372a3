"""Worker processes as production runs them, beside servers that run already; each can be killed and started again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import psycopg

from embedded.watchdog import Watchdog
from indexing.importing import Importer
from indexing.sources.files import RawRecord
from storage.database.jobs import JobRepository
from storage.database.session import Database
from storage.database.titles import TitleRepository

ROOT: Final = Path(__file__).resolve().parents[2]
_STOP_LIMIT_S = 30.0
_LOG_CHARS = 4_000
_WORKER = ("worker", "-Q", "network,default", "--pool", "threads", "--concurrency", "16", "--without-gossip")
_WORKER_OPTIONS = ("--without-mingle", "--loglevel", "WARNING")


class WorkerFleet:
    """`workers` network workers, and beat if it is wanted. Entering does not wait until they are ready.

    None of them outlives this process, however it ends.
    """

    def __init__(self, env: Mapping[str, str], *, folder: Path, workers: int = 1, beat: bool = False) -> None:
        self.env = {**os.environ, "LOG_FORMAT": "json", "LOG_LEVEL": "WARNING", **env}
        self._folder = folder
        self._names = [f"worker-{number}" for number in range(1, workers + 1)] + (["beat"] if beat else [])
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._watchdog: Watchdog | None = None

    def __enter__(self) -> Self:
        self._watchdog = Watchdog()
        for name in self._names:
            self.start(name)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self._processes.values():
            try:
                process.wait(timeout=_STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            self._forget(process)
        if self._watchdog is not None:
            self._watchdog.close()

    @property
    def worker_names(self) -> list[str]:
        """The workers, without beat."""
        return [name for name in self._names if name != "beat"]

    def start(self, name: str) -> None:
        """Start a process that does not run."""
        arguments: tuple[str, ...] = (*_WORKER, "-n", f"{name}@%h", *_WORKER_OPTIONS)
        if name == "beat":
            arguments = (
                "beat",
                "--schedule",
                str(self._folder / "beat-schedule"),
                "--pidfile=",
                "--loglevel",
                "WARNING",
            )
        with self._log(name).open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "worker", *arguments],
                cwd=ROOT,
                env=self.env,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if self._watchdog is not None:
            self._watchdog.add(self._processes[name].pid, signal.SIGTERM)

    def kill(self, name: str) -> None:
        """End it as a power cut would."""
        process = self._processes[name]
        process.kill()
        process.wait()
        self._forget(process)

    def _forget(self, process: subprocess.Popen[bytes]) -> None:
        """Its number may become another's."""
        if self._watchdog is not None:
            self._watchdog.remove(process.pid)

    def add_titles(self, documents: Iterable[Mapping[str, Any]]) -> None:
        """Import documents from here; nothing is indexed."""
        with closing(Database(self.env["DATABASE_URL"])) as database:
            jobs = JobRepository(database)
            records = (RawRecord(number, value=dict(value)) for number, value in enumerate(documents, start=1))
            Importer(database, TitleRepository(database), jobs).run(jobs.create("import", {}), records)

    def run_command(self, *arguments: str, limit_s: float = 120.0) -> str:
        """What an `avs` command prints. Raises RuntimeError if it fails."""
        command = [sys.executable, "-m", "cli.main", *arguments]
        done = subprocess.run(
            command, cwd=ROOT, env=self.env, check=False, capture_output=True, text=True, timeout=limit_s
        )
        if done.returncode != 0:
            raise RuntimeError(f"avs {' '.join(arguments)} ended with {done.returncode}: {done.stderr[-2_000:]}")
        return done.stdout

    def run_json(self, *arguments: str) -> Any:
        """What a command prints, read as JSON."""
        printed = self.run_command(*arguments, "--json")
        return json.loads(printed[printed.index("{") :])

    def query(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Rows out of Postgres; none for what answers none."""
        url = self.env["DATABASE_URL"].replace("postgresql+psycopg://", "postgresql://")
        with psycopg.connect(url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), values or None)
            return cursor.fetchall() if cursor.description else []

    def wait_until(self, holds: Callable[[], bool], *, limit_s: float, every_s: float = 0.05) -> None:
        """Return as soon as it holds. Raises TimeoutError with the end of every log."""
        deadline = time.monotonic() + limit_s
        while not holds():
            if time.monotonic() > deadline:
                raise TimeoutError(f"not after {limit_s:.0f} s\n{self.read_logs()}")
            time.sleep(every_s)

    def read_logs(self) -> str:
        """The end of each log."""
        texts = {name: self._log(name).read_text(errors="replace") for name in self._names if self._log(name).exists()}
        return "\n".join(f"--- {name}\n{text[-_LOG_CHARS:]}" for name, text in texts.items())

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"
