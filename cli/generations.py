"""`avs generations`: which collections there are, and which one answers."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import click
import orjson
from rich.console import Console
from rich.table import Table

from cli.exits import Exit
from cli.job_progress import describe_job, follow_job, get_job_exit
from cli.services import CommandServices, build_command_services
from indexing.reindexing import KIND_REINDEX
from indexing.snapshots import KIND_RESTORE, KIND_SNAPSHOT
from messaging.names import TASK_RUN_JOB
from storage.database.copying import LedgerCopyRepository
from storage.database.generations import Generation, GenerationRepository
from storage.database.models import GenerationState
from storage.database.session import Database
from storage.database.snapshots import SnapshotRepository
from storage.switching import GenerationSwitch, Swap, build_generation_switch
from storage.vectors.administration import CollectionAdministration
from storage.vectors.store import VectorStore

_TIMEOUT_S = 60


@dataclass(frozen=True, slots=True)
class _Tools:
    """What these commands need beside the services of every command."""

    services: CommandServices
    alias: str
    switch: GenerationSwitch
    generations: GenerationRepository
    copies: LedgerCopyRepository
    snapshots: SnapshotRepository
    collections: CollectionAdministration
    store: VectorStore


def _build_tools() -> _Tools:
    services = build_command_services()
    settings = services.settings
    database = Database(settings.database_url.get_secret_value())
    store = VectorStore(settings, timeout_s=_TIMEOUT_S)
    return _Tools(
        services=services,
        alias=settings.qdrant_collection_name,
        switch=build_generation_switch(settings, database, store),
        generations=GenerationRepository(database),
        copies=LedgerCopyRepository(database),
        snapshots=SnapshotRepository(database),
        collections=CollectionAdministration(settings, store),
        store=store,
    )


@click.group(name="generations")
def generations_command() -> None:
    """List generations, make one anew, swap to one, roll back, drop, save and restore."""


@generations_command.command(name="list")
@click.option("--all", "with_dropped", is_flag=True, help="Also those that have been dropped.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_command(*, with_dropped: bool, as_json: bool) -> None:
    """List generations, the newest first."""
    tools = _build_tools()
    present = tools.collections.list_names()
    known = [one for one in tools.generations.list_all(tools.alias) if with_dropped or not one.is_dropped]
    rows = [_describe(tools, one, exists=one.collection in present and not one.is_dropped) for one in known]
    if as_json:
        _print_json(rows)
        return
    table = Table("collection", "state", "points", "stale", "encoder", "created", "note")
    for row in rows:
        shown = ["" if row[name] is None else str(row[name]) for name in ("points", "stale", "encoder", "created_at")]
        table.add_row(row["collection"], row["state"], *shown, row["message"] or "")
    Console().print(table)


@generations_command.command()
@click.option("--reason", help="For the list of jobs.")
@click.option("--swap/--no-swap", default=True, help="Make it live, or leave it standing by.")
@click.option("--wait-for-gate/--no-wait-for-gate", default=True, help="Check graphs and answers, or counts only.")
@click.option("--wait/--no-wait", default=True, help="Follow the job to its end.")
@click.option("--json", "as_json", is_flag=True, help="Print the job as JSON.")
def reindex(*, reason: str | None, swap: bool, wait_for_gate: bool, wait: bool, as_json: bool) -> int:
    """Make the index anew beside the live one: new HNSW and quantization settings take effect."""
    params: dict[str, Any] = {"swap": swap, "wait_for_gate": wait_for_gate}
    if reason is not None:
        params["reason"] = reason
    return _run_job(build_command_services(), KIND_REINDEX, params, wait=wait, as_json=as_json)


@generations_command.command()
@click.argument("collection")
@click.option("--force", is_flag=True, help="Also to one that was never live and lacks many titles.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def swap(collection: str, *, force: bool, as_json: bool) -> None:
    """Make a retired generation live."""
    tools = _build_tools()
    _announce(tools, tools.switch.swap(collection, force=force), as_json=as_json)


@generations_command.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def rollback(*, as_json: bool) -> None:
    """Go back to the generation that was live before this one was made."""
    tools = _build_tools()
    _announce(tools, tools.switch.rollback(), as_json=as_json)


@generations_command.command()
@click.argument("collection")
def drop(collection: str) -> None:
    """Delete a retired generation."""
    _build_tools().switch.drop(collection)
    click.echo(f"dropped {collection}")


@generations_command.command()
@click.option("--reason", help="For the list of snapshots.")
@click.option("--wait/--no-wait", default=True, help="Follow the job to its end.")
@click.option("--json", "as_json", is_flag=True, help="Print the job as JSON.")
def snapshot(*, reason: str | None, wait: bool, as_json: bool) -> int:
    """Save the live collection beside Qdrant's data."""
    params = {} if reason is None else {"reason": reason}
    return _run_job(build_command_services(), KIND_SNAPSHOT, params, wait=wait, as_json=as_json)


@generations_command.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def snapshots(*, as_json: bool) -> None:
    """List snapshots, the newest first."""
    tools = _build_tools()
    known = tools.snapshots.list_all(tools.alias)
    if as_json:
        _print_json(known)
        return
    table = Table("snapshot", "titles", "MB", "taken", "reason")
    for one in known:
        size = f"{(one.size_bytes or 0) / 1e6:.1f}"
        table.add_row(one.name, str(one.titles), size, f"{one.created_at:%Y-%m-%d %H:%M:%S}", one.reason or "")
    Console().print(table)


@generations_command.command()
@click.argument("snapshot")
@click.option("--wait/--no-wait", default=True, help="Follow the job to its end.")
@click.option("--json", "as_json", is_flag=True, help="Print the job as JSON.")
def restore(snapshot: str, *, wait: bool, as_json: bool) -> int:
    """Make a generation of a snapshot; it stands by until you swap to it."""
    tools = _build_tools()
    # Raises NotFoundError now rather than in the job.
    name = tools.snapshots.get(snapshot).name
    return _run_job(tools.services, KIND_RESTORE, {"snapshot": name}, wait=wait, as_json=as_json)


def _describe(tools: _Tools, one: Generation, *, exists: bool) -> dict[str, Any]:
    is_counted = exists and one.state is not GenerationState.DROPPED
    return {
        "collection": one.collection,
        "state": one.state.value,
        "points": tools.store.count(one.collection) if is_counted else None,
        "stale": tools.copies.count_stale(one.collection) if is_counted else None,
        "encoder": one.recipes.text.encoder,
        "recipes": one.recipes.fingerprint,
        "withdrawn": one.withdrawn,
        "message": one.message,
        "created_at": f"{one.created_at:%Y-%m-%d %H:%M:%S}" if one.created_at else None,
        "live_at": f"{one.live_at:%Y-%m-%d %H:%M:%S}" if one.live_at else None,
    }


def _run_job(services: CommandServices, kind: str, params: dict[str, Any], *, wait: bool, as_json: bool) -> int:
    job_id: uuid.UUID = services.job_repository.create(kind, params)
    services.hints.send(TASK_RUN_JOB, job_id=str(job_id))
    console = Console(stderr=as_json)
    if wait:
        follow_job(services.job_repository, job_id, console=console)
    job = services.job_repository.get(job_id)
    progress = services.job_repository.get_progress(job)
    if as_json:
        _print_json(describe_job(job, progress))
    else:
        console.print(f"job {job_id} {job.state}" + (f": {job.message}" if job.message else ""))
    return get_job_exit(job, progress) if wait else Exit.OK


def _announce(tools: _Tools, done: Swap, *, as_json: bool) -> None:
    tools.services.hints.send(TASK_RUN_JOB, job_id=str(done.job_id))
    if as_json:
        _print_json(done)
        return
    click.echo(f"{done.collection} is live (before: {done.previous})")
    click.echo(f"{done.stale} titles have changed since; the job that catches up: avs jobs show --follow {done.job_id}")
    if done.recipes_changed:
        click.echo("It was made by other recipes: restart the workers with its model, or searches are refused (409).")


def _print_json(value: Any) -> None:
    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())
