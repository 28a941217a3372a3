"""Questions that are sent as JSON, and the pages of errors."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from fetching import Fetched, Fetcher, FetchError, FetchReason
from tests.answering_host import AnsweringHost, Answers, Asked
from tests.integration.fetching.conftest import BuildFetcher

QUESTION = {"query": "{ Media { id } }", "variables": {"id": 5114}}


@pytest.fixture
def answering() -> Iterator[AnsweringHost]:
    """A host that answers what a test tells it to."""
    with AnsweringHost() as running:
        yield running


@pytest.fixture
def plain(build: BuildFetcher) -> Fetcher:
    """A fetcher that does not look at robots.txt."""
    return build(respect_robots=False)


def fail(fetcher: Fetcher, url: str, **options: object) -> FetchError:
    """The error that a fetch ends with."""
    with pytest.raises(FetchError) as caught:
        fetcher.fetch(url, **options)  # type: ignore[arg-type]
    return caught.value


def test_json_is_posted(answering: AnsweringHost, plain: Fetcher) -> None:
    """A question goes out as one POST with its length and type, over a connection that is kept."""
    for _ in range(2):
        answer = plain.fetch(f"{answering.url}/graphql", json=QUESTION, headers={"Authorization": "Bearer t"})
        assert isinstance(answer, Fetched) and answer.body == b'{"ok": true}'
    first = answering.asked[0]
    assert (first.method, first.path, json.loads(first.body)) == ("POST", "/graphql", QUESTION)
    assert first.headers["content-type"] == "application/json"
    assert first.headers["authorization"] == "Bearer t"


@pytest.mark.parametrize("status", [307, 308])
def test_redirect_that_keeps_the_method(status: int, answering: AnsweringHost, plain: Fetcher) -> None:
    """307 and 308 to the same origin send the same question again."""
    move = Answers(status, headers={"Location": "/new"})
    answering.answer = lambda asked: move if asked.path == "/old" else Answers()
    answer = plain.fetch(f"{answering.url}/old", json=QUESTION)
    assert isinstance(answer, Fetched) and answer.final_url == f"{answering.url}/new"
    assert [(one.method, json.loads(one.body)) for one in answering.asked] == [("POST", QUESTION)] * 2


@pytest.mark.parametrize("status", [301, 302, 303])
def test_redirect_that_would_change_the_method(status: int, answering: AnsweringHost, plain: Fetcher) -> None:
    """A POST is not turned into a GET: the answer would be to another question."""
    answering.answer = lambda _: Answers(status, headers={"Location": "/new"})
    assert fail(plain, f"{answering.url}/old", json=QUESTION).reason is FetchReason.BAD_REDIRECT
    assert answering.count("/new") == 0


def test_question_stays_with_its_origin(answering: AnsweringHost, plain: Fetcher) -> None:
    """A question is never sent again to another origin."""
    with AnsweringHost() as other:
        answering.answer = lambda _: Answers(307, headers={"Location": f"{other.url}/x"})
        assert fail(plain, f"{answering.url}/x", json=QUESTION).reason is FetchReason.BAD_REDIRECT
        assert other.asked == []


def test_page_of_an_error(answering: AnsweringHost, plain: Fetcher) -> None:
    """An error brings its status and headers, and so much of its body as was asked for."""
    limits = {"Retry-After": "30", "X-RateLimit-Remaining": "0"}
    answering.answer = lambda _: Answers(429, b'{"message": "Too Many Requests."}', headers=limits)
    whole = fail(plain, answering.url + "/a", error_bytes=1_000).page
    assert whole is not None and (whole.status, whole.body) == (429, b'{"message": "Too Many Requests."}')
    assert (whole.headers["retry-after"], whole.headers["x-ratelimit-remaining"]) == ("30", "0")
    cut, none = (fail(plain, answering.url + "/a", error_bytes=size).page for size in (11, 0))
    assert cut is not None and cut.body == b'{"message":'
    assert none is not None and none.body == b""


def test_error_page_that_cannot_be_read(answering: AnsweringHost, plain: Fetcher) -> None:
    """A broken page takes nothing from the status, and the next request has a connection of its own."""
    answering.answer = lambda _: Answers(404, b"not gzip", headers={"Content-Encoding": "gzip"})
    page = fail(plain, answering.url + "/a", error_bytes=1_000).page
    assert page is not None and (page.status, page.body) == (404, b"")
    answering.answer = lambda _: Answers()
    assert isinstance(plain.fetch(answering.url + "/a"), Fetched)


def test_question_is_retried(answering: AnsweringHost, build: BuildFetcher) -> None:
    """Within one call a question that failed is asked again, like a GET."""

    def answer(_: Asked) -> Answers:
        return Answers(500) if len(answering.asked) < 2 else Answers()

    answering.answer = answer
    fetcher = build(respect_robots=False, attempts=3, backoff_s=0.0)
    assert isinstance(fetcher.fetch(answering.url + "/a", json=QUESTION), Fetched)
    assert len(answering.asked) == 2


def test_setting_is_named(build: BuildFetcher) -> None:
    """A refused address names the setting that makes exceptions for this fetcher."""
    fetcher = build(allowed_networks=(), networks_setting="ENRICH_ALLOWED_NETWORKS", respect_robots=False)
    error = fail(fetcher, "http://127.0.0.1:9/", json=QUESTION)
    assert error.reason is FetchReason.FORBIDDEN_ADDRESS and "ENRICH_ALLOWED_NETWORKS" in str(error)
