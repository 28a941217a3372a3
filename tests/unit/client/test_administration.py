"""What operators send: never twice where twice would be more, and with time for what takes long."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from client import Client, ClientError

JOB = {"id": "1", "kind": "import", "state": "completed", "created_at": "2026-11-21T12:00:00Z"}
CALLS: dict[str, Callable[[Client], Any]] = {
    "upsert": lambda client: client.admin.upsert_documents([{"title": "x"}]),
    "reindex": lambda client: client.admin.reindex(),
    "swap": lambda client: client.admin.swap_generation("x"),
    "rollback": lambda client: client.admin.rollback(),
    "drop": lambda client: client.admin.drop_generation("x"),
    "snapshot": lambda client: client.admin.take_snapshot(),
    "delete": lambda client: client.admin.delete_snapshot("x"),
    "restore": lambda client: client.admin.restore_snapshot("x"),
    "create": lambda client: client.jobs.create_index(),
    "cancel": lambda client: client.jobs.cancel("x"),
    "retry": lambda client: client.jobs.retry("x"),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("reply", [httpx.Response(503, json={}), httpx.ReadError("cut")])
def test_what_may_have_been_done_is_not_sent_again(client: Client, service: Any, name: str, reply: Any) -> None:
    """A rollback that is sent twice would go back two generations."""
    service.replies = [reply]
    with pytest.raises(ClientError):
        CALLS[name](client)
    assert len(service.requests) == 1


@pytest.mark.parametrize("ask", [lambda c: c.admin.exclude_title("x"), lambda c: c.admin.restore_title("x")])
def test_exclusion_may_be_said_again(client: Client, service: Any, ask: Callable[[Client], Any]) -> None:
    """It ends the same however often it is said."""
    service.replies = [httpx.Response(503, json={}), httpx.Response(200, json={"id": "x", "excluded": True})]
    assert ask(client).id == "x"
    assert len(service.requests) == 2


def test_a_service_that_waits_is_given_the_time(service: Any, build_client: Callable[..., Client]) -> None:
    """The limits of the answer grow by what the service was asked to wait, and by nothing otherwise."""
    service.replies = [httpx.Response(200, json=JOB)]
    client = build_client(timeout_s=10.0, policy={"deadline_s": 12.0})
    client.admin.upsert_documents([{"title": "x"}], wait_s=25)
    client.admin.upsert_documents([{"title": "x"}])
    assert [request.extensions["timeout"]["read"] for request in service.requests] == [35.0, 10.0]
    sent = [json.loads(request.content) for request in service.requests]
    assert sent == [{"documents": [{"title": "x"}], "wait": 25}, {"documents": [{"title": "x"}]}]


def test_nothing_is_an_answer_too(client: Client, service: Any) -> None:
    """What is deleted has no body."""
    service.replies = [httpx.Response(204)]
    client.admin.drop_generation("titles_g1")
    client.admin.delete_snapshot("a b/c.snapshot")
    assert service.requests[1].url.raw_path == b"/api/v1/admin/snapshots/a%20b%2Fc.snapshot"
