"""Pictures that must not be found although the pictures collection does not know it yet.

A title is excluded, or becomes adult, in Postgres first; its pictures' points follow with the next job.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import text

from storage.database.session import Database


@dataclass(frozen=True, slots=True)
class HiddenPictures:
    """Ids of points: those that nobody may see, and those that need `include_adult`. Sorted; mostly none."""

    excluded: tuple[str, ...] = ()
    adult: tuple[str, ...] = ()


class PictureVisibilityRepository:
    """Compares what titles are with what the points of their pictures say."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def load_hidden(self, collection: str) -> HiddenPictures:
        """The points of a collection that say less of their titles than Postgres does."""
        with self._database.begin() as connection:
            rows = connection.execute(_HIDDEN, {"collection": collection}).all()
        return HiddenPictures(
            excluded=tuple(sorted(str(row.id) for row in rows if row.excluded)),
            adult=tuple(sorted(str(row.id) for row in rows if not row.excluded)),
        )


# From the few titles that are hidden at all, by the index over pictures.slug.
_HIDDEN = text("""
    SELECT p.id, t.excluded
    FROM titles t
    JOIN pictures p ON p.slug = t.slug
    JOIN picture_ledger l ON l.collection = :collection AND l.picture_id = p.id
    WHERE t.excluded OR (t.adult AND (NOT p.adult OR l.content_hash <> p.content_hash))
""")
