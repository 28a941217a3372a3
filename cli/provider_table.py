"""`avs enrich providers`: how things stand with each provider, and a way to end a pause by hand."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import click
import orjson
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from core.providers import PROVIDER_LIMITS
from core.settings import load_settings
from storage.database.session import Database
from storage.provider_health import ProviderHealthReader

_TIMEOUT_S = 30
_SHOWN_PARTS = ("done", "absent", "pending", "leased", "failed", "blocked", "dead")


@click.command(name="providers")
@click.option(
    "--resume",
    type=click.Choice(list(PROVIDER_LIMITS)),
    help="First end this one's pause and circuit, and forget smaller limits that it told of.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, as GET admin/providers answers it.")
def providers_command(*, resume: str | None, as_json: bool) -> None:
    """Show how the providers are: limits left, errors, what waits."""
    settings = load_settings()
    database = Database(settings.database_url.get_secret_value(), answer_timeout_s=_TIMEOUT_S)
    reader = ProviderHealthReader(settings, database)
    try:
        if resume is not None:
            reader.resume(resume)
        report = reader.read()
    finally:
        reader.close()
        database.close()
    if as_json:
        click.echo(orjson.dumps(report, option=orjson.OPT_INDENT_2))
        return
    console = Console()
    console.print(build_table(report["providers"]))
    for line in list_notes(report):
        console.print(line, style="yellow", markup=False, highlight=False)


def build_table(providers: list[dict[str, Any]]) -> Table:
    """One row a provider: what can be told in a word or a number."""
    table = Table("provider", "state", "a minute", "left", "hour", "errors", "day", "errors", "newest", "parts")
    table.box = SIMPLE_HEAD
    for one in providers:
        table.add_row(
            one["name"],
            describe_state(one),
            _show_rate(one["limits"]),
            _show_left(one["limits"]),
            *_show_counts(one["hour"]),
            *_show_counts(one["day"]),
            _show_age(one["newest_answer_age_s"]),
            _show_parts(one["parts"]),
        )
    return table


def describe_state(one: dict[str, Any]) -> str:
    """Whether it can be asked now, in a word or two."""
    if not one["configured"]:
        return "off"
    if one["circuit"] is None:
        return "unknown"
    if one["paused_s"]:
        return f"paused {_show_age(one['paused_s'])}"
    if one["circuit"] == "open":
        return f"open {_show_age(one['circuit_s'])}"
    return "trying" if one["circuit"] == "half-open" else "ready"


def list_notes(report: dict[str, Any]) -> list[str]:
    """What needs a sentence: why a provider is off, paused or open, and what is wrong with the gate."""
    notes = [] if report["gate"] == "ok" else [f"Nobody can ask now: {report['gate']}"]
    for one in report["providers"]:
        reason = one["why_not"] or one["pause_reason"] or one["circuit_reason"]
        if reason:
            notes.append(f"{one['name']}: {reason}")
    return notes


def _show_rate(limits: list[dict[str, Any]] | None) -> str:
    """The strictest of its limits."""
    return "-" if not limits else f"{min(limit['present_per_minute'] for limit in limits):g}"


def _show_left(limits: list[dict[str, Any]] | None) -> str:
    return "-" if not limits else f"{int(min(limit['left'] for limit in limits))}"


def _show_counts(counts: dict[str, Any]) -> tuple[str, str]:
    rate = counts["error_rate"]
    return str(counts["requests"]), "-" if rate is None else f"{rate:.1%}"


def _show_parts(parts: dict[str, int]) -> str:
    shown = [f"{parts[state]} {state}" for state in _SHOWN_PARTS if parts.get(state)]
    return ", ".join(shown) or "-"


def _show_age(seconds: float | None) -> str:
    return "-" if seconds is None else str(timedelta(seconds=round(seconds)))
