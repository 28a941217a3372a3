"""Headers of every answer, and who may read it from another origin."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from werkzeug.test import Client

from api.app import create_app
from api.guard.headers import HeaderLane
from api.services import ApiServices, build_services
from core.settings import Settings

HERS = "https://shop.example.org"


def _answer(environ: Any, start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "application/json"), ("Vary", "Accept-Encoding")])
    return [b"{}"]


def _open(**settings: Any) -> Client:
    return Client(HeaderLane(_answer, Settings(_env_file=None, **settings)))


@pytest.fixture(scope="module")
def new_client() -> Iterator[Callable[..., Client]]:
    """The whole application without servers, by its settings."""
    made: dict[str, tuple[ApiServices, Client]] = {}

    def make(**settings: Any) -> Client:
        # Building it takes half a second, and each answer stands for itself.
        if (name := repr(sorted(settings.items()))) not in made:
            services = build_services(Settings(_env_file=None, database_url="postgresql://x@127.0.0.1:1/x", **settings))
            made[name] = services, create_app(services).test_client()
        return made[name][1]

    yield make
    for services, _ in made.values():
        services.close()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 200),
        ("GET", "/docs", 200),
        ("GET", "/redoc", 200),
        ("GET", "/static/search.css", 200),
        ("GET", "/openapi.json", 200),
        ("GET", "/health/live", 200),
        ("GET", "/nowhere", 404),
        ("DELETE", "/api/v1/search", 405),
        ("POST", "/api/v1/search", 415),
        ("GET", "/api/v1/jobs", 503),
        ("OPTIONS", "/api/v1/search", 200),
    ],
)
def test_every_answer_has_the_headers(new_client: Callable[..., Client], method: str, path: str, status: int) -> None:
    """Pages, data, files and errors alike; nothing without a policy, nothing in a frame, nothing sniffed."""
    response = new_client().open(path, method=method)
    assert response.status_code == status
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["X-Frame-Options"] == "DENY"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert "camera=()" in response.headers["Permissions-Policy"]
    policy = response.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'") and "frame-ancestors 'none'" in policy
    assert "script-src 'unsafe-inline'" not in policy and "unsafe-eval" not in policy
    assert "Strict-Transport-Security" not in response.headers
    assert not any(name.startswith("Access-Control") for name, _ in response.headers)


@pytest.mark.parametrize("path", ["/", "/?q=x", "/docs", "/redoc", "/swagger"])
def test_pages_hold_nothing_that_their_policy_forbids(new_client: Callable[..., Client], path: str) -> None:
    """No script and no style in the text of a page; every file that it names is served here."""
    client = new_client(api_auth="required")
    text = client.get(path, headers={"Accept": "text/html"}).text
    assert "<style" not in text and "onclick" not in text and "javascript:" not in text
    for part in text.split("<script")[1:]:
        assert part.startswith(' src="/') and part.partition(">")[2].startswith("</script>")
    for attribute in ("src=", "href="):
        for part in text.split(attribute)[1:]:
            link = part.split('"')[1]
            assert link.startswith("/")
            if link.endswith((".js", ".css", ".svg")):
                assert client.get(link).status_code == 200, link


def test_tls_is_announced_only_behind_a_proxy_that_is_trusted(new_client: Callable[..., Client]) -> None:
    """X-Forwarded-Proto of anybody else is not believed."""
    sent = {"X-Forwarded-Proto": "https"}
    assert "Strict-Transport-Security" not in new_client().get("/health/live", headers=sent).headers
    behind = new_client(trusted_proxies=1)
    assert "max-age" in behind.get("/health/live", headers=sent).headers["Strict-Transport-Security"]
    assert "Strict-Transport-Security" not in behind.get("/health/live").headers
    # gunicorn believes a caller from this machine; we don't.
    assert "Strict-Transport-Security" not in new_client().get("/health/live", base_url="https://localhost").headers


def test_an_origin_that_is_named_may_read(new_client: Callable[..., Client]) -> None:
    """It is repeated with the headers that its scripts may see, errors included, and caches are told; no cookies."""
    client = new_client(cors_origins=f"{HERS}, http://localhost:3000")
    for path in ("/health/live", "/nowhere"):
        headers = client.get(path, headers={"Origin": HERS}).headers
        assert headers["Access-Control-Allow-Origin"] == HERS
        for name in ("RateLimit-Remaining", "Retry-After", "ETag", "X-Request-ID"):
            assert name in headers["Access-Control-Expose-Headers"]
        assert "Origin" in headers["Vary"]
        assert "Access-Control-Allow-Credentials" not in headers


@pytest.mark.parametrize("origin", ["https://evil.example.org", f"{HERS}.evil.org", "null", HERS.upper(), ""])
def test_another_origin_may_not(origin: str) -> None:
    """It gets the answer without a word of permission, and so its page does not."""
    response = _open(cors_origins=HERS).get("/", headers={"Origin": origin})
    assert "Access-Control-Allow-Origin" not in response.headers
    assert "Origin" in response.headers.get_all("Vary")


def test_everybody_may_when_all_may() -> None:
    """`*` is said as it is, and then no cache has to tell origins apart."""
    headers = _open(cors_origins="*").get("/", headers={"Origin": HERS}).headers
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert headers.get_all("Vary") == ["Accept-Encoding"]


def test_a_preflight_is_answered_without_a_key(new_client: Callable[..., Client]) -> None:
    """Browsers send none with it; what is allowed is said, and the route is not called."""
    client = new_client(cors_origins=HERS, api_auth="required")
    asked = {"Origin": HERS, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key"}
    response = client.options("/api/v1/search", headers=asked)
    assert response.status_code == 204 and response.data == b""
    assert "POST" in response.headers["Access-Control-Allow-Methods"]
    assert {"X-API-Key", "Authorization", "Content-Type"} <= set(
        response.headers["Access-Control-Allow-Headers"].split(", ")
    )
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    stranger = client.options("/api/v1/search", headers={**asked, "Origin": "https://evil.example.org"})
    assert "Access-Control-Allow-Origin" not in stranger.headers
