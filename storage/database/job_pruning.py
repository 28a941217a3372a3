"""Jobs of the past: those that ended long ago go, with their rows, and nothing that somebody still needs.

A job stays while it is open, while a generation or a snapshot names it or it has written to a collection that is still
being built, while an open job is about its titles, and while something that it gave up is neither retried nor old.
"""

from __future__ import annotations

import uuid
from typing import Final

from sqlalchemy import text

from core.log import Event, Log
from storage.database.session import Database

# What was given up is a person's business for longer than what went well.
DEAD_LETTER_DAYS: Final = 90
# A job over all titles has hundreds of thousands of rows: they go in steps, so that no transaction holds them for long.
_ROWS_A_STEP: Final = 20_000
_JOBS_A_RUN: Final = 1_000
_log = Log("jobs")


class JobPruner:
    """Deletes jobs that ended more than `kept_days` days ago. Stopped anywhere, the next run goes on."""

    def __init__(self, database: Database, *, kept_days: int, dead_letter_days: int = DEAD_LETTER_DAYS) -> None:
        self._database = database
        self._days = {"kept_days": kept_days, "dead_letter_days": max(kept_days, dead_letter_days)}

    def prune(self, *, most: int = _JOBS_A_RUN, rows_a_step: int = _ROWS_A_STEP) -> int:
        """Delete the oldest `most` of them; returns how many jobs went."""
        with self._database.begin() as connection:
            found = list(connection.execute(_FIND, {**self._days, "most": most}).scalars())
        pruned = sum(self._delete(job_id, rows_a_step) for job_id in found)
        if pruned:
            _log.info(Event.JOBS_PRUNED, jobs=pruned)
        return pruned

    def _delete(self, job_id: uuid.UUID, rows_a_step: int) -> bool:
        """The rows step by step, then the job; False if it was revived, or is somebody else's to delete."""
        while True:
            with self._database.begin() as connection:
                if connection.execute(_HOLD, {**self._days, "job_id": job_id}).first() is None:
                    return False
                parameters = {"job_id": job_id, "rows": rows_a_step}
                deleted = sum(connection.execute(statement, parameters).rowcount for statement in _DELETE_ROWS)
                if deleted == 0:
                    connection.execute(_DELETE, {"job_id": job_id})
                    return True


_IS_PAST = """
    j.state IN ('completed', 'failed', 'cancelled') AND j.finished_at < now() - make_interval(days => :kept_days)
    AND NOT EXISTS (SELECT 1 FROM generations g WHERE g.job_id = j.id)
    AND NOT EXISTS (SELECT 1 FROM snapshots s WHERE s.job_id = j.id)
    AND NOT EXISTS (SELECT 1 FROM generations g WHERE g.collection = j.collection AND g.state = 'building')
    AND NOT EXISTS (
        SELECT 1 FROM dead_letters d
        WHERE d.job_id = j.id AND d.resolved_at IS NULL
          AND d.created_at > now() - make_interval(days => :dead_letter_days))
    AND NOT EXISTS (
        SELECT 1 FROM jobs o
        WHERE o.state IN ('pending', 'running')
          AND CAST(j.id AS text) IN (o.params ->> 'imported_by', o.params ->> 'enriched_by', o.params ->> 'follows'))
"""

_FIND = text(f"SELECT j.id FROM jobs j WHERE {_IS_PAST} ORDER BY j.finished_at LIMIT :most")  # noqa: S608 - a constant

# A retry that revives the job waits for this, or is waited for and seen.
_HOLD = text(f"SELECT 1 FROM jobs j WHERE j.id = :job_id AND {_IS_PAST} FOR UPDATE OF j SKIP LOCKED")  # noqa: S608

# All tables that lose their rows with the job. Letters go last: what is left of a job still says what it gave up.
_DELETE_ROWS = tuple(
    text(
        f"DELETE FROM {table} WHERE ctid = ANY (ARRAY("  # noqa: S608 - constants
        f"SELECT ctid FROM {table} WHERE job_id = :job_id LIMIT :rows))"
    )
    for table in ("stage_rows", "picture_rows", "job_downloads", "dead_letters")
)
_DELETE = text("DELETE FROM jobs WHERE id = :job_id")
