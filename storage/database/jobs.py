"""Jobs: created, read, cancelled and closed. Their rows of work are in `stages`."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, false, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import JSONB

from core.errors import ConflictError, NotFoundError
from storage.database.download_counts import DownloadProgress, count_downloads, revive_downloads
from storage.database.enrich_counts import EnrichProgress, count_enrichment
from storage.database.enrich_parts import revive_parts_in
from storage.database.models import JobState, RowState, Stage, dead_letters, jobs, stage_rows
from storage.database.picture_rows import count_done_since_in, count_rows_in, revive_rows_in
from storage.database.rate_window import RateWindow
from storage.database.session import Database

IMPORT_STAGE = "import"
# Pictures that are embedded: counted from picture_rows.
PICTURES_STAGE = "pictures"
KIND_ENRICH = "enrich"
_OPEN_ROWS = (RowState.PENDING, RowState.LEASED, RowState.FAILED)
_CLOSED = (JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED)


@dataclass(frozen=True, slots=True)
class Job:
    """One run of the pipeline, as stored."""

    id: uuid.UUID
    kind: str
    state: JobState
    params: dict[str, Any]
    import_counts: dict[str, int]
    enqueued: bool
    collection: str | None
    message: str | None
    created_at: datetime
    started_at: datetime | None
    heartbeat_at: datetime | None
    finished_at: datetime | None

    @property
    def is_closed(self) -> bool:
        """True once nothing more will happen in this job."""
        return self.state in _CLOSED


@dataclass(frozen=True, slots=True)
class JobProgress:
    """Counts by stage and state, titles (or pictures) a second over its last half minute, and seconds left.

    `seconds_left` is None while it is unknown. `downloads` is what the URLs of a job of downloads have come to; they
    are counted under the stage `download`, too. `enrichment`: parts of an enrich job by provider and by stage.
    """

    stages: dict[str, dict[str, int]]
    titles_per_s: float
    seconds_left: float | None
    dead_letters: int
    downloads: DownloadProgress | None = None
    enrichment: EnrichProgress | None = None

    @property
    def open_rows(self) -> int:
        """Rows on which work is still to be done."""
        return sum(counts.get(state, 0) for counts in self.stages.values() for state in _OPEN_ROWS)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Something that was given up, and why."""

    id: int
    job_id: uuid.UUID
    stage: str
    slug: str | None
    reason: str
    detail: dict[str, Any]
    attempts: int
    created_at: datetime


class JobRepository:
    """Reads and writes the `jobs` table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, kind: str, params: dict[str, Any]) -> uuid.UUID:
        """A new pending job. The caller sends a hint after this has returned, never before."""
        with self._database.begin() as connection:
            return self.create_in(connection, kind, params)

    def create_in(self, connection: Connection, kind: str, params: dict[str, Any]) -> uuid.UUID:
        """As `create`, within the transaction that makes the job necessary. The hint follows after its end."""
        job_id = uuid.uuid4()
        connection.execute(insert(jobs).values(id=job_id, kind=kind, state=JobState.PENDING, params=params))
        return job_id

    def get(self, job_id: uuid.UUID) -> Job:
        """Raises NotFoundError."""
        with self._database.begin() as connection:
            row = connection.execute(select(jobs).where(jobs.c.id == job_id)).one_or_none()
        if row is None:
            raise NotFoundError("job", str(job_id))
        return _to_job(row)

    def list_recent(self, *, limit: int = 20, offset: int = 0, state: JobState | None = None) -> list[Job]:
        """The newest jobs first."""
        query = select(jobs).order_by(jobs.c.created_at.desc(), jobs.c.id).limit(limit).offset(offset)
        if state is not None:
            query = query.where(jobs.c.state == state)
        with self._database.begin() as connection:
            return [_to_job(row) for row in connection.execute(query)]

    def list_open(self) -> list[Job]:
        """Jobs that are not closed, the oldest first."""
        query = select(jobs).where(jobs.c.state.not_in(_CLOSED)).order_by(jobs.c.created_at)
        with self._database.begin() as connection:
            return [_to_job(row) for row in connection.execute(query)]

    def describe_writes(self, *, settle_s: float) -> tuple[str, bool]:
        """A text that changes whenever a job ends, and whether jobs may be writing to the index now.

        A job that ended less than `settle_s` seconds ago may be: what its workers had leased is finished after it.
        """
        settling = jobs.c.finished_at > func.now() - func.make_interval(0, 0, 0, 0, 0, 0, settle_s)
        is_writing = func.coalesce(func.bool_or(or_(jobs.c.state.not_in(_CLOSED), settling)), false())
        query = select(func.count(), func.max(jobs.c.finished_at), is_writing)
        with self._database.begin() as connection:
            count, finished_at, writing = connection.execute(query).one()
        return f"{count} {finished_at}", writing

    def is_any_enqueued(self, collection: str) -> bool:
        """True if workers may have written, or be writing, to this collection for some job."""
        query = select(jobs.c.id).where(jobs.c.collection == collection, jobs.c.enqueued).limit(1)
        with self._database.begin() as connection:
            return connection.execute(query).first() is not None

    def find_following(self, job_id: uuid.UUID) -> Job | None:
        """The job that was stored at the end of this one, None if none was needed."""
        query = select(jobs).where(jobs.c.params["follows"].astext == str(job_id)).limit(1)
        with self._database.begin() as connection:
            row = connection.execute(query).first()
        return None if row is None else _to_job(row)

    def start(self, job_id: uuid.UUID, *, unless_alive_s: float = 0.0) -> bool:
        """Mark the job running and alive; False if it is closed.

        Also False if another process gave a sign of working on its first part within `unless_alive_s` seconds.
        """
        silent = jobs.c.heartbeat_at < func.now() - func.make_interval(0, 0, 0, 0, 0, 0, unless_alive_s)
        free = or_(jobs.c.state == JobState.PENDING, jobs.c.enqueued, silent)
        statement = (
            update(jobs)
            .where(jobs.c.id == job_id, jobs.c.state.not_in(_CLOSED), free)
            .values(
                state=JobState.RUNNING,
                started_at=func.coalesce(jobs.c.started_at, func.now()),
                heartbeat_at=func.now(),
            )
        )
        with self._database.begin() as connection:
            return connection.execute(statement).rowcount > 0

    def beat(self, job_id: uuid.UUID) -> bool:
        """A sign of life of the job's own part; False if the job has been closed meanwhile."""
        alive = (jobs.c.id == job_id, jobs.c.state.not_in(_CLOSED))
        statement = update(jobs).where(*alive).values(heartbeat_at=func.now())
        with self._database.begin() as connection:
            return connection.execute(statement).rowcount > 0

    def set_collection(self, connection: Connection, job_id: uuid.UUID, collection: str) -> None:
        """Which collection the job fills, in the transaction that records the generation."""
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(collection=collection))

    def list_open_of(self, kind: str) -> list[Job]:
        """Open jobs of one kind, the oldest first."""
        return [job for job in self.list_open() if job.kind == kind]

    def wait_again(self, job_id: uuid.UUID) -> None:
        """The job's first part could not be done now: the reconciler sends it again."""
        with self._database.begin() as connection:
            connection.execute(
                update(jobs).where(jobs.c.id == job_id, jobs.c.state == JobState.RUNNING).values(state=JobState.PENDING)
            )

    def reset_import(self, job_id: uuid.UUID) -> None:
        """Forget what an import that died half-way has counted: it is read from its first record again."""
        with self._database.begin() as connection:
            connection.execute(update(jobs).where(jobs.c.id == job_id).values(import_counts={}))
            connection.execute(
                delete(dead_letters).where(dead_letters.c.job_id == job_id, dead_letters.c.stage == IMPORT_STAGE)
            )

    def add_import_counts(self, connection: Connection, job_id: uuid.UUID, counts: dict[str, int]) -> None:
        """Add to what import has read, in the transaction that stored the titles."""
        row = connection.execute(select(jobs.c.import_counts).where(jobs.c.id == job_id).with_for_update()).one()
        stored: dict[str, int] = row.import_counts
        total = {name: stored.get(name, 0) + counts.get(name, 0) for name in {*stored, *counts}}
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(import_counts=total, heartbeat_at=func.now()))

    def mark_enqueued(self, job_id: uuid.UUID, collection: str | None) -> None:
        """All rows of the job (for this collection) are stored: from here on it ends by itself."""
        with self._database.begin() as connection:
            self.mark_enqueued_in(connection, job_id, collection)

    def mark_enqueued_in(self, connection: Connection, job_id: uuid.UUID, collection: str | None) -> None:
        """As `mark_enqueued`, within the transaction that stores the rows."""
        values = {"enqueued": True, "collection": collection, "heartbeat_at": func.now()}
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(values))

    def add_params_in(self, connection: Connection, job_id: uuid.UUID, params: dict[str, Any]) -> None:
        """What the job has found out about its own work, beside what was asked for."""
        merged = jobs.c.params.concat(bindparam("more", type_=JSONB))
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(params=merged), {"more": params})

    def close(self, job_id: uuid.UUID, state: JobState, *, message: str | None = None) -> bool:
        """End a job; False if it had ended before."""
        with self._database.begin() as connection:
            return self.close_in(connection, job_id, state, message=message)

    def close_in(
        self, connection: Connection, job_id: uuid.UUID, state: JobState, *, message: str | None = None
    ) -> bool:
        """As `close`, within the transaction that makes the job that follows."""
        statement = (
            update(jobs)
            .where(jobs.c.id == job_id, jobs.c.state.not_in(_CLOSED))
            .values(state=state, message=message, finished_at=func.now())
        )
        return connection.execute(statement).rowcount > 0

    def close_and_follow(
        self, job_id: uuid.UUID, *, message: str | None, following: tuple[str, dict[str, str]] | None
    ) -> tuple[bool, uuid.UUID | None]:
        """Complete a job and store the one that follows it (kind and params), both or neither.

        Returns whether it had been open, and the new job's id.
        """
        with self._database.begin() as connection:
            if not self.close_in(connection, job_id, JobState.COMPLETED, message=message):
                return False, None
            if following is None:
                return True, None
            kind, params = following
            return True, self.create_in(connection, kind, dict(params))

    def cancel(self, job_id: uuid.UUID) -> Job:
        """Cancel an open job; what is leased right now finishes. Raises ConflictError if it has ended."""
        job = self.get(job_id)
        if not self.close(job_id, JobState.CANCELLED, message="cancelled on request"):
            raise ConflictError(f"job {job_id} has already ended: {job.state}")
        return self.get(job_id)

    def retry(self, job_id: uuid.UUID) -> int:
        """Give the dead and open rows of an ended job a fresh start; returns how many. The caller sends a hint.

        Raises NotFoundError, and ConflictError while the job is still running.
        """
        job = self.get(job_id)
        if not job.is_closed:
            raise ConflictError(f"job {job_id} is still {job.state}")
        not_done = stage_rows.c.state.in_([RowState.DEAD, RowState.PENDING, RowState.LEASED, RowState.FAILED])
        with self._database.begin() as connection:
            # Whoever deletes jobs of the past waits for this, or is waited for.
            if connection.execute(select(jobs.c.id).where(jobs.c.id == job_id).with_for_update()).first() is None:
                raise NotFoundError("job", str(job_id))
            revived = connection.execute(
                update(stage_rows)
                .where(stage_rows.c.job_id == job_id, not_done)
                .values(state=RowState.PENDING, attempts=0, leased_until=None, lease_owner=None, updated_at=func.now())
            ).rowcount
            revived += revive_rows_in(connection, job_id)
            revived += revive_downloads(connection, job_id)
            revived += revive_parts_in(connection, job_id)
            connection.execute(
                update(dead_letters)
                .where(dead_letters.c.job_id == job_id, dead_letters.c.slug.is_not(None))
                .where(dead_letters.c.resolved_at.is_(None))
                .values(resolved_at=func.now())
            )
            connection.execute(
                update(jobs)
                .where(jobs.c.id == job_id)
                .values(state=JobState.RUNNING, finished_at=None, message=None, heartbeat_at=func.now())
            )
        return revived

    def get_progress(self, job: Job) -> JobProgress:
        """Counts by stage with rate and time left. `import` counts records, `pictures` pictures, the rest titles."""
        counts_query = (
            select(stage_rows.c.stage, stage_rows.c.state, func.count().label("rows"))
            .where(stage_rows.c.job_id == job.id)
            .group_by(stage_rows.c.stage, stage_rows.c.state)
        )
        with self._database.begin() as connection:
            window = _get_window(connection, job)
            stages: dict[str, dict[str, int]] = {IMPORT_STAGE: dict(job.import_counts)}
            for row in connection.execute(counts_query):
                stages.setdefault(row.stage, {})[row.state] = row.rows
            done_recently = connection.execute(
                select(func.count())
                .where(stage_rows.c.job_id == job.id, stage_rows.c.stage.in_([Stage.INDEX, Stage.ENRICH]))
                .where(stage_rows.c.state == RowState.DONE, stage_rows.c.updated_at > window.since)
            ).scalar_one()
            if pictures := count_rows_in(connection, job.id):
                stages[PICTURES_STAGE] = pictures
                done_recently += count_done_since_in(connection, job.id, since=window.since)
            dead = connection.execute(
                select(func.count())
                .select_from(dead_letters)
                .where(dead_letters.c.job_id == job.id, dead_letters.c.resolved_at.is_(None))
            ).scalar_one()
            downloads = count_downloads(connection, job.id, window=window)
            enrichment = count_enrichment(connection, job.id) if job.kind == KIND_ENRICH else None
        progress = _build_progress(job, stages, rate=window.get_rate(done_recently), dead=dead)
        progress = replace(progress, enrichment=enrichment)
        return progress if downloads is None else _add_downloads(job, progress, downloads)

    def list_dead_letters(
        self, job_id: uuid.UUID | None = None, *, limit: int = 100, offset: int = 0
    ) -> list[DeadLetter]:
        """Unresolved dead letters, the newest first."""
        query = select(dead_letters).where(dead_letters.c.resolved_at.is_(None))
        if job_id is not None:
            query = query.where(dead_letters.c.job_id == job_id)
        query = query.order_by(dead_letters.c.id.desc()).limit(limit).offset(offset)
        with self._database.begin() as connection:
            return [
                DeadLetter(
                    id=row.id,
                    job_id=row.job_id,
                    stage=row.stage,
                    slug=row.slug,
                    reason=row.reason,
                    detail=row.detail,
                    attempts=row.attempts,
                    created_at=row.created_at,
                )
                for row in connection.execute(query)
            ]

    def add_dead_letter(
        self, connection: Connection, job_id: uuid.UUID, *, stage: str, reason: str, detail: dict[str, Any]
    ) -> None:
        """Record something that never became a title, such as a bad line of an import file."""
        connection.execute(
            insert(dead_letters).values(job_id=job_id, stage=stage, reason=reason[:2_000], detail=detail)
        )


def _to_job(row: Row[Any]) -> Job:
    return Job(
        id=row.id,
        kind=row.kind,
        state=JobState(row.state),
        params=row.params,
        import_counts=row.import_counts,
        enqueued=row.enqueued,
        collection=row.collection,
        message=row.message,
        created_at=row.created_at,
        started_at=row.started_at,
        heartbeat_at=row.heartbeat_at,
        finished_at=row.finished_at,
    )


def _get_window(connection: Connection, job: Job) -> RateWindow:
    """Of a job that has ended, the time before its end: how fast it was is no matter of when somebody asks."""
    until = job.finished_at or connection.execute(select(func.now())).scalar_one()
    return RateWindow.of(job.started_at or job.created_at, until)


def _add_downloads(job: Job, progress: JobProgress, downloads: DownloadProgress) -> JobProgress:
    stages = {**progress.stages, Stage.DOWNLOAD.value: downloads.states}
    left = sum(downloads.states.get(state, 0) for state in (RowState.PENDING, RowState.LEASED, RowState.FAILED))
    seconds_left = _estimate_seconds_left(job, left, rate=downloads.per_s)
    return replace(progress, stages=stages, seconds_left=seconds_left, downloads=downloads)


def _build_progress(job: Job, stages: dict[str, dict[str, int]], *, rate: float, dead: int) -> JobProgress:
    work = (stages.get(Stage.INDEX, {}), stages.get(PICTURES_STAGE, {}), stages.get(Stage.ENRICH, {}))
    left = sum(counts.get(state, 0) for counts in work for state in _OPEN_ROWS)
    seconds_left = _estimate_seconds_left(job, left, rate=rate)
    return JobProgress(stages=stages, titles_per_s=rate, seconds_left=seconds_left, dead_letters=dead)


def _estimate_seconds_left(job: Job, left: int, *, rate: float) -> float | None:
    """None while it is unknown, and for what a job that has ended left undone."""
    if left == 0:
        return 0.0
    return left / rate if rate > 0 and not job.is_closed else None
