"""API keys and how much each has asked for by month. A key's secret is never stored, only its hash."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Row, and_, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert

from core.errors import NotFoundError
from core.keys import Role
from core.rates import Rate, parse_rate
from storage.database.models import api_key_usage, api_keys
from storage.database.session import Database


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as stored. `used` counts the requests of `month`; `rate_limit` None is the default of the settings."""

    id: str
    name: str
    role: Role
    secret_hash: str = field(repr=False)
    monthly_quota: int | None
    rate_limit: str | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    month: date
    used: int

    def is_usable(self, now: datetime) -> bool:
        """False once it has expired or was revoked."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def get_rate(self, default: Rate | None) -> Rate | None:
        """The key's own limit, else the default."""
        return default if self.rate_limit is None else parse_rate(self.rate_limit)


def get_month(now: datetime) -> date:
    """The first day of its month, by UTC."""
    return now.astimezone(UTC).date().replace(day=1)


class KeyRepository:
    """Reads and writes `api_keys` and `api_key_usage`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self,
        key_id: str,
        *,
        name: str,
        role: Role,
        secret_hash: str,
        monthly_quota: int | None = None,
        rate_limit: str | None = None,
        expires_at: datetime | None = None,
    ) -> None:
        """Store a new key. `rate_limit` is a text that core.rates.parse_rate reads, `none` for no limit at all."""
        statement = insert(api_keys).values(
            id=key_id,
            name=name,
            role=role,
            secret_hash=secret_hash,
            monthly_quota=monthly_quota,
            rate_limit=rate_limit,
            expires_at=expires_at,
        )
        with self._database.begin() as connection:
            connection.execute(statement)

    def load(self, key_ids: Collection[str], *, month: date) -> dict[str, ApiKey]:
        """The keys that exist among these, by id, with what they used in that month."""
        with self._database.begin() as connection:
            rows = connection.execute(_select_keys(month).where(api_keys.c.id.in_(key_ids)))
            return {row.id: _to_key(row, month) for row in rows}

    def list_all(self, *, month: date) -> list[ApiKey]:
        """All keys, the newest first."""
        with self._database.begin() as connection:
            rows = connection.execute(_select_keys(month).order_by(api_keys.c.created_at.desc(), api_keys.c.id))
            return [_to_key(row, month) for row in rows]

    def revoke(self, key_id: str) -> datetime:
        """End a key for good; answers when that was, also for one that was revoked before. Raises NotFoundError."""
        statement = (
            update(api_keys)
            .where(api_keys.c.id == key_id)
            .values(revoked_at=func.coalesce(api_keys.c.revoked_at, func.now()))
            .returning(api_keys.c.revoked_at)
        )
        with self._database.begin() as connection:
            revoked_at: datetime | None = connection.execute(statement).scalar_one_or_none()
        if revoked_at is None:
            raise NotFoundError("key", key_id)
        return revoked_at

    def add_usage(self, counts: Mapping[tuple[str, date], int]) -> dict[tuple[str, date], int]:
        """Add requests by key and month, all or nothing; answers the new totals. Keys that are gone are passed over."""
        totals: dict[tuple[str, date], int] = {}
        with self._database.begin() as connection:
            # In one order everywhere, so that two processes never wait for each other's rows.
            for (key_id, month), requests in sorted(counts.items()):
                known = select(api_keys.c.id, bindparam("month", month), bindparam("requests", requests)).where(
                    api_keys.c.id == key_id
                )
                added = insert(api_key_usage).from_select(["key_id", "month", "requests"], known)
                statement = added.on_conflict_do_update(
                    index_elements=["key_id", "month"],
                    set_={"requests": api_key_usage.c.requests + added.excluded.requests},
                ).returning(api_key_usage.c.requests)
                total: int | None = connection.execute(statement).scalar_one_or_none()
                if total is not None:
                    totals[key_id, month] = total
        return totals

    def touch(self, key_ids: Collection[str]) -> None:
        """Record that these keys are in use now."""
        with self._database.begin() as connection:
            connection.execute(update(api_keys).where(api_keys.c.id.in_(key_ids)).values(last_used_at=func.now()))


def _select_keys(month: date) -> Any:
    usage = and_(api_key_usage.c.key_id == api_keys.c.id, api_key_usage.c.month == month)
    used = func.coalesce(api_key_usage.c.requests, 0).label("used")
    return select(api_keys, used).select_from(api_keys.outerjoin(api_key_usage, usage))


def _to_key(row: Row[Any], month: date) -> ApiKey:
    return ApiKey(
        id=row.id,
        name=row.name,
        role=Role(row.role),
        secret_hash=row.secret_hash,
        monthly_quota=row.monthly_quota,
        rate_limit=row.rate_limit,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
        month=month,
        used=row.used,
    )
