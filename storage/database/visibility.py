"""Titles and pictures that must not be found although a collection does not know it yet.

A title is excluded, or becomes adult, in Postgres first; its point and those of its pictures follow with a job, and so
it is with free pictures. A trigger (migration 0010) gives each such change a number, `visibility_mark`: rows that never
changed have none, so that what is asked here are the few that did. What is adult or excluded from its first day on has
no mark, for no point ever said otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, TextClause, text

from core.identity import point_id
from storage.database.session import Database


@dataclass(frozen=True, slots=True)
class HiddenPoints:
    """Ids of points: those that nobody may see, and those that need `include_adult`. Sorted; mostly none."""

    excluded: tuple[str, ...] = ()
    adult: tuple[str, ...] = ()

    def select(self, *, include_adult: bool) -> tuple[str, ...]:
        """The points that this caller may not see, whatever their payloads say."""
        return self.excluded if include_adult else self.excluded + self.adult

    def describe(self) -> str:
        """A text that is equal for equal sets only; blank for none."""
        return ",".join((*self.excluded, "adult", *self.adult)) if self.excluded or self.adult else ""


class VisibilityRepository:
    """Compares what titles and pictures are with what their points say.

    For two leases after a change a point is hidden whatever the ledger says: a worker that read the row before the
    change may still be writing, and its point is in Qdrant before it is in the ledger.
    """

    def __init__(self, database: Database, *, lease_s: float) -> None:
        self._database = database
        self._settle_s = 2 * lease_s

    def describe(self) -> str:
        """A text that is another one after each change of who may see a title or a free picture, and never comes back.

        Marks only rise, so their sum rises with each transaction that is committed, however late and in which order.
        """
        with self._database.begin() as connection:
            return " ".join(str(number) for number in connection.execute(_DESCRIBE).one())

    def load_hidden_titles(self, collection: str) -> HiddenPoints:
        """Points of a collection of titles that must not be found, beside those whose payloads say so."""
        return _sort({point_id(row.slug): row.excluded for row in self._load(_HIDDEN_TITLES, collection)})

    def load_hidden_pictures(self, collection: str) -> HiddenPoints:
        """Points of a collection of pictures that must not be found, beside those whose payloads say so."""
        hidden: dict[str, bool] = {}
        for row in self._load(_HIDDEN_PICTURES, collection):
            hidden[str(row.id)] = row.excluded or hidden.get(str(row.id), False)
        return _sort(hidden)

    def _load(self, query: TextClause, collection: str) -> Sequence[Row[Any]]:
        with self._database.begin() as connection:
            return connection.execute(query, {"collection": collection, "settle_s": self._settle_s}).all()


def _sort(hidden: Mapping[str, bool]) -> HiddenPoints:
    """From {point id: whether nobody may see it}."""
    return HiddenPoints(
        excluded=tuple(sorted(one for one, excluded in hidden.items() if excluded)),
        adult=tuple(sorted(one for one, excluded in hidden.items() if not excluded)),
    )


_DESCRIBE = text("""
    SELECT (SELECT coalesce(sum(visibility_mark), 0) FROM titles WHERE visibility_mark IS NOT NULL),
           (SELECT coalesce(sum(visibility_mark), 0) FROM pictures WHERE visibility_mark IS NOT NULL)
""")

# The ledger lists a point from before it is changed in part until it is deleted, and names what it was made from.
_HIDDEN_TITLES = text("""
    SELECT t.slug, t.excluded
    FROM titles t
    LEFT JOIN embedding_ledger l ON l.collection = :collection AND l.slug = t.slug
    WHERE t.visibility_mark IS NOT NULL AND (t.excluded OR t.adult)
      AND (t.visibility_changed_at > now() - make_interval(secs => :settle_s)
           OR CASE WHEN t.excluded THEN l.slug IS NOT NULL ELSE l.document_hash IS DISTINCT FROM t.content_hash END)
""")

# Of hidden titles, by the index over pictures.slug, and free ones that changed themselves. One that has neither content
# nor a point is nowhere.
_HIDDEN_PICTURES = text("""
    WITH changed AS (
        SELECT p.id, p.gone, p.adult, p.sha256, p.content_hash, t.excluded, t.visibility_changed_at
        FROM titles t JOIN pictures p ON p.slug = t.slug
        WHERE t.visibility_mark IS NOT NULL AND (t.excluded OR t.adult)
        UNION ALL
        SELECT p.id, p.gone, p.adult, p.sha256, p.content_hash, coalesce(t.excluded, false),
               p.visibility_changed_at
        FROM pictures p LEFT JOIN titles t ON t.slug = p.slug
        WHERE p.visibility_mark IS NOT NULL AND (p.adult OR p.gone OR t.excluded)
    )
    SELECT c.id, c.excluded OR c.gone AS excluded
    FROM changed c
    LEFT JOIN picture_ledger l ON l.collection = :collection AND l.picture_id = c.id
    WHERE (c.sha256 IS NOT NULL OR l.picture_id IS NOT NULL)
      AND (c.visibility_changed_at > now() - make_interval(secs => :settle_s)
           OR CASE WHEN c.excluded OR c.gone THEN l.picture_id IS NOT NULL
                   ELSE NOT c.adult OR l.content_hash IS DISTINCT FROM c.content_hash END)
""")
