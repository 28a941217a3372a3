"""`avs index`: embed and index what has changed since it was last written."""

from __future__ import annotations

import click
import orjson
from rich.console import Console

from cli.exits import Exit
from cli.job_progress import describe_job, follow_job, get_job_exit
from cli.services import build_command_services
from indexing.jobs import KIND_INDEX
from indexing.pictures.jobs import KIND_PICTURES
from messaging.names import TASK_RUN_JOB


@click.command(name="index")
@click.option("--id", "ids", multiple=True, help="Only these titles: slug or provider:id. May be repeated.")
@click.option("--pictures", is_flag=True, help="Index pictures that are stored, then the titles that show them.")
@click.option("--wait/--no-wait", default=True, help="Follow the job to its end.")
@click.option("--json", "as_json", is_flag=True, help="Print the job as JSON.")
def index_command(ids: tuple[str, ...], *, pictures: bool, wait: bool, as_json: bool) -> int:
    """Embed and index every title, or every picture, whose point is not up to date."""
    services = build_command_services()
    kind = KIND_PICTURES if pictures else KIND_INDEX
    job_id = services.job_repository.create(kind, {"ids": list(ids)} if ids else {})
    services.hints.send(TASK_RUN_JOB, job_id=str(job_id))
    console = Console(stderr=as_json)
    if wait:
        follow_job(services.job_repository, job_id, console=console)
        following = services.job_repository.find_following(job_id)
        if following is not None:
            # Its titles show the pictures only now.
            follow_job(services.job_repository, following.id, console=console)
    job = services.job_repository.get(job_id)
    progress = services.job_repository.get_progress(job)
    if as_json:
        click.echo(orjson.dumps(describe_job(job, progress)).decode())
    elif not wait:
        console.print(f"job {job_id}")
    else:
        console.print(f"job {job_id} {job.state}" + (f": {job.message}" if job.message else ""))
    return get_job_exit(job, progress) if wait else Exit.OK
