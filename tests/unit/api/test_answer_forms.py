"""The forms of an answer: compressed, conditional, streamed."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import zstandard
from flask import Flask, Response
from werkzeug.test import TestResponse

from api.compression import GZIP_MIN_BYTES, ZSTD_MIN_BYTES, choose_encoding
from api.conditional import answer_conditionally
from api.http import register_hooks
from api.problems import register_error_handlers
from api.streaming import stream_ndjson
from core.errors import DependencyUnavailableError

BIG = b'{"a":"' + b"x" * GZIP_MIN_BYTES + b'"}'
MEDIUM = b'{"a":"' + b"x" * ZSTD_MIN_BYTES + b'"}'


class Rows:
    """Rows of a search that knows when it is over; `fails_at` raises instead of a row."""

    def __init__(self, number: int, *, fails_at: int = -1, error: Exception | None = None) -> None:
        self._numbers = iter(range(number))
        self._fails_at = fails_at
        self._error = error
        self.made = 0
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        number = next(self._numbers)
        if number == self._fails_at and self._error is not None:
            raise self._error
        self.made += 1
        return json.dumps({"id": f"title-{number}", "text": "x" * 100}).encode()

    def close(self) -> None:
        self.closed += 1


def build_app(view: Callable[[], Response]) -> Flask:
    """An application with our hooks and one route."""
    app = Flask("test")
    register_hooks(app)
    register_error_handlers(app)
    app.add_url_rule("/", "view", view)
    return app


def get(view: Callable[[], Response], **headers: str) -> TestResponse:
    """Ask it; `Accept_Encoding` is written with an underscore."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return build_app(view).test_client().get("/", headers=named)


def unpack(response: TestResponse) -> bytes:
    """The body as a client reads it."""
    encoding = response.headers.get("Content-Encoding")
    if encoding == "zstd":
        return zstandard.ZstdDecompressor().decompressobj().decompress(response.data)
    return gzip.decompress(response.data) if encoding == "gzip" else response.data


@pytest.mark.parametrize(
    ("header", "encoding"),
    [
        ("zstd", "zstd"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("GZIP, ZSTD", "zstd"),
        ("gzip;q=1.0, zstd;q=0.5", "gzip"),
        ("zstd;q=0, gzip", "gzip"),
        ("zstd;q=0, gzip;q=0", None),
        ("*", "gzip"),
        ("*;q=0, zstd", "zstd"),
        ("br", None),
        ("", None),
        ("zstd" + ", x" * 100, "zstd"),
        ("gzip;q=nonsense", None),
    ],
)
def test_the_caller_chooses_the_encoding(header: str, encoding: str | None) -> None:
    """The one he would rather have, zstd if he names both alike, and none that he did not name."""
    assert choose_encoding({"HTTP_ACCEPT_ENCODING": header}) == encoding


@pytest.mark.parametrize(
    ("body", "accepts", "encoding", "varies"),
    [
        (BIG, "zstd, gzip", "zstd", True),
        (BIG, "gzip", "gzip", True),
        (BIG, "", None, True),
        (MEDIUM, "zstd", "zstd", True),
        (MEDIUM, "gzip", None, True),
        (b"{}", "zstd", None, False),
    ],
)
def test_answers_are_compressed_where_it_pays(body: bytes, accepts: str, encoding: str | None, varies: bool) -> None:
    """zstd pays sooner than gzip; caches are told of every answer that others may get in other bytes."""
    response = get(lambda: Response(body, content_type="application/json"), Accept_Encoding=accepts)
    assert response.headers.get("Content-Encoding") == encoding
    assert unpack(response) == body
    assert int(response.headers["Content-Length"]) == len(response.data)
    assert ("Accept-Encoding" in response.headers.get("Vary", "")) == varies


def test_pictures_are_left_as_they_are() -> None:
    """What is no text has been compressed by its own format."""
    response = get(lambda: Response(BIG, content_type="image/png"), Accept_Encoding="zstd, gzip")
    assert "Content-Encoding" not in response.headers and "Vary" not in response.headers


@pytest.mark.parametrize("accepts", ["", "gzip", "zstd"])
def test_an_answer_that_is_known_already_is_not_sent_again(accepts: str) -> None:
    """Each encoding has a tag of its own, any of them brings 304 without a body, and a changed answer comes whole."""
    bodies = [BIG]
    view = lambda: answer_conditionally(bodies[0], max_age_s=60, stale_s=30)  # noqa: E731
    first = get(view, Accept_Encoding=accepts)
    tag = first.headers["ETag"]
    assert tag.startswith('"') and tag.endswith(f'-{accepts}"' if accepts else '"')
    assert first.headers["Cache-Control"] == "public, max-age=60, stale-while-revalidate=30"
    for known in (tag, f'"other", W/{tag}', "*"):
        again = get(view, Accept_Encoding=accepts, If_None_Match=known)
        assert (again.status_code, again.data) == (304, b"") or known == "*"
        assert again.headers["ETag"].startswith(tag[:33])
        assert "Content-Encoding" not in again.headers and "Accept-Encoding" in again.headers["Vary"]
    bodies[0] = BIG + b" "
    changed = get(view, Accept_Encoding=accepts, If_None_Match=tag)
    assert changed.status_code == 200 and changed.headers["ETag"] != tag


def test_the_tags_of_encodings_differ() -> None:
    """A strong tag stands for bytes, so no two encodings share one."""
    tags = {
        get(lambda: answer_conditionally(BIG, max_age_s=1), Accept_Encoding=a).headers["ETag"] for a in ("", "gzip")
    }
    assert len(tags) == 2


def test_what_differs_from_time_to_time_does_not_count() -> None:
    """With the steady part named, milliseconds do not make another answer; the tag says that it is a weak one."""
    steps = iter(range(10))

    def view() -> Response:
        return answer_conditionally(b'{"took_ms":%d}' % next(steps), etag_of=b"steady", max_age_s=0)

    first = get(view)
    assert first.headers["ETag"].startswith('W/"')
    assert get(view, If_None_Match=first.headers["ETag"]).status_code == 304


def test_what_was_asked_with_a_key_is_for_the_caller_only() -> None:
    """A cache on the way must not hand it to others."""
    for name in ("Authorization", "X_API_Key"):
        response = get(lambda: answer_conditionally(b"{}", max_age_s=60), **{name: "secret"})
        assert response.headers["Cache-Control"] == "private, max-age=60"


@pytest.mark.parametrize("accepts", ["", "gzip", "zstd"])
def test_a_stream_has_a_line_for_each_result_and_a_summary(accepts: str) -> None:
    """Whatever the encoding, all lines arrive in order, in more than one piece, and the rows are closed once."""
    rows = Rows(1_000)
    response = get(lambda: stream_ndjson(rows, tail=lambda: b'{"total":1000}'), Accept_Encoding=accepts)
    assert response.headers.get("Content-Encoding") == (accepts or None)
    assert response.mimetype == "application/x-ndjson" and "Content-Length" not in response.headers
    lines = [json.loads(line) for line in unpack(response).splitlines()]
    assert [line["result"]["id"] for line in lines[:-1]] == [f"title-{number}" for number in range(1_000)]
    assert lines[-1] == {"summary": {"total": 1000}}
    assert rows.closed == 1


@pytest.mark.parametrize("accepts", ["gzip", "zstd"])
def test_each_piece_can_be_read_when_it_comes(accepts: str) -> None:
    """A reader sees whole lines of a compressed stream long before its end."""
    view = lambda: stream_ndjson(Rows(1_000), tail=lambda: b"{}")  # noqa: E731
    response = build_app(view).test_client().get("/", headers={"Accept-Encoding": accepts}, buffered=False)
    first = next(response.iter_encoded())
    reader: Any = zlib.decompressobj(31) if accepts == "gzip" else zstandard.ZstdDecompressor().decompressobj()
    lines = reader.decompress(first).splitlines()
    assert json.loads(lines[0])["result"]["id"] == "title-0"
    assert len(lines) > 50 and json.loads(lines[-1])
    response.close()


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (
            DependencyUnavailableError("qdrant", "refused at 10.0.0.1"),
            "dependency-unavailable",
            "qdrant does not answer",
        ),
        (KeyError("inside"), "internal", "Something went wrong"),
    ],
)
def test_an_error_on_the_way_is_the_last_line(error: Exception, code: str, words: str) -> None:
    """The status is out already: the rows so far come, then a problem, no summary, and nothing of the inside."""
    rows = Rows(10, fails_at=5, error=error)
    response = get(lambda: stream_ndjson(rows, tail=lambda: b"{}"), Accept_Encoding="zstd")
    *lines, last = [json.loads(line) for line in unpack(response).splitlines()]
    assert response.status_code == 200 and len(lines) == 5
    assert last["problem"]["type"] == f"urn:avs:problem:{code}" and words in last["problem"]["detail"]
    assert "10.0.0.1" not in str(last) and "inside" not in str(last)
    assert rows.closed == 1


@pytest.mark.parametrize("accepts", ["", "gzip", "zstd"])
def test_a_caller_that_goes_away_ends_the_work(accepts: str) -> None:
    """Closing the answer closes the rows, and no more of them are made."""
    rows = Rows(100_000)
    view = lambda: stream_ndjson(rows, tail=lambda: b"{}")  # noqa: E731
    response = build_app(view).test_client().get("/", headers={"Accept-Encoding": accepts}, buffered=False)
    pieces = response.iter_encoded()
    next(pieces)
    response.close()
    assert rows.closed == 1
    assert rows.made < 1_000
