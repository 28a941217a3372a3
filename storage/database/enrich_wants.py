"""Which parts are wanted: of which titles, providers and stages, and which of them are missing or have grown old.

A part is one stage of one title at one provider. It is nobody's: jobs that want the same part wait for the same row.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, text

from storage.database.session import Database

# Ahead of others' work; the place of a title among those of its job is added.
PRIORITY_STEP = 10_000_000


class Urgency(StrEnum):
    """What goes first: what a person waits for, then what is on air or due again, then new titles, then all others."""

    ASKED = "asked"
    DUE = "due"
    NEW = "new"
    BULK = "bulk"

    @property
    def priority(self) -> int:
        """The smallest of its titles' priorities."""
        return list(Urgency).index(self) * PRIORITY_STEP


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopePart:
    """One stage of one provider, the age in seconds at which its word is old by kind of title, and its parser."""

    provider: str
    stage: str
    airing_s: float
    upcoming_s: float
    recent_s: float
    finished_s: float
    parser_version: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a job is about. Finished titles of less than `poor_quality` grow old in `poor_factor` of the time.

    `dead_s`: what was given up so long ago may be asked again.
    """

    parts: tuple[ScopePart, ...]
    dead_s: float
    poor_quality: float = 0.0
    poor_factor: float = 1.0

    @property
    def providers(self) -> list[str]:
        """Their names, each once."""
        return list(dict.fromkeys(part.provider for part in self.parts))

    @property
    def stages(self) -> list[str]:
        """Their names, each once."""
        return list(dict.fromkeys(part.stage for part in self.parts))

    def to_parameters(self) -> dict[str, Any]:
        """As the statements read it."""
        columns = ("provider", "stage", "airing_s", "upcoming_s", "recent_s", "finished_s")
        arrays = {f"{column}_list": [getattr(part, column) for part in self.parts] for column in columns}
        limits = {"poor_quality": self.poor_quality, "poor_factor": self.poor_factor, "dead_s": self.dead_s}
        return {**arrays, **limits}


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """Which titles a job is for, and how much of them.

    slugs         None: all that are not excluded
    refresh_from  ask again for whatever was said before this moment; None: for what is missing or old
    only_old      nothing that was never asked
    only_due      only what failed or was blocked, and is due
    every_title   a row for each title, also where nothing has to be asked: it is merged again
    reparse       only what an older parser has read, from the answers that are kept
    """

    slugs: Sequence[str] | None = None
    refresh_from: datetime | None = None
    only_old: bool = False
    only_due: bool = False
    every_title: bool = False
    reparse: bool = False
    urgency: Urgency = Urgency.BULK


class WantRepository:
    """Opens parts for jobs, and picks titles for schedules."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def enqueue_in(self, connection: Connection, job_id: uuid.UUID, scope: Scope, want: Want) -> int:
        """Open what is wanted and give the job a row for each title of it; returns how many titles. Idempotent.

        What waits or is being asked already stays so. What failed or was blocked is opened when it is due: with
        `refresh_from` failed and given up ones at once, blocked ones not even then.
        """
        slugs = None if want.slugs is None else list(want.slugs)
        parameters: dict[str, Any] = {**scope.to_parameters(), "slugs": slugs}
        if want.reparse:
            versions = {part.provider: part.parser_version for part in scope.parts}
            known = {"version_of": list(versions), "version_list": list(versions.values())}
            connection.execute(_REPARSE, {**parameters, **known, "priority": want.urgency.priority})
        elif scope.parts:
            flags = {"refresh_from": want.refresh_from, "only_old": want.only_old, "only_due": want.only_due}
            connection.execute(_OPEN, {**parameters, **flags, "priority": want.urgency.priority})
        rows = {**parameters, "job_id": job_id, "every_title": want.every_title}
        connection.execute(_ADD_ROWS, rows)
        count = int(connection.execute(_COUNT_ROWS, {"job_id": job_id}).scalar_one())
        if count >= _MANY_TITLES:
            connection.execute(_ANALYZE)
        return count

    def enqueue(self, job_id: uuid.UUID, scope: Scope, want: Want) -> int:
        """As `enqueue_in`, in a transaction of its own."""
        with self._database.begin() as connection:
            return self.enqueue_in(connection, job_id, scope, want)

    def pick_airing(self, scope: Scope, *, limit: int) -> list[str]:
        """Titles on air of which something is missing or old; the best known first."""
        return self._pick(_PICK_AIRING, scope, limit)

    def pick_finished(self, scope: Scope, *, limit: int) -> list[str]:
        """Other titles that were asked about before and lack something now; the longest overdue first."""
        return self._pick(_PICK_FINISHED, scope, limit)

    def pick_new(self, scope: Scope, *, limit: int) -> list[str]:
        """Titles about which nobody was ever asked; the best known first."""
        return self._pick(_PICK_NEW, scope, limit)

    def pick_due(self, scope: Scope, *, limit: int) -> list[str]:
        """Titles of which something failed or was blocked and is due; the longest due first."""
        return self._pick(_PICK_DUE, scope, limit)

    def pick_unmerged(self, *, limit: int) -> list[str]:
        """Titles of which more is known than was merged, and that no open job is about; by slug."""
        with self._database.begin() as connection:
            return list(connection.execute(_PICK_UNMERGED, {"limit": limit}).scalars())

    def _pick(self, query: Any, scope: Scope, limit: int) -> list[str]:
        if not scope.parts:
            return []
        parameters: Mapping[str, Any] = {**scope.to_parameters(), "slugs": None, "limit": limit}
        flags = {"refresh_from": None, "only_old": False, "only_due": False}
        with self._database.begin() as connection:
            connection.execute(_EXPECT_MANY)
            return list(connection.execute(query, {**parameters, **flags}).scalars())


# Right after a large job the statistics say that there is next to nothing: nested loops over a million parts would not
# end in time.
_EXPECT_MANY = text("SET LOCAL enable_nestloop = off")
# Nor would the first look at such a job's rows; autovacuum comes a minute later, if it is on.
_MANY_TITLES = 1_000
_ANALYZE = text("ANALYZE enrich_parts, stage_rows")

_KIND_OF_TITLE = """
    CASE t.document ->> 'status'
        WHEN 'ONGOING' THEN 'airing' WHEN 'UPCOMING' THEN 'upcoming'
        ELSE CASE WHEN CAST(t.document ->> 'year' AS int) >= extract(year FROM now()) - 1 THEN 'recent'
                  ELSE 'finished' END
    END
"""

_SCOPE = """
    scope AS (
        SELECT * FROM unnest(
            CAST(:provider_list AS text[]), CAST(:stage_list AS text[]), CAST(:airing_s_list AS float8[]),
            CAST(:upcoming_s_list AS float8[]), CAST(:recent_s_list AS float8[]), CAST(:finished_s_list AS float8[])
        ) AS s(provider, stage, airing_s, upcoming_s, recent_s, finished_s)
    )
"""

_TITLES = f"""
    named AS MATERIALIZED (
        SELECT t.slug, {_KIND_OF_TITLE} AS kind, nullif(CAST(t.document ->> 'popularity' AS bigint), 0) AS popularity
        FROM titles t
        WHERE NOT t.excluded AND (CAST(:slugs AS text[]) IS NULL OR t.slug = ANY(:slugs))
        ORDER BY t.slug
    ),
    placed AS (
        SELECT n.slug, n.kind, n.popularity, v.quality,
               CASE WHEN n.kind = 'finished' AND v.quality < :poor_quality THEN :poor_factor ELSE 1 END AS factor,
               row_number() OVER (ORDER BY n.popularity NULLS LAST, n.slug) AS place
        FROM named n LEFT JOIN provenance v ON v.slug = n.slug
    )
"""  # noqa: S608 - a constant

# Each part in question with its row, if it has one; `old_at`: what was said before is old.
_CANDIDATES = f"""
    {_SCOPE}, {_TITLES},
    candidates AS (
        SELECT l.slug, s.provider, s.stage, l.place, l.kind, l.popularity, l.quality, p.slug IS NULL AS is_new,
               p.state, p.due_at, p.settled_at, coalesce(p.fetched_at, p.settled_at) AS said_at,
               now() - make_interval(secs => l.factor * CASE l.kind
                   WHEN 'airing' THEN s.airing_s WHEN 'upcoming' THEN s.upcoming_s
                   WHEN 'recent' THEN s.recent_s ELSE s.finished_s END) AS old_at
        FROM placed l CROSS JOIN scope s
        LEFT JOIN enrich_parts p ON p.slug = l.slug AND p.provider = s.provider AND p.stage = s.stage
    )
"""  # noqa: S608 - a constant

# The titles are held, so that none is deleted between here and the rows that name it.
_HELD_CANDIDATES = _CANDIDATES.replace("ORDER BY t.slug", "ORDER BY t.slug FOR KEY SHARE OF t", 1)

_IS_OLD = """
    (state IN ('done', 'absent') AND said_at <= greatest(old_at, CAST(:refresh_from AS timestamptz)))
"""
_IS_WANTED = f"""
    (state IN ('failed', 'blocked') AND due_at <= now()
     OR state = 'pending'
     OR NOT CAST(:only_due AS boolean) AND (
        is_new AND NOT CAST(:only_old AS boolean)
        OR {_IS_OLD}
        OR state = 'failed' AND CAST(:refresh_from AS timestamptz) IS NOT NULL
        OR state = 'dead' AND (CAST(:refresh_from AS timestamptz) IS NOT NULL
                               OR settled_at <= now() - make_interval(secs => :dead_s))))
"""

# In one order, so that two jobs never wait for each other. Failures in a row are counted on over what is due again.
_OPEN = text(f"""
    WITH {_HELD_CANDIDATES}
    INSERT INTO enrich_parts AS e (slug, provider, stage, priority, fresh_from)
    SELECT slug, provider, stage, :priority + place, greatest(old_at, CAST(:refresh_from AS timestamptz))
    FROM candidates WHERE {_IS_WANTED} ORDER BY slug, provider, stage
    ON CONFLICT (slug, provider, stage) DO UPDATE SET
        state = 'pending',
        attempts = CASE WHEN e.state IN ('failed', 'blocked', 'pending') THEN e.attempts ELSE 0 END,
        priority = CASE WHEN e.state = 'pending' THEN least(e.priority, excluded.priority)
                        ELSE excluded.priority END,
        fresh_from = greatest(e.fresh_from, excluded.fresh_from),
        due_at = NULL, reason = NULL, detail = NULL, lease_owner = NULL, leased_until = NULL,
        wanted_at = CASE WHEN e.state = 'pending' THEN e.wanted_at ELSE now() END
    WHERE e.state <> 'leased' AND (e.state <> 'pending' OR e.priority > excluded.priority
                                   OR e.fresh_from < CAST(:refresh_from AS timestamptz))
""")  # noqa: S608 - a constant

# Any kept answer is fresh enough. What was blocked stays alone, since an answer might be missing.
_REPARSE = text(f"""
    WITH {_SCOPE}, versions AS (
        SELECT * FROM unnest(CAST(:version_of AS text[]), CAST(:version_list AS int[])) AS v(provider, version)
    ), old AS (
        SELECT p.slug, p.provider, p.stage
        FROM enrich_parts p
        JOIN claims c ON c.slug = p.slug AND c.provider = p.provider AND c.stage = p.stage
        JOIN scope s ON s.provider = p.provider AND s.stage = p.stage
        JOIN versions v ON v.provider = p.provider AND c.parser_version < v.version
        JOIN titles t ON t.slug = p.slug AND NOT t.excluded
        WHERE p.state IN ('done', 'absent', 'failed', 'dead')
          AND (CAST(:slugs AS text[]) IS NULL OR p.slug = ANY(:slugs))
        ORDER BY p.slug, p.provider, p.stage FOR UPDATE OF p
    )
    UPDATE enrich_parts p SET state = 'pending', attempts = 0, priority = :priority, fresh_from = NULL, due_at = NULL,
        reason = NULL, detail = NULL, wanted_at = now()
    FROM old WHERE p.slug = old.slug AND p.provider = old.provider AND p.stage = old.stage
""")  # noqa: S608 - a constant

# What is known and what is shown are not the same: fetched for a job that ended too early, imported since, or what the
# last merging was made of was taken back (`forget_merging_in`). Without a base of its own the document is what imports
# gave. One definition for every job and for the schedule.
_IS_UNMERGED = """
    (EXISTS (SELECT 1 FROM claims c LEFT JOIN provenance v ON v.slug = c.slug
             WHERE c.slug = t.slug AND c.changed_at > coalesce(v.merged_at, '-infinity'))
     OR EXISTS (SELECT 1 FROM provenance v WHERE v.slug = t.slug
                AND (v.inputs_hash = '' OR coalesce(t.base_at, t.updated_at) > v.merged_at))
     OR t.overrides <> '{}' AND NOT EXISTS (SELECT 1 FROM provenance v WHERE v.slug = t.slug))
"""

# What could not be merged today is left to a person, and to jobs that others start.
_PICK_UNMERGED = text(f"""
    SELECT t.slug FROM titles t
    WHERE NOT t.excluded AND {_IS_UNMERGED} AND NOT EXISTS (
        SELECT 1 FROM stage_rows r JOIN jobs j ON j.id = r.job_id
        WHERE r.slug = t.slug AND r.stage = 'enrich' AND j.kind = 'enrich'
          AND (r.state IN ('pending', 'leased', 'failed') AND j.state IN ('pending', 'running')
               OR r.state = 'dead' AND r.updated_at > now() - interval '1 day'))
    ORDER BY t.slug LIMIT :limit
""")  # noqa: S608 - a constant

_ADD_ROWS = text(f"""
    WITH {_SCOPE}
    INSERT INTO stage_rows (job_id, stage, slug)
    SELECT :job_id, 'enrich', t.slug FROM titles t
    WHERE NOT t.excluded AND (CAST(:slugs AS text[]) IS NULL OR t.slug = ANY(:slugs))
      AND (CAST(:every_title AS boolean) OR EXISTS (
            SELECT 1 FROM enrich_parts p JOIN scope s ON s.provider = p.provider AND s.stage = p.stage
            WHERE p.slug = t.slug AND p.state IN ('pending', 'leased')) OR {_IS_UNMERGED})
    ORDER BY t.slug FOR KEY SHARE OF t
    ON CONFLICT (job_id, stage, slug) DO NOTHING
""")  # noqa: S608 - a constant

_COUNT_ROWS = text("SELECT count(*) FROM stage_rows WHERE job_id = :job_id AND stage = 'enrich'")

# Missing (its provider or stage is new here), old, or given up long enough ago.
_IS_LACKING = f"""
    (is_new OR {_IS_OLD} OR state = 'dead' AND settled_at <= now() - make_interval(secs => :dead_s))
"""

_PICK_AIRING = text(f"""
    WITH {_CANDIDATES}
    SELECT slug FROM candidates WHERE kind = 'airing' AND {_IS_LACKING}
    GROUP BY slug ORDER BY min(place) LIMIT :limit
""")  # noqa: S608 - a constant

# By how long they are overdue, measured by the age that they may have: poor ones are old in part of the time, so that
# they come first without keeping the others out.
_PICK_FINISHED = text(f"""
    WITH {_CANDIDATES}
    SELECT slug FROM candidates WHERE kind <> 'airing'
    GROUP BY slug, quality HAVING bool_or({_IS_LACKING}) AND NOT bool_and(is_new)
    ORDER BY max(CASE WHEN {_IS_LACKING} AND NOT is_new
                      THEN extract(epoch FROM now() - said_at) / extract(epoch FROM now() - old_at) ELSE 1 END) DESC,
             quality NULLS FIRST, slug LIMIT :limit
""")  # noqa: S608 - a constant

_PICK_NEW = text(f"""
    WITH {_TITLES}
    SELECT slug FROM placed l
    WHERE NOT EXISTS (SELECT 1 FROM enrich_parts p WHERE p.slug = l.slug) ORDER BY place LIMIT :limit
""")  # noqa: S608 - a constant

_PICK_DUE = text(f"""
    WITH {_SCOPE}
    SELECT p.slug FROM enrich_parts p JOIN scope s ON s.provider = p.provider AND s.stage = p.stage
    JOIN titles t ON t.slug = p.slug AND NOT t.excluded
    WHERE p.state IN ('failed', 'blocked') AND p.due_at <= now()
    GROUP BY p.slug ORDER BY min(p.due_at), p.slug LIMIT :limit
""")  # noqa: S608 - a constant
