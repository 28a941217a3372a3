"""Downloads as people see them: the progress of a job, the manifest, and the second chance of what was given up."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, text

from core.pictures import from_signed
from storage.database.download_outcomes import STAGE
from storage.database.rate_window import RateWindow
from storage.database.session import Database

_MANIFEST_PAGE = 2_000


@dataclass(frozen=True, slots=True)
class DownloadProgress:
    """What a job's URLs have come to. `states`: rows by state; `outcomes`: the ended ones by what became of them.

    `bytes` were brought by this job; `per_s` and `bytes_per_s` are URLs and bytes over its last half minute.
    """

    states: dict[str, int] = field(default_factory=dict)
    outcomes: dict[str, int] = field(default_factory=dict)
    bytes: int = 0
    per_s: float = 0.0
    bytes_per_s: float = 0.0


def count_downloads(connection: Connection, job_id: uuid.UUID, *, window: RateWindow) -> DownloadProgress | None:
    """The progress of a job's downloads; None for a job that has none."""
    states: dict[str, int] = {}
    outcomes: dict[str, int] = {}
    size = recent = recent_size = 0
    for row in connection.execute(_COUNT, {"job_id": job_id, "since": window.since}):
        states[row.state] = states.get(row.state, 0) + row.rows
        if row.outcome is not None:
            outcomes[row.outcome] = outcomes.get(row.outcome, 0) + row.rows
        size += row.bytes
        recent += row.recent
        recent_size += row.recent_bytes
    if not states:
        return None
    return DownloadProgress(states, outcomes, size, window.get_rate(recent), window.get_rate(recent_size, digits=1))


def revive_downloads(connection: Connection, job_id: uuid.UUID) -> int:
    """Give the dead and open URLs of a job a fresh start; returns how many."""
    connection.execute(_REVIVE_URLS, {"job_id": job_id})
    connection.execute(_RESOLVE, {"job_id": job_id, "stage": STAGE})
    return connection.execute(_REVIVE_ROWS, {"job_id": job_id}).rowcount


def iterate_manifest(database: Database, *, job_id: uuid.UUID | None = None) -> Iterator[dict[str, Any]]:
    """All downloads (or those of a job) in the order of their hashes, each as a line of the manifest."""
    wanted = "" if job_id is None else "AND d.url_hash IN (SELECT url_hash FROM job_downloads WHERE job_id = :job_id)"
    query = text(f"{_MANIFEST} {wanted} ORDER BY d.url_hash LIMIT :limit")
    after = ""
    while True:
        with database.begin() as connection:
            parameters = {"after": after, "limit": _MANIFEST_PAGE, "job_id": job_id}
            rows = connection.execute(query, parameters).mappings().all()
        if not rows:
            return
        after = rows[-1]["url_hash"]
        yield from (_to_line(row) for row in rows)


def _to_line(row: Any) -> dict[str, Any]:
    line = {name: value for name, value in row.items() if name != "url_hash"}
    # As imagehash writes it, and as the media route does.
    line["phash"] = None if row["phash"] is None else f"{from_signed(row['phash']):016x}"
    line["fetched_at"] = row["fetched_at"].isoformat() if row["fetched_at"] else None
    return line


_COUNT = text("""
    SELECT state, outcome, count(*) AS rows,
           coalesce(sum(bytes) FILTER (WHERE outcome = 'fetched'), 0)::bigint AS bytes,
           count(*) FILTER (WHERE recent) AS recent,
           coalesce(sum(bytes) FILTER (WHERE recent AND outcome = 'fetched'), 0)::bigint AS recent_bytes
    FROM (
        SELECT CASE WHEN j.state <> 'pending' THEN j.state
                    WHEN d.state IN ('leased', 'failed') THEN d.state ELSE 'pending' END AS state,
               j.outcome, d.bytes,
               j.state <> 'pending' AND j.outcome <> 'known'
                   AND j.updated_at > :since AS recent
        FROM job_downloads j JOIN downloads d ON d.url_hash = j.url_hash WHERE j.job_id = :job_id
    ) rows GROUP BY state, outcome
""")

_REVIVE_URLS = text("""
    UPDATE downloads d SET state = 'pending', attempts = 0, silent_since = NULL, due_at = now(), updated_at = now()
    FROM (SELECT d.url_hash FROM downloads d JOIN job_downloads j ON j.url_hash = d.url_hash
          WHERE j.job_id = :job_id AND j.state IN ('dead', 'pending') AND d.state IN ('dead', 'failed', 'pending')
          ORDER BY d.url_hash FOR UPDATE OF d) given_up
    WHERE d.url_hash = given_up.url_hash
""")

_RESOLVE = text("""
    UPDATE dead_letters SET resolved_at = now()
    WHERE job_id = :job_id AND stage = :stage AND resolved_at IS NULL
""")

_REVIVE_ROWS = text("""
    UPDATE job_downloads SET state = 'pending', outcome = NULL, updated_at = now()
    WHERE job_id = :job_id AND state IN ('dead', 'pending')
""")

_MANIFEST = """
    SELECT d.url_hash, d.url, d.state, d.attempts, d.status, d.reason, d.detail, d.sha256, d.bytes,
           coalesce(m.media_type, d.media_type) AS media_type, m.width, m.height, m.phash, m.colour, d.etag,
           d.last_modified, d.latency_ms, d.fetched_at,
           (SELECT coalesce(jsonb_agg(DISTINCT p.slug), '[]') FROM pictures p
             WHERE md5(p.url) = md5(d.url) AND p.url = d.url AND p.slug IS NOT NULL AND NOT p.gone) AS titles
    FROM downloads d LEFT JOIN media_files m ON m.sha256 = d.sha256
    WHERE d.url_hash > :after
"""
