"""Snapshots of the live collection, and their return as generations that may be swapped to."""

from __future__ import annotations

from core.errors import ConflictError
from core.log import Event, Log
from storage.database.copying import LedgerCopyRepository
from storage.database.generations import Generation, GenerationRepository, build_collection_name
from storage.database.jobs import Job, JobRepository
from storage.database.locks import LockService
from storage.database.models import GenerationState, JobState
from storage.database.snapshots import Snapshot, SnapshotRepository
from storage.vectors.administration import CollectionAdministration
from storage.vectors.store import VectorStore

KIND_SNAPSHOT = "snapshot"
KIND_RESTORE = "restore"
_log = Log("snapshots")


class SnapshotService:
    """The jobs of kind `snapshot`: params {reason?}."""

    def __init__(
        self,
        *,
        repository: GenerationRepository,
        snapshots: SnapshotRepository,
        jobs: JobRepository,
        locks: LockService,
        store: VectorStore,
        administration: CollectionAdministration,
        alias: str,
    ) -> None:
        self._repository = repository
        self._snapshots = snapshots
        self._jobs = jobs
        self._locks = locks
        self._store = store
        self._administration = administration
        self._alias = alias

    def run(self, job: Job) -> None:
        """Take the snapshot. An attempt that died is not repeated, for its file may be there: the job fails."""
        with self._locks.try_hold(job.id) as lock:
            if lock is None or self._jobs.get(job.id).is_closed:
                return
            taken = self._snapshots.find_of_job(job.id) or self._take(job)
            message = f"{taken.name}: {taken.points} points of {taken.collection}"
            self._jobs.close(job.id, JobState.COMPLETED, message=message)

    def finish(self, job: Job) -> bool:
        """Everything is done by `run`."""
        return self._jobs.get(job.id).is_closed

    def _take(self, job: Job) -> Snapshot:
        if self._snapshots.was_begun(job.id):
            raise ConflictError(
                "an earlier attempt ended half-way; a file of it may be left: see the list of snapshots"
            )
        live = self._repository.get_live(self._alias)
        if live is None:
            raise ConflictError("nothing is live yet: there is nothing to take a snapshot of")
        snapshot_id = self._snapshots.begin(job.id, live.collection, reason=job.params.get("reason"))
        points = self._store.count(live.collection)
        file = self._administration.save_snapshot(live.collection)
        taken = self._snapshots.finish(
            snapshot_id, name=file.name, size_bytes=file.size_bytes, checksum=file.checksum, points=points
        )
        _log.info(Event.SNAPSHOT_TAKEN, collection=live.collection, name=file.name, bytes=file.size_bytes)
        return taken


class RestoreService:
    """The jobs of kind `restore`: params {snapshot}. The generation stands by until somebody swaps to it."""

    def __init__(
        self,
        *,
        repository: GenerationRepository,
        snapshots: SnapshotRepository,
        copies: LedgerCopyRepository,
        jobs: JobRepository,
        locks: LockService,
        store: VectorStore,
        administration: CollectionAdministration,
        alias: str,
    ) -> None:
        self._repository = repository
        self._snapshots = snapshots
        self._copies = copies
        self._jobs = jobs
        self._locks = locks
        self._store = store
        self._administration = administration
        self._alias = alias

    def run(self, job: Job) -> None:
        """Make the collection from the file and give it its ledger. May be repeated."""
        with self._locks.try_hold(job.id) as lock:
            job = self._jobs.get(job.id)
            if lock is None or job.is_closed:
                return
            snapshot = self._snapshots.get(job.params["snapshot"])
            target = self._find_or_begin(job, snapshot)
            if target.state is GenerationState.BUILDING:
                self._fill(snapshot, target)
            message = f"{target.collection} stands by: swap to it when you like"
            self._jobs.close(job.id, JobState.COMPLETED, message=message)

    def finish(self, job: Job) -> bool:
        """Everything is done by `run`."""
        return self._jobs.get(job.id).is_closed

    def _find_or_begin(self, job: Job, snapshot: Snapshot) -> Generation:
        with self._repository.deciding() as connection:
            known = self._repository.list_in(connection, self._alias)
            if job.collection is not None:
                return next(one for one in known if one.collection == job.collection)
            source = next(one for one in known if one.collection == snapshot.collection)
            created = self._repository.create_in(
                connection,
                build_collection_name(self._alias, source.recipes, number=len(known) + 1),
                alias=self._alias,
                recipes=source.recipes,
                layout=source.layout,
                job_id=job.id,
            )
            self._jobs.set_collection(connection, job.id, created.collection)
        _log.info(Event.GENERATION_CREATED, collection=created.collection, encoder=source.recipes.text.encoder)
        return created

    def _fill(self, snapshot: Snapshot, target: Generation) -> None:
        assert snapshot.name is not None, "finished snapshots have a name"
        self._administration.restore_snapshot(
            snapshot.name, source=snapshot.collection, target=target.collection, checksum=snapshot.checksum
        )
        # The snapshot may be of a time when graphs were held back.
        self._store.set_indexing(target.collection, enabled=True)
        points = self._store.count(target.collection)
        with self._repository.deciding() as connection:
            titles = self._copies.restore(connection, snapshot.id, target.collection)
            message = f"restored from {snapshot.name}: {titles} titles"
            self._repository.retire_in(connection, target.collection, message=message)
        _log.info(Event.SNAPSHOT_RESTORED, collection=target.collection, name=snapshot.name, points=points)
