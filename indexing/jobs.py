"""The life of a job: rows for what is stale, hints for the workers, the end, and the mending of what got lost.

Everything here may be called twice, at any time, by any number of workers.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from core.errors import InvalidInputError, PermanentError, TransientError
from core.log import Event, Log
from core.recipe import RecipeSet
from core.settings import Settings
from indexing.chunks import ChunkSender, find_lost_titles
from indexing.generations import GenerationService
from indexing.importing import Importer, ImportSummary
from indexing.sources.files import RawRecord, read_records
from messaging.hints import HintSender
from messaging.names import QUEUE_EMBED, TASK_FINISH_JOB, TASK_RUN_JOB
from storage.database.generations import Generation
from storage.database.jobs import KIND_ENRICH, Job, JobRepository
from storage.database.ledger import LedgerRepository
from storage.database.models import GenerationState, JobState, RowState, Stage
from storage.database.stages import StageRepository
from storage.database.titles import TitleRepository
from storage.vectors.store import VectorStore

KIND_INDEX = "index"
KIND_IMPORT = "import"
# An index job of this scope writes titles whose pictures have changed, and leaves others alone.
SCOPE_PICTURES = "pictures"
# An import that says nothing for so long has died with its process.
_SILENT = timedelta(seconds=120)
# Other kinds hold a lock while they work: started once too often, they do nothing.
_LOCKED_SILENT = timedelta(seconds=10)
_log = Log("jobs")


class JobKind(Protocol):
    """Work of another kind than importing and indexing: does its own part and decides on its own end."""

    def run(self, job: Job) -> None:
        """Do the job's own part and get on as far as possible; called again until it is enqueued."""

    def finish(self, job: Job) -> bool:
        """Close the job if nothing is left to do; False while something is.

        Also called now and then while the job is open: a kind with rows of its own sends lost hints again.
        """


class JobService:
    """Runs, finishes and mends jobs."""

    def __init__(
        self,
        *,
        settings: Settings,
        jobs: JobRepository,
        stages: StageRepository,
        titles: TitleRepository,
        ledger: LedgerRepository,
        generations: GenerationService,
        store: VectorStore,
        importer: Importer,
        hints: HintSender,
        kinds: Mapping[str, JobKind] | None = None,
        has_pictures: Callable[[RecipeSet], bool] = lambda _: True,
        seed: Callable[[Job, Generation], None] = lambda *_: None,
        tidy: Callable[[], object] = lambda: None,
    ) -> None:
        self._settings = settings
        self._jobs = jobs
        self._stages = stages
        self._titles = titles
        self._ledger = ledger
        self._generations = generations
        self._store = store
        self._importer = importer
        self._hints = hints
        self._kinds = dict(kinds or {})
        self._has_pictures = has_pictures
        self._seed = seed
        self._tidy = tidy
        self._chunks = ChunkSender(settings, stages, hints)

    # Starting

    def run(self, job_id: uuid.UUID) -> None:
        """Do the job's own part (import) and put its titles to work. Nothing happens if it has ended."""
        job = self._jobs.get(job_id)
        if not self._jobs.start(job_id, unless_alive_s=self._get_silence(job).total_seconds()):
            return
        try:
            self._work(job)
        except PermanentError as error:
            self._jobs.close(job_id, JobState.FAILED, message=str(error))
        except TransientError:
            self._jobs.wait_again(job_id)
            raise
        except Exception as error:
            # A fault of ours: the next attempt would meet it again. Celery logs where it comes from.
            self._jobs.close(job_id, JobState.FAILED, message=f"unexpected {type(error).__name__}: {error}"[:2_000])
            raise

    def _work(self, job: Job) -> None:
        if (kind := self._kinds.get(job.kind)) is not None:
            kind.run(job)
            return
        if job.kind not in (KIND_INDEX, KIND_IMPORT):
            raise PermanentError(f"this process knows no job of kind {job.kind!r}")
        if job.kind == KIND_IMPORT and not job.enqueued:
            self._jobs.reset_import(job.id)
            self._importer.run(job.id, self._open_records(job))
        self.enqueue(job.id)

    def import_records(
        self, job_id: uuid.UUID, records: Iterator[RawRecord], *, on_progress: Callable[[ImportSummary], None]
    ) -> ImportSummary:
        """Import in this process, for a command that reads a local file. `enqueue` follows."""
        self._jobs.start(job_id)
        return self._importer.run(job_id, records, on_progress=on_progress)

    def enqueue(self, job_id: uuid.UUID) -> int:
        """Store a row for each stale title and send hints; returns how many titles."""
        job = self._jobs.get(job_id)
        target = self._generations.get_target(job.collection)
        self._seed(job, target)
        count = self._stages.enqueue_stale(
            job_id,
            target.collection,
            slugs=self._wanted_slugs(job),
            only_pictures=job.params.get("scope") == SCOPE_PICTURES,
        )
        self._jobs.mark_enqueued(job_id, target.collection)
        if self._stages.count_open(job_id) == 0:
            self.finish(job_id)
            return 0
        self._generations.ensure_collection(target)
        self._generations.hold_indexing(target.collection)
        self._chunks.send(job_id, target.collection)
        return count

    def _open_records(self, job: Job) -> Iterator[RawRecord]:
        if "documents" in job.params:
            return (RawRecord(number, value=value) for number, value in enumerate(job.params["documents"], start=1))
        if "path" in job.params:
            return read_records(self._resolve_path(job.params["path"]))
        raise InvalidInputError("params", "an import job needs `documents` or `path`")

    def _resolve_path(self, given: str) -> Path:
        root = self._settings.import_root
        if root is None:
            raise InvalidInputError("path", "IMPORT_ROOT is not set, so no file may be read")
        path = (root / given).resolve()
        if not path.is_relative_to(root.resolve()):
            raise InvalidInputError("path", "must lie under IMPORT_ROOT")
        return path

    def _wanted_slugs(self, job: Job) -> list[str] | None:
        if "enriched_by" in job.params:
            return self._stages.list_slugs(uuid.UUID(job.params["enriched_by"]))
        ids: list[str] | None = job.params.get("ids")
        if ids is None:
            return None
        slugs = {identifier: self._titles.resolve_slug(identifier) for identifier in ids}
        unknown = [identifier for identifier, slug in slugs.items() if slug is None]
        if unknown:
            raise InvalidInputError("ids", f"unknown: {', '.join(unknown[:10])}")
        return [slug for slug in slugs.values() if slug is not None]

    # Ending

    def finish(self, job_id: uuid.UUID) -> bool:
        """Close the job if all its rows are; False while something is open or had to be reopened."""
        job = self._jobs.get(job_id)
        if (kind := self._kinds.get(job.kind)) is not None:
            return kind.finish(job)
        if job.is_closed or not job.enqueued or self._stages.count_open(job_id):
            return False
        target = self._generations.get_target(job.collection)
        if self._is_diverted(job, target):
            self.enqueue(job_id)
            return False
        lost = self._find_lost_titles(target)
        if lost:
            self._ledger.forget_now(target.collection, lost)
            self._stages.reopen(job_id, lost)
            self._generations.hold_indexing(target.collection)
            self._chunks.send(job_id, target.collection)
            return False
        self._generations.resume_indexing(besides=job_id)
        note = None
        if target.state is GenerationState.BUILDING and self._holds_all_titles(job, target):
            # Nor must titles without pictures take the place of titles with them: the job that follows the pictures'
            # own comes here again.
            if self._has_pictures(target.recipes):
                self._generations.go_live(target)
            else:
                note = f"{target.collection} goes live when its pictures are indexed: avs index --pictures"
        self._close(job_id, note=note)
        return True

    @staticmethod
    def _is_diverted(job: Job, target: Generation) -> bool:
        """True if the collection that the job wrote to has been retired: what it lacks goes to the next one."""
        return job.collection is not None and job.collection != target.collection

    def _close(self, job_id: uuid.UUID, *, note: str | None) -> None:
        progress = self._jobs.get_progress(self._jobs.get(job_id))
        dead = progress.dead_letters
        message = "; ".join(filter(None, (note, f"{dead} in the dead letters" if dead else None))) or None
        following = self._choose_following(self._jobs.get(job_id))
        closed, following_id = self._jobs.close_and_follow(job_id, message=message, following=following)
        if closed:
            _log.info(Event.JOB_FINISHED, job_id=str(job_id), dead_letters=dead, stages=progress.stages)
        if following_id is not None:
            self._hints.send(TASK_RUN_JOB, job_id=str(following_id))

    def _choose_following(self, job: Job) -> tuple[str, dict[str, str]] | None:
        """An import may be followed by the enrichment of what it has indexed."""
        if not job.params.get("then_enrich") or not self._stages.list_slugs(job.id):
            return None
        return KIND_ENRICH, {"imported_by": str(job.id), "follows": str(job.id)}

    def _holds_all_titles(self, job: Job, target: Generation) -> bool:
        """The gate before the alias moves: a job of a few titles must not make a half-filled index live."""
        dead = self._jobs.get_progress(job).stages.get(Stage.EMBED, {}).get(RowState.DEAD, 0)
        return self._titles.count_all() - self._ledger.count(target.collection) <= dead

    def _find_lost_titles(self, target: Generation) -> list[str]:
        self._generations.ensure_collection(target)
        return find_lost_titles(self._ledger, self._store, target.collection)

    # Mending

    def reconcile(self) -> int:
        """Send again what a lost message or a dead worker left behind; returns how many titles were sent.

        An index that a cancelled or failed job left without graphs gets them, and generations that nobody needs go.
        """
        self._generations.resume_indexing()
        resent = 0
        queue_is_empty = self._hints.queue_length(QUEUE_EMBED) == 0
        for job in self._jobs.list_open():
            if not job.enqueued or job.state is JobState.PENDING:
                self._restart(job)
            elif not self._stages.count_open(job.id):
                self._hints.send(TASK_FINISH_JOB, job_id=str(job.id))
            elif queue_is_empty:
                # With hints still in the queue, titles that wait are not lost but next.
                resent += self._resend(job)
        self._tidy()
        return resent

    def _resend(self, job: Job) -> int:
        if not self._stages.list_claimable(job.id, limit=1):
            return 0
        target = self._generations.get_target(job.collection)
        if self._is_diverted(job, target):
            if job.kind not in self._kinds:
                return self.enqueue(job.id)
            # Its collection is its own: without it the job can only end.
            self._hints.send(TASK_FINISH_JOB, job_id=str(job.id))
            return 0
        sent = self._chunks.send(job.id, target.collection)
        _log.info(Event.ROWS_RESENT, job_id=str(job.id), rows=sent)
        return sent

    def _restart(self, job: Job) -> None:
        last_sign = job.heartbeat_at or job.created_at
        is_silent = datetime.now(UTC) - last_sign > self._get_silence(job)
        if job.state is JobState.RUNNING and not is_silent:
            return
        if job.params.get("source") == "cli" and job.kind == KIND_IMPORT and not job.enqueued:
            if is_silent:
                message = "the importing command stopped half-way; what it stored is kept: run it again"
                self._jobs.close(job.id, JobState.FAILED, message=message)
            return
        self._hints.send(TASK_RUN_JOB, job_id=str(job.id))

    def _get_silence(self, job: Job) -> timedelta:
        """After so long without a sign of life the job's own part is started again."""
        return _LOCKED_SILENT if job.kind in self._kinds else _SILENT
