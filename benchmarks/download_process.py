"""The downloader in a process of its own, for (g): fetches a part of a list as a worker does, prints its figures."""

from __future__ import annotations

import argparse
import json
import time
import uuid
from pathlib import Path
from typing import Any

from core.log import configure_logging
from core.picture_lists import ListedPicture
from core.settings import load_settings
from indexing.downloads.building import build_download_jobs, build_download_service
from indexing.downloads.jobs import DownloadJobs
from indexing.downloads.service import DownloadService
from storage.database.downloads import Shard
from storage.database.jobs import JobRepository
from storage.database.session import Database


class NoHints:
    """Nobody else is at work."""

    def send(self, _task: str, **_: Any) -> bool:
        """Taken, and forgotten."""
        return True

    def queue_length(self, _queue: str) -> int:
        """Never empty."""
        return 1


def main() -> None:
    """With a list: store a job and print its id. With a job: fetch a part of it and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--urls", type=Path, help="store a job for this list")
    parser.add_argument("--job", type=uuid.UUID, help="work on this job")
    parser.add_argument("--shard", type=Shard.parse, default=Shard())
    parser.add_argument("--until-closed", action="store_true", help="see to retries until the job is over")
    options = parser.parse_args()
    settings = load_settings()
    configure_logging(settings)
    database = Database(settings.database_url.get_secret_value())
    jobs = build_download_jobs(settings, database, NoHints())  # type: ignore[arg-type]
    if options.urls is not None:
        job_id = jobs.start_list([[ListedPicture(url) for url in options.urls.read_text().split()]], {})
        JobRepository(database).start(job_id)
        print(json.dumps({"job": str(job_id)}))
        return
    service = build_download_service(settings, database, owner=f"bench-{options.shard}")
    print(json.dumps(fetch(service, jobs, JobRepository(database), options)))


def fetch(
    service: DownloadService, jobs: DownloadJobs, repository: JobRepository, options: argparse.Namespace
) -> dict[str, Any]:
    """From the first claim to the last record; times are the clock's, so that processes can be compared."""
    started, cpu_s = time.time(), time.process_time()
    service.fetch_shard(options.job, options.shard, slice_s=3_600)
    ended = time.time()
    while options.until_closed and not jobs.finish(repository.get(options.job)):
        if not service.fetch_shard(options.job, options.shard, slice_s=3_600).outcomes:
            time.sleep(0.2)
        ended = time.time()
    job = repository.get(options.job)
    progress = repository.get_progress(job)
    outcomes = progress.downloads.outcomes if progress.downloads else {}
    figures = {"started": started, "ended": ended, "cpu_s": time.process_time() - cpu_s}
    return {**figures, "state": job.state, "dead_letters": progress.dead_letters, "outcomes": outcomes}


if __name__ == "__main__":
    main()
