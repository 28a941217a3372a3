"""Titles: the documents and the slugs that name them. A slug is assigned once and never changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from core.identity import parse_provider_key
from storage.database.models import title_ids, titles
from storage.database.session import Database

# Any number: whoever may assign slugs holds this lock to the end of the transaction.
_SLUG_LOCK = 7_214_032


@dataclass(frozen=True, slots=True)
class StoredTitle:
    """One title as stored. `document` has the shape of core.document.AnimeDocument.to_json.

    `pictures_hash` changes with its pictures in the pictures collection; only the ledger of pictures writes it.
    """

    slug: str
    document: dict[str, Any]
    content_hash: str
    adult: bool
    excluded: bool
    pictures_hash: str = ""


class TitleRepository:
    """Reads and writes `titles` and `title_ids`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def resolve_slug(self, identifier: str) -> str | None:
        """The slug for a slug or a `provider:id`, None when nothing has it."""
        key = parse_provider_key(identifier)
        with self._database.begin() as connection:
            if key is not None:
                provider, external_id = key
                query = select(title_ids.c.slug).where(
                    title_ids.c.provider == provider, title_ids.c.external_id == external_id
                )
            else:
                query = select(titles.c.slug).where(titles.c.slug == identifier)
            return connection.execute(query).scalar_one_or_none()

    def resolve_slugs(self, identifiers: Sequence[str]) -> dict[str, str]:
        """The slug of each identifier (slug or `provider:id`) that has one, in at most two round trips."""
        keys = {text: key for text in identifiers if (key := parse_provider_key(text)) is not None}
        plain = [text for text in identifiers if text not in keys]
        with self._database.begin() as connection:
            by_key = self.find_by_ids(connection, list(keys.values()))
            taken = self.find_taken(connection, plain) if plain else set()
        return {slug: slug for slug in taken} | {text: by_key[key] for text, key in keys.items() if key in by_key}

    def find_slug(self, keys: Sequence[tuple[str, str]]) -> str | None:
        """The slug of the first of these (provider, external id) that has one."""
        with self._database.begin() as connection:
            found = self.find_by_ids(connection, keys)
        return next((found[key] for key in keys if key in found), None)

    def load(self, slugs: Sequence[str]) -> dict[str, StoredTitle]:
        """The titles of these slugs that exist."""
        with self._database.begin() as connection:
            return self.load_in(connection, slugs)

    def load_in(self, connection: Connection, slugs: Sequence[str]) -> dict[str, StoredTitle]:
        """As `load`, within the caller's transaction."""
        query = select(
            titles.c.slug,
            titles.c.document,
            titles.c.content_hash,
            titles.c.adult,
            titles.c.excluded,
            titles.c.pictures_hash,
        ).where(titles.c.slug.in_(list(slugs)))
        return {row.slug: StoredTitle(*row) for row in connection.execute(query)}

    def count(self) -> int:
        """How many titles anybody may see: neither excluded nor adult."""
        seen = titles.c.excluded.is_(False), titles.c.adult.is_(False)
        with self._database.begin() as connection:
            query = select(func.count()).select_from(titles).where(*seen)
            return connection.execute(query).scalar_one()

    def count_all(self) -> int:
        """How many titles belong in the index: all that are not excluded."""
        with self._database.begin() as connection:
            query = select(func.count()).select_from(titles).where(titles.c.excluded.is_(False))
            return connection.execute(query).scalar_one()

    def is_any_made_from_other_pictures(self, connection: Connection, alias: str) -> bool:
        """True if a collection in use holds a title whose picture vectors were made from other pictures than it has."""
        return bool(connection.execute(_OTHER_PICTURES, {"alias": alias}).scalar_one())

    def lock_slugs(self, connection: Connection) -> None:
        """Wait until no other transaction may assign slugs."""
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_SLUG_LOCK})"))

    def find_by_ids(self, connection: Connection, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
        """Slugs by (provider, external id), in one round trip."""
        if not keys:
            return {}
        rows = connection.execute(
            text(
                "SELECT t.provider, t.external_id, t.slug FROM title_ids t "
                "JOIN unnest(CAST(:providers AS text[]), CAST(:ids AS text[])) AS k(provider, external_id) "
                "USING (provider, external_id)"
            ),
            {"providers": [provider for provider, _ in keys], "ids": [external_id for _, external_id in keys]},
        )
        return {(row.provider, row.external_id): row.slug for row in rows}

    def find_names_by_ids(self, connection: Connection, keys: Sequence[tuple[str, str]]) -> dict[str, str]:
        """Titles' names by 'provider:id', for those that are known."""
        slugs = self.find_by_ids(connection, keys)
        query = select(titles.c.slug, titles.c.document["title"].astext).where(
            titles.c.slug.in_(sorted(set(slugs.values())))
        )
        names: dict[str, str] = {row[0]: row[1] for row in connection.execute(query)}
        return {f"{provider}:{external_id}": names[slug] for (provider, external_id), slug in slugs.items()}

    def find_taken(self, connection: Connection, slugs: Sequence[str]) -> set[str]:
        """Which of these slugs belong to a title."""
        query = select(titles.c.slug).where(titles.c.slug.in_(list(slugs)))
        return set(connection.execute(query).scalars())

    def insert(self, connection: Connection, rows: Sequence[StoredTitle]) -> None:
        """Store new titles."""
        if rows:
            connection.execute(insert(titles), [_to_values(row) for row in rows])

    def update(self, connection: Connection, rows: Sequence[StoredTitle]) -> None:
        """Store changed documents; each counts as a new version."""
        if not rows:
            return
        statement = (
            update(titles)
            .where(titles.c.slug == bindparam("b_slug"))
            .values(
                document=bindparam("b_document"),
                content_hash=bindparam("b_content_hash"),
                adult=bindparam("b_adult"),
                version=titles.c.version + 1,
                updated_at=func.now(),
            )
        )
        values = [{f"b_{name}": value for name, value in _to_values(row).items()} for row in rows]
        connection.execute(statement, values)

    def add_ids(self, connection: Connection, keys: Sequence[tuple[str, str, str]]) -> None:
        """Link (provider, external id) to a slug; an id that is linked already keeps its title."""
        if keys:
            rows = [{"provider": p, "external_id": e, "slug": s} for p, e, s in keys]
            connection.execute(insert(title_ids).on_conflict_do_nothing(), rows)

    def remove_ids(self, connection: Connection, keys: Sequence[tuple[str, str, str]]) -> None:
        """Undo `add_ids` for (provider, external id, slug), where the id still leads to that title."""
        statement = delete(title_ids).where(
            title_ids.c.provider == bindparam("b_provider"),
            title_ids.c.external_id == bindparam("b_id"),
            title_ids.c.slug == bindparam("b_slug"),
        )
        if keys:
            connection.execute(statement, [{"b_provider": p, "b_id": e, "b_slug": s} for p, e, s in keys])


_OTHER_PICTURES = text("""
    SELECT EXISTS (
        SELECT 1 FROM generations g
        JOIN embedding_ledger l ON l.collection = g.collection
        JOIN titles t ON t.slug = l.slug AND NOT t.excluded AND t.pictures_hash <> l.pictures_hash
        WHERE g.alias = :alias AND g.state IN ('building', 'live') AND g.image_fingerprint IS NOT NULL
    )
""")


def _to_values(row: StoredTitle) -> dict[str, Any]:
    return {
        "slug": row.slug,
        "document": row.document,
        "content_hash": row.content_hash,
        "adult": row.adult,
    }
