"""Jobs of kind `enrich`: which parts are wanted of which titles, hints to the lanes, the end, and what follows it.

params: `ids` or `imported_by` (an import job: its titles) or neither (all titles); `providers`, `stages` (None: all);
`stale` (nothing that was never asked), `due_only` (only what failed and is due), `refresh` (ask again for all),
`reparse` (read kept answers again where the parser has grown), `merge_only` (ask nothing), `then_index` (default true);
`schedule`, `chore` (see `schedules`).
A job that runs has its `providers` and `stages` written into its params: what it waits for is told by its row.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import Protocol

from core.errors import DependencyUnavailableError, InvalidInputError, PermanentError, TransientError
from core.log import Event, Log
from enrichment.lanes import send_merges
from enrichment.scope import ScopeBuilder
from enrichment.workflow import Workflow
from messaging.hints import HintSender
from messaging.names import (
    QUEUE_DEFAULT,
    QUEUE_NETWORK,
    TASK_ENRICH_LANE,
    TASK_ENRICH_MERGE,
    TASK_FINISH_JOB,
    TASK_RUN_JOB,
)
from storage.database.enrich_parts import EnrichPartRepository
from storage.database.enrich_rows import EnrichRowRepository
from storage.database.enrich_wants import Scope, Urgency, Want, WantRepository
from storage.database.jobs import Job, JobProgress, JobRepository
from storage.database.locks import LockService
from storage.database.models import JobState
from storage.database.session import Connection, Database
from storage.database.stages import StageRepository
from storage.database.titles import TitleRepository

KIND_INDEX = "index"
# Titles that one look at a job sends to be merged; the next look sends others.
_READY = 1_000
_EARLY = 200
# With so many messages before it, a look at a job leaves the next to another one.
_BUSY = 100
_SHOWN = 10
REASON_NOT_CONFIGURED = "not-configured"
_NOT_CONFIGURED_S = 86_400.0
_log = Log("enrichment")


class ChoreRunner(Protocol):
    """What does work that is about no title in particular; see `schedules`."""

    def run(self, chore: str) -> str:
        """Do it; what it came to, in a sentence."""
        ...


class EnrichJobs:
    """Starts and ends jobs of enrichment. Everything may be called twice, at any time, by any number of workers."""

    def __init__(
        self,
        *,
        database: Database,
        jobs: JobRepository,
        titles: TitleRepository,
        stages: StageRepository,
        parts: EnrichPartRepository,
        rows: EnrichRowRepository,
        scopes: ScopeBuilder,
        workflow: Workflow,
        hints: HintSender,
        chores: ChoreRunner,
        prepare: Callable[[Sequence[str]], None] = lambda _: None,
    ) -> None:
        self._database = database
        self._jobs = jobs
        self._titles = titles
        self._stages = stages
        self._parts = parts
        self._rows = rows
        self._scopes = scopes
        self._workflow = workflow
        self._hints = hints
        self._chores = chores
        self._prepare = prepare
        self._wants = WantRepository(database)
        self._locks = LockService(database)

    # As every kind of job

    def run(self, job: Job) -> None:
        """Store what is wanted, and send hints; or do the chore that the job is for."""
        with self._locks.try_hold(job.id) as lock:
            # Somebody else is at it, and takes longer than the reconciler waits for a sign of life.
            if lock is None:
                return
            if "chore" in job.params:
                self._do_chore(job)
                return
            job = self._jobs.get(job.id)
            if not job.enqueued:
                self.enqueue(job)
        if not self.finish(job):
            providers = self._parts.list_open_providers(job.id)
            self._prepare(providers)
            for provider in providers:
                self._hints.send(TASK_ENRICH_LANE, provider=provider)

    def finish(self, job: Job) -> bool:
        """Close the job if none of its titles is open. Merges and lanes that nobody works on are sent again."""
        job = self._jobs.get(job.id)
        if job.is_closed or not job.enqueued:
            return job.is_closed
        self._put_off_unserved(job)
        if self._rows.count_open(job.id) == 0:
            self._close(job)
            return True
        self._send_ready(job)
        self._merge_early(job)
        self._index_early(job)
        if self._hints.queue_length(QUEUE_NETWORK) == 0:
            self._wake_lanes(job)
        return False

    def enqueue(self, job: Job) -> int:
        """The rows of the job and the parts that it wants; returns how many titles it is about."""
        scope, want = self._build_scope(job), self._build_want(job)
        resolved = {"providers": scope.providers, "stages": scope.stages}
        with self._database.begin() as connection:
            count = self._wants.enqueue_in(connection, job.id, scope, want)
            self._jobs.add_params_in(connection, job.id, resolved)
            self._jobs.mark_enqueued_in(connection, job.id, None)
        return count

    # What is wanted

    def _build_scope(self, job: Job) -> Scope:
        if job.params.get("merge_only"):
            return self._scopes.build_empty()
        return self._scopes.build(providers=job.params.get("providers"), stages=job.params.get("stages"))

    def _build_want(self, job: Job) -> Want:
        params = job.params
        slugs = self._find_slugs(job)
        return Want(
            slugs=slugs,
            refresh_from=job.created_at if params.get("refresh") else None,
            only_old=bool(params.get("stale")),
            only_due=bool(params.get("due_only")),
            every_title=("ids" in params and not params.get("due_only")) or bool(params.get("merge_only")),
            reparse=bool(params.get("reparse")),
            urgency=_choose_urgency(job),
        )

    def _find_slugs(self, job: Job) -> list[str] | None:
        if "imported_by" in job.params:
            return self._stages.list_slugs(uuid.UUID(job.params["imported_by"]))
        if "ids" not in job.params:
            return None
        ids: Sequence[str] = job.params["ids"]
        found = self._titles.resolve_slugs(ids)
        # Of a schedule's titles one may be gone by now; a person is told.
        if "schedule" not in job.params and (unknown := [one for one in ids if one not in found]):
            raise InvalidInputError("ids", f"unknown: {', '.join(unknown[:_SHOWN])}")
        return sorted(set(found.values()))

    # What is left

    def _put_off_unserved(self, job: Job) -> None:
        """A provider that was taken out of the settings keeps no job open."""
        for provider in set(job.params.get("providers", ())) - set(self._scopes.configured):
            self._parts.put_off(
                provider, wait_s=_NOT_CONFIGURED_S, reason=REASON_NOT_CONFIGURED, detail="it is not configured any more"
            )

    def _send_ready(self, job: Job) -> None:
        """Some of what can be merged; when that is under way, another look sends the next."""
        if self._hints.queue_length(QUEUE_DEFAULT) > _BUSY:
            return
        ready = self._rows.list_ready(job.id, limit=_READY)
        send_merges(self._hints, ready)
        if len(ready) == _READY:
            self._hints.send(TASK_FINISH_JOB, job_id=str(job.id))

    def _merge_early(self, job: Job) -> None:
        """What is known already is not kept back by a provider that takes its time."""
        patience_s = self._workflow.patience.merge.total_seconds()
        slugs = self._rows.list_impatient(job.id, patience_s=patience_s, limit=_EARLY)
        if slugs:
            self._hints.send(TASK_ENRICH_MERGE, slugs=slugs, early=True)

    def _index_early(self, job: Job) -> None:
        """A long job hands on what it has from time to time."""
        every_s = self._workflow.patience.index.total_seconds()
        if not job.params.get("then_index", True):
            return
        if self._rows.is_any_merged_since_index(job.id, least_s=every_s):
            self._hints.send(TASK_RUN_JOB, job_id=str(self._jobs.create(KIND_INDEX, {"enriched_by": str(job.id)})))

    def _wake_lanes(self, job: Job) -> None:
        for provider in job.params.get("providers", ()):
            if provider in self._scopes.configured and self._parts.is_silent(provider):
                self._hints.send(TASK_ENRICH_LANE, provider=provider)

    # The end

    def _close(self, job: Job) -> None:
        progress = self._jobs.get_progress(job)
        with self._database.begin() as connection:
            message = _describe_end(progress)
            if not self._jobs.close_in(connection, job.id, JobState.COMPLETED, message=message):
                return
            following = self._follow(connection, job)
        dead = progress.dead_letters
        _log.info(Event.JOB_FINISHED, job_id=str(job.id), dead_letters=dead, stages=progress.stages)
        if following is not None:
            self._hints.send(TASK_RUN_JOB, job_id=str(following))

    def _follow(self, connection: Connection, job: Job) -> uuid.UUID | None:
        """The job that indexes what this one has changed. Stored with its end: not forgotten, and not made twice."""
        if not job.params.get("then_index", True):
            return None
        if not self._rows.is_any_merged_since_index_in(connection, job.id):
            return None
        return self._jobs.create_in(connection, KIND_INDEX, {"enriched_by": str(job.id), "follows": str(job.id)})

    def _do_chore(self, job: Job) -> None:
        """One attempt: what fails today is done by the next run of its schedule."""
        try:
            message = self._chores.run(job.params["chore"])
        except DependencyUnavailableError:
            raise
        except TransientError as error:
            raise PermanentError(str(error)) from error
        if self._jobs.close(job.id, JobState.COMPLETED, message=message):
            _log.info(Event.JOB_FINISHED, job_id=str(job.id), chore=job.params["chore"], outcome=message)


def _choose_urgency(job: Job) -> Urgency:
    if job.params.get("schedule") == "new":
        return Urgency.NEW
    if "schedule" in job.params:
        return Urgency.DUE
    return Urgency.ASKED if "ids" in job.params else Urgency.BULK


def _describe_end(progress: JobProgress) -> str | None:
    notes = [f"{progress.dead_letters} in the dead letters"] if progress.dead_letters else []
    if progress.enrichment is not None:
        for provider, reasons in progress.enrichment.put_off.items():
            counted = ", ".join(f"{count} {reason}" for reason, count in reasons.items())
            notes.append(f"{provider} is asked again later ({counted})")
    return "; ".join(notes) or None
