"""What a stack will consist of, decided before anything runs: addresses, environment, servers, processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from embedded.addresses import FLOWER, WEB, Addresses
from embedded.app_process import AppProcess
from embedded.environment import (
    build_process_env,
    build_stack_env,
    choose_stack_addresses,
    get_reachable_host,
    read_caller_env,
)
from embedded.procfile import RELEASE, load_procfile
from embedded.services import build_servers
from embedded.unit import Server

_SOURCE_ROOT = Path(__file__).resolve().parents[1]
_FLOWER_HOST = "127.0.0.1"


@dataclass(frozen=True, kw_only=True)
class StackOptions:
    """What to run. `processes` names the lines of the Procfile to start; None: all of them.

    `env` goes before what the caller's environment and `.env` say.
    """

    home: Path
    procfile: Path = _SOURCE_ROOT / "Procfile"
    processes: tuple[str, ...] | None = None
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class StackPlan:
    """`env` are the variables that let a client join the stack; `apps` are in the order of the Procfile."""

    addresses: Addresses
    env: Mapping[str, str] = field(repr=False)
    servers: Mapping[str, Server]
    release: AppProcess | None
    apps: tuple[AppProcess, ...]


def build_plan(options: StackOptions) -> StackPlan:
    """Decide everything. The caller owns the home and nothing runs in it, else its own ports would look taken.

    Raises ConfigurationError for a bad Procfile or a port that is in use.
    """
    lines = load_procfile(options.procfile)
    root = options.procfile.absolute().parent
    home = options.home.absolute()
    caller = {**read_caller_env(root), **options.env}
    addresses = choose_stack_addresses(home, caller=caller)
    env = build_stack_env(addresses, home=home, caller=caller)
    process_env = build_process_env({**options.env, **env})
    urls = {WEB: f"http://{get_reachable_host(caller)}:{addresses.ports[WEB]}"}
    urls[FLOWER] = f"http://{_FLOWER_HOST}:{addresses.ports[FLOWER]}"
    probes = {WEB: f"{urls[WEB]}/health/live", FLOWER: f"{urls[FLOWER]}/healthcheck"}
    apps = {
        name: AppProcess(
            name=name, line=line, cwd=root, env=process_env, address=urls.get(name), probe_url=probes.get(name)
        )
        for name, line in lines.items()
    }
    release = apps.pop(RELEASE, None)
    wanted = tuple(app for name, app in apps.items() if options.processes is None or name in options.processes)
    return StackPlan(
        addresses=addresses,
        env=env,
        servers=build_servers(home, addresses=addresses),
        release=release,
        apps=wanted,
    )
