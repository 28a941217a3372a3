"""Whether an HTTP server of this machine answers."""

from __future__ import annotations

import httpx

_TIMEOUT_S = 1.0


def answers_ok(url: str) -> bool:
    """True if a GET is answered with success within about a second. Proxies of the environment are not used."""
    try:
        return httpx.get(url, timeout=_TIMEOUT_S, trust_env=False).is_success
    except httpx.TransportError:
        return False
