"""`avs jobs`: what ran, what runs, and what was given up."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import click
import orjson
from rich.console import Console
from rich.table import Column, Table

from cli.exits import Exit
from cli.job_progress import describe_job, follow_job, get_job_exit
from cli.services import build_command_services
from messaging.names import TASK_RUN_JOB
from storage.database.jobs import Job, JobProgress
from storage.database.models import Stage


@click.group(name="jobs", invoke_without_command=True)
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1_000), help="Most jobs listed.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def jobs_command(ctx: click.Context, *, limit: int, as_json: bool) -> None:
    """List the newest jobs, or show, follow, cancel or retry one."""
    if ctx.invoked_subcommand is not None:
        return
    services = build_command_services()
    rows = [
        (job, services.job_repository.get_progress(job)) for job in services.job_repository.list_recent(limit=limit)
    ]
    if as_json:
        _print_json([describe_job(job, progress) for job, progress in rows])
    else:
        Console().print(_build_table(rows))


@jobs_command.command()
@click.argument("job_id", type=click.UUID)
@click.option("--follow", is_flag=True, help="Wait for its end.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(job_id: uuid.UUID, *, follow: bool, as_json: bool) -> int:
    """Show one job with its counts by stage."""
    services = build_command_services()
    job = services.job_repository.get(job_id)
    if follow:
        follow_job(services.job_repository, job_id, console=Console(stderr=as_json))
        job = services.job_repository.get(job_id)
    progress = services.job_repository.get_progress(job)
    if as_json:
        _print_json(describe_job(job, progress))
    else:
        _print_job(job, progress)
    return get_job_exit(job, progress) if follow else Exit.OK


@jobs_command.command()
@click.argument("job_id", type=click.UUID)
def cancel(job_id: uuid.UUID) -> None:
    """Cancel a job; titles that are being embedded right now are finished."""
    job = build_command_services().job_repository.cancel(job_id)
    click.echo(f"job {job.id} {job.state}")


@jobs_command.command()
@click.argument("job_id", type=click.UUID)
def retry(job_id: uuid.UUID) -> None:
    """Try the dead titles of an ended job again."""
    services = build_command_services()
    count = services.job_repository.retry(job_id)
    services.hints.send(TASK_RUN_JOB, job_id=str(job_id))
    click.echo(f"{count} rows are to be tried again: avs jobs show --follow {job_id}")


@jobs_command.command(name="dead-letters")
@click.option("--job", "job_id", type=click.UUID, help="Only of this job.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 10_000))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def dead_letters(job_id: uuid.UUID | None, *, limit: int, as_json: bool) -> None:
    """List what was given up, with its reason."""
    letters = build_command_services().job_repository.list_dead_letters(job_id, limit=limit)
    if as_json:
        _print_json(
            [
                {"job_id": str(one.job_id), "stage": one.stage, "id": one.slug, "reason": one.reason, **one.detail}
                for one in letters
            ]
        )
        return
    table = Table(_build_id_column(), "stage", "title, URL or line", "reason")
    for one in letters:
        place = one.slug or one.detail.get("url") or f"line {one.detail.get('line', '?')}"
        table.add_row(str(one.job_id), one.stage, place, one.reason)
    Console().print(table)


def _build_id_column() -> Column:
    """Ids are there to be copied: other columns give way."""
    return Column("job", min_width=36, no_wrap=True)


def _build_table(rows: list[tuple[Job, JobProgress]]) -> Table:
    table = Table(_build_id_column(), "kind", Column("state", min_width=9), "titles", "dead", "started", "message")
    for job, progress in rows:
        own = Stage.ENRICH if progress.enrichment is not None else Stage.DOWNLOAD
        counts = progress.stages.get(Stage.INDEX) or progress.stages.get(own, {})
        titles = f"{counts.get('done', 0)}/{sum(counts.values())}"
        started = f"{job.started_at:%Y-%m-%d %H:%M:%S}" if job.started_at else ""
        table.add_row(str(job.id), job.kind, job.state, titles, str(progress.dead_letters), started, job.message or "")
    return table


def _print_job(job: Job, progress: JobProgress) -> None:
    console = Console()
    console.print(f"{job.kind} {job.id}: {job.state}" + (f" ({job.message})" if job.message else ""))
    for stage, counts in progress.stages.items():
        if counts:
            console.print(f"  {stage:<9}" + _list_counts(counts))
    if progress.enrichment is not None:
        for kind, by_name in (("by provider", progress.enrichment.providers), ("by stage", progress.enrichment.stages)):
            console.print(f"  {kind}")
            for name, counts in by_name.items():
                console.print(f"    {name:<14}" + _list_counts(counts))
        for provider, reasons in progress.enrichment.put_off.items():
            console.print(f"  {provider} is asked again later: {_list_counts(reasons)}")
    if progress.seconds_left:
        console.print(f"  {progress.titles_per_s:.0f} titles/s, {progress.seconds_left:.0f} s left")


def _list_counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))


def _print_json(value: Any) -> None:
    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())
