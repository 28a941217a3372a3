"""Stage rows: one title in one stage of one job. Claimed under a lease, so that a dead worker blocks nobody.

A title's `embed` and `index` rows are leased together, because its vectors live only in the worker's memory
between the two. The `embed` row carries the lease and the attempts.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, insert, select, text, update

from storage.database.copying import STALE
from storage.database.models import RowState, Stage, dead_letters, stage_rows
from storage.database.session import Database

_WORK_STAGES = (Stage.EMBED, Stage.INDEX)
_CLAIMABLE = """
    (state IN ('pending', 'failed') OR (state = 'leased' AND leased_until < now()))
"""


@dataclass(frozen=True, slots=True)
class Claim:
    """A title that this worker may work on until its lease ends. `attempts` counts this one."""

    slug: str
    attempts: int


@dataclass(frozen=True, slots=True)
class OpenRow:
    """A title that waits for a worker. `lost_leases` says how often a worker vanished with it or it failed."""

    slug: str
    attempts: int


class StageRepository:
    """Reads and writes `stage_rows`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def enqueue_stale(
        self,
        job_id: uuid.UUID,
        collection: str,
        *,
        slugs: Sequence[str] | None = None,
        only_pictures: bool = False,
    ) -> int:
        """Give the job a row for each title whose point is not up to date; returns how many titles.

        Stale: never written to this collection, changed since, or excluded while its point is still there.
        `only_pictures`: of those that are written, the ones whose pictures have changed.
        A row that is done is opened again if its title is stale: the job has moved to another collection, or the
        title has changed. `enrich` and `download` have nothing to do yet and are recorded as skipped. Idempotent.
        A title that is being deleted meanwhile is waited for, and gets no row.
        """
        with self._database.begin() as connection:
            return self.enqueue_stale_in(connection, job_id, collection, slugs=slugs, only_pictures=only_pictures)

    def enqueue_stale_in(
        self,
        connection: Connection,
        job_id: uuid.UUID,
        collection: str,
        *,
        slugs: Sequence[str] | None = None,
        only_pictures: bool = False,
    ) -> int:
        """As `enqueue_stale`, within the caller's transaction."""
        wanted = "AND t.slug = ANY(:slugs)" if slugs is not None else ""
        if only_pictures:
            wanted += " AND l.pictures_hash <> t.pictures_hash"
        statement = text(f"""
            INSERT INTO stage_rows (job_id, stage, slug, state)
            SELECT :job_id, s.stage, t.slug, s.state
            FROM titles t
            LEFT JOIN embedding_ledger l ON l.collection = :collection AND l.slug = t.slug
            CROSS JOIN (VALUES ('enrich', 'skipped'), ('download', 'skipped'),
                               ('embed', 'pending'), ('index', 'pending')) AS s(stage, state)
            WHERE {STALE} {wanted}
            FOR KEY SHARE OF t
            ON CONFLICT (job_id, stage, slug) DO UPDATE SET state = 'pending', attempts = 0, updated_at = now()
                WHERE stage_rows.state = 'done'
        """)  # noqa: S608 - literals
        parameters: dict[str, object] = {"job_id": job_id, "collection": collection}
        if slugs is not None:
            parameters["slugs"] = list(slugs)
        connection.execute(statement, parameters)
        query = select(func.count()).where(stage_rows.c.job_id == job_id, stage_rows.c.stage == Stage.EMBED)
        return connection.execute(query).scalar_one()

    def list_claimable(self, job_id: uuid.UUID, *, limit: int = 200_000) -> list[OpenRow]:
        """Titles of the job that nobody works on, in slug order."""
        statement = text(f"""
            SELECT slug, attempts FROM stage_rows
            WHERE job_id = :job_id AND stage = 'embed' AND {_CLAIMABLE} ORDER BY slug LIMIT :limit
        """)  # noqa: S608 - a constant
        with self._database.begin() as connection:
            rows = connection.execute(statement, {"job_id": job_id, "limit": limit})
            return [OpenRow(row.slug, row.attempts) for row in rows]

    def list_slugs(self, job_id: uuid.UUID) -> list[str]:
        """All titles that the job has rows for; by slug."""
        query = select(stage_rows.c.slug).where(stage_rows.c.job_id == job_id).distinct().order_by(stage_rows.c.slug)
        with self._database.begin() as connection:
            return list(connection.execute(query).scalars())

    def count_open(self, job_id: uuid.UUID) -> int:
        """Rows of embedding and indexing of the job that are neither done, skipped nor dead."""
        query = select(func.count()).where(
            stage_rows.c.job_id == job_id,
            stage_rows.c.stage.in_(_WORK_STAGES),
            stage_rows.c.state.in_([RowState.PENDING, RowState.LEASED, RowState.FAILED]),
        )
        with self._database.begin() as connection:
            return connection.execute(query).scalar_one()

    def count_leased(self, slugs: Sequence[str]) -> int:
        """How many of the titles some worker is at work on right now, for whatever job."""
        query = select(func.count()).where(
            stage_rows.c.slug.in_(list(slugs)),
            stage_rows.c.stage == Stage.EMBED,
            stage_rows.c.state == RowState.LEASED,
            stage_rows.c.leased_until > func.now(),
        )
        with self._database.begin() as connection:
            return connection.execute(query).scalar_one()

    def claim(self, job_id: uuid.UUID, slugs: Sequence[str], *, owner: str, lease_s: int) -> list[Claim]:
        """Lease those of the titles that are free. A running job's rows only; never waits for another worker."""
        statement = text(f"""
            WITH free AS (
                SELECT slug FROM stage_rows
                WHERE job_id = :job_id AND stage = 'embed' AND slug = ANY(:slugs) AND {_CLAIMABLE}
                  AND EXISTS (SELECT 1 FROM jobs WHERE id = :job_id AND state = 'running')
                FOR UPDATE SKIP LOCKED
            )
            UPDATE stage_rows r
            SET state = 'leased', leased_until = now() + make_interval(secs => :lease_s), lease_owner = :owner,
                attempts = r.attempts + 1, updated_at = now()
            FROM free WHERE r.job_id = :job_id AND r.stage = 'embed' AND r.slug = free.slug
            RETURNING r.slug, r.attempts
        """)  # noqa: S608 - a constant
        parameters = {"job_id": job_id, "slugs": list(slugs), "owner": owner, "lease_s": lease_s}
        with self._database.begin() as connection:
            return [Claim(row.slug, row.attempts) for row in connection.execute(statement, parameters)]

    def renew(self, job_id: uuid.UUID, slugs: Sequence[str], *, owner: str, lease_s: float) -> int:
        """Hold those of the titles that this worker has leased for another `lease_s` seconds.

        The titles are named, since rows that this worker left behind after an error must run out.
        """
        statement = (
            update(stage_rows)
            .where(stage_rows.c.job_id == job_id, stage_rows.c.stage == Stage.EMBED)
            .where(stage_rows.c.slug.in_(list(slugs)))
            .where(stage_rows.c.state == RowState.LEASED, stage_rows.c.lease_owner == owner)
            .values(leased_until=func.now() + func.make_interval(0, 0, 0, 0, 0, 0, lease_s))
        )
        with self._database.begin() as connection:
            return connection.execute(statement).rowcount

    def complete(self, connection: Connection, job_id: uuid.UUID, slugs: Sequence[str]) -> None:
        """Both stages of these titles are done, in the transaction that wrote the ledger."""
        self._set(connection, job_id, slugs, state=RowState.DONE)

    def release(self, job_id: uuid.UUID, slugs: Sequence[str], *, owner: str, reason: str) -> None:
        """Give this worker's rows back without blame: a server was away. The attempt does not count."""
        with self._database.begin() as connection:
            connection.execute(
                update(stage_rows)
                .where(stage_rows.c.job_id == job_id, stage_rows.c.stage == Stage.EMBED)
                .where(stage_rows.c.slug.in_(list(slugs)), stage_rows.c.state == RowState.LEASED)
                .where(stage_rows.c.lease_owner == owner)
                .values(
                    state=RowState.PENDING,
                    attempts=stage_rows.c.attempts - 1,
                    leased_until=None,
                    lease_owner=None,
                    last_error=reason[:2_000],
                    updated_at=func.now(),
                )
            )

    def fail(self, job_id: uuid.UUID, slug: str, *, stage: Stage, reason: str, attempts: int, is_final: bool) -> None:
        """Record a failure of the claim that counted `attempts`. A final one ends in the dead letters.

        Nothing happens if the claim was lost meanwhile: whoever has the title now decides what becomes of it.
        """
        state = RowState.DEAD if is_final else RowState.FAILED
        held = (
            select(stage_rows.c.slug)
            .where(stage_rows.c.job_id == job_id, stage_rows.c.stage == Stage.EMBED, stage_rows.c.slug == slug)
            .where(stage_rows.c.state == RowState.LEASED, stage_rows.c.attempts == attempts)
            .with_for_update()
        )
        with self._database.begin() as connection:
            if connection.execute(held).first() is None:
                return
            self._set(connection, job_id, [slug], state=state, last_error=reason[:2_000])
            if is_final:
                connection.execute(
                    insert(dead_letters).values(
                        job_id=job_id, stage=stage, slug=slug, reason=reason[:2_000], attempts=attempts
                    )
                )

    def reopen(self, job_id: uuid.UUID, slugs: Sequence[str]) -> None:
        """Titles of the job whose points were found missing are to be written again."""
        with self._database.begin() as connection:
            rows = [{"job_id": job_id, "stage": stage, "slug": slug} for slug in slugs for stage in _WORK_STAGES]
            for start in range(0, len(rows), 1_000):
                connection.execute(
                    text(
                        "INSERT INTO stage_rows (job_id, stage, slug) VALUES (:job_id, :stage, :slug) "
                        "ON CONFLICT (job_id, stage, slug) DO UPDATE SET state = 'pending', attempts = 0, "
                        "leased_until = NULL, lease_owner = NULL, updated_at = now()"
                    ),
                    rows[start : start + 1_000],
                )

    def _set(
        self,
        connection: Connection,
        job_id: uuid.UUID,
        slugs: Sequence[str],
        *,
        state: RowState,
        last_error: str | None = None,
    ) -> None:
        connection.execute(
            update(stage_rows)
            .where(stage_rows.c.job_id == job_id, stage_rows.c.stage.in_(_WORK_STAGES))
            .where(stage_rows.c.slug.in_(list(slugs)))
            .values(state=state, leased_until=None, lease_owner=None, last_error=last_error, updated_at=func.now())
        )
