"""The embedding ledger: what each point was made from, written after Qdrant has it on disk.

A row may be missing for a point that exists (the process died in between: it is written again, to the same id).
A row never exists for a point that was not written. Before a point is changed in parts its row says so (`distrust`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, select, text
from sqlalchemy.dialects.postgresql import insert

from storage.database.models import embedding_ledger, titles
from storage.database.session import Database


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """A title's point: the document's hash and, for each vector, a hash over its passage (or pictures) and recipe.

    `pictures_hash` is the one that the title had when its picture vectors were made.
    """

    slug: str
    document_hash: str
    passages: dict[str, str]
    pictures_hash: str = ""


class LedgerRepository:
    """Reads and writes `embedding_ledger`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def load(self, collection: str, slugs: Sequence[str]) -> dict[str, LedgerEntry]:
        """The entries of these titles in this collection."""
        ledger = embedding_ledger.c
        query = select(ledger.slug, ledger.document_hash, ledger.passages, ledger.pictures_hash).where(
            ledger.collection == collection, ledger.slug.in_(list(slugs))
        )
        with self._database.begin() as connection:
            return {row.slug: LedgerEntry(*row) for row in connection.execute(query)}

    def record(self, connection: Connection, collection: str, entries: Sequence[LedgerEntry]) -> list[str]:
        """Write entries; returns the slugs whose document changed meanwhile and which are therefore NOT recorded.

        Nor are those of titles that were excluded meanwhile. For all of them the entry is removed: another worker may
        have written a newer point, and ours came last.
        """
        if not entries:
            return []
        query = select(titles.c.slug, titles.c.content_hash).where(titles.c.slug.in_([e.slug for e in entries]))
        # By name, as merging and imports take them: two that lock in different orders would stop each other.
        query = query.where(titles.c.excluded.is_(False)).order_by(titles.c.slug)
        current = {row.slug: row.content_hash for row in connection.execute(query.with_for_update(read=True))}
        fresh = [entry for entry in entries if current.get(entry.slug) == entry.document_hash]
        outdated = [entry.slug for entry in entries if current.get(entry.slug) != entry.document_hash]
        if fresh:
            statement = insert(embedding_ledger)
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["collection", "slug"],
                    set_={
                        "document_hash": statement.excluded.document_hash,
                        "passages": statement.excluded.passages,
                        "pictures_hash": statement.excluded.pictures_hash,
                        "written_at": func.now(),
                    },
                ),
                [
                    {
                        "collection": collection,
                        "slug": entry.slug,
                        "document_hash": entry.document_hash,
                        "passages": entry.passages,
                        "pictures_hash": entry.pictures_hash,
                    }
                    for entry in fresh
                ],
            )
        self.forget(connection, collection, outdated)
        return outdated

    def distrust(self, collection: str, vectors: Mapping[str, Iterable[str]]) -> None:
        """These vectors of these titles are about to change, and all their payloads: believe them no more.

        In a transaction of its own, before Qdrant is told. If the process dies before `record`, whatever document the
        title has by then is compared with a blank hash and written, even if it is the one from before.
        """
        statement = text("""
            UPDATE embedding_ledger l SET document_hash = '', passages = l.passages || CAST(m.blanks AS jsonb)
            FROM unnest(CAST(:slugs AS text[]), CAST(:blanks AS text[])) AS m(slug, blanks)
            WHERE l.collection = :collection AND l.slug = m.slug
        """)
        if vectors:
            blanks = [json.dumps(dict.fromkeys(names, "")) for names in vectors.values()]
            with self._database.begin() as connection:
                connection.execute(statement, {"collection": collection, "slugs": list(vectors), "blanks": blanks})

    def distrust_linked(self, connection: Connection, keys: Iterable[tuple[str, str]]) -> None:
        """Titles that link to one of these (provider, id) are to be looked at again, in every collection.

        Their related_vector names what they link to, and that title is new or has another name.
        """
        if connection.execute(select(embedding_ledger.c.slug).limit(1)).first() is None:
            return
        links = [json.dumps([{"external_ids": {provider: value}}]) for key in keys for provider, value in _spell(key)]
        statement = text("""
            UPDATE embedding_ledger SET document_hash = '' WHERE slug IN (
                SELECT t.slug FROM unnest(CAST(:links AS text[])) AS k(link)
                JOIN titles t ON t.document -> 'related_anime' @> CAST(k.link AS jsonb)
            )
        """)
        if links:
            connection.execute(statement, {"links": links})

    def forget(self, connection: Connection, collection: str, slugs: Sequence[str]) -> None:
        """Remove entries, so that these titles are written in full again."""
        if slugs:
            connection.execute(
                delete(embedding_ledger).where(
                    embedding_ledger.c.collection == collection, embedding_ledger.c.slug.in_(list(slugs))
                )
            )

    def forget_now(self, collection: str, slugs: Sequence[str]) -> None:
        """As `forget`, in a transaction of its own."""
        with self._database.begin() as connection:
            self.forget(connection, collection, slugs)

    def count(self, collection: str) -> int:
        """How many titles the collection should hold."""
        query = select(func.count()).where(embedding_ledger.c.collection == collection)
        with self._database.begin() as connection:
            return connection.execute(query).scalar_one()

    def iterate_slugs(self, collection: str) -> Iterator[str]:
        """The slug of every title that the collection should hold."""
        query = select(embedding_ledger.c.slug).where(embedding_ledger.c.collection == collection)
        with self._database.begin() as connection:
            yield from connection.execute(query).scalars()

    def count_by_vector(self, collection: str) -> dict[str, int]:
        """How many titles have each vector: the coverage of the index."""
        names = func.jsonb_object_keys(embedding_ledger.c.passages).label("name")
        keys = select(names).where(embedding_ledger.c.collection == collection).subquery()
        query = select(keys.c.name, func.count().label("titles")).group_by(keys.c.name)
        with self._database.begin() as connection:
            return {row.name: row.titles for row in connection.execute(query)}


def _spell(key: tuple[str, str]) -> Iterator[tuple[str, str | int]]:
    """An id as documents may hold it: a text, or a number."""
    provider, value = key
    yield provider, value
    if value.isascii() and value.isdigit():
        yield provider, int(value)
