"""A new generation that differs from the live one in its pictures alone begins with the live one's other vectors.

Without this, another picture encoder would have every text of the catalogue encoded again. Copied are the vectors that
the live ledger vouches for; the payloads and the image vectors are left to the job, which finds every title stale.
"""

from __future__ import annotations

import uuid

from core.errors import TransientError
from core.identity import POINT_NAMESPACE
from core.log import Event, Log
from indexing.copying import GenerationCopier
from indexing.generations import GenerationService
from storage.database.generations import Generation
from storage.database.jobs import Job, JobRepository
from storage.database.locks import LockService
from storage.database.models import GenerationState
from storage.vectors.store import PointsMissingError

_log = Log("seeding")


class GenerationSeeder:
    """Copies into generations that no job has written to yet."""

    def __init__(
        self, *, generations: GenerationService, copier: GenerationCopier, jobs: JobRepository, locks: LockService
    ) -> None:
        self._generations = generations
        self._copier = copier
        self._jobs = jobs
        self._locks = locks

    def seed(self, job: Job, target: Generation) -> None:
        """Copy what the target lacks, if it may be. Stopped anywhere, the next call goes on.

        Raises TransientError while another job does this: nobody else may write to the target meanwhile, for a copy
        that comes late would undo what was made anew.
        """
        live = self._generations.get_live()
        if live is None or not _is_seeded_by(target, live) or self._jobs.is_any_enqueued(target.collection):
            return
        with self._locks.try_hold(uuid.uuid5(POINT_NAMESPACE, target.collection)) as lock:
            if lock is None:
                raise TransientError(f"{target.collection} is being begun by another job")
            if self._jobs.is_any_enqueued(target.collection):
                return
            self._generations.ensure_collection(target)
            self._generations.hold_indexing(target.collection)
            try:
                copied = self._copier.copy(job.id, live, target, lock=lock)
            except PointsMissingError as error:
                # Qdrant has lost the live collection: the job makes everything anew.
                _log.warning(Event.REINDEX_COPIED, job_id=str(job.id), collection=target.collection, reason=str(error))
            else:
                _log.info(Event.REINDEX_COPIED, job_id=str(job.id), collection=target.collection, titles=copied)


def _is_seeded_by(target: Generation, live: Generation) -> bool:
    is_shared = target.state is GenerationState.BUILDING and target.job_id is None
    return is_shared and target.recipes.text_fingerprint == live.recipes.text_fingerprint
