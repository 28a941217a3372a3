"""A job as a person watches it: a bar a stage, until it ends."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from cli.exits import Exit
from storage.database.enrich_counts import EnrichProgress
from storage.database.jobs import PICTURES_STAGE, Job, JobProgress, JobRepository
from storage.database.models import JobState, RowState, Stage

_POLL_S = 0.5
# A look at a large job must not be most of what its servers do.
_REST = 4.0
_ENDED_PARTS = ("done", "absent", "known", "failed", "blocked", "dead")
_CLOSED_STATES = (RowState.DONE, RowState.SKIPPED, RowState.DEAD)


def describe_job(job: Job, progress: JobProgress) -> dict[str, Any]:
    """A job as JSON: the same fields as the API's."""
    return {
        "id": str(job.id),
        "kind": job.kind,
        "state": job.state.value,
        "message": job.message,
        "created_at": job.created_at.isoformat(),
        "started_at": job.started_at.isoformat() if job.started_at else None,
        "finished_at": job.finished_at.isoformat() if job.finished_at else None,
        "stages": progress.stages,
        "titles_per_s": progress.titles_per_s,
        "seconds_left": progress.seconds_left,
        "downloads": None if progress.downloads is None else asdict(progress.downloads),
        "enrichment": None if progress.enrichment is None else asdict(progress.enrichment),
        "dead_letters": progress.dead_letters,
    }


def get_job_exit(job: Job, progress: JobProgress) -> Exit:
    """What a command that waited for the job says."""
    if job.state is not JobState.COMPLETED:
        return Exit.FAILED
    return Exit.DEAD_LETTERS if progress.dead_letters else Exit.OK


def follow_job(
    jobs: JobRepository,
    job_id: uuid.UUID,
    *,
    console: Console,
    is_over: Callable[[], bool] = lambda: False,
    goes_on: bool = True,
) -> tuple[Job, JobProgress]:
    """Show bars until the job ends or `is_over` says so.

    `goes_on`: the job is the workers', so interrupting this does not stop it.
    """
    columns = (
        TextColumn("{task.description:<13}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
    )
    try:
        with Progress(*columns, TimeElapsedColumn(), console=console) as bars:
            tasks: dict[str, TaskID] = {}
            while True:
                started = time.monotonic()
                job = jobs.get(job_id)
                progress = jobs.get_progress(job)
                _show(bars, tasks, progress)
                if job.is_closed or is_over():
                    return job, progress
                time.sleep(max(_POLL_S, _REST * (time.monotonic() - started)))
    except KeyboardInterrupt:
        if goes_on:
            click.echo(f"The job goes on without this window: avs jobs show {job_id}", err=True)
        raise


def _show(bars: Progress, tasks: dict[str, TaskID], progress: JobProgress) -> None:
    if progress.enrichment is not None:
        _show_parts(bars, tasks, progress.enrichment)
    for stage in (Stage.ENRICH, Stage.DOWNLOAD, PICTURES_STAGE, Stage.EMBED, Stage.INDEX):
        counts = progress.stages.get(stage, {})
        # Titles are indexed without the others: theirs are recorded as skipped.
        if (
            not counts
            or (stage is Stage.DOWNLOAD and progress.downloads is None)
            or (stage is Stage.ENRICH and progress.enrichment is None)
        ):
            continue
        closed = sum(counts.get(state, 0) for state in _CLOSED_STATES)
        if stage not in tasks:
            tasks[stage] = bars.add_task(stage, total=sum(counts.values()), note="")
        bars.update(tasks[stage], completed=closed, total=sum(counts.values()), note=_note(stage, counts, progress))


def _show_parts(bars: Progress, tasks: dict[str, TaskID], enrichment: EnrichProgress) -> None:
    """A bar a provider; what is put off is named."""
    for provider, counts in enrichment.providers.items():
        total, closed = sum(counts.values()), sum(counts.get(state, 0) for state in _ENDED_PARTS)
        if provider not in tasks:
            tasks[provider] = bars.add_task(provider, total=total, note="")
        notes = [f"{count} {reason}" for reason, count in enrichment.put_off.get(provider, {}).items()]
        bars.update(tasks[provider], completed=closed, total=total, note=", ".join(notes))


def _note(stage: str, counts: dict[str, int], progress: JobProgress) -> str:
    notes = []
    if stage is Stage.INDEX and progress.titles_per_s:
        notes.append(f"{progress.titles_per_s:.0f} titles/s")
    if stage is Stage.DOWNLOAD and progress.downloads is not None:
        speed = progress.downloads
        notes.append(f"{speed.per_s:.0f}/s, {speed.bytes_per_s / 1e6:.1f} MB/s, {speed.bytes / 1e6:.0f} MB")
    if stage == PICTURES_STAGE and progress.titles_per_s:
        notes.append(f"{progress.titles_per_s:.0f} pictures/s")
    if stage in (Stage.ENRICH, Stage.INDEX, Stage.DOWNLOAD, PICTURES_STAGE) and progress.seconds_left:
        notes.append(f"{progress.seconds_left:.0f} s left")
    if dead := counts.get(RowState.DEAD, 0):
        notes.append(f"[red]{dead} dead[/red]")
    return ", ".join(notes)
