"""Tasks of the bulk path."""

from __future__ import annotations

import uuid
from dataclasses import asdict

from celery import shared_task

from messaging.names import TASK_EMBED_CHUNK, TASK_FINISH_JOB, TASK_PRUNE_JOBS, TASK_RECONCILE, TASK_RUN_JOB
from tasks.base import ServiceTask


@shared_task(bind=True, base=ServiceTask, name=TASK_RUN_JOB)
def run_job(self: ServiceTask, job_id: str) -> None:
    """Import if the job says so, then put its titles to work."""
    self.services.jobs.run(uuid.UUID(job_id))


@shared_task(bind=True, base=ServiceTask, name=TASK_EMBED_CHUNK)
def embed_chunk(self: ServiceTask, job_id: str, slugs: list[str], collection: str) -> dict[str, int]:
    """Embed and index a chunk; the last one to be done ends the job."""
    report = self.services.embedding.embed_chunk(uuid.UUID(job_id), slugs, collection)
    self.services.hints.send(TASK_FINISH_JOB, job_id=job_id)
    return asdict(report)


@shared_task(bind=True, base=ServiceTask, name=TASK_FINISH_JOB)
def finish_job(self: ServiceTask, job_id: str) -> bool:
    """Close the job if nothing of it is open."""
    return self.services.jobs.finish(uuid.UUID(job_id))


@shared_task(bind=True, base=ServiceTask, name=TASK_RECONCILE)
def reconcile(self: ServiceTask) -> int:
    """Send again what got lost."""
    return self.services.jobs.reconcile()


@shared_task(bind=True, base=ServiceTask, name=TASK_PRUNE_JOBS)
def prune_jobs(self: ServiceTask) -> int:
    """Delete jobs that ended long ago; how many went."""
    return self.services.job_pruner.prune()
