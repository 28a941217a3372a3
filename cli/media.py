"""`avs media`: whether every picture that the database speaks of is there, and the removal of what nobody needs."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import click
import orjson

from cli.exits import Exit
from cli.services import build_command_services
from core.errors import NotFoundError
from core.log import configure_logging
from core.settings import load_settings
from messaging.names import TASK_RUN_JOB
from storage.database.leftovers import LeftoverRepository
from storage.database.media import MediaRepository
from storage.database.removals import PictureNamedError, RemovalRepository
from storage.database.session import Database
from storage.media import build_media_store
from storage.media_upkeep import CleanReport, Found, MediaReport, MediaUpkeep

_GRACE_H = 24.0
# Enough of the names to look into.
_NAMED = 20
_grace = click.option(
    "--older-than",
    "hours",
    default=_GRACE_H,
    show_default=True,
    type=click.FloatRange(min=1.0, max=87_600),
    metavar="HOURS",
    help="Younger contents are left alone: their download may still be under way.",
)
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(name="media")
def media_command() -> None:
    """Check the stored pictures; remove those that nobody needs."""


@media_command.command()
@click.option("--verify", is_flag=True, help="Read every picture and compare its SHA-256.")
@click.option("--repair", is_flag=True, help="Let the next download fetch what is missing or damaged again.")
@_grace
@_json
def check(*, verify: bool, repair: bool, hours: float, as_json: bool) -> int:
    """Compare the store with the database. Exit code 1 if a picture is missing or damaged."""
    upkeep = _build_upkeep()
    report = upkeep.check(before=_get_moment(hours), verify=verify)
    click.echo(orjson.dumps(asdict(report), option=orjson.OPT_INDENT_2) if as_json else _show_check(report, hours))
    if repair:
        click.echo(f"{upkeep.repair(report)} addresses will be fetched again by `avs download`", err=as_json)
    return Exit.OK if report.is_whole else Exit.FAILED


@media_command.command()
@click.option("--dry-run", is_flag=True, help="Say what would be removed, and remove nothing.")
@_grace
@_json
def clean(*, dry_run: bool, hours: float, as_json: bool) -> None:
    """Remove pictures that are gone or that no row names, and rows that nothing needs."""
    report = _build_upkeep().clean(before=_get_moment(hours), dry_run=dry_run)
    click.echo(orjson.dumps(asdict(report), option=orjson.OPT_INDENT_2) if as_json else _show_clean(report, dry_run))


@media_command.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
def remove(ids: tuple[str, ...]) -> int:
    """Take pictures out of the index that were indexed or listed by themselves.

    ID is your own id (the address, if it was listed without one) or the id that searches show. Exit code 5 if one of
    them is none: the others are removed. Their files go with `clean`, once they are old enough.
    """
    services = build_command_services()
    removals = RemovalRepository(services.database)
    refused = 0
    for identifier in ids:
        try:
            removal = removals.remove(identifier)
        except (NotFoundError, PictureNamedError) as error:
            refused += 1
            click.echo(f"{identifier}: {error}", err=True)
            continue
        if removal.job_id is not None:
            services.hints.send(TASK_RUN_JOB, job_id=str(removal.job_id))
        click.echo(f"{identifier}: {'removed' if removal.is_new else 'was removed before'}")
    return Exit.NOT_FOUND if refused else Exit.OK


def _build_upkeep() -> MediaUpkeep:
    settings = load_settings()
    configure_logging(settings.model_copy(update={"log_level": "WARNING"}))
    database = Database(settings.database_url.get_secret_value())
    media = MediaRepository(database)
    return MediaUpkeep(media, build_media_store(settings), leftovers=LeftoverRepository(database))


def _get_moment(hours: float) -> datetime:
    return datetime.now(UTC) - timedelta(hours=hours)


def _show_check(report: MediaReport, hours: float) -> str:
    lines = [
        f"{report.rows} pictures, {_show_bytes(report.bytes)}",
        _show_found("missing", report.missing),
        _show_found("damaged", report.damaged),
        _show_found("without a row", report.orphans),
        f"{report.unused} shown by no picture for {hours:g} h",
        f"{report.stray_variants} with thumbnails and nothing else",
    ]
    return "\n".join(lines)


def _show_clean(report: CleanReport, dry_run: bool) -> str:
    done = "would be removed" if dry_run else "removed"
    return "\n".join(
        [
            f"{report.forgotten_pictures} pictures that were taken out {done}",
            f"{report.forgotten_downloads} downloads that nothing needs {done}",
            f"{report.orphans.count} pictures without a row {done}, {_show_bytes(report.orphans.bytes)}",
            f"{report.forgotten_rows} rows that no picture needs {done}; their files go with the next run"
            if dry_run
            else f"{report.forgotten_rows} rows that no picture needs {done}",
            f"{report.stray_variants} stray thumbnails and {report.half_written} unfinished files {done}",
        ]
    )


def _show_found(what: str, found: Found) -> str:
    names = "".join(f"\n  {sha256}" for sha256 in found.names[:_NAMED])
    more = found.count - min(found.count, _NAMED)
    return f"{found.count} {what}{names}" + (f"\n  and {more} more" if more else "")


def _show_bytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB"
