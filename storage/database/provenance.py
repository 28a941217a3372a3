"""Why documents say what they say, and how good they are: one row a title that was merged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from storage.database.enrichment_models import provenance
from storage.database.models import titles
from storage.database.session import Database


@dataclass(frozen=True, slots=True)
class Provenance:
    """What merging left behind for one title.

    fields         {field: {sources, confidence, at, method, conflict, others, note}}
    quality        0 to 100
    quality_parts  {part: 0..1}
    inputs_hash    over all that went in
    """

    slug: str
    fields: Mapping[str, Any]
    quality: float
    quality_parts: Mapping[str, float]
    model_version: int
    inputs_hash: str
    merged_at: datetime


@dataclass(frozen=True, slots=True)
class TitleQuality:
    """One title of a list by quality."""

    slug: str
    quality: float
    quality_parts: Mapping[str, float]
    merged_at: datetime


@dataclass(frozen=True, slots=True)
class LastMerge:
    """`added`: (provider, external id) that the title had from it, beside those that imports gave."""

    inputs_hash: str
    added: frozenset[tuple[str, str]] = frozenset()


def forget_merging_in(connection: Connection, slug: str) -> None:
    """What the title's last merging was made of does not hold any more: it is merged again by whoever comes next.

    Within the transaction that takes it back or puts another in its place; a title that was never merged has nothing
    to forget.
    """
    connection.execute(update(provenance).where(provenance.c.slug == slug).values(inputs_hash=""))


def forget_relatives_in(connection: Connection, slugs: Sequence[str]) -> None:
    """Whoever is related to one of these titles that was hidden, or shown again, in this transaction is merged again.

    For its document names it, or does not. Under the lock of slugs and at the end of what is written: a merging that
    has read them as they were must not come after this.
    """
    if connection.execute(select(provenance.c.slug).limit(1)).first() is not None:
        connection.execute(_FORGET_RELATIVES, {"slugs": list(slugs)})


def parse_id(key: str) -> tuple[str, str]:
    """('mal', '1') for 'mal:1'."""
    provider, _, external_id = key.partition(":")
    return provider, external_id


class ProvenanceRepository:
    """Reads and writes `provenance`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def load(self, slug: str) -> Provenance | None:
        """That of one title; None if it was never merged."""
        with self._database.begin() as connection:
            row = connection.execute(select(provenance).where(provenance.c.slug == slug)).one_or_none()
        return None if row is None else Provenance(**row._mapping)

    def load_last(self, slugs: Sequence[str]) -> dict[str, LastMerge]:
        """As `load_last_in`, in a transaction of its own."""
        with self._database.begin() as connection:
            return self.load_last_in(connection, slugs)

    def load_last_in(self, connection: Connection, slugs: Sequence[str]) -> dict[str, LastMerge]:
        """What the last merging of these titles was made of, and which ids it added."""
        added = provenance.c.fields["external_ids"]["added"]
        query = select(provenance.c.slug, provenance.c.inputs_hash, added).where(provenance.c.slug.in_(list(slugs)))
        return {
            slug: LastMerge(inputs_hash, frozenset(parse_id(key) for key in keys or ()))
            for slug, inputs_hash, keys in connection.execute(query)
        }

    def write_in(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Store what a merging gave, in place of what the one before did. Rows are columns but `merged_at`."""
        if not rows:
            return
        # After what was read, which the locks of the title keep as it is: whatever is newer has not been merged.
        statement = insert(provenance).values(merged_at=func.clock_timestamp())
        written = ("fields", "quality", "quality_parts", "model_version", "inputs_hash", "merged_at")
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=["slug"], set_={name: statement.excluded[name] for name in written}
            ),
            [dict(row) for row in rows],
        )

    def list_by_quality(self, *, limit: int, offset: int = 0, most: float = 100.0) -> list[TitleQuality]:
        """The worst first, none above `most`; excluded titles left out."""
        query = (
            select(provenance.c.slug, provenance.c.quality, provenance.c.quality_parts, provenance.c.merged_at)
            .join(titles, titles.c.slug == provenance.c.slug)
            .where(provenance.c.quality <= most, titles.c.excluded.is_(False))
            .order_by(provenance.c.quality, provenance.c.slug)
            .limit(limit)
            .offset(offset)
        )
        with self._database.begin() as connection:
            return [TitleQuality(*row) for row in connection.execute(query)]


# The trigger over titles says when one was hidden or shown. Ids are stored as numbers or as texts: both are looked for.
_FORGET_RELATIVES = text("""
    UPDATE provenance SET inputs_hash = '' WHERE slug IN (
        SELECT t.slug
        FROM titles own
        JOIN title_ids i USING (slug)
        CROSS JOIN LATERAL (VALUES
            (to_jsonb(i.external_id)),
            (CASE WHEN i.external_id ~ '^[1-9][0-9]{0,14}$' THEN to_jsonb(i.external_id::bigint) END)
        ) AS spelling(value)
        JOIN titles t ON t.document -> 'related_anime' @> jsonb_build_array(
            jsonb_build_object('external_ids', jsonb_build_object(i.provider, spelling.value)))
        WHERE own.slug = ANY(:slugs) AND spelling.value IS NOT NULL
          AND (own.visibility_changed_at >= now() OR own.created_at >= now() AND (own.adult OR own.excluded))
    )
""")
