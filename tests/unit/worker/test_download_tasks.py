"""The downloader's tasks: one call of a service, and who is told next."""

from __future__ import annotations

import uuid
from collections import Counter
from typing import Any

import pytest

from core.settings import Settings
from indexing.downloads.service import ShardReport
from messaging import names
from messaging.app import create_celery
from storage.database.downloads import Shard
from tasks.downloads import fetch_downloads, start_downloads
from worker.services import WorkerServices

_SETTINGS = Settings(_env_file=None)
_JOB = uuid.uuid4()


class _Services:
    """What the tasks see of a worker."""

    def __init__(self) -> None:
        self.report = ShardReport(Counter(fetched=3), bytes=9)
        self.missing: uuid.UUID | None = None
        self.calls: list[tuple[uuid.UUID, Shard]] = []
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.downloads = self.download_jobs = self.hints = self

    def fetch_shard(self, job_id: uuid.UUID, shard: Shard) -> ShardReport:
        self.calls.append((job_id, shard))
        return self.report

    def start_missing(self) -> uuid.UUID | None:
        return self.missing

    def send(self, task: str, **kwargs: Any) -> bool:
        self.sent.append((task, kwargs))
        return True


@pytest.fixture
def services() -> _Services:
    """Recorded services behind an app of the test's own, which is the current one."""
    app = create_celery(_SETTINGS)
    app.services = _Services()
    app.set_current()
    return app.services


def test_a_part_that_is_done_asks_for_the_end(services: _Services) -> None:
    """The counts come back as plain numbers, and the job is asked whether that was all of it."""
    assert fetch_downloads(str(_JOB), "2/4") == {"fetched": 3}
    assert services.calls == [(_JOB, Shard(2, 4))]
    assert services.sent == [(names.TASK_FINISH_JOB, {"job_id": str(_JOB)})]


def test_a_part_with_more_to_do_is_sent_again(services: _Services) -> None:
    """A worker gives other tasks their turn after a while: the rest of its part goes to the end of the queue."""
    services.report.has_more = True
    fetch_downloads(str(_JOB), "2/4")
    assert services.sent == [(names.TASK_FETCH_DOWNLOADS, {"job_id": str(_JOB), "shard": "2/4"})]


def test_what_was_started_is_named(services: _Services) -> None:
    """The task of the clock answers the job's id, or nothing."""
    assert start_downloads() is None
    services.missing = _JOB
    assert start_downloads() == str(_JOB)


def test_a_worker_that_ends_stops_its_downloads() -> None:
    """Told to end, a worker that fetches begins nothing more; one that has fetched nothing builds nothing for it."""
    idle = WorkerServices(_SETTINGS, create_celery(_SETTINGS))
    idle.stop()
    assert "downloads" not in vars(idle)
    busy = WorkerServices(_SETTINGS, create_celery(_SETTINGS))
    assert not busy.downloads.is_stopping
    busy.stop()
    assert busy.downloads.is_stopping
