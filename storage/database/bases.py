"""What stands behind a title's document: the base that imports gave, and what persons said.

Invariant: `base` is null as long as `document` is what imports gave. An override is never touched by an import.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import JSONB

from core.errors import NotFoundError
from storage.database.jobs import JobRepository
from storage.database.models import titles
from storage.database.provenance import forget_merging_in
from storage.database.session import Database

_KIND = "enrich"


@dataclass(frozen=True, slots=True)
class Override:
    """What a person said of one field. `value` None: it shall be empty."""

    value: Any
    by: str
    at: datetime
    note: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As stored."""
        return {"value": self.value, "by": self.by, "at": self.at.isoformat(), "note": self.note}


@dataclass(frozen=True, slots=True)
class TitleBase:
    """The document as imports gave it (None: the title's document is it), and the overrides by field."""

    base: dict[str, Any] | None
    overrides: Mapping[str, Override]


@dataclass(frozen=True, slots=True)
class OverrideChange:
    """`changed` False: it was so already, and no job was needed."""

    slug: str
    field: str
    changed: bool
    job_id: uuid.UUID | None


def read_overrides(stored: Mapping[str, Mapping[str, Any]]) -> dict[str, Override]:
    """Overrides from their column."""
    return {
        field: Override(one["value"], one["by"], datetime.fromisoformat(one["at"]), one.get("note"))
        for field, one in sorted(stored.items())
    }


class BaseRepository:
    """Reads and writes `titles.base` and `titles.overrides`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._jobs = JobRepository(database)

    def load_in(self, connection: Connection, slugs: Sequence[str]) -> dict[str, TitleBase]:
        """Of these titles, those that have a base or overrides."""
        columns = (titles.c.slug, titles.c.base, titles.c.overrides)
        query = select(*columns).where(
            titles.c.slug.in_(list(slugs)), or_(titles.c.base.is_not(None), titles.c.overrides != text("'{}'::jsonb"))
        )
        return {row.slug: TitleBase(row.base, read_overrides(row.overrides)) for row in connection.execute(query)}

    def write_in(self, connection: Connection, bases: Mapping[str, dict[str, Any]]) -> None:
        """Imports have changed these bases just now."""
        if not bases:
            return
        statement = (
            update(titles)
            .where(titles.c.slug == bindparam("b_slug"))
            .values(base=bindparam("b_base", type_=JSONB(none_as_null=True)), base_at=func.clock_timestamp())
        )
        connection.execute(statement, [{"b_slug": slug, "b_base": base} for slug, base in bases.items()])

    def keep_in(self, connection: Connection, bases: Mapping[str, tuple[dict[str, Any], datetime]]) -> None:
        """What these titles' documents were until now is their base, as of then; a base that is there stays."""
        if not bases:
            return
        statement = (
            update(titles)
            .where(titles.c.slug == bindparam("b_slug"), titles.c.base.is_(None))
            .values(base=bindparam("b_base", type_=JSONB(none_as_null=True)), base_at=bindparam("b_at"))
        )
        values = [{"b_slug": slug, "b_base": base, "b_at": at} for slug, (base, at) in bases.items()]
        connection.execute(statement, values)

    def load_overrides(self, slug: str) -> dict[str, Override]:
        """What persons said of a title, by field. Raises NotFoundError."""
        with self._database.begin() as connection:
            return self._load_locked(connection, slug, lock=False)

    def set_override(self, slug: str, field: str, value: Any, *, by: str, note: str | None = None) -> OverrideChange:
        """Keep a checked value (`core.overrides.check_value`), and with it the job that brings it into the index.

        The same value again changes nothing. Raises NotFoundError.
        """
        with self._database.begin() as connection:
            known = self._load_locked(connection, slug, lock=True).get(field)
            if known is not None and known.value == value and known.note == note:
                return OverrideChange(slug, field, changed=False, job_id=None)
            override = Override(value, by, datetime.now(UTC), note)
            change = titles.c.overrides.concat(func.jsonb_build_object(field, bindparam("b_new", type_=JSONB)))
            connection.execute(
                update(titles).where(titles.c.slug == slug).values(overrides=change), {"b_new": override.to_json()}
            )
            return OverrideChange(slug, field, changed=True, job_id=self._add_job(connection, slug))

    def remove_override(self, slug: str, field: str) -> OverrideChange:
        """Let the sources decide again. Raises NotFoundError for a title; a field without override stays as it is."""
        with self._database.begin() as connection:
            if field not in self._load_locked(connection, slug, lock=True):
                return OverrideChange(slug, field, changed=False, job_id=None)
            connection.execute(
                update(titles).where(titles.c.slug == slug).values(overrides=titles.c.overrides.op("-")(field))
            )
            return OverrideChange(slug, field, changed=True, job_id=self._add_job(connection, slug))

    def _add_job(self, connection: Connection, slug: str) -> uuid.UUID:
        # Also where the job is cancelled.
        forget_merging_in(connection, slug)
        return self._jobs.create_in(connection, _KIND, {"ids": [slug], "merge_only": True, "reason": "override"})

    @staticmethod
    def _load_locked(connection: Connection, slug: str, *, lock: bool) -> dict[str, Override]:
        query = select(titles.c.overrides).where(titles.c.slug == slug)
        row = connection.execute(query.with_for_update(key_share=True) if lock else query).one_or_none()
        if row is None:
            raise NotFoundError("title", slug)
        return read_overrides(row.overrides)
