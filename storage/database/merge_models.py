"""What merging has learned of its sources, version by version. The newest is used."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select

from storage.database.enrichment_models import merge_models
from storage.database.session import Database


@dataclass(frozen=True, slots=True)
class StoredMergeModel:
    """One version; `parameters` is enrichment.merging's own form, `titles` how many it was learned from."""

    version: int
    parameters: dict[str, Any]
    titles: int
    learned_at: datetime


class MergeModelRepository:
    """Reads and writes `merge_models`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get_newest_version(self) -> int:
        """0 while nothing was learned."""
        with self._database.begin() as connection:
            newest: int = connection.execute(select(func.coalesce(func.max(merge_models.c.version), 0))).scalar_one()
        return newest

    def load_newest(self) -> StoredMergeModel | None:
        """The newest version, None while nothing was learned."""
        query = select(merge_models).order_by(merge_models.c.version.desc()).limit(1)
        with self._database.begin() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else StoredMergeModel(**row._mapping)

    def add(self, parameters: dict[str, Any], *, titles: int) -> int:
        """Store a new version and return its number."""
        statement = insert(merge_models).values(parameters=parameters, titles=titles)
        with self._database.begin() as connection:
            version: int = connection.execute(statement.returning(merge_models.c.version)).scalar_one()
        return version
