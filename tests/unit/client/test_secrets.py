"""The API key goes to the service and nowhere else."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from client import Client, ClientError
from client.origin import KeyAuth

KEY = "avs_0123_very-secret-0f9e8d7c"
SECRET = "very-secret"


def test_the_key_is_sent_as_a_bearer_token(client: Client, service: Any) -> None:
    """With every request, in the header only."""
    service.replies = [httpx.Response(200, json={"status": "alive"})]
    assert client.is_alive()
    request = service.requests[0]
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert SECRET not in str(request.url)


def test_without_a_key_nothing_is_sent(service: Any) -> None:
    """No header at all."""
    service.replies = [httpx.Response(200, json={"status": "alive"})]
    with Client("http://service:8002", http_transport=httpx.MockTransport(service.handle)) as client:
        client.is_alive()
    assert "authorization" not in service.requests[0].headers


@pytest.mark.parametrize(
    "reply", [httpx.Response(401, json={"detail": "no"}), httpx.ReadTimeout("slow"), httpx.Response(200, text="x")]
)
def test_no_print_log_or_traceback_shows_the_key(
    client: Client, service: Any, caplog: pytest.LogCaptureFixture, reply: Any
) -> None:
    """Neither the client's texts, nor those of its errors, nor what httpx logs at its most talkative."""
    service.replies = [reply]
    # Other tests may have told httpx to be quiet.
    with caplog.at_level(logging.DEBUG), caplog.at_level(logging.DEBUG, "httpx"), pytest.raises(ClientError) as caught:
        client.get_stats()
    shown = [repr(client), str(client), repr(caught.value), str(caught.value), caplog.text]
    shown += traceback.format_exception(caught.value)
    assert caplog.text
    assert not any(SECRET in text for text in shown)
    assert SECRET not in repr(vars(client._transport))


@pytest.mark.parametrize("url", ["http://other:8002/x", "https://service:8002/x", "http://service:8003/x"])
def test_another_origin_never_gets_the_key(url: str) -> None:
    """Another host, scheme or port."""
    request = httpx.Request("GET", url)
    next(KeyAuth(KEY, httpx.URL("http://service:8002")).auth_flow(request))
    assert "authorization" not in request.headers


@pytest.mark.parametrize("location", ["http://other:8002/stats", "/elsewhere"])
def test_redirects_are_not_followed(client: Client, service: Any, location: str) -> None:
    """Not even to the same host."""
    service.replies = [httpx.Response(307, headers={"Location": location})]
    with pytest.raises(ClientError):
        client.get_stats()
    assert [request.url.host for request in service.requests] == ["service"]


@pytest.mark.parametrize("key", ["", "has space", "new\nline", "päss", "tab\t"])
def test_a_key_that_cannot_be_sent_is_refused_unread(key: str) -> None:
    """Before a library in between quotes it in an error; this error does not."""
    with pytest.raises(ValueError, match="api_key: must be printable ASCII") as caught:
        Client("http://service:8002", key)
    assert not key or key not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "service:8002",
        "ftp://service",
        "http://",
        "",
        "http://service:99999999",
        "http://service:0",
        "http://service/\x00",
        "http://me:hunter2@service",
        "http://service/?key=hunter2",
        "http://service/#hunter2",
    ],
)
def test_an_address_that_makes_no_sense_is_refused(url: str) -> None:
    """And one with a secret in it, without showing it."""
    with pytest.raises(ValueError, match="base_url: ") as caught:
        Client(url)
    assert "hunter2" not in str(caught.value)


def test_a_service_below_a_path_is_reached(service: Any, build_client: Callable[..., Client]) -> None:
    """As behind a proxy that serves several."""
    service.replies = [httpx.Response(200, json={"status": "alive"})]
    build_client(base_url="https://example.org/anime/").is_alive()
    assert str(service.requests[0].url) == "https://example.org/anime/health/live"


def test_an_id_cannot_lead_to_another_route(client: Client, service: Any) -> None:
    """Slashes, question marks and percent signs are parts of the id; dots alone and nothing are refused."""
    service.replies = [httpx.Response(404, json={})]
    for title_id in ("a/../../jobs", "x?include_adult=true", "x#y", "100%", "//evil.example/x", "日本"):
        with pytest.raises(ClientError):
            client.get_title(title_id)
        url = service.requests[-1].url
        assert (url.host, url.query) == ("service", b"")
        assert url.path == f"/api/v1/search/by-id/{title_id}"
        assert url.raw_path.count(b"/") == 5
    for nothing in ("", ".", ".."):
        with pytest.raises(ValueError, match="is no id"):
            client.get_title(nothing)
