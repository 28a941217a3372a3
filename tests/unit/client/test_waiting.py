"""Waiting for a job, and answers that are kept with their ETags."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from client import Client, NotFoundError, TransportError, UnavailableError, WaitTimeoutError


def show(state: str) -> httpx.Response:
    """A job in this state."""
    progress = {"stages": {}, "titles_per_s": 1.0, "seconds_left": 5.0, "dead_letters": 0, "open_rows": 2}
    job = {"id": "1", "kind": "index", "state": state, "created_at": "2026-11-21T12:00:00Z", "progress": progress}
    return httpx.Response(200, json=job)


@pytest.mark.parametrize("end", ["completed", "failed", "cancelled"])
def test_a_job_is_waited_for_until_it_ends(client: Client, service: Any, time: Any, end: str) -> None:
    """At growing intervals; each answer is shown; the last one comes back, whatever the end is."""
    service.replies = [show("pending"), *[show("running")] * 12, show(end)]
    seen: list[str] = []
    job = client.jobs.wait_for("1", on_progress=lambda job: seen.append(job.state))
    assert job.state == end
    assert seen == ["pending", *["running"] * 12, end]
    assert time.sleeps[0] == 0.2
    assert time.sleeps == sorted(time.sleeps)
    assert time.sleeps[-1] == 5.0


def test_waiting_ends_when_the_caller_says(client: Client, service: Any, time: Any) -> None:
    """Without a sleep that would be in vain; the job is left alone."""
    service.replies = [show("running")]
    with pytest.raises(WaitTimeoutError, match="within 60 s"):
        client.jobs.wait_for("1", timeout_s=60)
    assert sum(time.sleeps) <= 60
    assert {request.method for request in service.requests} == {"GET"}


@pytest.mark.parametrize(
    "fault", [httpx.ConnectError("refused"), *(httpx.Response(status, json={}) for status in (429, 502, 503))]
)
def test_a_service_that_is_away_for_a_while_is_waited_for(client: Client, service: Any, fault: Any) -> None:
    """Longer than a request is tried again: a job outlives a restart of the web process."""
    service.replies = [show("running"), *[fault] * 30, show("completed")]
    assert client.jobs.wait_for("1").state == "completed"


@pytest.mark.parametrize(
    ("fault", "kind"), [(httpx.ConnectError("no"), TransportError), (httpx.Response(503, json={}), UnavailableError)]
)
def test_a_service_that_stays_away_is_an_error(
    client: Client, service: Any, time: Any, fault: Any, kind: type[Exception]
) -> None:
    """After the caller's patience, not before."""
    service.replies = [show("running"), fault]
    with pytest.raises(kind):
        client.jobs.wait_for("1", patience_s=30)
    assert 30 <= sum(time.sleeps) < 60


def test_a_job_that_is_not_there_is_not_waited_for(client: Client, service: Any) -> None:
    """A wrong id is an error at once."""
    service.replies = [httpx.Response(404, json={})]
    with pytest.raises(NotFoundError):
        client.jobs.wait_for("1")


TITLE = {"id": "a", "title": "A", "adult": False}


def test_an_unchanged_answer_is_not_sent_again(service: Any, build_client: Callable[..., Client]) -> None:
    """The second request asks with the ETag, and 304 gives the first answer; a new one takes its place."""
    changed = {**TITLE, "title": "B"}
    service.replies = [
        httpx.Response(200, json=TITLE, headers={"ETag": '"1"'}),
        httpx.Response(304),
        httpx.Response(200, json=changed, headers={"ETag": '"2"'}),
        httpx.Response(304),
    ]
    client = build_client(etag_cache_size=8)
    assert [client.get_title("a").title for _ in range(4)] == ["A", "A", "B", "B"]
    sent = [request.headers.get("if-none-match") for request in service.requests]
    assert sent == [None, '"1"', '"1"', '"2"']
    assert client.last_answer is not None
    assert client.last_answer.is_from_memory


def test_other_questions_have_other_answers(service: Any, build_client: Callable[..., Client]) -> None:
    """Options are part of the address; the one that was used longest ago goes first; POST is never kept."""
    answer = {"results": [], "total_found": 0, "total_is_exact": True}

    def answer_all(request: httpx.Request) -> httpx.Response:
        body = answer if request.method == "POST" else TITLE
        return httpx.Response(200, json=body, headers={"ETag": '"1"'})

    service.replies = [answer_all]
    client = build_client(etag_cache_size=2)
    client.get_title("a")
    client.get_title("a", include_adult=True)
    assert "if-none-match" not in service.requests[-1].headers
    client.get_title("a")
    client.get_title("b")
    client.get_title("a", include_adult=True)
    assert "if-none-match" not in service.requests[-1].headers
    client.search("x")
    client.search("x")
    assert "if-none-match" not in service.requests[-1].headers


def test_nothing_is_kept_unless_wanted(client: Client, service: Any) -> None:
    """By default every answer comes from the service, and what has no ETag is not kept at all."""
    service.replies = [httpx.Response(200, json=TITLE, headers={"ETag": '"1"'})]
    client.get_title("a")
    client.get_title("a")
    assert "if-none-match" not in service.requests[-1].headers


def test_an_answer_that_is_too_long_or_has_no_etag_is_not_kept(
    service: Any, build_client: Callable[..., Client]
) -> None:
    """And what was kept for its address is forgotten."""
    long = {**TITLE, "synopsis": "x" * 1_100_000}
    service.replies = [
        httpx.Response(200, json=TITLE, headers={"ETag": '"1"'}),
        httpx.Response(200, json=long, headers={"ETag": '"2"'}),
        httpx.Response(200, json=TITLE),
    ]
    client = build_client(etag_cache_size=8)
    for _ in range(4):
        client.get_title("a")
    sent = [request.headers.get("if-none-match") for request in service.requests]
    assert sent == [None, '"1"', None, None]


@pytest.mark.parametrize("wrong", [{"etag_cache_size": -1}, {"timeout_s": 0}, {"connections": 0}])
def test_a_client_without_sense_is_refused(wrong: dict[str, Any]) -> None:
    """Negative sizes, no time and no connections."""
    with pytest.raises(ValueError, match="must"):
        Client("http://service:8002", **wrong)
