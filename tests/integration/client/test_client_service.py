"""Jobs, health, keys, limits, and a service that goes away: through the client and over the wire."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from client import (
    AuthenticationError,
    Client,
    ConflictError,
    Job,
    NotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    RetryPolicy,
    TransportError,
)
from core.keys import Role


def test_a_job_from_start_to_end(client: Client) -> None:
    """Started, listed, shown, cancelled, tried again; nobody works on it here, so it ends by being cancelled."""
    job = client.jobs.create_import([{"title": "A Title of the Client's Test", "external_ids": {"mal": 987_654_321}}])
    assert (job.kind, job.state, job.params["documents"]) == ("import", "pending", 1)
    assert job.progress is not None
    assert job.id in {listed.id for listed in client.jobs.list(state="pending")}
    seen: list[Job] = []

    def cancel_soon(job: Job) -> None:
        seen.append(job)
        if len(seen) == 2:
            client.jobs.cancel(job.id)

    ended = client.jobs.wait_for(job.id, timeout_s=60, on_progress=cancel_soon)
    assert ended.state == "cancelled"
    assert ended.finished_at is not None
    assert len(seen) == 3
    assert client.jobs.list_dead_letters(job.id) == ()
    with pytest.raises(ConflictError):
        client.jobs.cancel(job.id)
    assert client.jobs.retry(job.id).state in ("pending", "running")
    assert client.jobs.cancel(job.id).has_ended
    with pytest.raises(NotFoundError):
        client.jobs.get(str(uuid.uuid4()))
    index_job = client.jobs.create_index(["mal:987654321"])
    assert client.jobs.cancel(index_job.id).kind == "index"


def test_health_and_numbers(client: Client, index: Any) -> None:
    """A service with all its servers is ready, and counts the titles that anybody may see."""
    assert client.is_alive()
    health = client.get_health()
    assert health.is_ready
    assert all(check.ok for check in health.checks.values() if check.required)
    stats = client.get_stats()
    assert stats.titles == len(index.documents) - 1
    assert stats.generation


def test_keys_and_roles(guarded: Any, add_key: Callable[..., str]) -> None:
    """No key and a wrong one are AuthenticationErrors, a role that is too low is a PermissionDeniedError."""
    reader, editor = add_key(Role.READER), add_key(Role.EDITOR)
    for wrong in (None, "avs_000000000000_wrong"):
        with Client(guarded.url, wrong) as client, pytest.raises(AuthenticationError):
            client.search("robot")
    with Client(guarded.url, reader) as client:
        assert client.search("robot", limit=1).results
        with pytest.raises(PermissionDeniedError) as caught:
            client.jobs.create_index()
        assert reader not in f"{caught.value!r} {caught.value} {client!r}"
    with Client(guarded.url, editor) as client:
        job = client.jobs.create_index()
        client.jobs.cancel(job.id)


def test_limits_are_shown_and_obeyed(guarded: Any, add_key: Callable[..., str]) -> None:
    """Who has no retries gets a RateLimitedError that says when to come back; who has them waits and gets an answer."""
    token = add_key(Role.READER, rate_limit="2 per 8 seconds")
    with Client(guarded.url, token, retries=0) as client:
        client.search("robot", limit=1)
        assert client.last_answer is not None
        assert client.last_answer.rate_limit is not None
        assert client.last_answer.rate_limit.limit == 2
        with pytest.raises(RateLimitedError) as caught:
            for _ in range(20):
                client.search("robot", limit=1)
        assert caught.value.retry_after_s is not None
        assert caught.value.rate_limit is not None
        assert caught.value.rate_limit.remaining == 0
    waits: list[float] = []
    pause = threading.Event()

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        pause.wait(seconds)

    with Client(guarded.url, token, retries=RetryPolicy(retries=10, sleep=sleep)) as client:
        for _ in range(2):
            assert client.search("robot", limit=1).results
    assert waits
    assert min(waits) >= 1


def test_a_quota_that_is_used_up_is_not_waited_for(guarded: Any, add_key: Callable[..., str]) -> None:
    """The next month is too far: the error comes at once, and says how far."""
    token = add_key(Role.READER, monthly_quota=2)
    with Client(guarded.url, token) as client:
        with pytest.raises(RateLimitedError) as caught:
            for _ in range(10):
                client.search("robot", limit=1)
        assert caught.value.code == "quota-exceeded"
        assert client.last_answer is not None
        assert client.last_answer.attempts == 1


def test_a_restart_of_the_service_is_not_noticed(start_web: Any, worker: None, patience: RetryPolicy) -> None:
    """Nobody listens: an error that knows that nothing was sent; with patience, the answer after the start."""
    with start_web() as web, Client(web.url, retries=patience) as client:
        before = [result.id for result in client.search("robot", limit=5).results]
        web.stop()
        with Client(web.url, retries=1) as hasty, pytest.raises(TransportError, match="ConnectError") as caught:
            hasty.search("robot")
        assert not caught.value.was_sent
        restart = threading.Thread(target=web.start)
        restart.start()
        try:
            assert [result.id for result in client.search("robot", limit=5).results] == before
        finally:
            restart.join()
        assert client.last_answer is not None
        assert client.last_answer.attempts > 1
