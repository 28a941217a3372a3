"""What providers say: one row a title, provider and stage, kept until the same provider says something else there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, select, text
from sqlalchemy.dialects.postgresql import JSONB

from storage.database.enrichment_models import claims
from storage.database.session import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class NewClaim:
    """What a provider says of a title in one stage.

    facts       {field of the document: value as in its JSON}
    faults      [{field, problem, kind}]: what was not taken
    answers     keys of the kept answers that it was read from
    fetched_at  when the provider said so: of several answers, the oldest
    """

    slug: str
    provider: str
    stage: str
    facts: Mapping[str, Any]
    faults: Sequence[Mapping[str, Any]] = ()
    answers: Sequence[str] = ()
    parser_version: int = 1
    fetched_at: datetime


@dataclass(frozen=True, slots=True)
class StoredClaim:
    """A claim as stored. `changed_at`: since when its facts are what they are."""

    provider: str
    stage: str
    facts: dict[str, Any]
    faults: list[dict[str, Any]]
    fetched_at: datetime
    changed_at: datetime


class ClaimRepository:
    """Reads and writes `claims`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record_in(self, connection: Connection, claim: NewClaim) -> bool:
        """Store a claim in the place of the one before; True if its facts are other ones."""
        facts = dict(claim.facts)
        parameters = {
            "slug": claim.slug,
            "provider": claim.provider,
            "stage": claim.stage,
            "facts": facts,
            "faults": [dict(one) for one in claim.faults],
            "answers": list(claim.answers),
            "parser_version": claim.parser_version,
            "hash": hash_facts(facts),
            "fetched_at": claim.fetched_at,
        }
        row = connection.execute(_RECORD, parameters).one()
        return bool(row.changed)

    def load_facts_in(self, connection: Connection, slug: str, provider: str, stage: str) -> dict[str, Any]:
        """The facts of one claim; none if there is none."""
        query = select(claims.c.facts).where(
            claims.c.slug == slug, claims.c.provider == provider, claims.c.stage == stage
        )
        found = connection.execute(query).scalar_one_or_none()
        return dict(found or {})

    def load(self, slugs: Sequence[str]) -> dict[str, list[StoredClaim]]:
        """The claims about these titles, by provider and stage; titles without claims are left out."""
        with self._database.begin() as connection:
            return self.load_in(connection, slugs)

    def load_in(self, connection: Connection, slugs: Sequence[str]) -> dict[str, list[StoredClaim]]:
        """As `load`, within the caller's transaction."""
        columns = claims.c
        query = (
            select(
                columns.slug,
                columns.provider,
                columns.stage,
                columns.facts,
                columns.faults,
                columns.fetched_at,
                columns.changed_at,
            )
            .where(columns.slug.in_(list(slugs)))
            .order_by(columns.slug, columns.provider, columns.stage)
        )
        found: dict[str, list[StoredClaim]] = {}
        for slug, *rest in connection.execute(query):
            found.setdefault(slug, []).append(StoredClaim(*rest))
        return found

    def forget_in(self, connection: Connection, slug: str, provider: str) -> int:
        """What a provider said of a title is not about it (a wrong link); returns how many claims went."""
        statement = delete(claims).where(claims.c.slug == slug, claims.c.provider == provider)
        return connection.execute(statement).rowcount


def hash_facts(facts: Mapping[str, Any]) -> str:
    """64 hex digits over the facts, whatever order their fields come in."""
    packed = json.dumps(facts, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(packed.encode("utf-8", "surrogatepass")).hexdigest()


_RECORD = text("""
    WITH before AS (
        SELECT hash FROM claims WHERE slug = :slug AND provider = :provider AND stage = :stage
    )
    INSERT INTO claims AS c
        (slug, provider, stage, facts, faults, answers, parser_version, hash, fetched_at, changed_at)
    VALUES (:slug, :provider, :stage, :facts, :faults, :answers, :parser_version, :hash, :fetched_at,
            clock_timestamp())
    ON CONFLICT (slug, provider, stage) DO UPDATE SET
        facts = excluded.facts, faults = excluded.faults, answers = excluded.answers, hash = excluded.hash,
        parser_version = excluded.parser_version, fetched_at = excluded.fetched_at,
        changed_at = CASE WHEN c.hash = excluded.hash THEN c.changed_at ELSE excluded.changed_at END
    RETURNING (SELECT hash FROM before) IS DISTINCT FROM hash AS changed
""").bindparams(bindparam("facts", type_=JSONB), bindparam("faults", type_=JSONB), bindparam("answers", type_=JSONB))
