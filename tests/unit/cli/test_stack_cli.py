"""The root of `avs`: lazy commands, errors as one line, exit codes, and joining a running stack."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import click
import pytest

from cli import main
from cli.connection import join_running_stack
from cli.exits import Exit, get_exit_code
from cli.stack import build_table
from core.errors import (
    ConfigurationError,
    ConflictError,
    DependencyUnavailableError,
    InvalidInputError,
    ModelUnavailableError,
    NotFoundError,
    OverloadedError,
    ServiceError,
)
from embedded.addresses import SERVER_VARIABLES, SERVICE_NAMES, Addresses
from embedded.state import Phase, ProcessState, ProcessStatus, StackState, get_own_start, save_state

ROOT = Path(__file__).resolve().parents[3]


def _build_state(env: Mapping[str, str]) -> StackState:
    return StackState(
        phase=Phase.RUNNING,
        ready=True,
        supervisor_pid=os.getpid(),
        supervisor_started=get_own_start(),
        services={"web": ProcessStatus(state=ProcessState.RUNNING, address="http://127.0.0.1:1", pid=7)},
        env=env,
    )


def test_help_imports_no_command() -> None:
    """`avs --help` lists every command and loads neither the servers' code nor torch."""
    code = (
        "import sys; from cli.main import run; run(['--help']);"
        "heavy = {'torch', 'numpy', 'rich', 'psycopg', 'cli.stack', 'embedded.supervisor'} & set(sys.modules);"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(f"  {name} " in done.stdout for name in main.COMMANDS)


@pytest.mark.parametrize("name", ["up", "down", "status"])
def test_a_command_is_found_by_its_name(name: str) -> None:
    """The module listed for a name holds a click command of that name."""
    command = main.avs.get_command(click.Context(main.avs), name)
    assert command is not None
    assert command.name == name


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError("x"), Exit.CONFIGURATION),
        (ModelUnavailableError("A", "b", reason="c", remedy="d"), Exit.CONFIGURATION),
        (DependencyUnavailableError("redis", "x"), Exit.UNAVAILABLE),
        (OverloadedError("x"), Exit.UNAVAILABLE),
        (NotFoundError("job", "x"), Exit.NOT_FOUND),
        (InvalidInputError("limit", "x"), Exit.USAGE),
        (ConflictError("x"), Exit.FAILED),
    ],
)
def test_each_kind_of_error_has_its_exit_code(error: ServiceError, code: Exit) -> None:
    """Scripts can tell a wrong setting from a server that is away."""
    assert get_exit_code(error) is code


def test_an_error_is_one_line_on_stderr(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback for what a person can put right."""
    monkeypatch.setenv("AVS_HOME", str(tmp_path))
    monkeypatch.setenv("VECTOR_SERVICE_HOST", "0.0.0.0")
    monkeypatch.setenv("API_AUTH", "off")
    assert main.run(["up"]) == Exit.CONFIGURATION
    captured = capsys.readouterr()
    assert captured.err.startswith("avs: ")
    assert captured.err.count("\n") == 1
    assert captured.out == ""


def test_an_unknown_command_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, as click has it."""
    assert main.run(["nosuch"]) == Exit.USAGE
    assert "nosuch" in capsys.readouterr().err


def test_joining_takes_the_servers_of_the_stack_and_keeps_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Server addresses of the shell and of `.env` give way to those of the running stack; other settings stay."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("DATABASE_URL=postgresql://mine\nFLOWER_PORT=1\n")
    monkeypatch.setenv("AVS_HOME", str(tmp_path))
    monkeypatch.setenv("REDIS_URL", "redis://mine")
    monkeypatch.setenv("TEXT_EMBEDDING_MODEL", "mine")
    for name in ("DATABASE_URL", "FLOWER_PORT", "REDIS_CACHE_URL", "QDRANT_URL", "HF_HUB_OFFLINE"):
        monkeypatch.setenv(name, "")
    stack = dict.fromkeys((*SERVER_VARIABLES, "TEXT_EMBEDDING_MODEL", "FLOWER_PORT", "HF_HUB_OFFLINE"), "stack")
    save_state(tmp_path, _build_state(stack))
    assert join_running_stack() is not None
    assert {os.environ[name] for name in SERVER_VARIABLES} == {"stack"}
    assert os.environ["TEXT_EMBEDDING_MODEL"] == "mine"
    assert os.environ["FLOWER_PORT"] == ""
    assert os.environ["HF_HUB_OFFLINE"] == "stack"


def test_the_server_variables_are_those_that_the_addresses_set() -> None:
    """No address of a server is forgotten when a command joins."""
    ports = dict.fromkeys(SERVICE_NAMES, 1)
    assert set(Addresses(ports=ports, password="p").build_env()) == set(SERVER_VARIABLES)


def test_joining_nothing_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a running stack the settings stay what they are."""
    monkeypatch.setenv("AVS_HOME", str(tmp_path))
    before = dict(os.environ)
    assert join_running_stack() is None
    assert dict(os.environ) == before


def test_the_table_fits_into_80_columns() -> None:
    """Where the output is no terminal, no address is folded into two lines."""
    from rich.console import Console

    address = "postgresql://avs@127.0.0.1:65535/avs"
    running = ProcessStatus(state=ProcessState.RUNNING, address=address, pid=4194304)
    state = StackState(phase=Phase.RUNNING, services={"worker-network": running})
    console = Console(width=80, record=True, file=open(os.devnull, "w"))  # noqa: SIM115, PTH123
    console.print(build_table(state))
    assert address in console.export_text()


def test_the_table_shows_every_process_and_its_address() -> None:
    """Name, state, address and pid are there."""
    from rich.console import Console

    console = Console(width=120, record=True, file=open(os.devnull, "w"))  # noqa: SIM115, PTH123
    console.print(build_table(_build_state({})))
    shown = console.export_text()
    assert all(word in shown for word in ("ready", "web", "running", "http://127.0.0.1:1", "7"))
