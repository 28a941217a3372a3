"""Tasks of enrichment."""

from __future__ import annotations

from dataclasses import asdict

from celery import shared_task

from messaging.names import TASK_ENRICH_LANE, TASK_ENRICH_MERGE, TASK_ENRICH_SCHEDULE
from tasks.base import ServiceTask


@shared_task(bind=True, base=ServiceTask, name=TASK_ENRICH_LANE)
def ask_provider(self: ServiceTask, provider: str) -> dict[str, int]:
    """Ask one provider what jobs want of it, for a while; then make room for other tasks."""
    report = self.services.enrichment.lanes.run(provider)
    if report.has_more:
        self.services.hints.send(TASK_ENRICH_LANE, provider=provider)
    return dict(report.outcomes)


@shared_task(bind=True, base=ServiceTask, name=TASK_ENRICH_MERGE)
def merge_titles(self: ServiceTask, slugs: list[str], early: bool = False) -> dict[str, int]:
    """Merge those of the titles of which nothing is open; the last one of a job ends it."""
    return asdict(self.services.enrichment.merges.merge(slugs, early=early))


@shared_task(bind=True, base=ServiceTask, name=TASK_ENRICH_SCHEDULE)
def start_schedule(self: ServiceTask, name: str) -> str | None:
    """Start the next run of a schedule of the workflow, if there is something to do; the id of its job."""
    job_id = self.services.enrichment.schedules.start(name)
    return None if job_id is None else str(job_id)
