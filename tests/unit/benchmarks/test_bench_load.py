"""The load generator against a small server of our own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import chain, cycle, repeat
from typing import Any

import pytest

from benchmarks.load import build_request, parse_length, run_load

Respond = Callable[[asyncio.StreamWriter], Awaitable[None]]
_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


@pytest.mark.parametrize(
    ("head", "length"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nServer: x", 12),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0", 0),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked", None),
    ],
)
def test_the_length_is_read_in_any_case(head: bytes, length: int | None) -> None:
    """Servers write the header in different cases, and chunked answers have none."""
    assert parse_length(head) == length


def test_a_request_with_a_body_is_a_post_and_one_without_a_get() -> None:
    """The bytes are whole requests of HTTP/1.1."""
    post = build_request(path="/search", port=80, body=b"{}")
    assert post.startswith(b"POST /search HTTP/1.1\r\n")
    assert post.endswith(b"Content-Length: 2\r\n\r\n{}")
    assert build_request(path="/", port=80, body=None) == b"GET / HTTP/1.1\r\nHost: 127.0.0.1:80\r\n\r\n"


def test_answers_are_counted_with_latencies_and_the_first_body_is_kept() -> None:
    """A server that answers well gives requests and no errors, even when an answer comes in pieces."""

    async def respond(writer: asyncio.StreamWriter) -> None:
        writer.write(_OK[:30])
        await writer.drain()
        await asyncio.sleep(0)
        writer.write(_OK[30:])

    result = _measure(respond)
    assert result["errors"] == 0
    assert result["requests"] > 0
    assert result["first_body"] == "hello"
    assert result["p50_ms"] > 0


def test_other_statuses_are_errors_and_no_requests() -> None:
    """A refusal never counts as throughput, and its words are kept."""

    async def respond(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy")

    result = _measure(respond)
    assert result["requests"] == 0
    assert result["errors"] > 0
    assert result["faults"][0] == "status 503: busy"


def test_a_connection_that_the_server_closes_is_an_error() -> None:
    """Clients connect again, and the loss is counted."""

    async def respond(writer: asyncio.StreamWriter) -> None:
        writer.close()

    result = _measure(respond)
    assert result["errors"] > 0
    assert result["requests"] == 0


def test_a_run_ends_when_the_bodies_are_used_up() -> None:
    """Nothing is asked twice: the window ends early and says so."""

    async def respond(writer: asyncio.StreamWriter) -> None:
        writer.write(_OK)

    result = _measure(respond, count=10)
    assert result["exhausted"]
    assert result["answers"] == 10


def _measure(respond: Respond, *, count: int | None = None) -> dict[str, Any]:
    request = build_request(path="/", port=1, body=b"{}")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readexactly(len(request)):
                await respond(writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def measure() -> dict[str, Any]:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        requests = cycle([request]) if count is None else chain(repeat(request, count))
        try:
            return await run_load(iter(requests), port=port, clients=2, warm_up_s=0.0, seconds=0.2)
        finally:
            server.close()

    return asyncio.run(measure())
