"""Where the servers of one home listen and with which password: chosen once, kept, chosen anew only if taken."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from embedded.files import read_json, write_json
from embedded.ports import LOOPBACK, choose_port

REDIS_BROKER = "redis-broker"
REDIS_CACHE = "redis-cache"
POSTGRES = "postgres"
QDRANT = "qdrant"
WEB = "web"
FLOWER = "flower"

SERVICE_NAMES = (REDIS_BROKER, REDIS_CACHE, POSTGRES, QDRANT)
_PREFERRED_PORTS: Mapping[str, int] = {WEB: 8002, FLOWER: 5555}
# What points a process to the four servers.
SERVER_VARIABLES = ("DATABASE_URL", "REDIS_URL", "REDIS_CACHE_URL", "QDRANT_URL")
DATABASE = "avs"
DATABASE_USER = "avs"


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """Ports by process name, and one generated password for Postgres and both Redis servers."""

    ports: Mapping[str, int]
    password: str

    def get_url(self, name: str, *, with_password: bool = False) -> str:
        """The address of one server; its password is left out unless asked for."""
        place = f"{LOOPBACK}:{self.ports[name]}"
        if name == POSTGRES:
            user = f"{DATABASE_USER}:{self.password}" if with_password else DATABASE_USER
            return f"postgresql://{user}@{place}/{DATABASE}"
        if name in (REDIS_BROKER, REDIS_CACHE):
            return f"redis://:{self.password}@{place}/0" if with_password else f"redis://{place}/0"
        return f"http://{place}"

    def build_env(self) -> dict[str, str]:
        """The variables that point a process to the four servers."""
        return {
            "DATABASE_URL": self.get_url(POSTGRES, with_password=True),
            "REDIS_URL": self.get_url(REDIS_BROKER, with_password=True),
            "REDIS_CACHE_URL": self.get_url(REDIS_CACHE, with_password=True),
            "QDRANT_URL": self.get_url(QDRANT),
        }


def get_addresses_path(home: Path) -> Path:
    """The file that keeps the addresses of a home."""
    return home / "addresses.json"


def load_addresses(home: Path) -> Addresses | None:
    """The addresses that a home has kept, or None when nothing was ever started there."""
    kept = read_json(get_addresses_path(home))
    if kept is None or "password" not in kept:
        return None
    return Addresses(ports={name: int(port) for name, port in kept["ports"].items()}, password=kept["password"])


def choose_addresses(
    home: Path, *, names: tuple[str, ...] = SERVICE_NAMES, fixed: Mapping[str, int] | None = None
) -> Addresses:
    """Keep the home's free ports, draw new ones for the rest, and write the outcome down.

    `fixed` ports are taken as they are. Call it only while nothing of this home runs, else every port looks taken.
    """
    kept = load_addresses(home)
    fixed = fixed or {}
    ports = {**kept.ports} if kept else {}
    ports.update(fixed)
    for name in names:
        if name not in fixed:
            others = [port for other, port in ports.items() if other != name]
            ports[name] = _choose_one(ports.get(name), preferred=_PREFERRED_PORTS.get(name), taken=others)
    addresses = Addresses(ports=ports, password=kept.password if kept else secrets.token_hex(16))
    home.mkdir(parents=True, exist_ok=True)
    write_json(get_addresses_path(home), {"ports": dict(addresses.ports), "password": addresses.password})
    return addresses


def _choose_one(kept: int | None, *, preferred: int | None, taken: list[int]) -> int:
    return choose_port(preferred=kept if kept is not None else preferred, taken=taken)
