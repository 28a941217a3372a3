"""Tasks of the downloader."""

from __future__ import annotations

import uuid

from celery import shared_task

from messaging.names import TASK_FETCH_DOWNLOADS, TASK_FINISH_JOB, TASK_START_DOWNLOADS
from storage.database.downloads import Shard
from tasks.base import ServiceTask


@shared_task(bind=True, base=ServiceTask, name=TASK_FETCH_DOWNLOADS)
def fetch_downloads(self: ServiceTask, job_id: str, shard: str) -> dict[str, int]:
    """Fetch a part of a job's URLs for a while; then make room for other tasks, or see whether the job is over."""
    report = self.services.downloads.fetch_shard(uuid.UUID(job_id), Shard.parse(shard))
    if report.has_more:
        self.services.hints.send(TASK_FETCH_DOWNLOADS, job_id=job_id, shard=shard)
    else:
        self.services.hints.send(TASK_FINISH_JOB, job_id=job_id)
    return dict(report.outcomes)


@shared_task(bind=True, base=ServiceTask, name=TASK_START_DOWNLOADS)
def start_downloads(self: ServiceTask) -> str | None:
    """Where PICTURES_AUTO allows it, start a job for pictures that nobody has fetched; its id."""
    job_id = self.services.download_jobs.start_missing()
    return None if job_id is None else str(job_id)
