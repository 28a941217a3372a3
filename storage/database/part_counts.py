"""How many parts of enrichment each provider has, by state: for operators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import text

from storage.database.session import Database

# Excluded titles are counted, too: numbers name nobody.
_COUNT = text(
    "SELECT provider, state, count(*), min(due_at) FILTER (WHERE state IN ('failed', 'blocked')) "
    "FROM enrich_parts GROUP BY provider, state"
)


@dataclass(frozen=True, slots=True)
class PartCounts:
    """Parts by state, and when the first of the failed and blocked ones may be asked for again."""

    states: Mapping[str, int] = field(default_factory=dict)
    retry_at: datetime | None = None


class PartCountRepository:
    """Reads `enrich_parts` as a whole: for a person's question now and then."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def count(self) -> dict[str, PartCounts]:
        """By provider; one without parts is missing."""
        states: dict[str, dict[str, int]] = {}
        due: dict[str, list[datetime]] = {}
        with self._database.begin() as connection:
            for provider, state, count, due_at in connection.execute(_COUNT):
                states.setdefault(provider, {})[state] = count
                due.setdefault(provider, []).extend([due_at] if due_at else [])
        return {name: PartCounts(by_state, min(due[name], default=None)) for name, by_state in states.items()}
