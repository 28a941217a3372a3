"""The Celery app with its tasks, beat schedule and services."""

from __future__ import annotations

from celery import Celery

from core.log import configure_logging
from core.settings import Settings, get_settings
from enrichment.schedules import build_beat_schedule
from messaging.app import create_celery
from messaging.names import TASK_PRUNE_JOBS, TASK_PRUNE_QUERY_LOG, TASK_RECONCILE, TASK_START_DOWNLOADS
from worker import lifecycle
from worker.services import WorkerServices

_PRUNE_EVERY_S = 3_600
# Does nothing unless PICTURES_AUTO is set.
_LOOK_EVERY_S = 600


def build_app(settings: Settings) -> Celery:
    """An app that can work, not only send."""
    celery_app = create_celery(settings)
    celery_app.conf.update(
        imports=(
            "tasks.downloads",
            "tasks.enrichment",
            "tasks.jobs",
            "tasks.pictures",
            "tasks.queries",
            "tasks.query_log",
        ),
        worker_log_format="%(levelname)s %(name)s %(message)s",
        beat_schedule={
            "reconcile": {
                "task": TASK_RECONCILE,
                "schedule": settings.reconcile_every_s,
                # A worker that was away must not run a pile of old ones.
                "options": {"expires": settings.reconcile_every_s},
            },
            "prune the query log": {
                "task": TASK_PRUNE_QUERY_LOG,
                "schedule": _PRUNE_EVERY_S,
                "options": {"expires": _PRUNE_EVERY_S},
            },
            "prune jobs": {
                "task": TASK_PRUNE_JOBS,
                "schedule": _PRUNE_EVERY_S,
                "options": {"expires": _PRUNE_EVERY_S},
            },
            "look for pictures": {
                "task": TASK_START_DOWNLOADS,
                "schedule": _LOOK_EVERY_S,
                "options": {"expires": _LOOK_EVERY_S},
            },
            **build_beat_schedule(settings),
        },
    )
    celery_app.services = WorkerServices(settings, celery_app)
    lifecycle.connect(settings, celery_app.services)
    return celery_app


configure_logging(get_settings())
app = build_app(get_settings())
