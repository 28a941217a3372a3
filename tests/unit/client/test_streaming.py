"""Results line by line: whole, broken, and dropped."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from client import Client, NotFoundError, TransportError, UnavailableError, UnexpectedAnswerError
from client.problems import ApiError

RESULTS = [
    {"id": f"title-{number}", "score": 1.0 - number / 10, "similarity": None, "payload": {}} for number in range(3)
]
SUMMARY = {"summary": {"total_found": 3, "total_is_exact": True, "query_info": {"cache": "none"}}}
TYPE = {"Content-Type": "application/x-ndjson"}


def encode(*lines: Any) -> bytes:
    """Lines as the service writes them: texts as they are, not escaped."""
    return b"".join(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines)


class Body(httpx.SyncByteStream):
    """Pieces of an answer, with a fault at the end if one is given."""

    def __init__(self, *pieces: bytes, fault: Exception | None = None) -> None:
        self.pieces = pieces
        self.fault = fault
        self.is_closed = False

    def __iter__(self) -> Iterator[bytes]:
        yield from self.pieces
        if self.fault is not None:
            raise self.fault

    def close(self) -> None:
        self.is_closed = True


LINES = [{"result": result} for result in RESULTS]


@pytest.mark.parametrize("size", [1, 7, 64, 100_000])
def test_pieces_need_not_be_lines(client: Client, service: Any, size: int) -> None:
    """However the network cuts the answer, the results and the summary are the same; then the connection is free."""
    data = encode(*LINES, SUMMARY)
    body = Body(*(data[start : start + size] for start in range(0, len(data), size)))
    service.replies = [httpx.Response(200, headers=TYPE, stream=body)]
    stream = client.stream_search("robots", limit=3)
    assert [result.id for result in stream] == ["title-0", "title-1", "title-2"]
    assert stream.summary.total_found == 3
    assert stream.summary.query_info.cache == "none"
    assert body.is_closed
    assert list(stream) == []
    request = service.requests[0]
    assert request.headers["accept"].startswith("application/x-ndjson")
    assert json.loads(request.content) == {"query": "robots", "limit": 3}


def test_texts_may_hold_every_kind_of_line_break(client: Client, service: Any) -> None:
    """Only a newline ends a line: U+2028, U+0085 and the like are parts of a text in JSON."""
    title = "one\u2028two\u2029three\x85four\x7f"
    line = {"result": {**RESULTS[0], "payload": {"title": title}}}
    service.replies = [httpx.Response(200, headers=TYPE, stream=Body(encode(line, SUMMARY)))]
    assert [result.payload["title"] for result in client.stream_search()] == [title]


@pytest.mark.parametrize(
    ("body", "read"),
    [
        (Body(encode(*LINES[:2])), 2),
        (Body(encode(LINES[0]), encode(LINES[1])[:20]), 1),
        (Body(encode(LINES[0]), encode(SUMMARY)[:-1]), 1),
        (Body(encode(*LINES[:2]), fault=httpx.ReadError("reset")), 2),
        (Body(encode(LINES[0]), fault=httpx.ReadTimeout("slow")), 1),
        (Body(fault=httpx.RemoteProtocolError("incomplete chunked read")), 0),
        (Body(), 0),
    ],
)
def test_a_stream_that_breaks_in_the_middle_says_so(client: Client, service: Any, body: Body, read: int) -> None:
    """What came before it is given, then a TransportError and never a silent end; it is not asked for again."""
    service.replies = [httpx.Response(200, headers=TYPE, stream=body)]
    stream, results = client.stream_search("robots"), []
    with pytest.raises(TransportError, match="POST /api/v1/search: "):
        for result in stream:
            results.append(result.id)
    assert results == ["title-0", "title-1"][:read]
    assert len(service.requests) == 1
    assert body.is_closed
    assert list(stream) == []
    with pytest.raises(ValueError, match="read all results first"):
        _ = stream.summary


def test_a_problem_on_the_way_is_the_error_that_it_names(client: Client, service: Any) -> None:
    """The status was 200 already, so the last line says what happened."""
    problem = {
        "type": "urn:avs:problem:dependency-unavailable",
        "title": "t",
        "status": 503,
        "detail": "qdrant is away",
    }
    body = Body(encode(LINES[0], {"problem": {**problem, "dependency": "qdrant"}}))
    service.replies = [httpx.Response(200, headers=TYPE, stream=body)]
    stream = client.stream_search("robots")
    assert next(stream).id == "title-0"
    with pytest.raises(UnavailableError) as caught:
        next(stream)
    assert (caught.value.status, caught.value.dependency) == (503, "qdrant")
    assert body.is_closed


def test_lines_of_a_newer_service_are_passed_over(client: Client, service: Any) -> None:
    """A kind of line that is not known yet is no error."""
    service.replies = [httpx.Response(200, headers=TYPE, stream=Body(encode({"hint": 1}, LINES[0], {}, SUMMARY)))]
    assert [result.id for result in client.stream_search()] == ["title-0"]


def test_a_line_that_is_no_json_is_an_error(client: Client, service: Any) -> None:
    """As a proxy's page in the middle would be."""
    service.replies = [httpx.Response(200, headers=TYPE, stream=Body(b"<html>\n"))]
    with pytest.raises(UnexpectedAnswerError):
        next(client.stream_search())


def test_a_refused_stream_is_an_error_at_once(client: Client, service: Any, time: Any) -> None:
    """Before the first result is asked for; what may be tried again is tried again."""
    service.replies = [httpx.Response(503, json={}), httpx.Response(404, json={"detail": "no such title"})]
    with pytest.raises(NotFoundError, match="no such title"):
        client.stream_similar(["x"])
    assert time.sleeps == [0.2]


@pytest.mark.parametrize("read", [0, 1])
def test_a_dropped_stream_gives_its_connection_back(client: Client, service: Any, read: int) -> None:
    """Whoever forgets it, before or after the first result, holds nothing."""
    body = Body(encode(*LINES, SUMMARY))
    service.replies = [httpx.Response(200, headers=TYPE, stream=body)]
    stream = client.stream_search("robots")
    for _ in range(read):
        next(stream)
    assert not body.is_closed
    del stream
    gc.collect()
    assert body.is_closed


def test_leaving_the_block_closes_the_stream(client: Client, service: Any) -> None:
    """Also by an exception; after it there are no more results, and closing again does no harm."""
    body = Body(encode(*LINES, SUMMARY))
    service.replies = [httpx.Response(200, headers=TYPE, stream=body)]
    with pytest.raises(KeyError), client.stream_search("robots") as stream:
        next(stream)
        raise KeyError
    assert body.is_closed
    assert list(stream) == []
    stream.close()


def test_a_server_error_of_no_known_status_is_an_api_error(client: Client, service: Any) -> None:
    """A problem line without a status counts as the service's fault."""
    service.replies = [httpx.Response(200, headers=TYPE, stream=Body(encode({"problem": {"detail": "oh"}})))]
    with pytest.raises(ApiError) as caught:
        next(client.stream_search())
    assert caught.value.status == 500
