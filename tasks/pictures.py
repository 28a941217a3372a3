"""Tasks of the bulk path for pictures."""

from __future__ import annotations

import uuid
from dataclasses import asdict

from celery import shared_task

from messaging.names import TASK_EMBED_PICTURES, TASK_FINISH_JOB
from tasks.base import ServiceTask


@shared_task(bind=True, base=ServiceTask, name=TASK_EMBED_PICTURES)
def embed_pictures(self: ServiceTask, job_id: str, ids: list[str], collection: str) -> dict[str, int]:
    """Embed and index a chunk of pictures; the last one to be done ends the job.

    A worker without a picture encoder leaves them to others.
    """
    service = self.services.picture_embedding
    if service is None:
        return {}
    report = service.embed_chunk(uuid.UUID(job_id), [uuid.UUID(one) for one in ids], collection)
    self.services.hints.send(TASK_FINISH_JOB, job_id=job_id)
    return asdict(report)
