"""The downloader put together on real Postgres and a folder, with the picture host on the other side."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from core.document import content_hash
from core.picture_lists import ListedPicture
from core.settings import Settings
from fetching import Fetcher, build_options
from indexing.downloads.attempt import AttemptOptions, Downloader
from indexing.downloads.building import build_download_jobs
from indexing.downloads.jobs import KIND_DOWNLOAD
from indexing.downloads.lanes import HostLanes
from indexing.downloads.service import DownloadService, ShardReport
from messaging.names import TASK_FETCH_DOWNLOADS
from storage.database.download_counts import iterate_manifest
from storage.database.download_outcomes import OutcomeRepository
from storage.database.downloads import DownloadRepository, Shard
from storage.database.jobs import Job, JobRepository
from storage.database.pictures import PictureRepository
from storage.database.session import Database
from storage.database.titles import StoredTitle, TitleRepository
from storage.media import build_media_store
from tests.picture_host import PictureHost

THREADS = 16


class RecordedHints:
    """Keeps hints until the test delivers them, or loses them."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []

    def send(self, task: str, **kwargs: Any) -> bool:
        """Keep one."""
        self.sent.append((task, kwargs))
        return True

    def queue_length(self, _queue: str) -> int:
        """How many parts wait for a worker."""
        return sum(task == TASK_FETCH_DOWNLOADS for task, _ in self.sent)


class Downloads:
    """Everything that a worker builds, in one process and under a test's control, with short waits."""

    def __init__(self, settings: Settings, *, patience_s: float) -> None:
        self.settings = settings
        self.database = Database(settings.database_url.get_secret_value(), pool_size=10)
        self.job_repository = JobRepository(self.database)
        self.titles = TitleRepository(self.database)
        self.pictures = PictureRepository(self.database)
        self.repository = DownloadRepository(self.database, self.pictures)
        self.outcomes = OutcomeRepository(self.database, self.pictures)
        self.store = build_media_store(settings)
        self.hints = RecordedHints()
        self.jobs = build_download_jobs(settings, self.database, self.hints)  # type: ignore[arg-type]
        options = replace(build_options(settings), breaker_open_s=1.1, breaker_most_open_s=1.5, connect_timeout_s=1.0)
        self.fetcher = Fetcher(options)
        self.attempt_options = replace(AttemptOptions.of(settings), backoff_s=0.05, host_patience_s=patience_s)
        self.attempts = Downloader(self.fetcher, self.store, self.attempt_options)
        self.service = self.build_service()

    def build_service(self, *, lease_s: float = 30.0, **changes: Any) -> DownloadService:
        """A downloader; `changes` replace arguments of DownloadService."""
        arguments: dict[str, Any] = {
            "downloads": self.repository,
            "outcomes": self.outcomes,
            "attempts": self.attempts,
            "store": self.store,
            "lanes": HostLanes(threads=THREADS, per_host=self.settings.download_per_host),
            "threads": THREADS,
            "owner": f"test:{uuid.uuid4().hex[:8]}",
            "lease_s": lease_s,
        }
        return DownloadService(**{**arguments, **changes})

    def start(self, **params: Any) -> uuid.UUID:
        """A running job with its rows; its hints are lost."""
        job_id = self.job_repository.create(KIND_DOWNLOAD, params)
        self.job_repository.start(job_id)
        self.jobs.run(self.job_repository.get(job_id))
        self.hints.sent.clear()
        return job_id

    def start_list(self, urls: Sequence[str], **params: Any) -> uuid.UUID:
        """A running job of a list."""
        job_id = self.jobs.start_list([[ListedPicture(url) for url in urls]], params)
        self.job_repository.start(job_id)
        return job_id

    def fetch(self, job_id: uuid.UUID, **arguments: Any) -> ShardReport:
        """What is due of the job."""
        return self.service.fetch_shard(job_id, Shard(), **arguments)

    def run(self, **params: Any) -> Job:
        """A whole job, from its first row to its end."""
        job_id = self.start(**params)
        return self.see_to_its_end(job_id)

    def see_to_its_end(self, job_id: uuid.UUID) -> Job:
        """Fetch until the job is over."""
        while not self.jobs.finish(self.job_repository.get(job_id)):
            if not self.fetch(job_id).outcomes:
                time.sleep(0.05)
        return self.job_repository.get(job_id)

    def outcomes_of(self, job_id: uuid.UUID) -> Counter[str]:
        """Ended URLs of the job by what became of them."""
        progress = self.job_repository.get_progress(self.job_repository.get(job_id))
        assert progress.downloads is not None
        return Counter(progress.downloads.outcomes)

    def states_of(self, job_id: uuid.UUID) -> dict[str, int]:
        """URLs of the job by state."""
        return self.job_repository.get_progress(self.job_repository.get(job_id)).stages["download"]

    def manifest(self) -> dict[str, dict[str, Any]]:
        """Every download by its URL."""
        return {line["url"]: line for line in iterate_manifest(self.database)}

    def add_titles(self, documents: Sequence[dict[str, Any]], *, excluded: bool = False) -> None:
        """Titles named by their documents' `title`."""
        rows = [
            StoredTitle(one["title"], one, content_hash(one), bool(one.get("adult")), excluded) for one in documents
        ]
        with self.database.begin() as connection:
            self.titles.insert(connection, rows)

    def execute(self, statement: str, **parameters: Any) -> list[Any]:
        """Plain SQL, for what no repository offers."""
        with self.database.begin() as connection:
            result = connection.execute(text(statement), parameters)
            return list(result) if result.returns_rows else []

    def close(self) -> None:
        """Give everything back."""
        self.fetcher.close()
        self.database.close()


@pytest.fixture
def picture_host() -> Iterator[PictureHost]:
    """A host of pictures of the test's own."""
    with PictureHost() as host:
        yield host


@pytest.fixture
def host_everywhere() -> Iterator[int]:
    """The port of a picture host in a process of its own, which answers at all of 127.0.0.0/8."""
    command = [sys.executable, "-m", "tests.picture_host", "--address", "0.0.0.0"]
    with subprocess.Popen(command, cwd=Path(__file__).parents[4], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield int(json.loads(process.stdout.readline())["url"].rpartition(":")[2])
        process.terminate()


@pytest.fixture
def build_downloads(database_url: str, tmp_path: Path) -> Iterator[Callable[..., Downloads]]:
    """Downloaders of one test on one emptied database; the settings may be overridden."""
    built: list[Downloads] = []

    def build(*, patience_s: float = 30.0, **overrides: Any) -> Downloads:
        values: dict[str, Any] = {
            "database_url": SecretStr(database_url),
            "media_path": tmp_path / "media",
            "download_allowed_networks": "127.0.0.0/8",
            "download_timeout_s": 2.0,
            "download_max_attempts": 3,
            "download_concurrency": THREADS,
            "picture_max_pixels": 1_000_000,
        }
        built.append(Downloads(Settings(_env_file=None, **{**values, **overrides}), patience_s=patience_s))
        if len(built) == 1:
            built[0].execute("TRUNCATE titles, jobs, downloads, media_files, pictures CASCADE")
        return built[-1]

    yield build
    for one in built:
        one.close()


@pytest.fixture
def downloads(build_downloads: Callable[..., Downloads]) -> Downloads:
    """A downloader that has nothing to do yet."""
    return build_downloads()
