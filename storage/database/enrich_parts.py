"""Parts of enrichment, handed out: a title's stages at one provider, claimed under a lease, and what became of them.

A part is fetched once for all jobs that want it. It is claimed only while a running job waits for it.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, text

from storage.database.claims import ClaimRepository, NewClaim
from storage.database.enrich_wants import Scope, Want, WantRepository
from storage.database.enrichment_models import PartState
from storage.database.session import Database

STAGE: Final = "enrich"
REASON_WORKER_LOST: Final = "worker-lost"
_DETAIL_MAX = 2_000
_STAGES_MAX = 6


@dataclass(frozen=True, slots=True)
class PartClaim:
    """A part that this worker may ask for until its lease ends. `attempts` counts this one.

    `most_age_s`: answers that were older than this when it was claimed are no good.
    """

    slug: str
    provider: str
    stage: str
    attempts: int
    most_age_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PartOutcome:
    """How an attempt at a part ended.

    done, absent  `fetched_at`: when the provider said so; `reason` says why an absent one is
    failed        again after `wait_s`; with `is_blameless` the attempt does not count
    blocked       the same, much later
    dead          not again by itself
    pending       given back without blame
    """

    state: PartState
    reason: str | None = None
    detail: str | None = None
    wait_s: float | None = None
    fetched_at: datetime | None = None
    is_blameless: bool = False


class EnrichPartRepository:
    """Hands out parts and records what became of them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._wants = WantRepository(database)
        self._claims = ClaimRepository(database)

    # Wanting

    def enqueue(self, job_id: uuid.UUID, scope: Scope, want: Want) -> int:
        """Open what is wanted and give the job a row for each title of it; returns how many titles."""
        return self._wants.enqueue(job_id, scope, want)

    # Working

    def claim(self, provider: str, *, titles: int, owner: str, lease_s: float) -> list[PartClaim]:
        """Lease all open parts of some titles at a provider, by priority; those of a title come together.

        Only what a running job waits for. Claims of one provider take turns, so that no title is divided.
        """
        parameters = {
            "provider": provider,
            "titles": titles,
            "rows": titles * _STAGES_MAX,
            "owner": owner,
            "lease_s": lease_s,
        }
        with self._database.begin() as connection:
            connection.execute(_TAKE_TURNS, {"provider": provider})
            rows = connection.execute(_CLAIM, parameters).all()
        # One title after another, in the order of their priority.
        ordered = sorted(rows, key=lambda row: (row.priority, row.slug, row.stage))
        return [PartClaim(row.slug, provider, row.stage, row.attempts, row.most_age_s) for row in ordered]

    def renew(self, provider: str, slugs: Sequence[str], *, owner: str, lease_s: float) -> int:
        """Hold what this worker has leased of these titles for another `lease_s` seconds; returns how many parts."""
        parameters = {"provider": provider, "slugs": sorted(set(slugs)), "owner": owner, "lease_s": lease_s}
        with self._database.begin() as connection:
            return connection.execute(_RENEW, parameters).rowcount

    def settle_in(self, connection: Connection, claim: PartClaim, outcome: PartOutcome, *, owner: str) -> bool:
        """Record an outcome, within the transaction that stores its claim; False if the lease was lost meanwhile."""
        parameters = {
            "slug": claim.slug,
            "provider": claim.provider,
            "stage": claim.stage,
            "owner": owner,
            "state": outcome.state.value,
            "reason": outcome.reason,
            "detail": _shorten(outcome.detail),
            "wait_s": outcome.wait_s,
            "fetched_at": outcome.fetched_at,
            "blameless": outcome.is_blameless or outcome.state is PartState.PENDING,
        }
        if connection.execute(_SETTLE, parameters).rowcount == 0:
            return False
        if outcome.state is PartState.DEAD:
            connection.execute(_BURY, {**parameters, "job_stage": STAGE, "attempts": claim.attempts})
        return True

    def record(
        self,
        claim: PartClaim,
        outcome: PartOutcome,
        *,
        owner: str,
        said: NewClaim | None = None,
        keeps: Callable[[str], bool] = lambda _: False,
    ) -> bool:
        """An outcome and what the provider said, in one transaction; False, and nothing, if the lease was lost.

        `keeps` tells fields whose value of an earlier time stays where `said` has none, and members of objects, too.
        """
        with self._database.begin() as connection:
            if connection.execute(_HOLD_TITLE, {"slug": claim.slug}).first() is None:
                return False
            if not self.settle_in(connection, claim, outcome, owner=owner):
                return False
            if said is not None:
                self._claims.record_in(connection, self._keep(connection, said, keeps))
        return True

    def _keep(self, connection: Connection, said: NewClaim, keeps: Callable[[str], bool]) -> NewClaim:
        before = self._claims.load_facts_in(connection, said.slug, said.provider, said.stage)
        kept = {name: _fill(said.facts.get(name), value) for name, value in before.items() if keeps(name)}
        return replace(said, facts={**said.facts, **kept}) if kept else said

    def settle(self, claims: Sequence[PartClaim], outcome: PartOutcome, *, owner: str) -> int:
        """The same outcome for several parts, without claims; returns how many were still this worker's."""
        with self._database.begin() as connection:
            return sum(self.settle_in(connection, claim, outcome, owner=owner) for claim in claims)

    def put_off(self, provider: str, *, wait_s: float, reason: str, detail: str, owner: str | None = None) -> int:
        """The provider cannot be asked now: what waits for it, and what this owner has leased, fails without blame.

        What others have leased is theirs to give back. Returns how many parts.
        """
        parameters = {
            "provider": provider,
            "wait_s": wait_s,
            "reason": reason,
            "detail": _shorten(detail),
            "owner": owner,
        }
        with self._database.begin() as connection:
            return connection.execute(_PUT_OFF, parameters).rowcount

    def make_due(self, provider: str, reason: str) -> int:
        """What failed for this reason need not wait any longer; returns how many parts."""
        with self._database.begin() as connection:
            return connection.execute(_MAKE_DUE, {"provider": provider, "reason": reason}).rowcount

    # Looking

    def list_open_providers(self, job_id: uuid.UUID) -> list[str]:
        """Providers of which some part of this job's titles and scope is open."""
        with self._database.begin() as connection:
            return list(connection.execute(_OPEN_PROVIDERS, {"job_id": job_id}).scalars())

    def list_waiting_jobs(self, provider: str) -> list[uuid.UUID]:
        """Running jobs that this provider belongs to, the oldest first."""
        with self._database.begin() as connection:
            return list(connection.execute(_WAITING_JOBS, {"provider": provider}).scalars())

    def is_silent(self, provider: str) -> bool:
        """True if a running job waits for this provider and nobody has a lease on any part of it."""
        with self._database.begin() as connection:
            return bool(connection.execute(_IS_SILENT, {"provider": provider}).scalar_one())

    def release_unwanted(self) -> int:
        """What no open job waits for is not asked: parts go back to what they were, or go. Returns how many."""
        with self._database.begin() as connection:
            forgotten = connection.execute(_FORGET_UNWANTED).rowcount
            return forgotten + connection.execute(_CLOSE_UNWANTED).rowcount


def revive_parts_in(connection: Connection, job_id: uuid.UUID) -> int:
    """Give what failed or was given up of a job's titles a fresh start; returns how many of them it opens again.

    What was blocked is left alone.
    """
    slugs = list(connection.execute(_REVIVE, {"job_id": job_id}).scalars())
    return connection.execute(_REVIVE_ROWS, {"job_id": job_id, "slugs": sorted(set(slugs))}).rowcount


def _fill(said: Any, before: Any) -> Any:
    """What is said now; what it says nothing of is as it was before."""
    if said is None:
        return before
    if isinstance(said, Mapping) and isinstance(before, Mapping):
        return {**before, **{name: _fill(value, before.get(name)) for name, value in said.items()}}
    return said


def _shorten(detail: str | None) -> str | None:
    """Half a character, which Postgres takes no more than NUL, may be what the detail is about."""
    return None if detail is None else detail[:_DETAIL_MAX].replace("\x00", "").encode("utf-8", "replace").decode()


# What a running job waits for: its titles that are not done, and its scope.
_WANTS = """
    wants AS (
        SELECT j.id AS job_id, s.stage
        FROM jobs j CROSS JOIN LATERAL jsonb_array_elements_text(j.params -> 'stages') AS s(stage)
        WHERE j.kind = 'enrich' AND j.state = 'running' AND j.enqueued
          AND jsonb_exists(j.params -> 'providers', :provider)
    )
"""
_IS_WAITED_FOR = """
    EXISTS (SELECT 1 FROM wants w JOIN stage_rows r
              ON r.job_id = w.job_id AND r.stage = 'enrich' AND r.slug = p.slug
             WHERE w.stage = p.stage AND r.state IN ('pending', 'leased', 'failed'))
"""
_IS_FREE = "(p.state = 'pending' OR p.state = 'leased' AND p.leased_until < now())"

# First of all locks, as whoever deletes a title does. Who merges it waits until this is stored, or is waited for.
_HOLD_TITLE = text("SELECT 1 FROM titles WHERE slug = :slug FOR SHARE")

_TAKE_TURNS = text("SELECT pg_advisory_xact_lock(hashtext('enrich ' || :provider))")

_CLAIM = text(f"""
    WITH {_WANTS}, first_parts AS MATERIALIZED (
        SELECT p.slug, p.priority FROM enrich_parts p
        WHERE p.provider = :provider AND p.state IN ('pending', 'leased') AND {_IS_FREE} AND {_IS_WAITED_FOR}
        ORDER BY p.priority LIMIT :rows
    ), first_titles AS MATERIALIZED (
        SELECT slug FROM first_parts GROUP BY slug ORDER BY min(priority), slug LIMIT :titles
    ), free AS (
        SELECT p.slug, p.stage FROM enrich_parts p JOIN first_titles f ON f.slug = p.slug
        WHERE p.provider = :provider AND {_IS_FREE} AND {_IS_WAITED_FOR}
        ORDER BY p.slug, p.stage FOR UPDATE OF p SKIP LOCKED
    )
    UPDATE enrich_parts p SET state = 'leased', leased_until = now() + make_interval(secs => :lease_s),
        lease_owner = :owner, attempts = p.attempts + 1
    FROM free WHERE p.slug = free.slug AND p.provider = :provider AND p.stage = free.stage
    RETURNING p.slug, p.stage, p.attempts, p.priority,
        coalesce(CAST(extract(epoch FROM now() - p.fresh_from) AS float8), 'Infinity') AS most_age_s
""")  # noqa: S608 - a constant

_RENEW = text("""
    UPDATE enrich_parts SET leased_until = now() + make_interval(secs => :lease_s)
    WHERE provider = :provider AND slug = ANY(:slugs) AND state = 'leased' AND lease_owner = :owner
""")

# An attempt that was no attempt does not count; success ends a row of failures.
_SETTLE = text("""
    UPDATE enrich_parts SET
        state = :state, reason = :reason, detail = :detail, lease_owner = NULL, leased_until = NULL,
        attempts = CASE WHEN :state IN ('done', 'absent') THEN 0 WHEN :blameless THEN greatest(attempts - 1, 0)
                        ELSE attempts END,
        due_at = now() + make_interval(secs => CAST(:wait_s AS float8)),
        settled_at = CASE WHEN :state = 'pending' THEN settled_at ELSE now() END,
        fetched_at = coalesce(CAST(:fetched_at AS timestamptz), fetched_at)
    WHERE slug = :slug AND provider = :provider AND stage = :stage AND state = 'leased' AND lease_owner = :owner
""")

_BURY = text("""
    INSERT INTO dead_letters (job_id, stage, slug, reason, detail, attempts)
    SELECT r.job_id, :job_stage, :slug, :reason,
           jsonb_build_object('provider', CAST(:provider AS text), 'enrich_stage', CAST(:stage AS text),
                              'detail', CAST(:detail AS text)), :attempts
    FROM stage_rows r JOIN jobs j ON j.id = r.job_id
    WHERE r.stage = 'enrich' AND r.slug = :slug AND j.kind = 'enrich' AND j.state = 'running'
      AND r.state IN ('pending', 'leased', 'failed')
      AND jsonb_exists(j.params -> 'providers', :provider) AND jsonb_exists(j.params -> 'stages', :stage)
""")

_PUT_OFF = text("""
    UPDATE enrich_parts p SET state = 'failed', reason = :reason, detail = :detail, settled_at = now(),
        attempts = CASE WHEN p.state = 'leased' THEN greatest(p.attempts - 1, 0) ELSE p.attempts END,
        due_at = now() + make_interval(secs => CAST(:wait_s AS float8)), lease_owner = NULL, leased_until = NULL
    FROM (SELECT slug, stage FROM enrich_parts
          WHERE provider = :provider
            AND (state = 'pending' OR state = 'leased' AND (lease_owner = :owner OR leased_until < now()))
          ORDER BY slug, stage FOR UPDATE SKIP LOCKED) open
    WHERE p.slug = open.slug AND p.provider = :provider AND p.stage = open.stage
""")

_MAKE_DUE = text("""
    UPDATE enrich_parts p SET due_at = now()
    FROM (SELECT slug, stage FROM enrich_parts
          WHERE provider = :provider AND state = 'failed' AND reason = :reason AND due_at > now()
          ORDER BY slug, stage FOR UPDATE) waiting
    WHERE p.slug = waiting.slug AND p.provider = :provider AND p.stage = waiting.stage
""")

_OF_JOB = """
    FROM stage_rows r JOIN jobs j ON j.id = r.job_id
    JOIN enrich_parts p ON p.slug = r.slug
     AND jsonb_exists(j.params -> 'providers', p.provider) AND jsonb_exists(j.params -> 'stages', p.stage)
    WHERE r.job_id = :job_id AND r.stage = 'enrich'
"""

_OPEN_PROVIDERS = text(f"""
    SELECT DISTINCT p.provider {_OF_JOB} AND r.state IN ('pending', 'leased', 'failed')
      AND p.state IN ('pending', 'leased') ORDER BY p.provider
""")

_IS_SILENT = text(f"""
    WITH {_WANTS}
    SELECT NOT EXISTS (SELECT 1 FROM enrich_parts l
                       WHERE l.provider = :provider AND l.state = 'leased' AND l.leased_until >= now())
       AND EXISTS (SELECT 1 FROM enrich_parts p
                   WHERE p.provider = :provider AND p.state IN ('pending', 'leased') AND {_IS_FREE}
                     AND {_IS_WAITED_FOR})
""")  # noqa: S608 - a constant

_WAITING_JOBS = text("""
    SELECT id FROM jobs WHERE kind = 'enrich' AND state = 'running' AND enqueued
      AND jsonb_exists(params -> 'providers', :provider) ORDER BY created_at
""")

_IS_UNWANTED = """
    (p.state = 'pending' OR p.state = 'leased' AND p.leased_until < now())
    AND NOT EXISTS (
        SELECT 1 FROM stage_rows r JOIN jobs j ON j.id = r.job_id
        WHERE r.slug = p.slug AND r.stage = 'enrich' AND r.state IN ('pending', 'leased', 'failed')
          AND j.kind = 'enrich' AND j.state IN ('pending', 'running')
          AND jsonb_exists(j.params -> 'providers', p.provider) AND jsonb_exists(j.params -> 'stages', p.stage))
"""

_FORGET_UNWANTED = text(f"""
    DELETE FROM enrich_parts p WHERE p.settled_at IS NULL AND {_IS_UNWANTED}
""")  # noqa: S608 - a constant

# As if it had been put off: whoever wants it finds it due.
_CLOSE_UNWANTED = text(f"""
    UPDATE enrich_parts p SET state = 'failed', reason = 'cancelled', due_at = now(), lease_owner = NULL,
        leased_until = NULL
    WHERE p.settled_at IS NOT NULL AND {_IS_UNWANTED}
""")  # noqa: S608 - a constant

_REVIVE = text(f"""
    WITH given_up AS (
        SELECT p.slug, p.provider, p.stage {_OF_JOB} AND p.state IN ('failed', 'dead')
        ORDER BY p.slug, p.provider, p.stage FOR UPDATE OF p
    )
    UPDATE enrich_parts p SET state = 'pending', attempts = 0, due_at = NULL, reason = NULL, detail = NULL,
        wanted_at = now()
    FROM given_up g WHERE p.slug = g.slug AND p.provider = g.provider AND p.stage = g.stage
    RETURNING p.slug
""")  # noqa: S608 - a constant

_REVIVE_ROWS = text("""
    UPDATE stage_rows SET state = 'pending', attempts = 0, updated_at = now()
    WHERE job_id = :job_id AND stage = 'enrich' AND slug = ANY(:slugs) AND state = 'done'
""")
