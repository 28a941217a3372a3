"""The environment that a supervisor hands to its processes.

The four server addresses are always those of the home's own servers, even where the caller has set others: half of a
stack on somebody's production database would be a trap (the first thing a stack does is to migrate). What the caller
says of models and of the API's port is kept.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values

from core.errors import ConfigurationError
from embedded.addresses import FLOWER, SERVICE_NAMES, WEB, Addresses, choose_addresses
from embedded.ports import is_port_free

# Models that need no download; a machine without a hub must not wait for one.
PROFILE: Mapping[str, str] = {
    "TEXT_EMBEDDING_MODEL": "minilm",
    "IMAGE_EMBEDDING_MODEL": "visual_baseline",
    "HF_HUB_OFFLINE": "1",
}
_PORT_VARIABLES: Mapping[str, str] = {WEB: "VECTOR_SERVICE_PORT", FLOWER: "FLOWER_PORT"}
_EVERYWHERE = ("", "0.0.0.0", "::", "localhost")  # noqa: S104 - compared with, never bound


def read_caller_env(directory: Path) -> dict[str, str]:
    """What the caller has set, in the environment or, below it, in the `.env` file of a directory."""
    from_file = {name: value for name, value in dotenv_values(directory / ".env").items() if value}
    return {**from_file, **{name: value for name, value in os.environ.items() if value}}


def choose_stack_addresses(home: Path, *, caller: Mapping[str, str]) -> Addresses:
    """Ports for servers, API and Flower. Raises ConfigurationError when a port that the caller named is in use."""
    fixed = {name: port for name, variable in _PORT_VARIABLES.items() if (port := _read_port(caller, variable))}
    for name, port in fixed.items():
        if not is_port_free(port):
            raise ConfigurationError(f"{_PORT_VARIABLES[name]}={port} is in use; choose another or leave it out")
    return choose_addresses(home, names=(*SERVICE_NAMES, WEB, FLOWER), fixed=fixed)


def _read_port(caller: Mapping[str, str], variable: str) -> int | None:
    try:
        return int(caller.get(variable, "0")) or None
    except ValueError as error:
        raise ConfigurationError(f"{variable}={caller[variable]!r} is not a port") from error


def build_stack_env(addresses: Addresses, *, home: Path, caller: Mapping[str, str]) -> dict[str, str]:
    """The variables that the supervisor sets: enough for any process, or a client, to join the stack."""
    ports = {variable: str(addresses.ports[name]) for name, variable in _PORT_VARIABLES.items()}
    profile = {name: caller.get(name, value) for name, value in PROFILE.items()}
    return {**addresses.build_env(), **ports, **profile, "AVS_HOME": str(home)}


def build_process_env(stack_env: Mapping[str, str]) -> dict[str, str]:
    """The whole environment of a process: the caller's, the stack's, and this interpreter's programs first in PATH."""
    programs = str(Path(sys.executable).parent)
    path = os.pathsep.join((programs, os.environ.get("PATH", os.defpath)))
    return {**os.environ, **stack_env, "PATH": path, "PYTHONUNBUFFERED": "1"}


def get_reachable_host(caller: Mapping[str, str]) -> str:
    """Where a client on this machine reaches the API, whatever it listens on."""
    host = caller.get("VECTOR_SERVICE_HOST", "")
    return "127.0.0.1" if host in _EVERYWHERE else host
