"""The downloader killed in the middle, again and again: nothing whole is fetched twice, and nothing is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from embedded.plan import StackOptions
from embedded.services import EmbeddedServices
from embedded.supervisor import Supervisor
from indexing.downloads.service import BATCH
from tests.picture_host import PictureHost

ROOT = Path(__file__).parents[3]
COUNT = 1_200
THREADS = 8
# So many are recorded when the process is killed.
KILLS = (150, 400, 700)
LIMIT_S = 90.0


@pytest.mark.timeout(400)
def test_a_killed_downloader_goes_on_where_it_was(
    services: EmbeddedServices, new_database: Callable[[], str], tmp_path: Path
) -> None:
    """After three kill -9 every URL is done, and none that was recorded before a kill was asked for after it."""
    database_url, media = new_database(), tmp_path / "media"
    env = {
        **os.environ,
        **services.env,
        "DATABASE_URL": database_url,
        "AVS_HOME": str(tmp_path),
        "MEDIA_PATH": str(media),
        "DOWNLOAD_ALLOWED_NETWORKS": "127.0.0.0/8",
        "DOWNLOAD_CONCURRENCY": str(THREADS),
        "LEASE_S": "5",
    }
    engine = create_engine(database_url)
    asked: dict[str, int] = {}
    with PictureHost() as host:
        paths = {host.url(f"/many/{number}.jpg"): f"/many/{number}.jpg" for number in range(COUNT)}
        (tmp_path / "urls.txt").write_text("\n".join(paths))
        for least in KILLS:
            whole = _kill_when(engine, least, env=env, folder=tmp_path)
            asked = {url: host.count(paths[url]) for url in whole} | asked
        done = _run(env, tmp_path)
        counts = {url: host.count(path) for url, path in paths.items()}
    assert done.returncode == 0, done.stderr
    job = json.loads(done.stdout)
    assert job["state"] == "completed" and job["stages"]["download"] == {"done": COUNT}
    assert job["downloads"]["outcomes"]["known"] == len(asked) >= KILLS[-1]
    assert {url: counts[url] for url in asked} == asked
    assert min(counts.values()) == 1
    # What had come and was not recorded yet: less than a batch and what was on its way, for each kill.
    assert sum(counts.values()) - COUNT <= len(KILLS) * (BATCH + THREADS)
    _check_store(engine, media)


def _kill_when(engine: Any, least: int, *, env: dict[str, str], folder: Path) -> set[str]:
    """Start a downloader and kill it when so many URLs are done; returns these."""
    with (folder / "killed.log").open("ab") as log:
        process = subprocess.Popen(_command(folder), cwd=ROOT, env=env, stdout=log, stderr=log)
    deadline = time.monotonic() + LIMIT_S
    while len(done := _list_done(engine)) < least:
        assert process.poll() is None, f"it ended too soon:\n{(folder / 'killed.log').read_text()}"
        assert time.monotonic() < deadline, f"{len(done)} URLs after {LIMIT_S} s"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return _list_done(engine)


def _run(env: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        _command(folder), cwd=ROOT, env=env, check=False, capture_output=True, text=True, timeout=2 * LIMIT_S
    )


def _command(folder: Path) -> list[str]:
    return [sys.executable, "-m", "cli.main", "download", "--here", "--urls", str(folder / "urls.txt"), "--json"]


def _list_done(engine: Any) -> set[str]:
    with engine.begin() as connection:
        return set(connection.execute(text("SELECT url FROM downloads WHERE state = 'done'")).scalars())


def _check_store(engine: Any, media: Path) -> None:
    """Every content that Postgres knows lies whole in the store, and each URL and picture names one."""
    with engine.begin() as connection:
        sizes = {row.sha256: row.bytes for row in connection.execute(text("SELECT sha256, bytes FROM media_files"))}
        shown = connection.execute(text("SELECT count(DISTINCT sha256) FROM downloads WHERE sha256 IS NOT NULL"))
        pictures = connection.execute(text("SELECT count(*) FROM pictures WHERE sha256 IS NOT NULL"))
        open_jobs = connection.execute(text("SELECT count(*) FROM jobs WHERE state NOT IN ('completed', 'cancelled')"))
        assert (shown.scalar_one(), pictures.scalar_one(), open_jobs.scalar_one()) == (COUNT, COUNT, 0)
    files = {path.name: path.stat().st_size for path in media.glob("??/??/*")}
    assert len(sizes) == COUNT and {sha256: files.get(sha256) for sha256 in sizes} == sizes


@pytest.mark.timeout(400)
def test_killed_workers_go_on_by_themselves(new_home: Callable[[], Path], tmp_path: Path) -> None:
    """Workers that are killed while they fetch lose nothing: leases and the reconciler see to the end."""
    env = {
        "DOWNLOAD_ALLOWED_NETWORKS": "127.0.0.0/8",
        "DOWNLOAD_CONCURRENCY": str(THREADS),
        "LEASE_S": "5",
        "RECONCILE_EVERY_S": "2",
        "LOG_FORMAT": "json",
    }
    options = StackOptions(home=new_home(), processes=("worker-network", "beat"), env=env)
    with PictureHost() as host, Supervisor(options) as stack:
        for name in options.processes or ():
            stack.wait_until_running(name, limit_s=120)
        engine = create_engine(stack.env["DATABASE_URL"])
        paths = {host.url(f"/slow/0.02/many/{number}.jpg"): f"/slow/0.02/many/{number}.jpg" for number in range(COUNT)}
        (tmp_path / "urls.txt").write_text("\n".join(paths))
        command = [argument for argument in _command(tmp_path) if argument != "--here"] + ["--no-wait"]
        started = subprocess.run(
            command, cwd=ROOT, env={**os.environ, **stack.env}, check=True, capture_output=True, text=True, timeout=60
        )
        job_id = json.loads(started.stdout)["id"]
        asked: dict[str, int] = {}
        log = options.home / "logs" / "worker-network.log"
        for least in KILLS[:2]:
            _wait_for(lambda least=least: len(_list_done(engine)) >= least, log)
            stack.kill("worker-network")
            asked = {url: host.count(paths[url]) for url in _list_done(engine)} | asked
        _wait_for(lambda: _get_state(engine, job_id) == "completed", log)
        counts = {url: host.count(path) for url, path in paths.items()}
        assert {url: counts[url] for url in asked} == asked and min(counts.values()) == 1
        _check_store(engine, options.home / "media")
        engine.dispose()


def _wait_for(holds: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not holds():
        assert time.monotonic() < deadline, log.read_text(errors="replace")[-4_000:]
        time.sleep(0.05)


def _get_state(engine: Any, job_id: str) -> str:
    with engine.begin() as connection:
        return str(connection.execute(text("SELECT state FROM jobs WHERE id = :id"), {"id": job_id}).scalar_one())
