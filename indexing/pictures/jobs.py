"""Jobs of kind `pictures`: rows for what is stale in the pictures collection, hints, the end, and what follows it.

params: `ids` (of titles) and `pictures` (ids of pictures) narrow the job down; without both it is about all.
When its end leaves titles whose vectors were made from other pictures, an index job for them is stored with it.
"""

from __future__ import annotations

import uuid
from typing import Final

from core.errors import InvalidInputError, NoPictureEncoderError
from core.log import Event, Log
from core.settings import Settings
from indexing.chunks import split_by_attempts
from indexing.jobs import KIND_INDEX, SCOPE_PICTURES
from indexing.pictures.generations import PictureGenerationService
from messaging.hints import HintSender
from messaging.names import QUEUE_EMBED, TASK_EMBED_PICTURES, TASK_RUN_JOB
from storage.database.jobs import PICTURES_STAGE, Job, JobRepository
from storage.database.models import GenerationState, JobState, RowState
from storage.database.picture_generations import PictureGeneration
from storage.database.picture_ledger import PictureLedgerRepository
from storage.database.picture_rows import PictureRowRepository
from storage.database.session import Database
from storage.database.titles import TitleRepository
from storage.vectors.store import VectorStore

KIND_PICTURES: Final = "pictures"
_NONE: Final = "none"
# Fewer points are written faster than graphs could be in the way.
_MANY = 5_000
_log = Log("pictures")


class PictureJobs:
    """Starts and ends jobs of pictures. Everything may be called twice, at any time, by any number of workers."""

    def __init__(
        self,
        settings: Settings,
        *,
        database: Database,
        jobs: JobRepository,
        titles: TitleRepository,
        rows: PictureRowRepository,
        ledger: PictureLedgerRepository,
        generations: PictureGenerationService,
        store: VectorStore,
        hints: HintSender,
    ) -> None:
        self._settings = settings
        self._database = database
        self._jobs = jobs
        self._titles = titles
        self._rows = rows
        self._ledger = ledger
        self._generations = generations
        self._store = store
        self._hints = hints

    def run(self, job: Job) -> None:
        """Store a row for each stale picture and send hints. Raises NoPictureEncoderError if none is configured."""
        if self._settings.image_embedding_model == _NONE:
            raise NoPictureEncoderError("IMAGE_EMBEDDING_MODEL=none: set it to index pictures")
        target = self._generations.get_target(job.collection)
        ids, slugs = self._get_limits(job)
        count = self._rows.enqueue_stale(job.id, target.collection, ids=ids, slugs=slugs)
        self._jobs.mark_enqueued(job.id, target.collection)
        if self._rows.count_open(job.id):
            self._generations.ensure_collection(target)
            if count >= _MANY:
                self._generations.hold_indexing(target.collection)
            self._send(job.id, target.collection)
        else:
            self.finish(self._jobs.get(job.id))

    def finish(self, job: Job) -> bool:
        """Close the job if none of its rows is open. Rows that nobody works on are sent again."""
        job = self._jobs.get(job.id)
        if job.is_closed or not job.enqueued:
            return job.is_closed
        target = self._generations.get_target(job.collection)
        if target.collection != job.collection:
            # Its collection has been retired: what the next one lacks goes there.
            self.run(job)
            return False
        if self._rows.count_open(job.id):
            # With hints still in the queue, pictures that wait are not lost but next.
            if self._hints.queue_length(QUEUE_EMBED) == 0:
                self._send(job.id, target.collection)
            return False
        if lost := self._find_lost(target):
            self._ledger.forget_now(target.collection, lost)
            self._rows.reopen(job.id, lost)
            self._send(job.id, target.collection)
            return False
        return self._end(job, target)

    def tidy(self) -> None:
        """Mend what jobs left behind that were cancelled or failed, and drop collections that nobody needs."""
        if not self._jobs.list_open_of(KIND_PICTURES):
            self._generations.resume_indexing()
            self._release_waiting()
        self._generations.drop_needless()

    def _release_waiting(self) -> None:
        """A collection that holds all without a job, because there is nothing or it was taken up again, goes live."""
        waiting = self._generations.get_building()
        if waiting is None or self._rows.count_stale(waiting.collection):
            return
        self._generations.go_live(waiting)
        job_id = self._jobs.create(KIND_INDEX, {"scope": SCOPE_PICTURES})
        self._hints.send(TASK_RUN_JOB, job_id=str(job_id))

    # Parts

    def _get_limits(self, job: Job) -> tuple[list[uuid.UUID] | None, list[str] | None]:
        """Ids of pictures and slugs of titles that the job is about; both None: all."""
        pictures: list[str] | None = job.params.get("pictures")
        ids: list[str] | None = job.params.get("ids")
        slugs = self._titles.resolve_slugs(ids) if ids is not None else {}
        if unknown := [one for one in ids or () if one not in slugs]:
            raise InvalidInputError("ids", f"unknown: {', '.join(unknown[:10])}")
        chosen = None if pictures is None else [uuid.UUID(one) for one in pictures]
        return chosen, None if ids is None else sorted(set(slugs.values()))

    def _send(self, job_id: uuid.UUID, collection: str) -> None:
        claimable = [(str(row.id), row.attempts) for row in self._rows.list_claimable(job_id)]
        for chunk in split_by_attempts(claimable, self._settings.chunk_size):
            self._hints.send(TASK_EMBED_PICTURES, job_id=str(job_id), ids=chunk, collection=collection)

    def _find_lost(self, target: PictureGeneration) -> list[uuid.UUID]:
        """Pictures that the ledger lists and the collection lacks. The ledger is read first, as for titles."""
        self._generations.ensure_collection(target)
        expected = self._ledger.count(target.collection)
        if self._store.count(target.collection) >= expected:
            return []
        listed = list(self._ledger.iterate_ids(target.collection))
        present = set(self._store.scroll_ids(target.collection))
        return [one for one in listed if str(one) not in present]

    def _end(self, job: Job, target: PictureGeneration) -> bool:
        progress = self._jobs.get_progress(job)
        if not [one for one in self._jobs.list_open_of(KIND_PICTURES) if one.id != job.id]:
            self._generations.resume_indexing()
        dead = progress.stages.get(PICTURES_STAGE, {}).get(RowState.DEAD, 0)
        goes_live = target.state is GenerationState.BUILDING and self._rows.count_stale(target.collection) <= dead
        if goes_live:
            self._generations.go_live(target)
        following = self._close(job, dead=progress.dead_letters, was_awaited=goes_live)
        if following is not None:
            self._hints.send(TASK_RUN_JOB, job_id=str(following))
        return True

    def _close(self, job: Job, *, dead: int, was_awaited: bool) -> uuid.UUID | None:
        """Close the job; the id of the job that follows it, stored in the same transaction.

        `was_awaited`: a generation of titles may wait for these pictures before it goes live.
        """
        message = f"{dead} in the dead letters" if dead else None
        with self._database.begin() as connection:
            if not self._jobs.close_in(connection, job.id, JobState.COMPLETED, message=message):
                return None
            following = None
            alias = self._settings.qdrant_collection_name
            if was_awaited or self._titles.is_any_made_from_other_pictures(connection, alias):
                params = {"scope": SCOPE_PICTURES, "follows": str(job.id)}
                following = self._jobs.create_in(connection, KIND_INDEX, params)
        _log.info(Event.JOB_FINISHED, job_id=str(job.id), dead_letters=dead, kind=KIND_PICTURES)
        return following
