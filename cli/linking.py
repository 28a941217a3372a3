"""`avs enrich review`, `link` and `map`: doubtful links, a person's word on them, and the published tables of ids.

All three work on the database alone; what follows of a decision is done by the workers.
"""

from __future__ import annotations

import getpass
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import orjson
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli.exits import Exit
from core.errors import NotFoundError
from core.links import LINK_PROVIDERS, check_external_id
from core.providers import why_not
from core.settings import Settings, load_settings
from core.text import find_text_fault
from enrichment.linking.tables import IdTable, UnknownTableError, read_table
from messaging.app import create_sender
from messaging.hints import HintSender
from messaging.names import TASK_RUN_JOB
from storage.database.enrichment_models import LinkState
from storage.database.id_mappings import IdMappingRepository
from storage.database.links import LinkRepository, ListedLink, StoredLink
from storage.database.session import Database
from storage.database.titles import TitleRepository

_TIMEOUT_S = 10
# A table is written whole, in one transaction.
_TABLE_TIMEOUT_S = 300
_SHOWN_CANDIDATES = 3
_SHOWN_TITLES = 2
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_PROVIDER = click.Choice(LINK_PROVIDERS)


@click.command(name="review")
@click.option("--provider", type=_PROVIDER, help="Of this provider only.")
@click.option("--state", default="doubtful", show_default=True, type=click.Choice([state.value for state in LinkState]))
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1_000))
@click.option("--offset", default=0, type=click.IntRange(min=0), help="Behind the first so many.")
@_JSON
def review_command(*, provider: str | None, state: str, limit: int, offset: int, as_json: bool) -> None:
    """List the titles whose place at a provider is doubtful, the most probable first, with the candidates and why.

    Decide with: avs enrich link SLUG PROVIDER ID, or avs enrich link SLUG PROVIDER --refuse.
    """
    links = LinkRepository(_open(load_settings()))
    found = links.list_by_state(LinkState(state), provider=provider, limit=limit, offset=offset)
    counts = links.count_by_state()
    if as_json:
        _print_json({"links": [_describe_listed(one) for one in found], "counts": counts})
        return
    Console().print(_build_review(found), _build_counts(counts))


@click.command(name="link")
@click.argument("title_id", metavar="TITLE")
@click.argument("provider", type=_PROVIDER)
@click.argument("external_id", metavar="[ID]", required=False)
@click.option("--refuse", is_flag=True, help="None of the provider's titles is this one.")
@click.option("--withdraw", is_flag=True, help="Take a decision back: the title is looked for again.")
@_JSON
def link_command(
    *, title_id: str, provider: str, external_id: str | None, refuse: bool, withdraw: bool, as_json: bool
) -> None:
    """Decide where a title is at a provider. A person's word is never overwritten by tables or titles.

    TITLE is a slug or provider:id, ID as in the address of the provider's page:

    \b
    avs enrich link cowboy-bebop anidb 23
    avs enrich link cowboy-bebop anidb --refuse
    avs enrich link cowboy-bebop anidb --withdraw
    """
    if sum((external_id is not None, refuse, withdraw)) != 1:
        raise click.UsageError("give an ID, --refuse or --withdraw: one of them")
    checked = None if external_id is None else check_external_id(provider, external_id, field="ID")
    settings = load_settings()
    database = _open(settings)
    slug, links = _find_slug(database, title_id), LinkRepository(database)
    if withdraw:
        job_id = links.withdraw(slug, provider)
        _finish(settings, {"id": slug, "provider": provider, "changed": job_id is not None}, job_id, as_json=as_json)
        return
    link, job_id = links.decide(
        slug, provider, external_id=checked, by=_get_user(), then_ask=why_not(settings, provider) is None
    )
    _finish(settings, _describe(link), job_id, as_json=as_json)


@click.command(name="map")
@click.argument("paths", metavar="FILE...", nargs=-1, type=click.Path(exists=True, path_type=Path))
@_JSON
def map_command(*, paths: tuple[Path, ...], as_json: bool) -> int:
    """Read published tables of ids (fribb, arm, animeapi, kometa, animestream, bangumi-data), packed or not.

    Each takes the place of the same table as it was before, as a whole. Of a folder those are read that are tables;
    a file that is named has to be one. Without FILE: what is stored.
    """
    repository = IdMappingRepository(Database(_get_url(load_settings()), answer_timeout_s=_TABLE_TIMEOUT_S))
    # All are read before any is stored: a damaged one changes nothing.
    tables, passed_over = _read_tables(paths)
    stored = [(name, table, repository.replace(table.source, table.entries)) for name, table in tables]
    counts = repository.count_by_source()
    if as_json:
        read = [{"file": name, "source": table.source, "rows": table.rows, "entries": count, "left_out": table.left_out}
                for name, table, count in stored]  # fmt: skip
        _print_json({"read": read, "passed_over": passed_over, "entries": counts})
    else:
        _print_tables(stored, passed_over, counts)
    return Exit.OK if stored or not paths else Exit.FAILED


def _read_tables(paths: Sequence[Path]) -> tuple[list[tuple[str, IdTable]], dict[str, str]]:
    """Raises UnknownTableError for a file that was named, and for two tables of one source."""
    tables: list[tuple[str, IdTable]] = []
    passed_over: dict[str, str] = {}
    for path in paths:
        if not path.is_dir():
            tables.append((path.name, read_table(path)))
            continue
        for file in sorted(one for one in path.rglob("*") if one.is_file()):
            try:
                tables.append((file.name, read_table(file)))
            except UnknownTableError as error:
                passed_over[file.name] = error.reason
    names: dict[str, str] = {}
    for name, table in tables:
        if other := names.get(table.source):
            raise UnknownTableError(name, f"is {table.source}, as {other} is: name one of them")
        names[table.source] = name
    return tables, passed_over


def _print_tables(
    stored: Sequence[tuple[str, IdTable, int]], passed_over: Mapping[str, str], counts: Mapping[str, int]
) -> None:
    for name, table, count in stored:
        bad = f", {table.left_out} ids that are none left out" if table.left_out else ""
        click.echo(f"{name}: {table.source}, {count} of {table.rows} rows name the title at several providers{bad}")
    for name, reason in passed_over.items():
        click.echo(f"{name}: passed over, {reason}", err=True)
    shown = ", ".join(f"{source} {count}" for source, count in counts.items())
    click.echo(f"stored: {shown or 'no tables'}")


def _build_review(found: Sequence[ListedLink]) -> Table:
    table = Table(box=SIMPLE_HEAD)
    table.add_column("title", overflow="fold")
    table.add_column("provider", no_wrap=True)
    table.add_column("candidate", overflow="fold")
    table.add_column("probability", justify="right", no_wrap=True)
    table.add_column("why", overflow="fold")
    for one in found:
        facts = _join(one.type, one.year, one.episodes)
        heading = f"{escape(one.title)}\n[dim]{one.link.slug}{facts}[/dim]"
        shown = one.link.candidates[:_SHOWN_CANDIDATES] or ({},)
        for number, candidate in enumerate(shown):
            table.add_row(
                "" if number else heading,
                "" if number else one.link.provider,
                _name_candidate(candidate),
                f"{candidate['probability']:.3f}" if "probability" in candidate else "",
                escape("; ".join(candidate.get("why", ()))),
                end_section=number + 1 == len(shown),
            )
    return table


def _name_candidate(candidate: Mapping[str, Any]) -> str:
    if not candidate:
        return "none"
    titles = " / ".join(candidate.get("titles", ())[:_SHOWN_TITLES])
    facts = _join(candidate.get("type"), candidate.get("year"), candidate.get("episodes"))
    return f"{candidate['external_id']} {escape(titles)}[dim]{facts}[/dim]"


def _join(kind: str | None, year: int | None, episodes: int | None) -> str:
    known = [str(one) for one in (kind, year, f"{episodes} ep." if episodes else None) if one]
    return f" ({', '.join(known)})" if known else ""


def _build_counts(counts: Mapping[str, Mapping[str, int]]) -> str:
    if not counts:
        return "No title was looked for at a provider yet."
    shown = (f"{name}: {', '.join(f'{count} {state}' for state, count in one.items())}" for name, one in counts.items())
    return "\n".join(shown)


def _describe(link: StoredLink) -> dict[str, Any]:
    return {
        "id": link.slug,
        "provider": link.provider,
        "state": link.state.value,
        "external_id": link.external_id,
        "method": link.method,
        "probability": link.probability,
        "decided_by": link.decided_by,
        "decided_at": link.decided_at,
        "candidates": [dict(one) for one in link.candidates],
    }


def _describe_listed(one: ListedLink) -> dict[str, Any]:
    facts = {"title": one.title, "type": one.type, "year": one.year, "episodes": one.episodes, "adult": one.adult}
    return {**_describe(one.link), **facts}


def _finish(settings: Settings, shown: Mapping[str, Any], job_id: uuid.UUID | None, *, as_json: bool) -> None:
    if job_id is not None:
        # A hint that is lost is sent again by the reconciler: the row is there.
        HintSender(create_sender(settings)).send(TASK_RUN_JOB, job_id=str(job_id))
    if as_json:
        _print_json({**shown, "job_id": None if job_id is None else str(job_id)})
    elif job_id is None:
        click.echo("it was so before: nothing changed")
    else:
        place = shown.get("external_id") or shown.get("state") or "open again"
        click.echo(f"{shown['id']} at {shown['provider']}: {place}; job {job_id} brings it into the title")


def _find_slug(database: Database, identifier: str) -> str:
    """Of any title that is stored. Raises NotFoundError."""
    slug = None if find_text_fault(identifier) else TitleRepository(database).resolve_slug(identifier)
    if slug is None:
        raise NotFoundError("title", identifier)
    return slug


def _get_user() -> str:
    """Whose decision it is; a container may have no name for its user."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "avs"


def _get_url(settings: Settings) -> str:
    return settings.database_url.get_secret_value()


def _open(settings: Settings) -> Database:
    return Database(_get_url(settings), answer_timeout_s=_TIMEOUT_S)


def _print_json(value: Any) -> None:
    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())
