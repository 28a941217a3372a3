"""`avs enrich explain`, `override` and `quality`: why a title says what it says, a person's word on it, what it lacks.

They work on the database alone. An override is kept first; workers bring it into the document and the index.
"""

from __future__ import annotations

import getpass
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import click
import orjson
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from core.errors import InvalidInputError, NotFoundError
from core.explaining import explain_fields
from core.overrides import NOTE_MAX_CHARS, check_field, check_value
from core.settings import Settings, load_settings
from core.text import find_text_fault
from messaging.app import create_sender
from messaging.hints import HintSender
from messaging.names import TASK_RUN_JOB
from storage.database.bases import BaseRepository, Override, OverrideChange
from storage.database.provenance import Provenance, ProvenanceRepository
from storage.database.session import Database
from storage.database.titles import StoredTitle, TitleRepository

_TIMEOUT_S = 10
_SHOWN_CHARS = 90
_SHOWN_OTHERS = 3


@click.command(name="explain")
@click.argument("title_id", metavar="ID")
@click.option("--field", "fields", multiple=True, metavar="FIELD", help="This field only; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, whole.")
def explain_command(*, title_id: str, fields: tuple[str, ...], as_json: bool) -> None:
    """Show where each field of a title comes from: sources, confidence, when, and what others say.

    ID is a slug or provider:id, such as mal:1.
    """
    with_database = _Titles(load_settings())
    title = with_database.find(title_id)
    found, overrides = with_database.provenance.load(title.slug), with_database.bases.load_overrides(title.slug)
    explained = explain_fields(title.document, {} if found is None else found.fields)
    if unknown := [field for field in fields if field not in explained]:
        raise InvalidInputError("--field", f"the title has no {', '.join(unknown)}")
    shown = {field: one for field, one in explained.items() if not fields or field in fields}
    if as_json:
        _print_json(_describe(title, found, overrides, shown))
        return
    _print_title(Console(), title, found, overrides, shown)


@click.command(name="override")
@click.argument("title_id", metavar="ID")
@click.argument("field")
@click.argument("value", required=False)
@click.option("--remove", is_flag=True, help="Take the override back: the sources decide again.")
@click.option("--empty", is_flag=True, help="The field shall be empty, whatever sources say.")
@click.option("--note", metavar="TEXT", help="Why, for those who ask later.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def override_command(
    *, title_id: str, field: str, value: str | None, remove: bool, empty: bool, note: str | None, as_json: bool
) -> None:
    """Decide a field by hand. It goes before every source, imports too, until it is removed.

    VALUE is plain text, a number, or JSON for lists and objects:

    \b
    avs enrich override mal:1 episodes 26
    avs enrich override mal:1 genres '["action", "sci-fi"]' --note "as the makers say"
    avs enrich override mal:1 synopsis --empty
    avs enrich override mal:1 episodes --remove
    """
    if sum((value is not None, remove, empty)) != 1:
        raise click.UsageError("give a VALUE, --empty or --remove: one of them")
    if note is not None and (not note.strip() or len(note) > NOTE_MAX_CHARS or find_text_fault(note)):
        raise InvalidInputError("--note", f"must be 1 to {NOTE_MAX_CHARS} characters of text")
    checked = None if value is None else _read_value(check_field(field), value)
    settings = load_settings()
    titles = _Titles(settings)
    slug = titles.find(title_id).slug
    if remove:
        change = titles.bases.remove_override(slug, check_field(field))
    else:
        change = titles.bases.set_override(slug, field, check_value(field, checked), by=_get_user(), note=note)
    _finish(settings, change, as_json=as_json)


@click.command(name="quality")
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="So many titles.")
@click.option("--most", type=click.FloatRange(0, 100), default=100.0, help="Only titles of this quality or less.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def quality_command(*, limit: int, most: float, as_json: bool) -> None:
    """List the titles that lack most, the worst first: quality is 0 to 100, its parts are 0 to 1.

    Titles that were never merged are not rated.
    """
    rated = _Titles(load_settings()).provenance.list_by_quality(limit=limit, most=most)
    if as_json:
        _print_json([asdict(one) for one in rated])
        return
    table = Table(box=SIMPLE_HEAD)
    table.add_column("title", no_wrap=True)
    parts = list(rated[0].quality_parts) if rated else []
    for column in ("quality", *parts, "merged"):
        table.add_column(column, justify="right")
    for one in rated:
        shown = (f"{one.quality_parts.get(part, 0.0):.2f}" for part in parts)
        table.add_row(one.slug, f"{one.quality:.1f}", *shown, f"{one.merged_at:%Y-%m-%d}")
    Console().print(table if rated else "No title was merged yet.")


class _Titles:
    """What the commands read and write."""

    def __init__(self, settings: Settings) -> None:
        database = Database(settings.database_url.get_secret_value(), answer_timeout_s=_TIMEOUT_S)
        self._titles = TitleRepository(database)
        self.provenance = ProvenanceRepository(database)
        self.bases = BaseRepository(database)

    def find(self, identifier: str) -> StoredTitle:
        """Raises NotFoundError. Those who run commands see adult and excluded titles, too."""
        if fault := find_text_fault(identifier):
            raise InvalidInputError("ID", fault)
        slug = self._titles.resolve_slug(identifier)
        if slug is None:
            raise NotFoundError("title", identifier)
        return self._titles.load([slug])[slug]


def _read_value(field: str, value: str) -> Any:
    """The text itself where the field takes one, else what it says as JSON. Raises InvalidInputError."""
    try:
        check_value(field, value)
    except InvalidInputError:
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            return value
    return value


def _finish(settings: Settings, change: OverrideChange, *, as_json: bool) -> None:
    if change.job_id is not None:
        # A hint that is lost is sent again by the reconciler: the row is there.
        HintSender(create_sender(settings)).send(TASK_RUN_JOB, job_id=str(change.job_id))
    if as_json:
        job_id = None if change.job_id is None else str(change.job_id)
        _print_json({"id": change.slug, "field": change.field, "changed": change.changed, "job_id": job_id})
    elif change.changed:
        click.echo(f"{change.slug}: {change.field} is recorded; job {change.job_id} brings it into the index")
    else:
        click.echo(f"{change.slug}: {change.field} was so already")


def _get_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container's user may have no name.
        return "avs"


def _describe(
    title: StoredTitle, found: Provenance | None, overrides: Mapping[str, Override], shown: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "id": title.slug,
        "quality": None if found is None else found.quality,
        "quality_parts": {} if found is None else found.quality_parts,
        "model_version": None if found is None else found.model_version,
        "merged_at": None if found is None else found.merged_at,
        "overrides": {field: one.to_json() for field, one in overrides.items()},
        "fields": shown,
    }


def _print_title(
    console: Console,
    title: StoredTitle,
    found: Provenance | None,
    overrides: Mapping[str, Override],
    shown: Mapping[str, Mapping[str, Any]],
) -> None:
    console.print(f"[bold]{escape(title.document['title'])}[/bold] ({title.slug})", highlight=False)
    if found is None:
        console.print("Not enriched yet: everything is as imported.")
    else:
        parts = ", ".join(f"{name} {value:.2f}" for name, value in found.quality_parts.items())
        model = f"model {found.model_version}, merged {found.merged_at:%Y-%m-%d %H:%M}"
        console.print(f"Quality {found.quality:.1f} of 100 ({parts}); {model}", highlight=False)
    console.print(_build_table(shown))
    for field, one in overrides.items():
        note = f": {escape(one.note)}" if one.note else ""
        console.print(f"{field} was decided by {escape(one.by)} on {one.at:%Y-%m-%d}{note}", highlight=False)


def _build_table(shown: Mapping[str, Mapping[str, Any]]) -> Table:
    table = Table(box=SIMPLE_HEAD)
    table.add_column("field", no_wrap=True)
    for column in ("value", "sources", "sure", "others", "when", "how"):
        table.add_column(column, overflow="fold")
    for field, one in shown.items():
        confidence = "" if one["confidence"] is None else f"{one['confidence']:.2f}"
        how = "; ".join(filter(None, (one["method"], one["note"])))
        table.add_row(
            f"{field} *" if one["conflict"] else field,
            escape(_shorten(one["value"])),
            ", ".join(one["sources"]),
            confidence,
            escape(_list_others(one["others"])),
            (one["at"] or "")[:10],
            escape(how),
        )
    if any(one["conflict"] for one in shown.values()):
        table.caption = "* sources contradict each other"
    return table


def _list_others(others: Sequence[Mapping[str, Any]]) -> str:
    lines = [f"{_shorten(one['value'])} ({', '.join(one['sources'])})" for one in others[:_SHOWN_OTHERS]]
    if len(others) > _SHOWN_OTHERS:
        lines.append(f"and {len(others) - _SHOWN_OTHERS} more")
    return "\n".join(lines)


def _shorten(value: Any) -> str:
    if value is None:
        return "(empty)"
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"


def _print_json(value: Any) -> None:
    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())
