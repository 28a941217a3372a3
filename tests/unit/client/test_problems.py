"""From answers that are no success to exceptions."""

from __future__ import annotations

import pickle
from typing import Any

import httpx
import pytest

from client import (
    ApiError,
    AuthenticationError,
    Client,
    ClientError,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    TransportError,
    UnavailableError,
)
from client.problems import build_error

PROBLEM = {
    "type": "urn:avs:problem:dependency-unavailable",
    "title": "A server that is needed does not answer",
    "status": 503,
    "detail": "qdrant does not answer",
    "dependency": "qdrant",
    "request_id": "4c1f",
    "colour": "red",
}


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidRequestError),
        (401, AuthenticationError),
        (403, PermissionDeniedError),
        (404, NotFoundError),
        (405, InvalidRequestError),
        (409, ConflictError),
        (413, InvalidRequestError),
        (415, InvalidRequestError),
        (422, InvalidRequestError),
        (429, RateLimitedError),
        (500, ApiError),
        (502, ApiError),
        (503, UnavailableError),
        (418, ApiError),
        (799, ApiError),
    ],
)
def test_each_status_has_its_type(status: int, kind: type[ApiError]) -> None:
    """The status of the answer decides, and all are ApiErrors."""
    error = build_error(status, httpx.Headers(), b"{}")
    assert type(error) is kind
    assert error.status == status
    assert isinstance(error, ClientError)


def test_all_members_of_a_problem_can_be_read() -> None:
    """Those of the RFC, ours, the headers', and those that a newer service adds."""
    headers = {"Retry-After": "2", "RateLimit-Limit": "600", "RateLimit-Remaining": "0", "RateLimit-Reset": "31"}
    error = build_error(503, httpx.Headers(headers), httpx.Response(503, json=PROBLEM).content)
    assert (error.status, error.code, error.dependency) == (503, "dependency-unavailable", "qdrant")
    assert (error.title, error.detail, error.field) == (PROBLEM["title"], PROBLEM["detail"], None)
    assert (error.request_id, error.retry_after_s) == ("4c1f", 2.0)
    assert error.rate_limit is not None
    assert (error.rate_limit.limit, error.rate_limit.remaining, error.rate_limit.reset_s) == (600, 0, 31.0)
    assert error.problem.members["colour"] == "red"
    assert str(error) == "503 dependency-unavailable: qdrant does not answer (request 4c1f)"


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"null", b'"x"', b"\xff\xfe", b'{"status": "x"', b"[" * 200_000]
)
def test_a_body_that_is_no_problem_is_described_by_its_status(body: bytes) -> None:
    """As a proxy in between sends them; the service's request id comes from the header."""
    error = build_error(502, httpx.Headers({"X-Request-ID": "abc"}), body)
    assert (error.code, error.title, error.request_id) == ("http-502", "Bad Gateway", "abc")


def test_members_of_a_wrong_type_do_no_harm() -> None:
    """Numbers where texts belong are passed over; the answer's status wins over the document's."""
    body = b'{"type": 1, "title": [], "detail": {}, "field": 3, "status": 200, "request_id": null}'
    error = build_error(404, httpx.Headers(), body)
    assert isinstance(error, NotFoundError)
    assert (error.code, error.title, error.detail, error.field) == ("http-404", "Not Found", "", None)


def test_redirects_are_errors(client: Client, service: Any) -> None:
    """They are not followed, so that the key goes nowhere else; the error says where it would have gone."""
    service.replies = [httpx.Response(302, headers={"Location": "https://elsewhere.example/"})]
    with pytest.raises(ApiError, match=r"https://elsewhere\.example/"):
        client.get_stats()
    assert len(service.requests) == 1


@pytest.mark.parametrize(
    "error",
    [build_error(429, httpx.Headers({"Retry-After": "3"}), b"{}"), TransportError("cut", was_sent=False)],
)
def test_errors_can_be_pickled(error: ClientError) -> None:
    """Task queues and process pools send them from one process to another."""
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert (str(copy), copy.__dict__) == (str(error), error.__dict__)
