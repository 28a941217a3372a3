"""What is asked again and again, by day: counts of searches, and nothing about those who asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import text

from core.log import Event, Log
from storage.database.session import Database

_log = Log("query-log")
# A day with more different searches keeps those that were asked most.
ROWS_A_DAY = 10_000

# Rows in one order everywhere: two processes that write the same ones must not wait for each other in a circle.
_ADD = text(
    "INSERT INTO query_log AS known (day, fingerprint, request, asked) "
    "SELECT current_date, fingerprint, CAST(request AS jsonb), asked "
    "FROM unnest(CAST(:fingerprints AS text[]), CAST(:requests AS text[]), CAST(:asked AS bigint[])) "
    "AS new(fingerprint, request, asked) ORDER BY fingerprint "
    "ON CONFLICT (day, fingerprint) DO UPDATE SET asked = known.asked + excluded.asked, last_asked_at = now()"
)
_TOP = text(
    "SELECT fingerprint, (array_agg(request))[1] AS request, sum(asked)::bigint AS asked FROM query_log "
    "WHERE day > current_date - CAST(:days AS integer) "
    "GROUP BY fingerprint ORDER BY sum(asked) DESC, fingerprint LIMIT :most"
)
_PRUNE = text(
    "DELETE FROM query_log USING ("
    "SELECT day, fingerprint, row_number() OVER (PARTITION BY day ORDER BY asked DESC, fingerprint) AS place "
    "FROM query_log) AS ranked "
    "WHERE query_log.day = ranked.day AND query_log.fingerprint = ranked.fingerprint "
    "AND (ranked.place > :most OR query_log.day <= current_date - CAST(:days AS integer))"
)


@dataclass(frozen=True, slots=True)
class LoggedQuery:
    """A search, as JSON that it can be asked again by, and how often it was asked. `fingerprint` is a hash over it."""

    fingerprint: str
    request: dict[str, Any]
    asked: int


class QueryLogRepository:
    """Reads and writes `query_log`, which remembers `keep_days` days, today included."""

    def __init__(self, database: Database, *, keep_days: int = 30) -> None:
        self._database = database
        self._keep_days = keep_days

    def add(self, queries: Sequence[LoggedQuery]) -> None:
        """Add to today's counts, in one statement. Fingerprints are distinct."""
        if not queries:
            return
        values = {
            "fingerprints": [one.fingerprint for one in queries],
            "requests": [orjson.dumps(one.request).decode() for one in queries],
            "asked": [one.asked for one in queries],
        }
        with self._database.begin() as connection:
            connection.execute(_ADD, values)

    def load_top(self, *, most: int, days: int) -> list[LoggedQuery]:
        """What was asked most in the last days, today included; the most asked first."""
        with self._database.begin() as connection:
            return [LoggedQuery(*row) for row in connection.execute(_TOP, {"most": most, "days": days})]

    def prune(self, *, most: int = ROWS_A_DAY) -> int:
        """Delete older days, and of each day all but what was asked most; returns how many rows went."""
        with self._database.begin() as connection:
            pruned = connection.execute(_PRUNE, {"days": self._keep_days, "most": most}).rowcount
        if pruned:
            _log.info(Event.QUERY_LOG_PRUNED, rows=pruned)
        return pruned
