"""Snapshots: which file of Qdrant holds which generation's points, and the ledger that belongs to them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, update

from core.errors import NotFoundError
from storage.database.copying import LedgerCopyRepository
from storage.database.models import generations, snapshots
from storage.database.session import Database


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One snapshot; `name` is Qdrant's, None until the file is written. `titles` counts those that its ledger lists."""

    id: uuid.UUID
    collection: str
    name: str | None
    reason: str | None
    titles: int | None
    points: int | None
    size_bytes: int | None
    checksum: str | None
    created_at: datetime
    finished_at: datetime | None


class SnapshotRepository:
    """Reads and writes `snapshots`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._copies = LedgerCopyRepository(database)

    def begin(self, job_id: uuid.UUID, collection: str, *, reason: str | None) -> uuid.UUID:
        """A snapshot that is about to be taken by this job, with the ledger of the moment before."""
        snapshot_id = uuid.uuid4()
        with self._database.begin() as connection:
            connection.execute(
                insert(snapshots).values(id=snapshot_id, collection=collection, job_id=job_id, reason=reason)
            )
        self._copies.save(snapshot_id, collection)
        return snapshot_id

    def finish(
        self, snapshot_id: uuid.UUID, *, name: str, size_bytes: int, checksum: str | None, points: int
    ) -> Snapshot:
        """The file is written: titles that changed while it was are left to be indexed again after a restore."""
        with self._database.begin() as connection:
            query = select(snapshots.c.collection).where(snapshots.c.id == snapshot_id)
            collection = connection.execute(query).scalar_one()
            titles = self._copies.confirm(connection, snapshot_id, collection)
            connection.execute(
                update(snapshots)
                .where(snapshots.c.id == snapshot_id)
                .values(
                    name=name,
                    size_bytes=size_bytes,
                    checksum=checksum,
                    points=points,
                    titles=titles,
                    finished_at=func.now(),
                )
            )
        return self.get(name)

    def find_of_job(self, job_id: uuid.UUID) -> Snapshot | None:
        """The finished snapshot that this job took."""
        query = select(snapshots).where(snapshots.c.job_id == job_id, snapshots.c.finished_at.is_not(None))
        with self._database.begin() as connection:
            row = connection.execute(query).first()
        return None if row is None else _to_snapshot(row)

    def was_begun(self, job_id: uuid.UUID) -> bool:
        """True if this job has begun a snapshot before; what it has left in Postgres is forgotten."""
        unfinished = (snapshots.c.job_id == job_id, snapshots.c.finished_at.is_(None))
        with self._database.begin() as connection:
            return connection.execute(delete(snapshots).where(*unfinished)).rowcount > 0

    def get(self, name: str) -> Snapshot:
        """Raises NotFoundError."""
        with self._database.begin() as connection:
            row = connection.execute(select(snapshots).where(snapshots.c.name == name)).one_or_none()
        if row is None:
            raise NotFoundError("snapshot", name)
        return _to_snapshot(row)

    def list_all(self, alias: str) -> list[Snapshot]:
        """Finished snapshots of an alias' generations, the newest first."""
        query = (
            select(snapshots)
            .join(generations, generations.c.collection == snapshots.c.collection)
            .where(generations.c.alias == alias, snapshots.c.finished_at.is_not(None))
            .order_by(snapshots.c.created_at.desc())
        )
        with self._database.begin() as connection:
            return [_to_snapshot(row) for row in connection.execute(query)]

    def count_of(self, collection: str) -> int:
        """How many finished snapshots a generation has."""
        query = select(func.count()).where(snapshots.c.collection == collection, snapshots.c.finished_at.is_not(None))
        with self._database.begin() as connection:
            return connection.execute(query).scalar_one()

    def delete(self, name: str) -> None:
        """Forget a snapshot with its ledger. Called after Qdrant has deleted the file."""
        with self._database.begin() as connection:
            connection.execute(delete(snapshots).where(snapshots.c.name == name))


def _to_snapshot(row: Row[Any]) -> Snapshot:
    return Snapshot(
        id=row.id,
        collection=row.collection,
        name=row.name,
        reason=row.reason,
        titles=row.titles,
        points=row.points,
        size_bytes=row.size_bytes,
        checksum=row.checksum,
        created_at=row.created_at,
        finished_at=row.finished_at,
    )
