"""The task that keeps the log of searches small."""

from __future__ import annotations

from celery import shared_task

from messaging.names import TASK_PRUNE_QUERY_LOG
from tasks.base import ServiceTask


@shared_task(bind=True, base=ServiceTask, name=TASK_PRUNE_QUERY_LOG)
def prune_query_log(self: ServiceTask) -> int:
    """Delete what is old, and of each day what was seldom asked; how many rows went."""
    return self.services.query_log.prune()
