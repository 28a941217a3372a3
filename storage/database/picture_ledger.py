"""The ledger of pictures: what each point was made from, and which of a title's pictures its vectors may speak of.

The rules are those of the titles' ledger: a row is written after Qdrant has the point on disk, and before a point is
changed in part its row says so (`distrust`). `titles.pictures_hash` changes with what the ledger lists of a title, in
the same transaction, and makes the title stale.

Rows are always locked in this order: titles, pictures, ledger.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, select, text

from storage.database.models import PictureKind, picture_ledger
from storage.database.session import Database


@dataclass(frozen=True, slots=True)
class PictureEntry:
    """A picture's point: `content_hash` stands for its payload, `sha256` for what its vector shows."""

    picture_id: uuid.UUID
    content_hash: str
    sha256: str


@dataclass(frozen=True, slots=True)
class ShownPicture:
    """A picture of a title whose vector is in the collection."""

    id: uuid.UUID
    kind: PictureKind
    sha256: str


class PictureLedgerRepository:
    """Reads and writes `picture_ledger`, and `titles.pictures_hash` with it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # Reading

    def load(self, collection: str, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, PictureEntry]:
        """The entries of these pictures in this collection."""
        ledger = picture_ledger.c
        query = select(ledger.picture_id, ledger.content_hash, ledger.sha256).where(
            ledger.collection == collection, ledger.picture_id.in_(list(ids))
        )
        with self._database.begin() as connection:
            return {row.picture_id: PictureEntry(*row) for row in connection.execute(query)}

    def load_shown_in(
        self, connection: Connection, collection: str, slugs: Sequence[str]
    ) -> dict[str, list[ShownPicture]]:
        """By title, the pictures whose vectors its own are made from; to be read after `titles.pictures_hash`."""
        found: dict[str, list[ShownPicture]] = {}
        for row in connection.execute(_SHOWN, {"collection": collection, "slugs": list(slugs)}):
            found.setdefault(row.slug, []).append(ShownPicture(row.id, PictureKind(row.kind), row.sha256))
        return found

    def list_outdated(self, alias: str, slugs: Sequence[str]) -> dict[str, list[uuid.UUID]]:
        """By collection in use, the points of these titles that say something else than their pictures' rows."""
        found: dict[str, list[uuid.UUID]] = {}
        with self._database.begin() as connection:
            for row in connection.execute(_OUTDATED, {"alias": alias, "slugs": list(slugs)}):
                found.setdefault(row.collection, []).append(row.picture_id)
        return found

    def find_contents(self, collection: str, contents: Sequence[str]) -> dict[str, uuid.UUID]:
        """A picture of each of these contents whose vector is in the collection already."""
        with self._database.begin() as connection:
            rows = connection.execute(_FIND_CONTENTS, {"collection": collection, "contents": list(contents)})
            return {row.sha256: row.id for row in rows}

    def count(self, collection: str) -> int:
        """How many pictures the collection should hold."""
        query = select(func.count()).where(picture_ledger.c.collection == collection)
        with self._database.begin() as connection:
            return connection.execute(query).scalar_one()

    def iterate_ids(self, collection: str) -> Iterator[uuid.UUID]:
        """The id of every picture that the collection should hold."""
        query = select(picture_ledger.c.picture_id).where(picture_ledger.c.collection == collection)
        with self._database.begin() as connection:
            yield from connection.execute(query).scalars()

    # Writing

    def distrust(self, collection: str, *, payloads: Sequence[uuid.UUID], vectors: Sequence[uuid.UUID]) -> None:
        """These points are about to change: believe neither their payloads nor, of `vectors`, what they show.

        In a transaction of its own, before Qdrant is told. Titles that were made from what changes become stale: a
        writer of titles who reads in between sees fewer pictures, and must come back.
        """
        if not payloads and not vectors:
            return
        with self._database.begin() as connection:
            slugs = _lock_titles(connection, vectors)
            both = {"collection": collection, "ids": [*payloads, *vectors], "vectors": list(vectors)}
            connection.execute(_DISTRUST, both)
            _refresh_titles(connection, collection, slugs)

    def record(self, connection: Connection, collection: str, entries: Sequence[PictureEntry]) -> list[uuid.UUID]:
        """Write entries; returns the pictures that changed meanwhile, went, or whose title was excluded.

        Their entries are removed: another worker may have written a newer point, and ours came last.
        """
        if not entries:
            return []
        ids = [entry.picture_id for entry in entries]
        slugs = _lock_titles(connection, ids)
        current = {row.id: (row.content_hash, row.sha256) for row in connection.execute(_CURRENT, {"ids": ids})}
        fresh = [one for one in entries if current.get(one.picture_id) == (one.content_hash, one.sha256)]
        outdated = sorted(set(ids) - {one.picture_id for one in fresh})
        if fresh:
            connection.execute(
                _RECORD,
                {
                    "collection": collection,
                    "ids": [one.picture_id for one in fresh],
                    "hashes": [one.content_hash for one in fresh],
                    "contents": [one.sha256 for one in fresh],
                },
            )
        self._delete(connection, collection, outdated)
        _refresh_titles(connection, collection, slugs)
        return outdated

    def forget(self, connection: Connection, collection: str, ids: Sequence[uuid.UUID]) -> None:
        """Remove entries: the points are gone, or are to be written in full again. Their titles become stale."""
        if ids:
            slugs = _lock_titles(connection, ids)
            self._delete(connection, collection, ids)
            _refresh_titles(connection, collection, slugs)

    def forget_now(self, collection: str, ids: Sequence[uuid.UUID]) -> None:
        """As `forget`, in a transaction of its own."""
        with self._database.begin() as connection:
            self.forget(connection, collection, ids)

    @staticmethod
    def _delete(connection: Connection, collection: str, ids: Sequence[uuid.UUID]) -> None:
        if ids:
            connection.execute(
                delete(picture_ledger).where(
                    picture_ledger.c.collection == collection, picture_ledger.c.picture_id.in_(list(ids))
                )
            )


def _lock_titles(connection: Connection, ids: Sequence[uuid.UUID]) -> list[str]:
    """The titles of these pictures, held to the end of the transaction: each counts its pictures one at a time."""
    return list(connection.execute(_LOCK_TITLES, {"ids": list(ids)}).scalars()) if ids else []


def _refresh_titles(connection: Connection, collection: str, slugs: Sequence[str]) -> None:
    if slugs:
        connection.execute(_REFRESH_TITLES, {"collection": collection, "slugs": list(slugs)})


_LOCK_TITLES = text("""
    SELECT t.slug FROM titles t WHERE t.slug IN (SELECT p.slug FROM pictures p WHERE p.id = ANY(:ids))
    ORDER BY t.slug FOR NO KEY UPDATE
""")

_CURRENT = text("""
    SELECT p.id, p.content_hash, p.sha256 FROM pictures p LEFT JOIN titles t ON t.slug = p.slug
    WHERE p.id = ANY(:ids) AND NOT p.gone AND NOT coalesce(t.excluded, false) ORDER BY p.id FOR SHARE OF p
""")

_DISTRUST = text("""
    UPDATE picture_ledger SET content_hash = '', sha256 = CASE WHEN picture_id = ANY(:vectors) THEN '' ELSE sha256 END
    WHERE collection = :collection AND picture_id = ANY(:ids)
""")

_RECORD = text("""
    INSERT INTO picture_ledger (collection, picture_id, content_hash, sha256)
    SELECT :collection, g.* FROM unnest(CAST(:ids AS uuid[]), CAST(:hashes AS text[]), CAST(:contents AS text[])) AS g
    ON CONFLICT (collection, picture_id)
    DO UPDATE SET content_hash = excluded.content_hash, sha256 = excluded.sha256, written_at = now()
""")

_OUTDATED = text("""
    SELECT l.collection, l.picture_id FROM pictures p
    JOIN titles t ON t.slug = p.slug
    JOIN picture_ledger l ON l.picture_id = p.id
    JOIN picture_generations g ON g.collection = l.collection AND g.alias = :alias AND g.state IN ('building', 'live')
    WHERE p.slug = ANY(:slugs) AND (p.gone OR t.excluded OR l.content_hash <> p.content_hash)
    ORDER BY l.collection, l.picture_id
""")

_FIND_CONTENTS = text("""
    SELECT DISTINCT ON (p.sha256) p.sha256, p.id FROM pictures p
    JOIN picture_ledger l ON l.collection = :collection AND l.picture_id = p.id AND l.sha256 = p.sha256
    WHERE p.sha256 = ANY(:contents) ORDER BY p.sha256, p.id
""")

# What is being changed has a blank content and is left out, here as there.
_SHOWN = text("""
    SELECT p.slug, p.id, p.kind, l.sha256 FROM pictures p
    JOIN picture_ledger l ON l.collection = :collection AND l.picture_id = p.id AND l.sha256 <> ''
    WHERE p.slug = ANY(:slugs) ORDER BY p.slug, p.id
""")

_REFRESH_TITLES = text("""
    UPDATE titles t SET pictures_hash = h.pictures_hash
    FROM (
        SELECT k.slug, coalesce(
            md5(:collection || string_agg(p.id || l.sha256, ',' ORDER BY p.id) FILTER (WHERE l.sha256 <> '')), ''
        ) AS pictures_hash
        FROM unnest(CAST(:slugs AS text[])) AS k(slug)
        LEFT JOIN pictures p ON p.slug = k.slug
        LEFT JOIN picture_ledger l ON l.collection = :collection AND l.picture_id = p.id
        GROUP BY k.slug
    ) h
    WHERE t.slug = h.slug AND t.pictures_hash <> h.pictures_hash
""")
