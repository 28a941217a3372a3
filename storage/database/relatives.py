"""Who belongs together: sequels, prequels, side stories, over links in both directions.

Catalogues give their links no kind, and crossovers join thousands of titles into one. So what is linked directly is a
relative, and from there on what shares a word with the title itself: the seasons of a series do, the guests of a
crossover do not. Measured on 3,805 pairs that viewers recommend, all of them wanted results: this takes 51 of them away
(48 are direct links), following all links takes 108.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, text

from core.words import split_terms
from storage.database.session import Database

# Links lead from season to season, so the last is many steps from the first.
HOPS_MAX = 6
RELATIVES_MAX = 500
# Shorter words are in too many names.
_WORD_MIN_CHARS = 4

# The titles of a series name each other, so each link is looked up once: of the 22,000 links between Pokemon's titles
# 1,000 differ: 0.1 s rather than 2.5. LIMIT keeps Postgres from hashing all ids for the few that are wanted;
# an id belongs to one title at most.
_LINKED_FROM = text("""
    WITH links AS MATERIALIZED (
        SELECT DISTINCT link ->> 'key' AS provider, link ->> 'value' AS external_id FROM titles t
        CROSS JOIN LATERAL jsonb_path_query(t.document, '$.related_anime[*].external_ids.keyvalue()') AS link
        WHERE t.slug = ANY(:slugs)
    ), linked AS MATERIALIZED (
        SELECT DISTINCT found.slug FROM links CROSS JOIN LATERAL (
            SELECT i.slug FROM title_ids i
            WHERE i.provider = links.provider AND i.external_id = links.external_id LIMIT 1
        ) AS found
    )
    SELECT o.slug, o.adult, o.excluded, o.document ->> 'title' AS title, o.document ->> 'title_english' AS title_english
    FROM linked JOIN titles o USING (slug)
""")
# External ids are stored as numbers or as texts, so both spellings are looked for.
_LINKING_TO = text("""
    SELECT DISTINCT t.slug, t.adult, t.excluded, t.document ->> 'title' AS title,
        t.document ->> 'title_english' AS title_english
    FROM title_ids own
    CROSS JOIN LATERAL (VALUES
        (to_jsonb(own.external_id)),
        (CASE WHEN own.external_id ~ '^[1-9][0-9]{0,14}$' THEN to_jsonb(own.external_id::bigint) END)
    ) AS spelling(value)
    JOIN titles t ON t.document -> 'related_anime' @> jsonb_build_array(
        jsonb_build_object('external_ids', jsonb_build_object(own.provider, spelling.value)))
    WHERE own.slug = :slug AND spelling.value IS NOT NULL
""")
_NAMES = text("SELECT document ->> 'title', document ->> 'title_english' FROM titles WHERE slug = :slug")


@dataclass(frozen=True, slots=True)
class Relative:
    """A title that belongs to another one."""

    slug: str
    adult: bool


@dataclass(frozen=True, slots=True)
class _Neighbour:
    slug: str
    adult: bool
    excluded: bool
    words: frozenset[str]


class RelativesRepository:
    """Reads the links between titles."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find_relatives(self, slug: str) -> set[Relative]:
        """A title's relatives without itself and excluded ones; the nearest when there are too many.

        Titles that link here without being linked back are looked for in the first step only: catalogues name nearly
        all links on both sides.
        """
        with self._database.begin() as connection:
            names = connection.execute(_NAMES, {"slug": slug}).one_or_none()
            if names is None:
                return set()
            words = _split_names(names)
            linking = _read(connection.execute(_LINKING_TO, {"slug": slug}).all())
            direct = {one.slug: one for one in [*linking, *_follow(connection, [slug])] if one.slug != slug}
            found = dict(direct)
            frontier = {one.slug: one for one in direct.values() if one.words & words}
            for _ in range(HOPS_MAX - 1):
                reached = _follow(connection, list(frontier))
                frontier = {one.slug: one for one in reached if one.words & words and one.slug not in found}
                frontier.pop(slug, None)
                if not frontier or len(found) + len(frontier) > RELATIVES_MAX:
                    break
                found |= frontier
        return {Relative(one.slug, one.adult) for one in found.values() if not one.excluded}


def _follow(connection: Connection, slugs: list[str]) -> list[_Neighbour]:
    return _read(connection.execute(_LINKED_FROM, {"slugs": slugs}).all()) if slugs else []


def _read(rows: Any) -> list[_Neighbour]:
    return [_Neighbour(row[0], row[1], row[2], _split_names(row[3:])) for row in rows]


def _split_names(names: Row[Any] | tuple[Any, ...]) -> frozenset[str]:
    words = (word for name in names if name for word in split_terms(name))
    return frozenset(word for word in words if len(word) >= _WORD_MIN_CHARS)
