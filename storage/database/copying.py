"""What one collection's ledger says that another's may be told: for reindexing, snapshots and going back.

A point is copied between two looks at its ledger row. A row that is the same before and after vouches for the copy: a
writer says in the ledger that it begins (`LedgerRepository.distrust`) and stamps the row anew when it has ended.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select, text
from sqlalchemy.dialects.postgresql import insert

from storage.database.models import embedding_ledger, snapshot_ledger
from storage.database.session import Database

# A title whose point is not what its document and its pictures say now; `l` is its row in the ledger, if it has one.
STALE = """
    ((NOT t.excluded
      AND (l.slug IS NULL OR l.document_hash <> t.content_hash OR l.pictures_hash <> t.pictures_hash))
     OR (t.excluded AND l.slug IS NOT NULL))
"""


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """A ledger entry with the moment it was written, so that two looks at it can be compared.

    Vectors whose hash is blank are being changed, or were when somebody died; a blank `document_hash` says the same of
    the payload.
    """

    slug: str
    document_hash: str
    passages: dict[str, str]
    written_at: datetime
    pictures_hash: str = ""


class LedgerCopyRepository:
    """Reads one collection's ledger and writes another's."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list_copyable(self, source: str, target: str, *, after: str, limit: int) -> list[LedgerRow]:
        """Rows of titles that the source holds and the target does not, by slug, without excluded titles."""
        statement = text("""
            SELECT l.slug, l.document_hash, l.passages, l.written_at, l.pictures_hash FROM embedding_ledger l
            JOIN titles t ON t.slug = l.slug AND NOT t.excluded
            WHERE l.collection = :source AND l.slug > :after
              AND NOT EXISTS (SELECT 1 FROM embedding_ledger k WHERE k.collection = :target AND k.slug = l.slug)
            ORDER BY l.slug LIMIT :limit
        """)
        parameters = {"source": source, "target": target, "after": after, "limit": limit}
        with self._database.begin() as connection:
            return [LedgerRow(*row) for row in connection.execute(statement, parameters)]

    def list_unchanged(self, collection: str, rows: Sequence[LedgerRow]) -> list[LedgerRow]:
        """Those of the rows that still stand as they were read."""
        ledger = embedding_ledger.c
        known = (ledger.slug, ledger.document_hash, ledger.passages, ledger.written_at, ledger.pictures_hash)
        query = select(*known).where(ledger.collection == collection, ledger.slug.in_([row.slug for row in rows]))
        with self._database.begin() as connection:
            now = {row.slug: LedgerRow(*row) for row in connection.execute(query)}
        return [row for row in rows if now.get(row.slug) == row]

    def add(self, collection: str, rows: Sequence[LedgerRow]) -> None:
        """Record copied points. A row that is there already was written by somebody who knew more: it stays."""
        values = [
            {
                "collection": collection,
                "slug": row.slug,
                "document_hash": row.document_hash,
                "passages": row.passages,
                "pictures_hash": row.pictures_hash,
            }
            for row in rows
        ]
        if values:
            with self._database.begin() as connection:
                connection.execute(insert(embedding_ledger).on_conflict_do_nothing(), values)

    # Comparing

    def count_stale(self, collection: str) -> int:
        """How many titles have changed, come or been excluded since the collection was last written."""
        statement = text(f"""
            SELECT count(*) FROM titles t
            LEFT JOIN embedding_ledger l ON l.collection = :collection AND l.slug = t.slug WHERE {STALE}
        """)  # noqa: S608 - a constant
        with self._database.begin() as connection:
            count: int = connection.execute(statement, {"collection": collection}).scalar_one()
            return count

    def list_missing(self, source: str, target: str, *, limit: int = 10) -> list[str]:
        """Titles that the source holds, the target does not, and that are not excluded: the first few by slug."""
        rows = self.list_copyable(source, target, after="", limit=limit)
        return [row.slug for row in rows]

    def sample(self, collection: str, vector: str, count: int) -> list[str]:
        """Titles that have this vector, always the same ones, spread over the collection."""
        statement = text("""
            SELECT slug FROM embedding_ledger WHERE collection = :collection AND passages ->> :vector <> ''
            ORDER BY md5(slug) LIMIT :count
        """)
        parameters = {"collection": collection, "vector": vector, "count": count}
        with self._database.begin() as connection:
            return list(connection.execute(statement, parameters).scalars())

    def list_hidden_since(self, collection: str) -> list[str]:
        """Titles whose point may show what must not be seen: excluded now, or adult now and changed since.

        The collection may hold a point that its ledger has let go of, so titles without a row count too.
        """
        statement = text("""
            SELECT t.slug FROM titles t LEFT JOIN embedding_ledger l ON l.collection = :collection AND l.slug = t.slug
            WHERE t.excluded OR (t.adult AND (l.slug IS NULL OR l.document_hash <> t.content_hash)) ORDER BY t.slug
        """)
        with self._database.begin() as connection:
            return list(connection.execute(statement, {"collection": collection}).scalars())

    # Snapshots

    def save(self, snapshot_id: uuid.UUID, collection: str) -> None:
        """Keep the collection's ledger beside a snapshot that is about to be taken."""
        statement = text("""
            INSERT INTO snapshot_ledger (snapshot_id, slug, document_hash, passages, pictures_hash, written_at)
            SELECT :id, slug, document_hash, passages, pictures_hash, written_at
            FROM embedding_ledger WHERE collection = :collection
            ON CONFLICT DO NOTHING
        """)
        with self._database.begin() as connection:
            connection.execute(statement, {"id": snapshot_id, "collection": collection})

    def confirm(self, connection: Connection, snapshot_id: uuid.UUID, collection: str) -> int:
        """Keep of the saved rows those that still stand now that the snapshot is taken; returns how many."""
        statement = text("""
            DELETE FROM snapshot_ledger s WHERE s.snapshot_id = :id AND NOT EXISTS (
                SELECT 1 FROM embedding_ledger l
                WHERE l.collection = :collection AND l.slug = s.slug AND l.document_hash = s.document_hash
                  AND l.passages = s.passages AND l.written_at = s.written_at)
        """)
        connection.execute(statement, {"id": snapshot_id, "collection": collection})
        query = select(func.count()).where(snapshot_ledger.c.snapshot_id == snapshot_id)
        return connection.execute(query).scalar_one()

    def restore(self, connection: Connection, snapshot_id: uuid.UUID, collection: str) -> int:
        """Give the collection the ledger of a snapshot; returns how many titles it lists."""
        statement = text("""
            INSERT INTO embedding_ledger (collection, slug, document_hash, passages, pictures_hash)
            SELECT :collection, slug, document_hash, passages, pictures_hash
            FROM snapshot_ledger WHERE snapshot_id = :id
            ON CONFLICT DO NOTHING
        """)
        connection.execute(statement, {"id": snapshot_id, "collection": collection})
        query = select(func.count()).where(embedding_ledger.c.collection == collection)
        return connection.execute(query).scalar_one()
