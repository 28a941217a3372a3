"""Headers of every answer, whichever lane it came by: what a browser may do with it, and who may read it (CORS)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from core.settings import Settings

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

ANY_ORIGIN = "*"
_Headers = list[tuple[str, str]]

_ALWAYS: _Headers = [
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
]
_CSP = "Content-Security-Policy"
_FRAMES = "base-uri 'none'; frame-ancestors 'none'"
# An answer of the API is nothing that a browser should run or show anything in.
_DATA_POLICY = f"default-src 'none'; {_FRAMES}; form-action 'none'"
_PAGE_POLICY = f"default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; {_FRAMES}"
# Both readers of the contract write styles of their own into the page; scripts come from here alone. ReDoc searches in
# a worker that it makes up itself.
_DOCS_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; "
    f"connect-src 'self'; worker-src 'self' blob:; form-action 'none'; {_FRAMES}"
)
_POLICIES = {"/": _PAGE_POLICY, "/docs": _DOCS_POLICY, "/redoc": _DOCS_POLICY, "/swagger": _DOCS_POLICY}
_HSTS = ("Strict-Transport-Security", "max-age=31536000")

EXPOSED = (
    "ETag, Location, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, Retry-After, WWW-Authenticate, X-Request-ID"
)
_METHODS = "GET, POST, PUT, PATCH, DELETE"
_ALLOWED = "Accept, Authorization, Content-Type, If-None-Match, X-API-Key, X-Request-ID"
_PREFLIGHT_S = "3600"


class HeaderLane:
    """WSGI middleware, outside of all others but the one that reads a proxy's headers.

    Keys travel in headers of their own and no cookie is ever set, so answers carry no Access-Control-Allow-Credentials.
    """

    def __init__(self, app: WSGIApplication, settings: Settings) -> None:
        self._app = app
        self._origins = frozenset(settings.get_cors_origins())
        self._is_behind_proxy = settings.trusted_proxies > 0
        self._by_path = {path: [*_ALWAYS, (_CSP, policy)] for path, policy in _POLICIES.items()}
        self._others = [*_ALWAYS, (_CSP, _DATA_POLICY)]

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """One request."""
        added = self._by_path.get(environ.get("PATH_INFO", ""), self._others)
        # Without a proxy that we trust anybody could write the scheme.
        if self._is_behind_proxy and environ["wsgi.url_scheme"] == "https":
            added = [*added, _HSTS]
        if self._origins:
            origin = self._match_origin(environ)
            added = [*added, *_build_cors(origin, self._origins)]
            if origin is not None and _is_preflight(environ):
                start_response("204 No Content", [*added, *_build_preflight()])
                return []

        def start(status: str, headers: _Headers, exc_info: Any = None) -> Any:
            return start_response(status, [*headers, *added], exc_info)

        return self._app(environ, start)

    def _match_origin(self, environ: WSGIEnvironment) -> str | None:
        origin = environ.get("HTTP_ORIGIN")
        if origin is None:
            return None
        if ANY_ORIGIN in self._origins:
            return ANY_ORIGIN
        return origin if origin in self._origins else None


def _build_cors(origin: str | None, origins: frozenset[str]) -> _Headers:
    # Who asks changes the answer, unless all may: a shared cache has to know, whoever asked first.
    headers = [] if ANY_ORIGIN in origins else [("Vary", "Origin")]
    if origin is not None:
        headers += [("Access-Control-Allow-Origin", origin), ("Access-Control-Expose-Headers", EXPOSED)]
    return headers


def _is_preflight(environ: WSGIEnvironment) -> bool:
    return environ["REQUEST_METHOD"] == "OPTIONS" and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ


def _build_preflight() -> _Headers:
    return [
        ("Access-Control-Allow-Methods", _METHODS),
        ("Access-Control-Allow-Headers", _ALLOWED),
        ("Access-Control-Max-Age", _PREFLIGHT_S),
    ]
