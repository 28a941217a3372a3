"""Titles of enrich jobs: one row of `stage_rows` each, which is done when the title has been merged.

A title can be merged when none of the parts that its job is about is open any more.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from storage.database.session import Database


@dataclass(frozen=True, slots=True)
class MergeRow:
    """A title of a job that this worker may merge until its lease ends. `attempts` counts this one."""

    job_id: uuid.UUID
    slug: str
    attempts: int


class EnrichRowRepository:
    """Reads and writes the rows of enrich jobs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, slugs: Sequence[str], *, owner: str, lease_s: float) -> list[MergeRow]:
        """Lease those of the titles that are ready, for each running job that waits for them; by slug."""
        parameters = {"slugs": sorted(set(slugs)), "owner": owner, "lease_s": lease_s}
        with self._database.begin() as connection:
            rows = connection.execute(_CLAIM, parameters).all()
        return sorted((MergeRow(*row) for row in rows), key=lambda row: (row.slug, str(row.job_id)))

    def complete(self, rows: Sequence[MergeRow], *, owner: str) -> None:
        """These titles are merged. A row that somebody else has by now is left to him."""
        self._set(rows, owner=owner, state="done")

    def release(self, rows: Sequence[MergeRow], *, owner: str, reason: str) -> None:
        """Give rows back without blame: a server was away."""
        self._set(rows, owner=owner, state="pending", reason=reason)

    def fail(self, rows: Sequence[MergeRow], *, owner: str, reason: str, max_attempts: int) -> None:
        """Merging failed: again later, or never if it was the last attempt; then it is a dead letter."""
        dead = [row for row in rows if row.attempts >= max_attempts]
        self._set([row for row in rows if row.attempts < max_attempts], owner=owner, state="failed", reason=reason)
        self._set(dead, owner=owner, state="dead", reason=reason)

    def list_settled(self, slugs: Sequence[str]) -> list[str]:
        """Those of the titles for which a running job waits and of whose parts none of its scope is open; by slug."""
        with self._database.begin() as connection:
            return list(connection.execute(_LIST_SETTLED, {"slugs": sorted(set(slugs))}).scalars())

    def list_ready(self, job_id: uuid.UUID, *, limit: int) -> list[str]:
        """Titles of a job that can be merged and that nobody merges; by slug."""
        with self._database.begin() as connection:
            return list(connection.execute(_LIST_READY, {"job_id": job_id, "limit": limit}).scalars())

    def list_impatient(self, job_id: uuid.UUID, *, patience_s: float, limit: int) -> list[str]:
        """Open titles of a job about which some provider has said something new, and not just now; by slug."""
        parameters = {"job_id": job_id, "patience_s": patience_s, "limit": limit}
        with self._database.begin() as connection:
            return list(connection.execute(_LIST_IMPATIENT, parameters).scalars())

    def count_open(self, job_id: uuid.UUID) -> int:
        """Titles of a job that are neither merged nor given up."""
        with self._database.begin() as connection:
            return int(connection.execute(_COUNT_OPEN, {"job_id": job_id}).scalar_one())

    def list_open_jobs(self, slugs: Sequence[str]) -> list[uuid.UUID]:
        """Running enrich jobs that these titles belong to."""
        with self._database.begin() as connection:
            return list(connection.execute(_LIST_JOBS, {"slugs": sorted(set(slugs))}).scalars())

    def is_any_merged_since_index(self, job_id: uuid.UUID, *, least_s: float) -> bool:
        """True if titles of the job were merged after its last job of indexing (or its start) began so long ago."""
        with self._database.begin() as connection:
            return self.is_any_merged_since_index_in(connection, job_id, least_s=least_s)

    def is_any_merged_since_index_in(self, connection: Connection, job_id: uuid.UUID, *, least_s: float = 0.0) -> bool:
        """As `is_any_merged_since_index`, within the caller's transaction."""
        parameters = {"job_id": job_id, "text_id": str(job_id), "least_s": least_s}
        return bool(connection.execute(_IS_INDEX_DUE, parameters).scalar_one())

    def _set(self, rows: Sequence[MergeRow], *, owner: str, state: str, reason: str | None = None) -> None:
        if not rows:
            return
        parameters: dict[str, Any] = {
            "job_ids": [row.job_id for row in rows],
            "slugs": [row.slug for row in rows],
            "owner": owner,
            "state": state,
            "reason": None if reason is None else reason[:2_000].replace("\x00", ""),
        }
        with self._database.begin() as connection:
            connection.execute(_BURY if state == "dead" else _SET, parameters)


_IS_READY = """
    NOT EXISTS (
        SELECT 1 FROM enrich_parts p
        WHERE p.slug = r.slug AND p.state IN ('pending', 'leased')
          AND jsonb_exists(j.params -> 'providers', p.provider) AND jsonb_exists(j.params -> 'stages', p.stage))
"""
_IS_FREE = "(r.state IN ('pending', 'failed') OR r.state = 'leased' AND r.leased_until < now())"
_RUNNING = "j.kind = 'enrich' AND j.state = 'running' AND j.enqueued AND r.stage = 'enrich'"

_CLAIM = text(f"""
    WITH ready AS (
        SELECT r.job_id, r.slug FROM stage_rows r JOIN jobs j ON j.id = r.job_id
        WHERE {_RUNNING} AND r.slug = ANY(:slugs) AND {_IS_FREE} AND {_IS_READY}
        ORDER BY r.slug, r.job_id FOR UPDATE OF r SKIP LOCKED
    )
    UPDATE stage_rows r SET state = 'leased', leased_until = now() + make_interval(secs => :lease_s),
        lease_owner = :owner, attempts = r.attempts + 1, updated_at = now()
    FROM ready WHERE r.job_id = ready.job_id AND r.stage = 'enrich' AND r.slug = ready.slug
    RETURNING r.job_id, r.slug, r.attempts
""")  # noqa: S608 - a constant

_LIST_SETTLED = text(f"""
    SELECT DISTINCT r.slug FROM stage_rows r JOIN jobs j ON j.id = r.job_id
    WHERE {_RUNNING} AND r.slug = ANY(:slugs) AND {_IS_FREE} AND {_IS_READY} ORDER BY r.slug
""")  # noqa: S608 - a constant

_LIST_READY = text(f"""
    SELECT r.slug FROM stage_rows r JOIN jobs j ON j.id = r.job_id
    WHERE {_RUNNING} AND r.job_id = :job_id AND {_IS_FREE} AND {_IS_READY} ORDER BY r.slug LIMIT :limit
""")  # noqa: S608 - a constant

# What has changed since the title was merged last; what has changed just now may not be all of it.
_LIST_IMPATIENT = text("""
    SELECT DISTINCT r.slug FROM stage_rows r
    JOIN claims c ON c.slug = r.slug LEFT JOIN provenance v ON v.slug = r.slug
    WHERE r.job_id = :job_id AND r.stage = 'enrich' AND r.state = 'pending'
      AND c.changed_at > coalesce(v.merged_at, '-infinity')
      AND c.changed_at < now() - make_interval(secs => :patience_s)
    ORDER BY r.slug LIMIT :limit
""")

_COUNT_OPEN = text("""
    SELECT count(*) FROM stage_rows
    WHERE job_id = :job_id AND stage = 'enrich' AND state IN ('pending', 'leased', 'failed')
""")

_LIST_JOBS = text("""
    SELECT DISTINCT r.job_id FROM stage_rows r JOIN jobs j ON j.id = r.job_id
    WHERE j.kind = 'enrich' AND j.state = 'running' AND r.stage = 'enrich' AND r.slug = ANY(:slugs)
""")

# `merged_at` is when a merging began: one that waited for a lock may be stored after an index job that is younger.
# Its row is closed later still.
_IS_INDEX_DUE = text("""
    WITH last AS (
        SELECT j.started_at, greatest(j.started_at, (SELECT max(f.created_at) FROM jobs f
                                       WHERE f.kind = 'index' AND f.params ->> 'enriched_by' = :text_id)) AS at
        FROM jobs j WHERE j.id = :job_id
    )
    SELECT EXISTS (
        SELECT 1 FROM last JOIN stage_rows r ON r.job_id = :job_id AND r.stage = 'enrich'
        JOIN provenance v ON v.slug = r.slug
        WHERE last.at <= now() - make_interval(secs => :least_s) AND v.merged_at > last.started_at
          AND (v.merged_at > last.at OR r.state = 'done' AND r.updated_at > last.at))
""")

_UPDATE = """
    UPDATE stage_rows r SET state = :state, leased_until = NULL, lease_owner = NULL, updated_at = now(),
        last_error = :reason, attempts = CASE WHEN :state = 'pending' THEN greatest(r.attempts - 1, 0)
                                              ELSE r.attempts END
    FROM unnest(CAST(:job_ids AS uuid[]), CAST(:slugs AS text[])) AS g(job_id, slug)
    WHERE r.job_id = g.job_id AND r.stage = 'enrich' AND r.slug = g.slug AND r.state = 'leased'
      AND r.lease_owner = :owner
"""

_SET = text(_UPDATE)

_BURY = text(f"""
    WITH dead AS ({_UPDATE} RETURNING r.job_id, r.slug, r.attempts)
    INSERT INTO dead_letters (job_id, stage, slug, reason, detail, attempts)
    SELECT job_id, 'enrich', slug, :reason, jsonb_build_object('enrich_stage', 'merge'), attempts FROM dead
""")  # noqa: S608 - a constant
