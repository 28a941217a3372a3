"""`avs demo`: the whole main job on the sample catalogue, from nothing to answered searches by text and by picture."""

from __future__ import annotations

import os
import time
from pathlib import Path

import click
from pydantic import SecretStr
from rich.console import Console
from rich.text import Text

from cli.connection import find_home, join_running_stack
from cli.demo_pictures import DemoPictures, allow_loopback, index_pictures, show_picture_searches
from cli.exits import Exit
from cli.importing import run_import
from cli.job_progress import follow_job, get_job_exit
from cli.picture_host import PictureHost
from cli.searching import build_table, request_search
from cli.services import build_command_services
from cli.stack import down, up
from core.errors import DependencyUnavailableError, ServiceError
from embedded.environment import read_caller_env
from embedded.state import StackState, load_state

SAMPLE = Path(__file__).parent.parent / "data" / "sample-catalogue.jsonl"
QUERIES = (
    "giant humanoids besiege the last walled city of humanity",
    "a notebook that kills whoever's name is written in it",
    "gentle story about an elf who learns what her friends meant to her",
    "進撃の巨人",
)
_SHOWN = 3
_SEARCH_LIMIT_S = 30.0


@click.command(name="demo")
@click.option("--exit", "exits", is_flag=True, help="Stop by itself when all is shown.")
@click.option("--timeout", default=300.0, show_default=True, help="Seconds to wait for the stack.")
@click.pass_context
def demo(ctx: click.Context, *, exits: bool, timeout: float) -> int:
    """Start the embedded stack, import the sample catalogue with drawn pictures, search in it, stay until Ctrl-C."""
    console = Console()
    was_running = load_state(find_home()) is not None
    pictures = DemoPictures(find_home(), SAMPLE)
    drawing = pictures.start_drawing()
    if not was_running:
        console.print("Starting Redis, Postgres, Qdrant, workers and the API ...")
        os.environ.update(allow_loopback(read_caller_env(Path.cwd())))
        ctx.invoke(up, detach=True, timeout=timeout)
    try:
        with console.status("Drawing covers"):
            drawing.result()
        code = _run_main_job(pictures, console)
        _show_addresses(console)
        if not exits:
            _wait_for_interrupt(console)
    finally:
        if not was_running:
            console.print("Stopping ...")
            ctx.invoke(down)
    return code


def _run_main_job(pictures: DemoPictures, console: Console) -> Exit:
    state = join_running_stack()
    if state is None:
        raise DependencyUnavailableError("stack", "it ended right after its start; see the logs")
    services = build_command_services()
    api, key = _get_api_address(state), services.settings.avs_api_key
    with PictureHost(pictures.folder) as host:
        job_id = run_import(services, pictures.write_catalogue(host.address), console=console)
        job, progress = follow_job(services.job_repository, job_id, console=console)
        answered = [show_search(api, query, console, key=key) for query in QUERIES]
        answered.append(index_pictures(services, console))
    answered.append(show_picture_searches(api, pictures, console, key=key))
    return get_job_exit(job, progress) if all(answered) else Exit.FAILED


def show_search(api: str, query: str, console: Console, *, key: SecretStr | None = None) -> bool:
    """Ask the API at `api` and show its best results. False, and a line that says why, when the search fails."""
    try:
        answer = request_search(api, {"query": query, "limit": _SHOWN}, timeout_s=_SEARCH_LIMIT_S, key=key)
    except ServiceError as error:
        console.print(f"The search for “{query}” failed: {error}", style="yellow", markup=False)
        return False
    table = build_table(answer)
    table.title = Text(f"“{query}”")
    console.print(table)
    return True


def _get_api_address(state: StackState) -> str:
    address = state.services["web"].address
    if address is None:
        raise DependencyUnavailableError("stack", "the API has no address")
    return address


def _show_addresses(console: Console) -> None:
    state = load_state(find_home())
    if state is None:
        raise DependencyUnavailableError("stack", "it has stopped; see the logs")
    api = _get_api_address(state)
    console.print(f"API     {api}\nDocs    {api}/docs\nFlower  {state.services['flower'].address}")


def _wait_for_interrupt(console: Console) -> None:
    console.print("Ctrl-C stops everything.")
    try:
        while load_state(find_home()) is not None:
            time.sleep(1)
    except KeyboardInterrupt:
        return
