"""Who belongs together: sequels, prequels, side stories, over links in both directions."""

from __future__ import annotations

from sqlalchemy import text

from storage.database.session import Database

# Links lead from season to season, so the last is many steps from the first; crossovers lead out of a franchise, so
# there is an end.
HOPS_MAX = 6
RELATIVES_MAX = 200

# External ids are stored as numbers or as texts, so both spellings are looked for.
_NEIGHBOURS = text("""
    SELECT DISTINCT linked.slug FROM titles t
    CROSS JOIN LATERAL jsonb_path_query(t.document, '$.related_anime[*].external_ids.keyvalue()') AS link
    JOIN title_ids linked
        ON linked.provider = link ->> 'key' AND linked.external_id = link ->> 'value'
    WHERE t.slug = ANY(:slugs)
    UNION
    SELECT t.slug FROM title_ids own
    CROSS JOIN LATERAL (VALUES
        (to_jsonb(own.external_id)),
        (CASE WHEN own.external_id ~ '^[1-9][0-9]{0,14}$' THEN to_jsonb(own.external_id::bigint) END)
    ) AS spelling(value)
    JOIN titles t ON t.document -> 'related_anime' @> jsonb_build_array(
        jsonb_build_object('external_ids', jsonb_build_object(own.provider, spelling.value)))
    WHERE own.slug = ANY(:slugs) AND spelling.value IS NOT NULL
""")


class RelativesRepository:
    """Reads the links between titles."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find_relatives(self, slug: str) -> set[str]:
        """The titles that links lead to from this one, the nearest first until there are too many; not itself."""
        found: set[str] = set()
        frontier = {slug}
        with self._database.begin() as connection:
            for _ in range(HOPS_MAX):
                reached = set(connection.execute(_NEIGHBOURS, {"slugs": sorted(frontier)}).scalars())
                frontier = reached - found - {slug}
                if not frontier or len(found) + len(frontier) > RELATIVES_MAX:
                    break
                found |= frontier
        return found
