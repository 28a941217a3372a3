"""What a request says of its sender: the key, the address, the host that it was meant for."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from core.settings import is_loopback

_BEARER = "bearer "
# A customer of IPv6 has at least so many bits to choose from: one address of them says nothing.
_NETWORK_BITS = 64


def read_token(environ: Mapping[str, Any]) -> str | None:
    """The key that was sent, as `Authorization: Bearer` or as `X-API-Key`; None if there is none.

    Another scheme of Authorization is not ours to judge: a proxy before us may have asked for it.
    """
    given = environ.get("HTTP_AUTHORIZATION")
    if given is not None and given[: len(_BEARER)].lower() == _BEARER:
        return str(given[len(_BEARER) :].strip())
    return environ.get("HTTP_X_API_KEY")


def get_address(environ: Mapping[str, Any]) -> str:
    """Who is counted: the IPv4 address, or the network of the IPv6 address. Blank for a Unix socket."""
    return _get_network(environ.get("REMOTE_ADDR") or "")


def is_meant_for_loopback(environ: Mapping[str, Any]) -> bool:
    """False if a browser was led here under another name (DNS rebinding): such a page may read what it asks for."""
    return _is_loopback_host(environ.get("HTTP_HOST") or "localhost")


@lru_cache(maxsize=4_096)
def _get_network(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((int(parsed), _NETWORK_BITS), strict=False))


@lru_cache(maxsize=256)
def _is_loopback_host(host: str) -> bool:
    name = host[1 : host.find("]")] if host.startswith("[") else host.partition(":")[0]
    return is_loopback(name.lower()) or name.lower().endswith(".localhost")
