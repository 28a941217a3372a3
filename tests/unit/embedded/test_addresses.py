"""Ports and password of a home: chosen once, kept, chosen anew only if taken."""

from __future__ import annotations

import socket
import stat
from pathlib import Path

import pytest

from core.errors import ConfigurationError
from embedded.addresses import (
    FLOWER,
    POSTGRES,
    QDRANT,
    REDIS_BROKER,
    SERVICE_NAMES,
    WEB,
    choose_addresses,
    get_addresses_path,
    load_addresses,
)
from embedded.environment import build_stack_env, choose_stack_addresses, get_reachable_host, read_caller_env
from embedded.ports import LOOPBACK, choose_port, is_port_free


def test_a_second_choice_is_the_first_one(tmp_path: Path) -> None:
    """Ports and password stay the same over restarts."""
    first = choose_addresses(tmp_path)
    assert choose_addresses(tmp_path) == first == load_addresses(tmp_path)
    assert set(first.ports) == set(SERVICE_NAMES)
    assert len(set(first.ports.values())) == len(SERVICE_NAMES)


def test_only_a_taken_port_is_chosen_anew(tmp_path: Path) -> None:
    """When somebody else listens on a kept port, that one moves and the others stay."""
    first = choose_addresses(tmp_path)
    with socket.create_server((LOOPBACK, first.ports[POSTGRES])):
        second = choose_addresses(tmp_path)
    assert second.ports[POSTGRES] != first.ports[POSTGRES]
    assert {**second.ports, POSTGRES: 0} == {**first.ports, POSTGRES: 0}
    assert second.password == first.password


def test_the_file_with_the_password_is_closed_to_others(tmp_path: Path) -> None:
    """Only the owner can read the addresses."""
    choose_addresses(tmp_path)
    assert stat.S_IMODE(get_addresses_path(tmp_path).stat().st_mode) == 0o600


def test_urls_hide_the_password_unless_asked(tmp_path: Path) -> None:
    """What is shown to people holds no password; what processes get does."""
    addresses = choose_addresses(tmp_path)
    for name in (POSTGRES, REDIS_BROKER):
        assert addresses.password not in addresses.get_url(name)
        assert addresses.password in addresses.get_url(name, with_password=True)
    assert addresses.get_url(QDRANT) == f"http://127.0.0.1:{addresses.ports[QDRANT]}"


def test_ports_lie_below_those_of_outgoing_connections() -> None:
    """Linux gives clients ports from 32768 on; a server that restarts must find its own free."""
    port = choose_port()
    assert 20_000 <= port < 32_000
    assert is_port_free(port)


def test_a_preferred_port_is_used_unless_taken() -> None:
    """The usual port of the API is kept where it is free."""
    preferred = choose_port()
    assert choose_port(preferred=preferred) == preferred
    assert choose_port(preferred=preferred, taken=[preferred]) != preferred


def test_the_callers_port_is_used_or_refused(tmp_path: Path) -> None:
    """A port that the caller named is taken as it is; when it is in use, that is an error and no silent change."""
    port = choose_port()
    addresses = choose_stack_addresses(tmp_path, caller={"VECTOR_SERVICE_PORT": str(port)})
    assert addresses.ports[WEB] == port
    assert FLOWER in addresses.ports
    with socket.create_server((LOOPBACK, port)), pytest.raises(ConfigurationError, match="VECTOR_SERVICE_PORT"):
        choose_stack_addresses(tmp_path, caller={"VECTOR_SERVICE_PORT": str(port)})
    with pytest.raises(ConfigurationError, match="FLOWER_PORT"):
        choose_stack_addresses(tmp_path, caller={"FLOWER_PORT": "many"})


def test_the_callers_models_win_and_his_servers_do_not(tmp_path: Path) -> None:
    """Models of the caller are kept, but a stack never works on a database that is not its own."""
    addresses = choose_stack_addresses(tmp_path, caller={})
    caller = {"TEXT_EMBEDDING_MODEL": "BAAI/bge-m3", "DATABASE_URL": "postgresql://prod/db"}
    env = build_stack_env(addresses, home=tmp_path, caller=caller)
    assert env["TEXT_EMBEDDING_MODEL"] == "BAAI/bge-m3"
    assert env["IMAGE_EMBEDDING_MODEL"] == "visual_baseline"
    assert "prod" not in env["DATABASE_URL"]
    assert env["AVS_HOME"] == str(tmp_path)


def test_the_environment_goes_before_the_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`.env` is below the environment, and an empty variable counts as not set."""
    (tmp_path / ".env").write_text("FLOWER_PORT=1\nVECTOR_SERVICE_PORT=2\n")
    monkeypatch.setenv("FLOWER_PORT", "3")
    monkeypatch.setenv("VECTOR_SERVICE_PORT", "")
    caller = read_caller_env(tmp_path)
    assert (caller["FLOWER_PORT"], caller["VECTOR_SERVICE_PORT"]) == ("3", "2")


def test_a_service_on_all_addresses_is_reached_over_loopback() -> None:
    """0.0.0.0 is no address to connect to."""
    assert get_reachable_host({"VECTOR_SERVICE_HOST": "0.0.0.0"}) == "127.0.0.1"
    assert get_reachable_host({"VECTOR_SERVICE_HOST": "10.0.0.1"}) == "10.0.0.1"
