"""What became of downloads, a transaction for many: contents, URLs, pictures and the rows of every job that waits.

Without a row of `media_files` no URL says `done`, and the file itself is in the media store before this is called.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, text

from core.errors import TransientError
from storage.database.models import DownloadState
from storage.database.pictures import MediaFile, PictureRepository
from storage.database.session import Database

STAGE = "download"
_ENDS = (DownloadState.DONE, DownloadState.DEAD)


class ContentLostError(TransientError):
    """Contents (`lost`: their SHA-256) went from the media store after they had been put there."""

    code = "content-lost"

    def __init__(self, lost: frozenset[str]) -> None:
        super().__init__(f"{len(lost)} contents are not in the media store any more")
        self.lost = lost


@dataclass(frozen=True, slots=True)
class DownloadOutcome:
    """How one attempt ended. `state`: done, failed (again after `wait_s`), dead, or pending (given back without blame).

    `outcome` is fetched or unchanged when it is done; `reason` a word of a closed list when it is not. `content` is
    what was stored; None leaves the picture of an earlier fetch in its place.
    `is_host_silent`: it was not tried, the host is left alone.
    """

    url_hash: str
    url: str
    state: DownloadState
    outcome: str | None = None
    wait_s: float = 0.0
    is_host_silent: bool = False
    status: int | None = None
    reason: str | None = None
    detail: str | None = None
    media_type: str | None = None
    bytes: int | None = None
    latency_ms: int | None = None
    etag: str | None = None
    last_modified: str | None = None
    content: MediaFile | None = None

    def to_row(self) -> dict[str, Any]:
        """As the statement reads it."""
        row = {name: getattr(self, name) for name in self.__slots__ if name != "content"}
        detail = None if self.detail is None else self.detail[:2_000].replace("\x00", "")
        return {**row, "detail": detail, "sha256": self.content.sha256 if self.content else None}


class OutcomeRepository:
    """Writes outcomes."""

    def __init__(self, database: Database, pictures: PictureRepository) -> None:
        self._database = database
        self._pictures = pictures

    def record(self, outcomes: Sequence[DownloadOutcome], *, owner: str, is_stored: Callable[[str], bool]) -> int:
        """Record what this worker has done, all or nothing; returns how many outcomes counted.

        A picture that was stored counts whoever has the lease by now. Anything else counts only from the worker that
        still has it: otherwise others decide what becomes of the URL.
        Raises ContentLostError, and records nothing, for contents that `is_stored` does not know.
        """
        rows = [one.to_row() for one in sorted(outcomes, key=lambda one: one.url_hash)]
        if not rows:
            return 0
        contents = {one.content.sha256: one.content for one in outcomes if one.content is not None}
        with self._database.begin() as connection:
            self.add_contents(connection, list(contents.values()))
            # Their rows are held now, so nobody takes them for orphans any more: what is still there stays there.
            if lost := frozenset(sha256 for sha256 in contents if not is_stored(sha256)):
                raise ContentLostError(lost)
            applied = set(connection.execute(_RECORD, {"rows": _dump(rows), "owner": owner}).scalars())
            ended = [row for row in rows if row["url_hash"] in applied and row["state"] in _ENDS]
            shown = {row["url"]: row["sha256"] for row in ended if row["sha256"] is not None}
            self._pictures.attach_contents(connection, shown)
            end_rows(connection, ended)
        return len(applied)

    def add_contents(self, connection: Connection, contents: Sequence[MediaFile]) -> None:
        """Rows of contents that are in the media store, held until the transaction ends; harmless if they are there."""
        # By hash, so that two writers of the same contents never wait for each other.
        rows = [asdict(one) for one in sorted(contents, key=lambda one: one.sha256)]
        if rows:
            connection.execute(_ADD_CONTENTS, {"rows": _dump(rows)})


def end_rows(connection: Connection, rows: Sequence[Mapping[str, Any]], *, job_id: uuid.UUID | None = None) -> None:
    """The URLs {url_hash, state: done or dead, outcome} are over for every job (or this one) that waits for them.

    What is dead is put among the dead letters of each of these jobs.
    """
    if not rows:
        return
    told = [
        {"url_hash": row["url_hash"], "state": row["state"], "outcome": row["outcome"] or row.get("reason")}
        for row in rows
    ]
    only = "" if job_id is None else "AND j.job_id = :job_id"
    statement = text(f"""
        WITH ended AS (
            UPDATE job_downloads j SET state = x.state, outcome = x.outcome, updated_at = now()
            FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS x(url_hash text, state text, outcome text)
            WHERE j.url_hash = x.url_hash AND j.state = 'pending' {only}
            RETURNING j.job_id, j.url_hash, j.state
        )
        INSERT INTO dead_letters (job_id, stage, reason, detail, attempts)
        SELECT e.job_id, '{STAGE}', left(concat_ws(': ', d.reason, d.detail), 2000),
               jsonb_build_object('url', d.url, 'code', d.reason, 'status', d.status), d.attempts
        FROM ended e JOIN downloads d ON d.url_hash = e.url_hash
        WHERE e.state = 'dead' ORDER BY e.job_id, e.url_hash
    """)  # noqa: S608 - literals and a constant
    connection.execute(statement, {"rows": _dump(told), "job_id": job_id})


def _dump(rows: Sequence[Mapping[str, Any]]) -> str:
    return json.dumps(rows, ensure_ascii=False)


_ADD_CONTENTS = text("""
    INSERT INTO media_files (sha256, bytes, media_type, width, height, phash, colour)
    SELECT x.* FROM jsonb_to_recordset(CAST(:rows AS jsonb))
        AS x(sha256 text, bytes integer, media_type text, width integer, height integer, phash bigint, colour text)
    ORDER BY x.sha256
    -- An update although nothing changes: it holds a row that is there already, too (see storage.database.media).
    ON CONFLICT (sha256) DO UPDATE SET bytes = excluded.bytes
""")

_RECORD = text("""
    UPDATE downloads d SET
        state = x.state,
        attempts = CASE x.state WHEN 'pending' THEN greatest(d.attempts - 1, 0) ELSE d.attempts END,
        silent_since = CASE WHEN x.is_host_silent THEN coalesce(d.silent_since, now()) END,
        due_at = now() + make_interval(secs => x.wait_s),
        leased_until = NULL,
        lease_owner = NULL,
        status = x.status,
        reason = x.reason,
        detail = x.detail,
        latency_ms = coalesce(x.latency_ms, d.latency_ms),
        -- With new bytes goes what the host said of them, with none what it said before.
        etag = CASE WHEN x.sha256 IS NULL THEN coalesce(x.etag, d.etag) ELSE x.etag END,
        last_modified = CASE WHEN x.sha256 IS NULL THEN coalesce(x.last_modified, d.last_modified)
                             ELSE x.last_modified END,
        media_type = coalesce(x.media_type, d.media_type),
        bytes = coalesce(x.bytes, d.bytes),
        sha256 = coalesce(x.sha256, d.sha256),
        fetched_at = CASE x.state WHEN 'done' THEN now() ELSE d.fetched_at END,
        updated_at = now()
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS x(
        url_hash text, state text, wait_s double precision, is_host_silent boolean, status integer, reason text,
        detail text, media_type text, bytes bigint, latency_ms integer, etag text, last_modified text, sha256 text)
    WHERE d.url_hash = x.url_hash
      AND ((d.state = 'leased' AND d.lease_owner = :owner) OR (x.state = 'done' AND d.state <> 'done'))
    RETURNING d.url_hash
""")
