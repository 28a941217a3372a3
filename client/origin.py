"""Where requests go, and the API key that goes there and nowhere else."""

from __future__ import annotations

from collections.abc import Generator

import httpx

_PORTS = frozenset({None, *range(1, 65_536)})


def parse_base_url(text: str) -> httpx.URL:
    """The service's address: http or https, with a path before /api/v1 if it is served below one.

    Raises ValueError, without the text: an address with a password in it must not reach a log.
    """
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        raise ValueError("base_url: is no address") from None
    if url.scheme not in ("http", "https") or not url.host or url.port not in _PORTS:
        raise ValueError("base_url: must be like http://localhost:8002 or https://anime.example.org")
    if url.userinfo or url.query or url.fragment:
        raise ValueError("base_url: must have no user, password, query or fragment; the key is given as api_key")
    return url


class KeyAuth(httpx.Auth):
    """Adds the API key to requests for one origin. Nothing that is printed of this object shows the key."""

    def __init__(self, key: str, origin: httpx.URL) -> None:
        # Anything else would be refused when it is sent, by an error that quotes it.
        if not key or not all("!" <= char <= "~" for char in key):
            raise ValueError("api_key: must be printable ASCII without spaces")
        self._key = key
        self._origin = _get_origin(origin)

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Called by httpx for each request."""
        if _get_origin(request.url) == self._origin:
            request.headers["Authorization"] = f"Bearer {self._key}"
        yield request

    def __repr__(self) -> str:
        return "KeyAuth(<hidden>)"


def _get_origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port
