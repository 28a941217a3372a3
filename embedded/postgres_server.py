"""Postgres 16 from the binaries that `pgserver` carries, run in the foreground on loopback.

`pgserver.get_server()` itself does not survive kill -9 (it takes a zombie for alive), listens on a unix socket only,
and as root opens parent folders to everybody; so only its binaries are used.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import psutil
import psycopg

from core.errors import ConfigurationError, DependencyUnavailableError
from embedded.addresses import DATABASE, DATABASE_USER
from embedded.pidfiles import wait_until_gone
from embedded.ports import LOOPBACK
from embedded.unit import Launch
from embedded.unprivileged import Identity, choose_identity

_PROBE_TIMEOUT_S = 2
_INIT_LIMIT_S = 120

# The web process alone may hold a pool of connections for each of its threads.
_OPTIONS = (
    f"listen_addresses={LOOPBACK}",
    "unix_socket_directories=",
    "max_connections=200",
    "password_encryption=scram-sha-256",
    "log_line_prefix=%m [%p] ",
    "timezone=UTC",
    "log_timezone=UTC",
    # After kill -9 each file of the cluster is synced before anything else. One call for the whole disk takes 0.2 s
    # where a call for each of 19,000 files (60 databases) takes 2.6 s. Only Linux has it.
    *(("recovery_init_sync_method=syncfs",) if sys.platform == "linux" else ()),
)


@dataclass(frozen=True, kw_only=True)
class PostgresServer:
    """One postmaster over one data directory. As root it runs as an unprivileged user that owns the directory."""

    name: str
    port: int
    password: str = field(repr=False)
    data_dir: Path
    grace_s: float = 20.0
    # "Fast shutdown": SIGTERM would wait for every client to leave.
    stop_signal: ClassVar[signal.Signals] = signal.SIGINT

    @property
    def address(self) -> str:
        """The database's URL without its password."""
        return f"postgresql://{DATABASE_USER}@{LOOPBACK}:{self.port}/{DATABASE}"

    def prepare(self) -> Launch:
        """Create the cluster if there is none, and clear away what a killed postmaster left."""
        identity = self._choose_identity()
        if not (self.data_dir / "PG_VERSION").exists():
            self._create_cluster(identity)
        self._clear_stale()
        command = [str(_find_binaries() / "postgres"), "-D", str(self.data_dir.absolute()), "-p", str(self.port)]
        for option in _OPTIONS:
            command += ["-c", option]
        return Launch(command=tuple(command), cwd=self.data_dir, env=_build_env(), run_as=identity)

    def is_ready(self) -> bool:
        """True once a client can log in to the database and is answered."""
        url = f"postgresql://{DATABASE_USER}:{self.password}@{LOOPBACK}:{self.port}/{DATABASE}"
        try:
            with psycopg.connect(url, connect_timeout=_PROBE_TIMEOUT_S) as connection:
                connection.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def wipe(self) -> None:
        """Delete the whole cluster."""
        shutil.rmtree(self.data_dir, ignore_errors=True)

    def _choose_identity(self) -> Identity | None:
        self.data_dir.parent.mkdir(parents=True, exist_ok=True)
        return choose_identity(self.data_dir, needed=(_find_binaries().parent,))

    def _create_cluster(self, identity: Identity | None) -> None:
        """In a folder beside, renamed when complete: a kill in the middle leaves nothing half-made in its place."""
        building = self.data_dir.with_name(f"{self.data_dir.name}.new")
        for path in (building, self.data_dir):
            shutil.rmtree(path, ignore_errors=True)
        building.mkdir(mode=0o700)
        password_file = building.with_suffix(".password")
        try:
            password_file.touch(mode=0o600)
            password_file.write_text(f"{self.password}\n")
            for path in (building, password_file):
                if identity is not None:
                    os.chown(path, identity.uid, identity.gid)
            self._run_initdb(building, password_file=password_file, identity=identity)
        finally:
            password_file.unlink(missing_ok=True)
        _run_once(
            [str(_find_binaries() / "postgres"), "--single", "-D", str(building.absolute()), "postgres"],
            cwd=building,
            identity=identity,
            text=f"CREATE DATABASE {DATABASE}\n",
        )
        building.rename(self.data_dir)

    def _run_initdb(self, folder: Path, *, password_file: Path, identity: Identity | None) -> None:
        _run_once(
            [
                str(_find_binaries() / "initdb"),
                f"--pgdata={folder.absolute()}",
                f"--username={DATABASE_USER}",
                f"--pwfile={password_file.absolute()}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                f"--locale={_choose_locale()}",
            ],
            cwd=folder,
            identity=identity,
        )

    def _clear_stale(self) -> None:
        """End backends of a killed postmaster, which hold its shared memory, then its pid file.

        We are the home's only owner (HomeLock), so a live postgres in this folder can only be a leftover; and its
        pid may belong to another process by now, which would make Postgres refuse to start for ever.
        """
        strays: dict[int, float] = {}
        for stray in _find_processes(self.data_dir):
            with contextlib.suppress(psutil.NoSuchProcess):
                strays[stray.pid] = stray.create_time()
                stray.kill()
        wait_until_gone(strays)
        (self.data_dir / "postmaster.pid").unlink(missing_ok=True)


def _find_binaries() -> Path:
    # Found, not imported: importing pgserver makes folders and warns.
    spec = importlib.util.find_spec("pgserver")
    if spec is None or spec.origin is None:
        raise ConfigurationError("Postgres binaries are missing: install the extra 'embedded' (pgserver)")
    return Path(spec.origin).parent / "pginstall" / "bin"


def _find_processes(folder: Path) -> Iterator[psutil.Process]:
    """Every postgres process works in its data directory."""
    wanted = str(folder.resolve())
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.name() == "postgres" and process.cwd() == wanted:
                yield process


def _choose_locale() -> str:
    """Code point order with Unicode's upper and lower case where the system has it."""
    return "C.UTF-8" if sys.platform == "linux" else "C"


def _build_env() -> dict[str, str]:
    """Nothing of ours: PG* variables of the caller would change what the server does."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def _run_once(command: list[str], *, cwd: Path, identity: Identity | None, text: str = "") -> None:
    """Run a program of Postgres to its end. Raises DependencyUnavailableError with its output when it fails."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env=_build_env(),
        input=text,
        text=True,
        capture_output=True,
        timeout=_INIT_LIMIT_S,
        check=False,
        user=None if identity is None else identity.uid,
        group=None if identity is None else identity.gid,
        extra_groups=None if identity is None else list(identity.groups),
    )
    if done.returncode != 0:
        raise DependencyUnavailableError("postgres", f"{Path(command[0]).name} failed: {done.stdout}{done.stderr}")
