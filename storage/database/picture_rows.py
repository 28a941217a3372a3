"""Rows of work on pictures: one picture in one job, claimed under a lease as titles are (see `stages`)."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select, text, update

from storage.database.models import RowState, Stage, picture_rows
from storage.database.session import Database

_CLAIMABLE = "(state IN ('pending', 'failed') OR (state = 'leased' AND leased_until < now()))"
_OPEN = (RowState.PENDING, RowState.LEASED, RowState.FAILED)
_NOT_DONE = (*_OPEN, RowState.DEAD)
# What a picture should be in a collection and is not; `p` is its row, `t` its title, `l` its row in the ledger.
_STALE = """
    SELECT p.id FROM pictures p
    LEFT JOIN titles t ON t.slug = p.slug
    LEFT JOIN picture_ledger l ON l.collection = :collection AND l.picture_id = p.id
    WHERE CASE
        WHEN p.gone OR coalesce(t.excluded, false) OR p.sha256 IS NULL THEN l.picture_id IS NOT NULL
        ELSE l.picture_id IS NULL OR l.content_hash <> p.content_hash OR l.sha256 <> p.sha256
    END
"""
# Points whose picture has no row any more, because its title was deleted.
_ORPHANED = """
    SELECT l.picture_id FROM picture_ledger l
    WHERE l.collection = :collection AND NOT EXISTS (SELECT 1 FROM pictures p WHERE p.id = l.picture_id)
"""


@dataclass(frozen=True, slots=True)
class PictureClaim:
    """A picture that this worker may work on until its lease ends. `attempts` counts this one."""

    id: uuid.UUID
    attempts: int


class PictureRowRepository:
    """Reads and writes `picture_rows`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # Wanting

    def enqueue_stale(
        self,
        job_id: uuid.UUID,
        collection: str,
        *,
        ids: Sequence[uuid.UUID] | None = None,
        slugs: Sequence[str] | None = None,
    ) -> int:
        """Give the job a row for each picture whose point is not up to date; returns how many rows it has.

        Stale: stored and never written to this collection, changed since, or gone while its point is still there. With
        `ids` or `slugs` only those pictures and those of these titles. A row that is done is opened again. Idempotent.
        """
        parameters: dict[str, Any] = {"job_id": job_id, "collection": collection}
        stale, limits = f"{_STALE} UNION ALL {_ORPHANED}", []
        if ids is not None or slugs is not None:
            limits = ["p.id = ANY(:ids)", "p.slug = ANY(:slugs)"]
            stale = f"{_STALE} AND ({' OR '.join(limits)})"
            parameters |= {"ids": list(ids or ()), "slugs": list(slugs or ())}
        statement = text(f"""
            INSERT INTO picture_rows (job_id, picture_id) SELECT :job_id, id FROM ({stale}) AS stale(id) ORDER BY id
            ON CONFLICT (job_id, picture_id) DO UPDATE SET state = 'pending', attempts = 0, updated_at = now()
                WHERE picture_rows.state = 'done'
        """)  # noqa: S608 - constants
        query = select(func.count()).where(picture_rows.c.job_id == job_id)
        with self._database.begin() as connection:
            connection.execute(statement, parameters)
            return connection.execute(query).scalar_one()

    def count_stale(self, collection: str) -> int:
        """How many points are not what their pictures are now."""
        statement = text(f"SELECT count(*) FROM ({_STALE} UNION ALL {_ORPHANED}) AS stale")  # noqa: S608 - constants
        with self._database.begin() as connection:
            count: int = connection.execute(statement, {"collection": collection}).scalar_one()
            return count

    def reopen(self, job_id: uuid.UUID, ids: Sequence[uuid.UUID]) -> None:
        """Pictures whose points were found missing are to be written again."""
        statement = text("""
            INSERT INTO picture_rows (job_id, picture_id) SELECT :job_id, unnest(CAST(:ids AS uuid[]))
            ON CONFLICT (job_id, picture_id) DO UPDATE
            SET state = 'pending', attempts = 0, leased_until = NULL, lease_owner = NULL, updated_at = now()
        """)
        with self._database.begin() as connection:
            connection.execute(statement, {"job_id": job_id, "ids": list(ids)})

    # Working

    def list_claimable(self, job_id: uuid.UUID, *, limit: int = 1_000_000) -> list[PictureClaim]:
        """Pictures of the job that nobody works on; those of one content follow each other, to be encoded once."""
        statement = text(f"""
            SELECT r.picture_id, r.attempts FROM picture_rows r LEFT JOIN pictures p ON p.id = r.picture_id
            WHERE r.job_id = :job_id AND {_CLAIMABLE} ORDER BY p.sha256, r.picture_id LIMIT :limit
        """)  # noqa: S608 - a constant
        with self._database.begin() as connection:
            rows = connection.execute(statement, {"job_id": job_id, "limit": limit})
            return [PictureClaim(row.picture_id, row.attempts) for row in rows]

    def count_open(self, job_id: uuid.UUID) -> int:
        """Rows of the job that are neither done nor dead."""
        query = select(func.count()).where(picture_rows.c.job_id == job_id, picture_rows.c.state.in_(_OPEN))
        with self._database.begin() as connection:
            return connection.execute(query).scalar_one()

    def claim(self, job_id: uuid.UUID, ids: Sequence[uuid.UUID], *, owner: str, lease_s: int) -> list[PictureClaim]:
        """Lease those of the pictures that are free. A running job's rows only; never waits for another worker."""
        statement = text(f"""
            WITH free AS (
                SELECT picture_id FROM picture_rows
                WHERE job_id = :job_id AND picture_id = ANY(:ids) AND {_CLAIMABLE}
                  AND EXISTS (SELECT 1 FROM jobs WHERE id = :job_id AND state = 'running')
                FOR UPDATE SKIP LOCKED
            )
            UPDATE picture_rows r
            SET state = 'leased', leased_until = now() + make_interval(secs => :lease_s), lease_owner = :owner,
                attempts = r.attempts + 1, updated_at = now()
            FROM free WHERE r.job_id = :job_id AND r.picture_id = free.picture_id
            RETURNING r.picture_id, r.attempts
        """)  # noqa: S608 - a constant
        parameters = {"job_id": job_id, "ids": list(ids), "owner": owner, "lease_s": lease_s}
        with self._database.begin() as connection:
            found = {row.picture_id: row.attempts for row in connection.execute(statement, parameters)}
        return [PictureClaim(one, found[one]) for one in ids if one in found]

    def renew(self, job_id: uuid.UUID, ids: Sequence[uuid.UUID], *, owner: str, lease_s: float) -> int:
        """Hold those of the pictures that this worker has leased for another `lease_s` seconds; returns how many."""
        statement = (
            update(picture_rows)
            .where(picture_rows.c.job_id == job_id, picture_rows.c.picture_id.in_(list(ids)))
            .where(picture_rows.c.state == RowState.LEASED, picture_rows.c.lease_owner == owner)
            .values(leased_until=func.now() + func.make_interval(0, 0, 0, 0, 0, 0, lease_s))
        )
        with self._database.begin() as connection:
            return connection.execute(statement).rowcount

    def complete(self, connection: Connection, job_id: uuid.UUID, ids: Sequence[uuid.UUID]) -> None:
        """These pictures are done, in the transaction that wrote the ledger."""
        connection.execute(
            update(picture_rows)
            .where(picture_rows.c.job_id == job_id, picture_rows.c.picture_id.in_(list(ids)))
            .values(state=RowState.DONE, leased_until=None, lease_owner=None, last_error=None, updated_at=func.now())
        )

    def release(self, job_id: uuid.UUID, ids: Sequence[uuid.UUID], *, owner: str, reason: str) -> None:
        """Give this worker's rows back without blame: a server was away. The attempt does not count."""
        statement = (
            update(picture_rows)
            .where(picture_rows.c.job_id == job_id, picture_rows.c.picture_id.in_(list(ids)))
            .where(picture_rows.c.state == RowState.LEASED, picture_rows.c.lease_owner == owner)
            .values(
                state=RowState.PENDING,
                attempts=picture_rows.c.attempts - 1,
                leased_until=None,
                lease_owner=None,
                last_error=reason[:2_000],
                updated_at=func.now(),
            )
        )
        with self._database.begin() as connection:
            connection.execute(statement)

    def fail(self, job_id: uuid.UUID, claim: PictureClaim, *, reason: str, is_final: bool) -> bool:
        """Record a failure of this claim; a final one ends in the dead letters. False if the claim was lost meanwhile:
        whoever has the picture now decides what becomes of it.
        """
        with self._database.begin() as connection:
            return self.fail_in(connection, job_id, claim, reason=reason, is_final=is_final)

    def fail_in(
        self, connection: Connection, job_id: uuid.UUID, claim: PictureClaim, *, reason: str, is_final: bool
    ) -> bool:
        """As `fail`, within the caller's transaction."""
        statement = (
            update(picture_rows)
            .where(picture_rows.c.job_id == job_id, picture_rows.c.picture_id == claim.id)
            .where(picture_rows.c.state == RowState.LEASED, picture_rows.c.attempts == claim.attempts)
            .values(
                state=RowState.DEAD if is_final else RowState.FAILED,
                leased_until=None,
                lease_owner=None,
                last_error=reason[:2_000],
                updated_at=func.now(),
            )
        )
        if not connection.execute(statement).rowcount:
            return False
        if is_final:
            letter = {"job_id": job_id, "id": claim.id, "reason": reason[:2_000], "attempts": claim.attempts}
            connection.execute(_ADD_DEAD_LETTER, {**letter, "stage": Stage.EMBED.value})
        return True


# What a job's numbers and its second start need, within the transactions of JobRepository.


def count_rows_in(connection: Connection, job_id: uuid.UUID) -> dict[str, int]:
    """The job's pictures by state."""
    query = select(picture_rows.c.state, func.count().label("rows")).where(picture_rows.c.job_id == job_id)
    return {row.state: row.rows for row in connection.execute(query.group_by(picture_rows.c.state))}


def count_done_since_in(connection: Connection, job_id: uuid.UUID, *, since: datetime) -> int:
    """How many of the job's pictures were done after that time."""
    query = select(func.count()).where(
        picture_rows.c.job_id == job_id, picture_rows.c.state == RowState.DONE, picture_rows.c.updated_at > since
    )
    return connection.execute(query).scalar_one()


def revive_rows_in(connection: Connection, job_id: uuid.UUID) -> int:
    """Give the job's dead and open pictures a fresh start, and close their dead letters; returns how many rows."""
    connection.execute(
        text("""
            UPDATE dead_letters SET resolved_at = now()
            WHERE job_id = :job_id AND resolved_at IS NULL AND detail ? 'picture_id'
        """),
        {"job_id": job_id},
    )
    statement = update(picture_rows).where(picture_rows.c.job_id == job_id, picture_rows.c.state.in_(_NOT_DONE))
    values = {"state": RowState.PENDING, "attempts": 0, "leased_until": None, "lease_owner": None}
    return connection.execute(statement.values(**values, updated_at=func.now())).rowcount


_ADD_DEAD_LETTER = text("""
    INSERT INTO dead_letters (job_id, stage, slug, reason, attempts, detail)
    SELECT :job_id, :stage, p.slug, :reason, :attempts,
           jsonb_build_object('picture_id', CAST(:id AS uuid), 'url', p.url, 'name', p.name, 'sha256', p.sha256)
    FROM (SELECT 1) AS one LEFT JOIN pictures p ON p.id = :id
""")
