"""What providers answered, packed, and how often they were asked: so nothing fresh is asked for twice."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import zstandard
from sqlalchemy import Connection, RowMapping, text

from storage.database.session import Database

_PACKING_LEVEL = 6
# An answer that was distrusted was checked at the epoch: longer ago than anybody believes.
_GET = text(
    "SELECT status, media_type, body, bytes, etag, last_modified, fetched_at, checked_at, "
    "EXTRACT(EPOCH FROM now() - checked_at)::float8 AS age_s, checked_at > 'epoch' AS is_trusted "
    "FROM provider_answers WHERE provider = :provider AND request = :request"
)
_PUT = text(
    "INSERT INTO provider_answers AS known "
    "(provider, request, status, media_type, body, bytes, sha256, etag, last_modified) "
    "VALUES (:provider, :request, :status, :media_type, :body, :bytes, :sha256, :etag, :last_modified) "
    "ON CONFLICT (provider, request) DO UPDATE SET status = excluded.status, media_type = excluded.media_type, "
    "body = excluded.body, bytes = excluded.bytes, sha256 = excluded.sha256, etag = excluded.etag, "
    "last_modified = excluded.last_modified, checked_at = now(), "
    "fetched_at = CASE WHEN known.sha256 = excluded.sha256 AND known.status = excluded.status "
    "THEN known.fetched_at ELSE now() END "
    "RETURNING checked_at"
)
_CONFIRM = text(
    "UPDATE provider_answers SET checked_at = now(), etag = COALESCE(:etag, etag), "
    "last_modified = COALESCE(:last_modified, last_modified) "
    "WHERE provider = :provider AND request = :request RETURNING checked_at"
)
_DISTRUST = text(
    "UPDATE provider_answers SET checked_at = 'epoch', etag = NULL, last_modified = NULL "
    "WHERE provider = :provider AND request = ANY(:requests)"
)
_COUNT = text(
    "INSERT INTO provider_counts AS known (provider, hour, outcome, requests, latency_ms) "
    "VALUES (:provider, date_trunc('hour', now()), :outcome, 1, :latency_ms) "
    "ON CONFLICT (provider, hour, outcome) DO UPDATE "
    "SET requests = known.requests + 1, latency_ms = known.latency_ms + excluded.latency_ms"
)
# Whole hours are what is counted by: `since` says where the first of them begins.
_COUNTS = text(
    "SELECT provider, outcome, sum(requests)::bigint, sum(latency_ms)::bigint FROM provider_counts "
    "WHERE hour >= date_trunc('hour', now()) - make_interval(hours => :hours) GROUP BY provider, outcome"
)
_SINCE = text("SELECT date_trunc('hour', now()) - make_interval(hours => :hours)")
_NEWEST = text(
    "SELECT provider, max(checked_at), count(*), sum(bytes)::bigint FROM provider_answers "
    "WHERE checked_at > 'epoch' GROUP BY provider"
)
_PRUNE = text("DELETE FROM provider_counts WHERE hour < now() - make_interval(days => :days)")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAnswer:
    """An answer as it was kept. `body` is unpacked.

    fetched_at  when this body came first
    checked_at  when the provider last said that it is right
    age_s       since then, by the clock of Postgres; infinite for one that nobody trusts any more
    """

    status: int
    media_type: str | None
    body: bytes
    etag: str | None
    last_modified: str | None
    fetched_at: datetime
    checked_at: datetime
    age_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAnswer:
    """An answer to keep. `body` is unpacked."""

    status: int
    media_type: str | None
    body: bytes
    etag: str | None = None
    last_modified: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """One request that was made, for the counts: 'ok', 'not-modified', 'absent', or the reason of its failure."""

    outcome: str
    latency_ms: float


@dataclass(frozen=True, slots=True)
class AnswerCounts:
    """Requests since a full hour, by outcome."""

    since: datetime
    outcomes: Mapping[str, int]
    latency_ms: int

    @property
    def requests(self) -> int:
        """All of them."""
        return sum(self.outcomes.values())


@dataclass(frozen=True, slots=True)
class AnswerHealth:
    """What a provider's answers say about it. `newest_at`: when it last said something that is kept."""

    hour: AnswerCounts
    day: AnswerCounts
    newest_at: datetime | None
    kept: int
    kept_bytes: int


class AnswerRepository:
    """Reads and writes `provider_answers` and `provider_counts`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, provider: str, request: str) -> StoredAnswer | None:
        """The newest answer to a request, however old it is."""
        with self._database.begin() as connection:
            row = connection.execute(_GET, {"provider": provider, "request": request}).mappings().first()
        return None if row is None else _build_stored(row)

    def put(self, provider: str, request: str, answer: NewAnswer, *, asked: Asked) -> datetime:
        """Keep an answer instead of the former one, and count its request; returns when that was."""
        values = {
            "status": answer.status,
            "media_type": answer.media_type,
            "body": zstandard.compress(answer.body, _PACKING_LEVEL),
            "bytes": len(answer.body),
            "sha256": hashlib.sha256(answer.body).hexdigest(),
            "etag": answer.etag,
            "last_modified": answer.last_modified,
        }
        with self._database.begin() as connection:
            at: datetime = connection.execute(_PUT, {"provider": provider, "request": request, **values}).scalar_one()
            _count(connection, provider, asked)
        return at

    def confirm(
        self, provider: str, request: str, *, etag: str | None, last_modified: str | None, asked: Asked
    ) -> datetime | None:
        """The kept answer is still right. Returns when that was said; None if it is not kept any more."""
        values = {"provider": provider, "request": request, "etag": etag, "last_modified": last_modified}
        with self._database.begin() as connection:
            at: datetime | None = connection.execute(_CONFIRM, values).scalar_one_or_none()
            _count(connection, provider, asked)
        return at

    def count(self, provider: str, asked: Asked) -> None:
        """Count a request that brought nothing to keep."""
        with self._database.begin() as connection:
            _count(connection, provider, asked)

    def distrust(self, provider: str, requests: Sequence[str]) -> None:
        """Ask for these again whatever their age, and in full: they were of no use. They are kept until then."""
        with self._database.begin() as connection:
            connection.execute(_DISTRUST, {"provider": provider, "requests": list(requests)})

    def load_health(self, providers: Sequence[str]) -> dict[str, AnswerHealth]:
        """Requests and answers by provider. Counts are by the hour: this one and the one before, or 24 before."""
        with self._database.begin() as connection:
            hour, day = _load_counts(connection, 1), _load_counts(connection, 24)
            newest = {row[0]: row[1:] for row in connection.execute(_NEWEST)}
        nothing: tuple[None, int, int] = (None, 0, 0)
        return {
            name: AnswerHealth(hour(name), day(name), *newest.get(name, nothing)) for name in providers
        }  # fmt: skip

    def prune(self, *, days: int = 30) -> int:
        """Delete the counts of older days; returns how many rows went. Answers are kept: each is the newest."""
        with self._database.begin() as connection:
            return connection.execute(_PRUNE, {"days": days}).rowcount


def _count(connection: Connection, provider: str, asked: Asked) -> None:
    values = {"provider": provider, "outcome": asked.outcome, "latency_ms": round(asked.latency_ms)}
    connection.execute(_COUNT, values)


def _load_counts(connection: Connection, hours: int) -> Any:
    since = connection.execute(_SINCE, {"hours": hours}).scalar_one()
    outcomes: dict[str, dict[str, int]] = {}
    latencies: dict[str, int] = {}
    for provider, outcome, requests, latency_ms in connection.execute(_COUNTS, {"hours": hours}):
        outcomes.setdefault(provider, {})[outcome] = requests
        latencies[provider] = latencies.get(provider, 0) + latency_ms
    return lambda name: AnswerCounts(since, outcomes.get(name, {}), latencies.get(name, 0))


def _build_stored(row: RowMapping) -> StoredAnswer:
    # The size is our own count, so no answer unpacks to more than came.
    body = zstandard.decompress(row["body"], max_output_size=row["bytes"]) if row["bytes"] else b""
    is_trusted = row["is_trusted"]
    return StoredAnswer(
        status=row["status"],
        media_type=row["media_type"],
        body=body,
        etag=row["etag"],
        last_modified=row["last_modified"],
        fetched_at=row["fetched_at"],
        checked_at=row["checked_at"] if is_trusted else row["fetched_at"],
        age_s=row["age_s"] if is_trusted else float("inf"),
    )
