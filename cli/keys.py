"""`avs keys`: who may use the API. Works on the database alone, so the first key is made before the API is asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import click
import orjson
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from core.errors import InvalidInputError
from core.keys import Role, build_token
from core.rates import parse_rate
from core.settings import Settings, load_settings
from storage.database.keys import ApiKey, KeyRepository, get_month
from storage.database.session import Database

_NAME_CHARS = 100
_TIMEOUT_S = 10


@click.group(name="keys")
def keys_command() -> None:
    """Create, list and revoke API keys."""


@keys_command.command()
@click.option("--name", required=True, help="Whose key this is.")
@click.option("--role", required=True, type=click.Choice([role.value for role in Role]), help="What it may do.")
@click.option("--quota", type=click.IntRange(min=1), help="Requests a month; unlimited by default.")
@click.option("--rate", metavar="RATE", help="600/minute, or none; RATE_LIMIT_KEY by default.")
@click.option(
    "--expires", "days", type=click.IntRange(1, 36_500), metavar="DAYS", help="Life in days; endless by default."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def create(*, name: str, role: str, quota: int | None, rate: str | None, days: int | None, as_json: bool) -> None:
    """Make a key and print it: the only time that it is shown."""
    _check(name, rate)
    expires_at = None if days is None else datetime.now(UTC) + timedelta(days=days)
    key_id, token, secret_hash = build_token()
    _open_repository(load_settings()).add(
        key_id,
        name=name.strip(),
        role=Role(role),
        secret_hash=secret_hash,
        monthly_quota=quota,
        rate_limit=rate,
        expires_at=expires_at,
    )
    if as_json:
        _print_json({"id": key_id, "key": token, "name": name.strip(), "role": role, "expires_at": expires_at})
        return
    # The key alone goes to stdout, for KEY=$(avs keys create ...).
    click.echo(f"Keep it now, it is not shown again. To end it: avs keys revoke {key_id}", err=True)
    click.echo(token)


@keys_command.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_keys(*, as_json: bool) -> None:
    """List all keys, without their secrets."""
    keys = _open_repository(load_settings()).list_all(month=get_month(datetime.now(UTC)))
    if as_json:
        _print_json([_describe(key) for key in keys])
        return
    table = Table(box=SIMPLE_HEAD)
    # An id that is cut short revokes nothing.
    table.add_column("id", no_wrap=True)
    for column in ("name", "role", "state", "this month", "rate", "expires", "last used"):
        table.add_column(column, overflow="fold")
    for key in keys:
        quota = "" if key.monthly_quota is None else f" of {key.monthly_quota}"
        table.add_row(
            key.id,
            key.name,
            key.role,
            _get_state(key),
            f"{key.used}{quota}",
            key.rate_limit or "default",
            _show(key.expires_at),
            _show(key.last_used_at),
        )
    Console().print(table)


@keys_command.command()
@click.argument("key_id")
def revoke(key_id: str) -> None:
    """End a key for good; every process of the API knows within seconds."""
    revoked_at = _open_repository(load_settings()).revoke(key_id)
    click.echo(f"key {key_id} revoked {_show(revoked_at)}")


def _open_repository(settings: Settings) -> KeyRepository:
    return KeyRepository(Database(settings.database_url.get_secret_value(), answer_timeout_s=_TIMEOUT_S))


def _check(name: str, rate: str | None) -> None:
    if not name.strip() or len(name) > _NAME_CHARS or not name.isprintable():
        raise InvalidInputError("--name", f"must be 1 to {_NAME_CHARS} printable characters")
    if rate is not None:
        try:
            parse_rate(rate)
        except ValueError as error:
            raise InvalidInputError("--rate", str(error)) from None


def _describe(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "role": key.role,
        "state": _get_state(key),
        "used_this_month": key.used,
        "monthly_quota": key.monthly_quota,
        "rate_limit": key.rate_limit,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
        "last_used_at": key.last_used_at,
    }


def _get_state(key: ApiKey) -> str:
    if key.revoked_at is not None:
        return "revoked"
    return "active" if key.is_usable(datetime.now(UTC)) else "expired"


def _show(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else ""


def _print_json(value: Any) -> None:
    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())
