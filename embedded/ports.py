"""Ports on loopback that stay ours across restarts.

They are drawn below the range that the kernel gives to outgoing connections: otherwise any client of the machine
could take a server's port in the moment between its death and its restart.

Between choosing a port and listening on it another program may choose the same. Programs that start stacks at the same
time (processes of tests) set AVS_PORTS to ranges of their own, such as `20000-25999`; no other port is drawn then.
"""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Collection

LOOPBACK = "127.0.0.1"
_RANGE = "20000-31999"
_VARIABLE = "AVS_PORTS"
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
    given = os.environ.get(_VARIABLE)
    ours = _parse_range(given or _RANGE)
    # Without a range of its own a stack may have any port that somebody likes.
    is_ours = preferred is not None and (given is None or preferred in ours)
    if preferred is not None and is_ours and preferred not in taken and is_port_free(preferred):
        return preferred
    for _ in range(_DRAWS):
        port = random.choice(ours)  # noqa: S311 - spreads, hides nothing
        if port not in taken and is_port_free(port):
            return port
    raise OSError(f"no free port of {LOOPBACK} between {ours.start} and {ours.stop - 1}")


def _parse_range(given: str) -> range:
    """'20000-25999' as a range with both ends. Raises OSError for anything else."""
    first, _, last = given.partition("-")
    if not (first.isdigit() and last.isdigit() and 1_024 <= int(first) <= int(last) <= 65_535):
        raise OSError(f"{_VARIABLE}={given!r} is no range of ports such as {_RANGE}")
    return range(int(first), int(last) + 1)
