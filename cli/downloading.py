"""`avs download`: the pictures of titles, or of a list of URLs, into the media store."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO, Any

import click
import orjson
from rich.console import Console

from cli.exits import Exit
from cli.job_progress import describe_job, follow_job, get_job_exit
from cli.local_downloads import LocalDownloads
from cli.services import CommandServices, build_command_services
from core.errors import InvalidInputError
from core.picture_lists import BadLine, ListedPicture, read_list
from indexing.downloads.building import build_download_jobs
from indexing.downloads.jobs import KIND_DOWNLOAD, DownloadJobs
from messaging.names import TASK_RUN_JOB
from storage.database.download_counts import iterate_manifest
from storage.database.downloads import Shard

_PAGE = 1_000
_SHOWN_BAD_LINES = 10
_KEPT_BAD_LINES = 1_000


@dataclass(slots=True)
class _BadLines:
    """How many lines were passed over, and the first of them."""

    count: int = 0
    first: list[BadLine] = field(default_factory=list)

    def add(self, line: BadLine) -> None:
        self.count += 1
        if len(self.first) < _KEPT_BAD_LINES:
            self.first.append(line)


@click.group(name="download", invoke_without_command=True)
@click.option("--titles", "all_titles", is_flag=True, help="The pictures of all titles: what is done unless told else.")
@click.option("--id", "--ids", "ids", multiple=True, help="Of these titles: slug or provider:id. May be repeated.")
@click.option("--urls", type=click.File("rb"), help="Of a list, `-` for stdin: a URL a line, or JSONL.")
@click.option("--refresh", is_flag=True, help="Ask again for what is older than DOWNLOAD_REFRESH_DAYS.")
@click.option("--then-index", is_flag=True, help="Index the pictures when all are there.")
@click.option("--shard", metavar="K/N", help="Only part K of N, by the hash of the URL.")
@click.option("--here", is_flag=True, help="Fetch in this process, not in the workers.")
@click.option("--manifest", type=click.Path(dir_okay=False, path_type=Path), help="Write a manifest of the job here.")
@click.option("--wait/--no-wait", default=True, help="Follow the job to its end.")
@click.option("--json", "as_json", is_flag=True, help="Print the job as JSON.")
@click.pass_context
def download_command(
    ctx: click.Context,
    *,
    all_titles: bool,
    ids: tuple[str, ...],
    urls: IO[bytes] | None,
    refresh: bool,
    then_index: bool,
    shard: str | None,
    here: bool,
    manifest: Path | None,
    wait: bool,
    as_json: bool,
) -> int:
    """Fetch pictures: each URL once, checked, and stored by its content.

    A line of --urls is a URL, or a JSON object {url, id, tags, metadata, title, adult}. Bad lines are reported by their
    number and do not stop the others.
    """
    if ctx.invoked_subcommand is not None:
        return Exit.OK
    _check_options(sum((all_titles, bool(ids), urls is not None)), waits=wait or not (here or manifest))
    services = build_command_services()
    params: dict[str, Any] = {"then_index": True} if then_index else {}
    if shard is not None:
        params["shard"] = str(Shard.parse(shard))
    console, bad = Console(stderr=as_json), _BadLines()
    local = LocalDownloads(services) if here else None
    jobs = local.jobs if local else build_download_jobs(services.settings, services.database, services.hints)
    with console.status("Storing what is wanted"):
        if urls is not None:
            job_id = _start_list(jobs, urls, local.mark(params) if local else params, bad=bad, refresh=refresh)
        else:
            wanted = {**params, **({"ids": list(ids)} if ids else {}), **({"refresh": True} if refresh else {})}
            job_id = _start_titles(services, wanted, local)
    _show_bad_lines(bad, console)
    if local is not None:
        local.work(job_id, console=console)
    else:
        services.hints.send(TASK_RUN_JOB, job_id=str(job_id))
        if wait:
            follow_job(services.job_repository, job_id, console=console)
    if manifest is not None:
        write_manifest(services, manifest, job_id=job_id)
    return _report(services, job_id, bad=bad, waited=wait, as_json=as_json)


@download_command.command(name="manifest")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--job", "job_id", type=click.UUID, help="Only what this job wanted.")
def manifest_command(file: Path, *, job_id: uuid.UUID | None) -> None:
    """Write what is known of every URL as JSONL: state, reason, content, sizes, hashes, titles. `-` for stdout."""
    services = build_command_services()
    if job_id is not None:
        services.job_repository.get(job_id)
    write_manifest(services, file, job_id=job_id)


def write_manifest(services: CommandServices, file: Path, *, job_id: uuid.UUID | None = None) -> None:
    """The manifest as a whole or, if this is interrupted, not at all."""
    with click.open_file(str(file), "wb", atomic=str(file) != "-") as stream:
        for line in iterate_manifest(services.database, job_id=job_id):
            stream.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))


def _check_options(sources: int, *, waits: bool) -> None:
    if sources > 1:
        raise click.UsageError("--titles, --id and --urls exclude each other")
    if not waits:
        raise click.UsageError("--here and --manifest wait for the job: --no-wait contradicts them")


def _start_titles(services: CommandServices, params: dict[str, Any], local: LocalDownloads | None) -> uuid.UUID:
    if local is not None:
        return local.start(params)
    return services.job_repository.create(KIND_DOWNLOAD, params)


def _start_list(
    jobs: DownloadJobs, lines: Iterable[bytes], params: dict[str, Any], *, bad: _BadLines, refresh: bool
) -> uuid.UUID:
    pages = _read_pages(jobs, lines, bad=bad)
    first = next(pages, None)
    if first is None:
        reason = f"line {bad.first[0].line}: {bad.first[0].reason}" if bad.first else "there is none"
        raise InvalidInputError("urls", f"no line could be taken ({reason})")
    return jobs.start_list(_chain(first, pages), params, refresh=refresh)


def _chain(first: list[ListedPicture], others: Iterator[list[ListedPicture]]) -> Iterator[list[ListedPicture]]:
    yield first
    yield from others


def _read_pages(jobs: DownloadJobs, lines: Iterable[bytes], *, bad: _BadLines) -> Iterator[list[ListedPicture]]:
    """The pictures of a list, a thousand lines at a time; titles are slugs in them."""
    entries = read_list(lines)
    while part := list(islice(entries, _PAGE)):
        good = [entry for entry in part if not isinstance(entry, BadLine)]
        known, unknown = jobs.resolve([picture for _, picture in good])
        strange = [
            BadLine(number, f"title: {one.title!r} is not known") for number, one in good if one.title in unknown
        ]
        wrong = [entry for entry in part if isinstance(entry, BadLine)]
        for line in sorted((*wrong, *strange), key=lambda one: one.line):
            bad.add(line)
        if known:
            yield known


def _show_bad_lines(bad: _BadLines, console: Console) -> None:
    for one in bad.first[:_SHOWN_BAD_LINES]:
        console.print(f"  line {one.line}: {one.reason}", style="yellow", markup=False, highlight=False)
    hidden = bad.count - _SHOWN_BAD_LINES
    if hidden > 0:
        console.print(f"  and {hidden} more lines that could not be taken")


def _report(services: CommandServices, job_id: uuid.UUID, *, bad: _BadLines, waited: bool, as_json: bool) -> int:
    job = services.job_repository.get(job_id)
    progress = services.job_repository.get_progress(job)
    if as_json:
        lines: Sequence[dict[str, Any]] = [{"line": one.line, "reason": one.reason} for one in bad.first]
        shown = {**describe_job(job, progress), "bad_lines": bad.count, "first_bad_lines": lines}
        click.echo(orjson.dumps(shown).decode())
    elif not waited:
        click.echo(f"job {job_id}")
    else:
        outcomes = progress.downloads.outcomes if progress.downloads else {}
        counts = ", ".join(f"{count} {name}" for name, count in sorted(outcomes.items())) or "nothing was wanted"
        click.echo(f"job {job_id} {job.state}: {counts}")
    code = get_job_exit(job, progress) if waited else Exit.OK
    return Exit.DEAD_LETTERS if code is Exit.OK and bad.count else code
