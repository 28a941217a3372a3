"""`avs import`: a catalogue file into Postgres, then its titles through the pipeline."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import click
import orjson
import stamina
from rich.console import Console

from cli.exits import Exit
from cli.job_progress import describe_job, follow_job, get_job_exit
from cli.services import CommandServices, build_command_services
from core.errors import ServiceError
from indexing.generations import NoGenerationError
from indexing.importing import ImportSummary
from indexing.jobs import KIND_IMPORT
from indexing.sources.files import read_records
from storage.database.models import JobState

_SHOWN_REFUSALS = 10


@click.command(name="import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--then-enrich",
    is_flag=True,
    help="Ask the providers about the titles that are indexed by this, in a job of its own that is not waited for.",
)
@click.option("--wait/--no-wait", default=True, help="Follow the job until its titles can be searched.")
@click.option("--json", "as_json", is_flag=True, help="Print the job as JSON.")
def import_command(file: Path, *, then_enrich: bool, wait: bool, as_json: bool) -> int:
    """Import a catalogue: JSON, JSONL or CSV, plain, .gz or .zst; own schema, anime-offline-database or flat tables.

    Bad records are listed with their line and reason and kept as dead letters; the rest goes in.
    """
    services = build_command_services()
    console = Console(stderr=as_json)
    job_id = run_import(services, file, console=console, then_enrich=then_enrich)
    if wait:
        follow_job(services.job_repository, job_id, console=console)
    job = services.job_repository.get(job_id)
    progress = services.job_repository.get_progress(job)
    if as_json:
        click.echo(orjson.dumps(describe_job(job, progress)).decode())
    elif then_enrich:
        console.print("The providers are asked about what was indexed, in a job of its own: see avs jobs")
    return get_job_exit(job, progress) if wait else Exit.OK


def run_import(
    services: CommandServices, file: Path, *, console: Console, then_enrich: bool = False
) -> uuid.UUID:  # fmt: skip
    """Store the file's titles and put the stale ones to work. Returns the job."""
    params: dict[str, Any] = {"source": "cli", "file": file.name, **({"then_enrich": True} if then_enrich else {})}
    job_id = services.job_repository.create(KIND_IMPORT, params)
    try:
        with console.status(f"Importing {file.name}") as status:
            summary = services.jobs.import_records(
                job_id,
                read_records(file),
                on_progress=lambda done: status.update(f"Importing {file.name}: {done.read} records"),
            )
        _print_summary(summary, console)
        with console.status("Looking for titles to embed"):
            _enqueue(services, job_id)
    except (ServiceError, KeyboardInterrupt) as error:
        reason = str(error) or "interrupted"
        services.job_repository.close(job_id, JobState.FAILED, message=reason)
        raise
    return job_id


def _enqueue(services: CommandServices, job_id: uuid.UUID) -> None:
    """The embedding worker says where titles go; right after `avs up` it may still be loading its model."""
    for attempt in stamina.retry_context(on=NoGenerationError, attempts=60, timeout=90.0, wait_max=2.0):
        with attempt:
            services.jobs.enqueue(job_id)


def _print_summary(summary: ImportSummary, console: Console) -> None:
    counts = ", ".join(f"{count} {name}" for name, count in summary.counts().items())
    console.print(f"{summary.read} records: {counts}")
    for refusal in summary.refusals[:_SHOWN_REFUSALS]:
        console.print(f"  line {refusal.line}: {refusal.reason}", style="yellow", markup=False)
    hidden = summary.refused - _SHOWN_REFUSALS
    if hidden > 0:
        console.print(f"  and {hidden} more: avs jobs dead-letters")
