"""Ports on loopback that stay ours across restarts.

They are drawn below the range that the kernel gives to outgoing connections: otherwise any client of the machine
could take a server's port in the moment between its death and its restart.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Collection

LOOPBACK = "127.0.0.1"
_FIRST_PORT = 20_000
_LAST_PORT = 32_000
_DRAWS = 200


def is_port_free(port: int) -> bool:
    """True if a server could listen on this port of loopback now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def choose_port(*, preferred: int | None = None, taken: Collection[int] = ()) -> int:
    """The preferred port if it is free, else a random free one that is not in `taken`.

    Raises OSError when none is found.
    """
    if preferred is not None and preferred not in taken and is_port_free(preferred):
        return preferred
    for _ in range(_DRAWS):
        port = random.randrange(_FIRST_PORT, _LAST_PORT)  # noqa: S311 - spreads, hides nothing
        if port not in taken and is_port_free(port):
            return port
    raise OSError(f"no free port of {LOOPBACK} between {_FIRST_PORT} and {_LAST_PORT}")
