"""What is sent again, after which wait, and what is not."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from client import (
    ApiError,
    Client,
    InvalidRequestError,
    RateLimitedError,
    RetryPolicy,
    TransportError,
    UnavailableError,
    UnexpectedAnswerError,
)

EMPTY = {"results": [], "total_found": 0, "total_is_exact": True, "query_info": {}}
JOB = {"id": "1", "kind": "index", "state": "pending", "created_at": "2026-11-21T12:00:00Z"}


def refuse(status: int, **headers: str) -> httpx.Response:
    """A problem document with this status."""
    body = {"type": "urn:avs:problem:x", "title": "t", "status": status, "detail": "d", "request_id": "r"}
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, json=body, headers={"Content-Type": "application/problem+json", **given})


def test_a_server_that_is_away_for_a_moment_is_not_noticed(client: Client, service: Any, time: Any) -> None:
    """Two 503s and a success are a success; waits double, and the attempts are told."""
    service.replies = [refuse(503), refuse(503), httpx.Response(200, json=EMPTY)]
    assert client.search("robots").results == ()
    assert time.sleeps == [0.2, 0.4]
    assert client.last_answer is not None
    assert client.last_answer.attempts == 3
    assert len({request.headers["x-request-id"] for request in service.requests}) == 1
    assert len({request.content for request in service.requests}) == 1


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_the_last_error_is_raised(client: Client, service: Any, time: Any, status: int) -> None:
    """After three more attempts the error itself comes, with its status."""
    service.replies = [refuse(status)]
    with pytest.raises(ApiError) as caught:
        client.search("robots")
    assert caught.value.status == status
    assert len(service.requests) == 4
    assert time.sleeps == [0.2, 0.4, 0.8]


def test_waits_are_bounded_and_spread(service: Any, time: Any, build_client: Callable[..., Client]) -> None:
    """No wait is longer than the longest, and chance shortens it to no less than half."""
    service.replies = [refuse(503)]
    policy = {"retries": 6, "longest_wait_s": 1.0, "rand": lambda: 0.0}
    with pytest.raises(UnavailableError):
        build_client(policy=policy).search("robots")
    assert time.sleeps == [0.1, 0.2, 0.4, 0.5, 0.5, 0.5]


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"retry_after": "7"}, 7.0),
        ({"retry_after": "0"}, 0.0),
        # The service's clock is an hour off: only the difference counts.
        ({"retry_after": "Sat, 21 Nov 2026 10:00:09 GMT", "date": "Sat, 21 Nov 2026 10:00:00 GMT"}, 9.0),
        ({"retry_after": "Sat, 21 Nov 2026 10:00:09 -0000", "date": "Sat, 21 Nov 2026 10:00:00 GMT"}, 9.0),
        ({"retry_after": "Sat, 21 Nov 2026 09:00:00 GMT", "date": "Sat, 21 Nov 2026 10:00:00 GMT"}, 0.0),
    ],
)
def test_retry_after_is_obeyed(
    service: Any, time: Any, build_client: Callable[..., Client], headers: dict[str, str], wait_s: float
) -> None:
    """Seconds and HTTP dates are waited for, not less."""
    service.replies = [refuse(429, **headers), httpx.Response(200, json=EMPTY)]
    build_client(policy={"rand": lambda: 0.0}).search("robots")
    assert time.sleeps == [wait_s]


@pytest.mark.parametrize("value", ["soon", "nan", "inf", "Sat, 99 Foo 2026", ""])
def test_a_retry_after_that_means_nothing_is_passed_over(client: Client, service: Any, time: Any, value: str) -> None:
    """The usual wait is taken."""
    service.replies = [refuse(429, retry_after=value), httpx.Response(200, json=EMPTY)]
    client.search("robots")
    assert time.sleeps == [0.2]


def test_callers_come_back_a_little_later_than_told(client: Client, service: Any, time: Any) -> None:
    """So that not all of them come in the same moment; never earlier."""
    service.replies = [refuse(503, retry_after="10"), httpx.Response(200, json=EMPTY)]
    client.search("robots")
    assert time.sleeps == [11.0]


def test_a_long_retry_after_is_the_callers_business(client: Client, service: Any, time: Any) -> None:
    """A month's quota that is used up is raised at once, and says how long it would take."""
    service.replies = [refuse(429, retry_after="86400")]
    with pytest.raises(RateLimitedError) as caught:
        client.search("robots")
    assert caught.value.retry_after_s == 86_400
    assert time.sleeps == []


def test_all_attempts_end_at_the_deadline(service: Any, time: Any, build_client: Callable[..., Client]) -> None:
    """A wait that would pass the deadline is not begun."""
    service.replies = [refuse(503, retry_after="20")]
    with pytest.raises(UnavailableError):
        build_client(policy={"retries": 100, "rand": lambda: 0.0}).search("robots")
    assert time.sleeps == [20.0, 20.0]


def test_the_deadline_bounds_each_attempt(service: Any, time: Any, build_client: Callable[..., Client]) -> None:
    """What is left of the deadline is the limit of an attempt when it is shorter than the usual one."""
    service.replies = [refuse(503, retry_after="20"), httpx.Response(200, json=EMPTY)]
    build_client(policy={"deadline_s": 25.0, "rand": lambda: 0.0}, timeout_s=10.0).search("robots")
    assert [request.extensions["timeout"]["read"] for request in service.requests] == [10.0, 5.0]


def test_a_body_that_trickles_is_ended(service: Any, time: Any, build_client: Callable[..., Client]) -> None:
    """Each piece may come in time and the whole not: then it is a TransportError, and the connection is closed."""

    class Trickle(httpx.SyncByteStream):
        is_closed = False

        def __iter__(self) -> Any:
            while True:
                time.sleep(1.0)
                yield b" "

        def close(self) -> None:
            Trickle.is_closed = True

    service.replies = [httpx.Response(200, stream=Trickle())]
    with pytest.raises(TransportError, match="did not end in time"):
        build_client(policy={"deadline_s": 5.0}).search("robots")
    assert Trickle.is_closed


@pytest.mark.parametrize(
    "fault", [httpx.ConnectError("refused"), httpx.ReadTimeout("slow"), httpx.RemoteProtocolError("cut")]
)
def test_a_broken_connection_is_tried_again(client: Client, service: Any, fault: httpx.RequestError) -> None:
    """Searches change nothing, so whatever happened to the first one, a second may be sent."""
    service.replies = [fault, httpx.Response(200, json=EMPTY)]
    assert client.search("robots").total_found == 0


def test_a_job_is_never_started_twice(client: Client, service: Any) -> None:
    """A lost answer and a 503, after which the job may exist, are raised after one request."""
    for reply in (httpx.ReadTimeout("slow"), refuse(503), refuse(502)):
        service.replies = [reply]
        service.requests.clear()
        with pytest.raises((TransportError, ApiError)):
            client.jobs.create_index()
        assert len(service.requests) == 1


@pytest.mark.parametrize("reply", [httpx.ConnectError("refused"), httpx.PoolTimeout("busy"), refuse(429)])
def test_a_job_that_was_surely_not_started_is_sent_again(client: Client, service: Any, reply: Any) -> None:
    """No connection and a rate limit mean that nothing was done."""
    service.replies = [reply, httpx.Response(202, json=JOB)]
    assert client.jobs.create_index().id == "1"


def test_no_retries_if_none_are_wanted(service: Any, time: Any, build_client: Callable[..., Client]) -> None:
    """`retries=0` is one attempt."""
    service.replies = [refuse(503)]
    with pytest.raises(UnavailableError):
        build_client(policy={"retries": 0}).search("robots")
    assert len(service.requests) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 422, 500])
def test_what_would_fail_again_is_not_sent_again(client: Client, service: Any, status: int) -> None:
    """One request."""
    service.replies = [refuse(status)]
    with pytest.raises(ApiError):
        client.search("robots")
    assert len(service.requests) == 1


def test_an_answer_that_is_not_understood_is_not_asked_for_again(client: Client, service: Any) -> None:
    """A proxy's page will be the same page; the error says where the answer differs, and not what it holds."""
    service.replies = [httpx.Response(200, text="<html>Please log in, John</html>")]
    with pytest.raises(UnexpectedAnswerError) as caught:
        client.search("robots")
    assert "POST /api/v1/search" in str(caught.value)
    assert "John" not in str(caught.value)
    assert len(service.requests) == 1


def test_an_unhealthy_service_is_a_report(client: Client, service: Any) -> None:
    """`get_health` answers a 503 that carries the report, and does not wait for better news."""
    check = {"ok": False, "required": True, "ms": None, "reason": "qdrant does not answer"}
    service.replies = [httpx.Response(503, json={"status": "unavailable", "checks": {"qdrant": check}})]
    health = client.get_health()
    assert not health.is_ready
    assert health.checks["qdrant"].reason == "qdrant does not answer"
    assert len(service.requests) == 1


@pytest.mark.parametrize("reply", [refuse(503), httpx.Response(503, html="<h1>Back soon</h1>")])
def test_a_refusal_on_the_way_is_no_health_report(client: Client, service: Any, reply: httpx.Response) -> None:
    """A proxy's page and a problem document of the same status are errors, and asked for again."""
    service.replies = [reply]
    with pytest.raises(UnavailableError):
        client.get_health()
    assert len(service.requests) == 4


def test_retries_are_logged(client: Client, service: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Method, path, wait and reason; nothing of the question."""
    service.replies = [refuse(503), httpx.Response(200, json=EMPTY)]
    with caplog.at_level(logging.INFO, logger="client.retrying"):
        client.search("private words")
    assert "POST /api/v1/search is sent again in 0.20 s, after attempt 1: 503 x" in caplog.text
    assert "private words" not in caplog.text


@pytest.mark.parametrize(
    "bad", [{"retries": -1}, {"deadline_s": 0}, {"first_wait_s": 0}, {"longest_retry_after_s": -1}]
)
def test_a_policy_without_sense_is_refused(bad: dict[str, Any]) -> None:
    """Negative counts and times."""
    with pytest.raises(ValueError, match="must"):
        RetryPolicy(**bad)


def test_a_wrong_question_is_one_request(client: Client, service: Any) -> None:
    """An InvalidRequestError names the field."""
    body = {
        "type": "urn:avs:problem:invalid-input",
        "title": "t",
        "status": 422,
        "detail": "limit: 0",
        "field": "limit",
    }
    service.replies = [httpx.Response(422, json=body)]
    with pytest.raises(InvalidRequestError) as caught:
        client.search("robots", limit=0)
    assert caught.value.field == "limit"
