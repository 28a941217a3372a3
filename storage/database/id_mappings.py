"""Published tables of ids: which titles at different providers are one and the same. A table is replaced as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from sqlalchemy import Connection, func, select, text

from core.enrichment import ID_SPACES
from storage.database.enrichment_models import id_mappings
from storage.database.session import Database

_BATCH_ROWS = 20_000
# Two readers of one table wait for each other; readers of others do not.
_LOCK = text("SELECT pg_advisory_xact_lock(7214119, hashtext(:source))")
_DELETE = text("DELETE FROM id_mappings WHERE source = :source")
_INSERT = text("""
    INSERT INTO id_mappings (source, entry, id_space, external_id)
    SELECT :source, * FROM unnest(CAST(:entries AS integer[]), CAST(:spaces AS text[]), CAST(:ids AS text[]))
    ON CONFLICT DO NOTHING
""")
_FIND = text("""
    SELECT DISTINCT v.source, k.id_space AS via, v.external_id
    FROM unnest(CAST(:spaces AS text[]), CAST(:ids AS text[])) AS k(id_space, external_id)
    JOIN id_mappings m USING (id_space, external_id)
    JOIN id_mappings v ON v.source = m.source AND v.entry = m.entry AND v.id_space = :target
    ORDER BY v.source, via, v.external_id
""")

_PROVIDERS = {"providers": list(ID_SPACES), "spaces": list(ID_SPACES.values())}
_LINK_AGAIN = text("""
    UPDATE enrich_parts p SET state = 'failed', reason = 'link-again', detail = NULL, due_at = now()
    FROM (SELECT a.slug, a.provider, a.stage FROM enrich_parts a
          JOIN unnest(CAST(:providers AS text[]), CAST(:spaces AS text[])) AS n(provider, id_space)
            ON n.provider = a.provider
          WHERE a.state = 'absent' AND a.reason IN ('link-none', 'link-doubtful') AND EXISTS (
              SELECT 1 FROM title_ids i
              JOIN id_mappings m ON m.source = :source AND m.id_space = i.provider AND m.external_id = i.external_id
              JOIN id_mappings v ON v.source = :source AND v.entry = m.entry AND v.id_space = n.id_space
              WHERE i.slug = a.slug)
          ORDER BY a.slug, a.provider, a.stage FOR UPDATE OF a) named
    WHERE p.slug = named.slug AND p.provider = named.provider AND p.stage = named.stage
""")


@dataclass(frozen=True, slots=True)
class MappingVote:
    """A table says that the title whose id in the space `via` was asked for has this id in the space asked about."""

    source: str
    via: str
    external_id: str


class IdMappingRepository:
    """Reads and writes `id_mappings`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def replace(self, source: str, entries: Iterable[Sequence[tuple[str, str]]]) -> int:
        """Put these entries, each the ids (space, id) of one title, in the place of the source's; returns their number.

        One transaction: whoever looks meanwhile sees the former table, and an error in the middle changes nothing.
        What was not found, or was doubtful, and is named by the new table is due at once.
        """
        count = 0
        with self._database.begin() as connection:
            connection.execute(_LOCK, {"source": source})
            connection.execute(_DELETE, {"source": source})
            rows = ((number, *pair) for number, pairs in enumerate(entries) for pair in pairs)
            while batch := list(islice(rows, _BATCH_ROWS)):
                count = batch[-1][0] + 1
                self._insert(connection, source, batch)
            connection.execute(_LINK_AGAIN, {"source": source, **_PROVIDERS})
        return count

    def find(self, ids: Mapping[str, str], target: str) -> list[MappingVote]:
        """What the tables say about the id in the space `target` of the title that has these ids, in one round trip."""
        known = {space: external_id for space, external_id in ids.items() if space != target}
        if not known:
            return []
        parameters = {"spaces": list(known), "ids": list(known.values()), "target": target}
        with self._database.begin() as connection:
            return [MappingVote(*row) for row in connection.execute(_FIND, parameters)]

    def count_by_source(self) -> dict[str, int]:
        """Entries of each table that is stored."""
        query = select(id_mappings.c.source, func.count(id_mappings.c.entry.distinct())).group_by(id_mappings.c.source)
        with self._database.begin() as connection:
            return dict(connection.execute(query.order_by(id_mappings.c.source)).all())

    def _insert(self, connection: Connection, source: str, rows: Sequence[tuple[int, str, str]]) -> None:
        entries, spaces, ids = zip(*rows, strict=True)
        connection.execute(
            _INSERT, {"source": source, "entries": list(entries), "spaces": list(spaces), "ids": list(ids)}
        )
