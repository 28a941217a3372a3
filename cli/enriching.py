"""`avs enrich`: ask providers about titles. Its commands are imported when they are called."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import click
import orjson
from rich.console import Console

from cli.exits import Exit
from cli.job_progress import describe_job, follow_job, get_job_exit
from cli.lazy_group import LazyGroup
from cli.services import CommandServices, build_command_services
from core.enrichment import ID_SPACES, EnrichStage
from core.errors import ConfigurationError, InvalidInputError
from core.providers import why_not
from core.settings import Settings
from messaging.names import TASK_RUN_JOB
from storage.database.jobs import KIND_ENRICH
from storage.database.models import JobState

_COMMANDS: Mapping[str, tuple[str, str]] = {
    "providers": ("cli.provider_table", "Show how the providers are: limits left, errors, what waits."),
    "explain": ("cli.explaining", "Show where each field of a title comes from."),
    "override": ("cli.explaining", "Say yourself what a field is: no source and no import changes it."),
    "quality": ("cli.explaining", "List the titles that lack most."),
    "review": ("cli.linking", "List links that are doubtful."),
    "link": ("cli.linking", "Decide where a title is at a provider."),
    "map": ("cli.linking", "Read published tables of ids."),
    "reparse": ("cli.enriching", "Read kept answers again where a parser has grown; asks nobody."),
}
_PROVIDERS = click.Choice(sorted(ID_SPACES))
_STAGES = click.Choice([stage.value for stage in EnrichStage])
_WAIT = click.option("--wait/--no-wait", default=True, help="Follow the job to its end, and the indexing that follows.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print the job as JSON.")
_INDEX = click.option("--index/--no-index", "then_index", default=True, help="Index what has changed.")


@click.group(name="enrich", cls=LazyGroup, commands_by_name=_COMMANDS, invoke_without_command=True)
@click.option("--title", "ids", multiple=True, metavar="ID", help="This title: slug or provider:id. May be repeated.")
@click.option("--stale", is_flag=True, help="Only what was asked before and has grown old.")
@click.option("--provider", "providers", multiple=True, type=_PROVIDERS, help="Only of this one. May be repeated.")
@click.option("--stage", "stages", multiple=True, type=_STAGES, help="Only this stage. May be repeated.")
@click.option("--refresh", is_flag=True, help="Ask again for all of it, however fresh it is.")
@_INDEX
@_WAIT
@_JSON
@click.pass_context
def enrich_command(
    ctx: click.Context,
    *,
    ids: tuple[str, ...],
    stale: bool,
    providers: tuple[str, ...],
    stages: tuple[str, ...],
    refresh: bool,
    then_index: bool,
    wait: bool,
    as_json: bool,
) -> int:
    """Ask the configured providers for what is missing or has grown old, of all titles or of some, and merge it.

    Providers that cannot be asked now are asked again later; what the others say arrives without them.
    """
    if ctx.invoked_subcommand is not None:
        return Exit.OK
    if stale and refresh:
        raise click.UsageError("--stale and --refresh exclude each other")
    services = build_command_services()
    _check(services, ids=ids, providers=providers)
    lists = {"ids": list(dict.fromkeys(ids)), "providers": list(providers), "stages": list(stages)}
    params: dict[str, Any] = {name: value for name, value in lists.items() if value}
    params.update({name: True for name, flag in {"stale": stale, "refresh": refresh}.items() if flag})
    return _run(services, params, then_index=then_index, wait=wait, as_json=as_json)


@click.command(name="reparse")
@click.option("--provider", "providers", multiple=True, type=_PROVIDERS, help="Only of this one. May be repeated.")
@_INDEX
@_WAIT
@_JSON
def reparse_command(*, providers: tuple[str, ...], then_index: bool, wait: bool, as_json: bool) -> int:
    """Read kept answers again where the parser has grown since, and merge what it finds now.

    Nobody is asked, unless an answer is not kept any more.
    """
    services = build_command_services()
    _check(services, ids=(), providers=providers)
    params: dict[str, Any] = {"reparse": True, **({"providers": list(providers)} if providers else {})}
    return _run(services, params, then_index=then_index, wait=wait, as_json=as_json)


def check_providers(settings: Settings, providers: tuple[str, ...]) -> None:
    """Raises ConfigurationError that says what to set, where a provider (without names: every one) may not be asked."""
    reasons = {name: reason for name in providers or ID_SPACES if (reason := why_not(settings, name)) is not None}
    if providers and reasons:
        raise ConfigurationError("; ".join(f"{name} is not configured: {reason}" for name, reason in reasons.items()))
    if len(reasons) == len(ID_SPACES):
        listed = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
        raise ConfigurationError(f"no provider is configured ({listed})")


def _check(services: CommandServices, *, ids: tuple[str, ...], providers: tuple[str, ...]) -> None:
    check_providers(services.settings, providers)
    known = services.titles.resolve_slugs(ids)
    if unknown := [one for one in ids if one not in known]:
        raise InvalidInputError("--title", f"unknown: {', '.join(unknown[:10])}")


def _run(services: CommandServices, params: dict[str, Any], *, then_index: bool, wait: bool, as_json: bool) -> int:
    job_id = services.job_repository.create(KIND_ENRICH, params if then_index else {**params, "then_index": False})
    services.hints.send(TASK_RUN_JOB, job_id=str(job_id))
    console = Console(stderr=as_json)
    if wait:
        follow_job(services.job_repository, job_id, console=console)
        _follow_index(services, job_id, console)
    return _report(services, job_id, waited=wait, as_json=as_json)


def _follow_index(services: CommandServices, job_id: uuid.UUID, console: Console) -> None:
    following = services.job_repository.find_following(job_id)
    if following is not None:
        follow_job(services.job_repository, following.id, console=console)


def _report(services: CommandServices, job_id: uuid.UUID, *, waited: bool, as_json: bool) -> int:
    job = services.job_repository.get(job_id)
    progress = services.job_repository.get_progress(job)
    if as_json:
        click.echo(orjson.dumps(describe_job(job, progress)).decode())
    elif not waited:
        click.echo(f"job {job_id}")
    else:
        rows = progress.stages.get("enrich", {})
        merged = f"{rows.get('done', 0)} titles" if rows else "nothing is missing or old, or it waits for its time"
        click.echo(f"job {job_id} {job.state}: {merged}" + (f"; {job.message}" if job.message else ""))
    if not waited:
        return Exit.OK
    following = services.job_repository.find_following(job_id)
    if following is not None and following.state is not JobState.COMPLETED:
        return Exit.FAILED
    return get_job_exit(job, progress)
