"""What beat starts: jobs for titles that are due, and chores that are about no title in particular.

Each run is a task, which Flower shows, and a job. Two runs of one schedule never overlap: who starts one holds its
lock, and starts none while a job of it is open.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final

from core.errors import ConfigurationError
from core.log import Event, Log
from core.settings import Settings
from enrichment.asking import Readiness
from enrichment.scope import ScopeBuilder
from enrichment.workflow import SchedulePlan, Workflow, load_workflow
from messaging.hints import HintSender
from messaging.names import TASK_ENRICH_SCHEDULE, TASK_RUN_JOB
from storage.database.enrich_wants import WantRepository
from storage.database.jobs import KIND_ENRICH, JobRepository
from storage.database.locks import LockService

CHORES: Final = ("dump", "learn", "prune")
_LOCKS = uuid.UUID("5d0c2c0e-7a55-4f6f-8d0a-0f8d7f0b6a34")
_log = Log("enrichment")


def build_beat_schedule(settings: Settings) -> dict[str, dict[str, Any]]:
    """Beat's entries: with ENRICH_AUTO all of the workflow, else those that are always run.

    Raises ConfigurationError.
    """
    entries = {}
    for name, plan in load_workflow(settings).schedules.items():
        if not (plan.always or settings.enrich_auto):
            continue
        every_s = plan.every.total_seconds()
        entries[f"enrich {name}"] = {
            "task": TASK_ENRICH_SCHEDULE,
            "schedule": every_s,
            "kwargs": {"name": name},
            # A worker that was away must not run a pile of old ones.
            "options": {"expires": every_s},
        }
    return entries


class ScheduleService:
    """Starts the runs of schedules."""

    def __init__(
        self,
        *,
        workflow: Workflow,
        scopes: ScopeBuilder,
        wants: WantRepository,
        jobs: JobRepository,
        locks: LockService,
        hints: HintSender,
        is_wanted: Callable[[str], bool] = lambda _: True,
        get_readiness: Callable[[str], Readiness] = lambda _: "ready",
    ) -> None:
        self._workflow = workflow
        self._scopes = scopes
        self._wants = wants
        self._jobs = jobs
        self._locks = locks
        self._hints = hints
        self._is_wanted = is_wanted
        self._get_readiness = get_readiness

    def start(self, name: str) -> uuid.UUID | None:
        """The job of a schedule's next run; None if there is nothing to do, or if its last run is not over.

        Raises ConfigurationError for a name that the workflow does not have.
        """
        plan = self._workflow.schedules.get(name)
        if plan is None:
            raise ConfigurationError(f"the workflow has no schedule {name!r}")
        with self._locks.try_hold(uuid.uuid5(_LOCKS, name)) as lock:
            if lock is None or self._is_running(name):
                return None
            params = self._build_params(name, plan)
            if params is None:
                return None
            job_id = self._jobs.create(KIND_ENRICH, params)
        _log.info(Event.ENRICH_SCHEDULED, schedule=name, job_id=str(job_id), titles=len(params.get("ids", ())))
        self._hints.send(TASK_RUN_JOB, job_id=str(job_id))
        return job_id

    def _is_running(self, name: str) -> bool:
        return any(job.params.get("schedule") == name for job in self._jobs.list_open_of(KIND_ENRICH))

    def _build_params(self, name: str, plan: SchedulePlan) -> dict[str, Any] | None:
        params: dict[str, Any] = {"schedule": name, "source": "schedule"}
        if plan.what in CHORES:
            return {**params, "chore": plan.what} if self._is_wanted(plan.what) else None
        if plan.what == "retry":
            return self._build_retry(params, most=plan.most)
        slugs = self._pick(plan)
        flags = {"merge_only": True} if plan.what == "merge" else {}
        return {**params, **flags, "ids": slugs} if slugs else None

    def _build_retry(self, params: dict[str, Any], *, most: int) -> dict[str, Any] | None:
        """What is due at providers that may be asked. Of one that may be away still a single title finds out."""
        readiness = {name: self._get_readiness(name) for name in self._scopes.configured}
        ready = [name for name, how in readiness.items() if how == "ready"]
        on_trial = [name for name, how in readiness.items() if how == "trial"]
        slugs = self._pick_due(ready, most=most)
        asked = [*ready, *(name for name in on_trial if self._has_due(name, slugs))]
        return {**params, "due_only": True, "providers": asked, "ids": slugs} if slugs else None

    def _has_due(self, provider: str, slugs: list[str]) -> bool:
        """Put a title of which something is due there among the others; False if there is none."""
        found = self._pick_due([provider], most=1)
        slugs.extend(slug for slug in found if slug not in slugs)
        return bool(found)

    def _pick_due(self, providers: list[str], *, most: int) -> list[str]:
        return self._wants.pick_due(self._scopes.build(providers=providers), limit=most) if providers else []

    def _pick(self, plan: SchedulePlan) -> list[str]:
        if plan.what == "merge":
            return self._wants.pick_unmerged(limit=plan.most)
        if not self._scopes.configured:
            return []
        scope = self._scopes.build()
        pick = {
            "airing": self._wants.pick_airing,
            "finished": self._wants.pick_finished,
            "new": self._wants.pick_new,
        }[plan.what]
        return pick(scope, limit=plan.most)


class Chores:
    """Work about no title in particular, by its name in the workflow."""

    def __init__(self, chores: Mapping[str, Callable[[], str]]) -> None:
        self._chores = dict(chores)

    def run(self, chore: str) -> str:
        """Do it; what it came to, in a sentence. Raises ConfigurationError for one that is not known."""
        if chore not in self._chores:
            raise ConfigurationError(f"there is no chore {chore!r}")
        return self._chores[chore]()
