"""`avs up`, `avs down` and `avs status`: the embedded stack as a person or a script handles it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.live import Live
from rich.table import Table

from cli.connection import find_home
from cli.exits import Exit
from core.errors import ConflictError, DependencyUnavailableError
from core.log import configure_logging
from core.settings import load_settings
from embedded.pidfiles import wait_until_gone
from embedded.plan import StackOptions
from embedded.state import Phase, ProcessState, StackState, load_state
from embedded.supervisor import Supervisor

_REFRESH_S = 0.25
_DOWN_LIMIT_S = 150.0
_SHOWN_CHARS = 2_000
_COLORS = {
    ProcessState.RUNNING: "green",
    ProcessState.STARTING: "yellow",
    ProcessState.WAITING: "red",
    ProcessState.STOPPED: "dim",
}


@click.command("up")
@click.option("--detach", "-d", is_flag=True, help="Return when the stack is ready, and leave it running.")
@click.option("--timeout", default=180.0, show_default=True, help="With --detach: seconds to wait for readiness.")
def up(*, detach: bool, timeout: float) -> None:
    """Start the embedded servers, run the migrations and start every process of the Procfile.

    In the foreground it stays until Ctrl-C. Logs are in AVS_HOME/logs.
    """
    load_settings()
    home = find_home()
    if (state := load_state(home)) is not None:
        raise ConflictError(f"a stack is already running in {home} (process {state.supervisor_pid})")
    if detach:
        _start_detached(home, limit_s=timeout)
    else:
        run_in_foreground(StackOptions(home=home))


@click.command("down")
def down() -> None:
    """Stop the running stack: workers and web first, then Qdrant, Postgres and Redis."""
    home = find_home()
    state = load_state(home)
    if state is None:
        click.echo(f"nothing runs in {home}")
        return
    os.kill(state.supervisor_pid, signal.SIGTERM)
    if not wait_until_gone({state.supervisor_pid: state.supervisor_started}, limit_s=_DOWN_LIMIT_S):
        raise DependencyUnavailableError("supervisor", f"process {state.supervisor_pid} does not stop; see {home}/logs")
    click.echo("stopped")


@click.command("status")
@click.option("--json", "as_json", is_flag=True, help="One JSON object: phase, ready, and every service's address.")
def status(*, as_json: bool) -> int:
    """Show every process with its address. Exit code 4 when no stack runs."""
    home = find_home()
    state = load_state(home)
    if as_json:
        shown = state or StackState(phase=Phase.STOPPED)
        click.echo(json.dumps({**shown.to_public(), "home": str(home)}, indent=2))
    elif state is None:
        click.echo(f"nothing runs in {home}", err=True)
    else:
        Console().print(build_table(state))
    return Exit.UNAVAILABLE if state is None else Exit.OK


def build_table(state: StackState) -> Table:
    """The stack as a table: name, state, address, pid, restarts."""
    word = "ready" if state.ready else state.phase.value
    # So narrow that it fits into 80 columns, which is also what is taken when the output is no terminal.
    title = f"Anime Vector Service: {word}"
    table = Table(
        box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, pad_edge=False, title=title, title_justify="left"
    )
    for column in ("process", "state", "address", "pid", "restarts"):
        table.add_column(column, overflow="fold")
    for name, entry in state.services.items():
        shown = f"[{_COLORS[entry.state]}]{entry.state.value}[/]"
        table.add_row(name, shown, entry.address or "", str(entry.pid or ""), str(entry.restarts or ""))
    return table


def run_in_foreground(options: StackOptions) -> None:
    """Run a stack until a signal or a failure ends it. Raises the ServiceError that ended it."""
    with _events_in(options.home / "logs" / "supervisor.log"), Supervisor(options) as stack:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: stack.request_stop())
        console = Console()
        if console.is_terminal:
            _show_live(stack, console)
        else:
            _show_lines(stack)
    if stack.error is not None:
        raise stack.error


@contextlib.contextmanager
def _events_in(path: Path) -> Iterator[None]:
    """Log events go to a file: on the terminal they would tear the table apart."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8", buffering=1) as file:
        configure_logging(load_settings(), stream=file)
        yield


def _show_live(stack: Supervisor, console: Console) -> None:
    with Live(build_table(stack.snapshot()), console=console, refresh_per_second=4) as live:
        while stack.is_running:
            time.sleep(_REFRESH_S)
            live.update(build_table(stack.snapshot()))


def _show_lines(stack: Supervisor) -> None:
    seen: set[str] = set()
    while stack.is_running:
        lines = _describe(stack.snapshot())
        for line in lines:
            if line not in seen:
                click.echo(line)
        seen = set(lines)
        time.sleep(_REFRESH_S)


def _describe(state: StackState) -> list[str]:
    """One line for the whole and one a process; a line that is new says what has changed."""
    lines = [
        f"{name}: {entry.state.value}{f' at {entry.address}' if entry.address else ''}"
        for name, entry in state.services.items()
    ]
    return [*lines, f"stack: {'ready' if state.ready else state.phase.value}"]


def _start_detached(home: Path, *, limit_s: float) -> None:
    """Either the stack is ready on return, or it is not there: a late or interrupted start is undone."""
    log_path = home / "logs" / "up.log"
    log_path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "cli.main", "up"],
            env={**os.environ, "AVS_HOME": str(home)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        state = _wait_until_ready(home, process, limit_s=limit_s)
    except BaseException:
        process.terminate()
        process.wait(timeout=_DOWN_LIMIT_S)
        raise
    if state is None:
        click.echo(_find_error(log_path.read_text(errors="replace")), err=True)
        raise SystemExit(process.returncode or Exit.FAILED)
    Console().print(build_table(state))


def _find_error(output: str) -> str:
    """What a stack that ended has to say: its error line and what follows, or the end of its output."""
    _, mark, error = output.strip().rpartition("\navs: ")
    return f"avs: {error}" if mark else output.strip()[-_SHOWN_CHARS:]


def _wait_until_ready(home: Path, process: subprocess.Popen[bytes], *, limit_s: float) -> StackState | None:
    """The state once it is ready; None when the process ended by itself. DependencyUnavailableError when it is late."""
    deadline = time.monotonic() + limit_s
    while process.poll() is None:
        state = load_state(home)
        if state is not None and state.ready:
            return state
        if time.monotonic() > deadline:
            raise DependencyUnavailableError("stack", f"not ready after {limit_s:.0f} s; see {home}/logs")
        time.sleep(_REFRESH_S)
    return None
