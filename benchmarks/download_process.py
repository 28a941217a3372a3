"""The downloader in a process of its own, for (g): reads a list, fetches it as a worker does, prints its figures."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from core.log import configure_logging
from core.picture_lists import ListedPicture
from core.settings import load_settings
from indexing.downloads.building import build_download_jobs, build_download_service
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
    """One run; `seconds` is from the first claim to the last record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("urls", type=Path)
    parser.add_argument("--until-closed", action="store_true", help="see to retries until the job is over")
    options = parser.parse_args()
    settings = load_settings()
    configure_logging(settings)
    database = Database(settings.database_url.get_secret_value())
    jobs = build_download_jobs(settings, database, NoHints())  # type: ignore[arg-type]
    service = build_download_service(settings, database, owner="bench")
    urls = options.urls.read_text().split()
    job_id = jobs.start_list([[ListedPicture(url) for url in urls]], {})
    repository = JobRepository(database)
    repository.start(job_id)
    started, cpu_s = time.monotonic(), time.process_time()
    service.fetch_shard(job_id, Shard(), slice_s=3_600)
    while not jobs.finish(repository.get(job_id)) and options.until_closed:
        if not service.fetch_shard(job_id, Shard(), slice_s=3_600).outcomes:
            time.sleep(0.2)
    seconds, cpu_s = time.monotonic() - started, time.process_time() - cpu_s
    job = repository.get(job_id)
    progress = repository.get_progress(job)
    figures = {"seconds": seconds, "cpu_s": cpu_s, "state": job.state, "dead_letters": progress.dead_letters}
    print(json.dumps({**figures, "outcomes": progress.downloads.outcomes if progress.downloads else {}}))


if __name__ == "__main__":
    main()
