"""What goes over the wire, both ways."""

from __future__ import annotations

import json
from collections import UserDict
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from client import Client, UnexpectedAnswerError

RESULT = {"id": "a", "score": 0.5, "similarity": 0.25, "payload": {"title": "A"}}
ANSWER = {
    "results": [RESULT],
    "total_found": 10_000,
    "total_is_exact": False,
    "query_info": {
        "query": "x",
        "vectors": {"title_vector": 1.0},
        "fusion": "rrf",
        "cache": "none",
        "took_ms": {"total": 3},
    },
}


def reply(body: Any, status: int = 200, **headers: str) -> httpx.Response:
    """An answer in JSON."""
    return httpx.Response(status, json=body, headers=headers)


def test_an_answer_is_typed(client: Client, service: Any) -> None:
    """Results, totals and how they came about."""
    service.replies = [reply(ANSWER)]
    answer = client.search("x")
    assert (answer.results[0].id, answer.results[0].score, answer.results[0].similarity) == ("a", 0.5, 0.25)
    assert (answer.total_found, answer.total_is_exact, answer.next_cursor) == (10_000, False, None)
    assert (answer.query_info.fusion, answer.query_info.took_ms["total"]) == ("rrf", 3.0)


def test_what_a_newer_service_says_is_kept(client: Client, service: Any) -> None:
    """Unknown fields at every depth and unknown names of states are no errors."""
    info = {**ANSWER["query_info"], "fusion": "learned", "model": "m2"}  # type: ignore[dict-item]
    service.replies = [reply({**ANSWER, "query_info": info, "took": 1, "results": [{**RESULT, "why": ["x"]}]})]
    answer = client.search("x")
    assert answer.extra == {"took": 1}
    assert answer.query_info.extra == {"model": "m2"}
    assert answer.query_info.fusion == "learned"
    assert answer.results[0].extra == {"why": ["x"]}


def test_values_cannot_be_changed(client: Client, service: Any) -> None:
    """Neither their fields nor the list of results."""
    service.replies = [reply(ANSWER)]
    answer = client.search("x")
    with pytest.raises(ValidationError):
        answer.total_found = 3
    assert isinstance(answer.results, tuple)


def test_only_what_is_given_is_sent(client: Client, service: Any) -> None:
    """The service's defaults stay the service's; types that are like JSON's are sent as JSON's."""
    service.replies = [reply(ANSWER)]
    client.search("x")
    assert json.loads(service.requests[-1].content) == {"query": "x"}
    client.list_titles(sort={"field": "year"})
    assert json.loads(service.requests[-1].content) == {"sort": {"field": "year"}}
    filters = MappingProxyType(
        {"genres": ("action",), "tags": frozenset({"x"}), "aired_start": {"gte": date(2020, 1, 2)}}
    )
    client.search("x", filters=filters, vectors=UserDict({"title_vector": 2}))
    sent = json.loads(service.requests[-1].content)
    assert sent["filters"] == {"genres": ["action"], "tags": ["x"], "aired_start": {"gte": "2020-01-02"}}
    assert sent["vectors"] == {"title_vector": 2}
    client.similar("a", fields=["title", "year"], explain=True, include_adult=False, limit=3)
    assert dict(service.requests[-1].url.params) == {
        "fields": "title,year",
        "explain": "true",
        "include_adult": "false",
        "limit": "3",
    }
    client.similar("a")
    assert service.requests[-1].url.query == b""


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_is_not_finite_is_not_sent(client: Client, service: Any, value: float) -> None:
    """JSON has no name for it."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        client.search("x", min_score=value)
    assert service.requests == []


def test_what_is_no_json_is_not_sent(client: Client, service: Any) -> None:
    """Bytes and objects of other libraries."""
    for value in (b"x", object()):
        with pytest.raises(TypeError, match="is no JSON"):
            client.search("x", filters={"id": value})
    assert service.requests == []


def test_batches_take_texts_and_whole_searches(client: Client, service: Any) -> None:
    """In their order."""
    service.replies = [reply({"answers": [ANSWER, ANSWER]})]
    assert len(client.search_batch(iter(["a", {"query": "b", "limit": 2}]))) == 2
    assert json.loads(service.requests[0].content) == {"queries": [{"query": "a"}, {"query": "b", "limit": 2}]}


def test_one_list_for_several_titles(client: Client, service: Any) -> None:
    """The only answer of the batch; another number of answers is not understood."""
    service.replies = [reply({"answers": [ANSWER]}), reply({"answers": []})]
    assert client.similar_combined(("a", "b"), negative=["c"], limit=2).total_found == 10_000
    sent = json.loads(service.requests[0].content)
    assert sent == {"mode": "combined", "positive": ["a", "b"], "negative": ["c"], "limit": 2}
    with pytest.raises(UnexpectedAnswerError, match="0 answers"):
        client.similar_combined(["a"])


def test_pages_are_asked_for_as_they_are_needed(client: Client, service: Any) -> None:
    """The same question with the cursor of the page before, until there is none; no page more than wanted."""
    pages = [{**ANSWER, "next_cursor": cursor} for cursor in ("n.1", "n.2", None)]
    service.replies = [reply(page) for page in pages]
    results = client.iterate_search("x", page_size=1, fields=["title"])
    assert service.requests == []
    next(results)
    assert len(service.requests) == 1
    assert len(list(results)) == 2
    sent = [json.loads(request.content) for request in service.requests]
    assert [body.pop("cursor") for body in sent] == ["*", "n.1", "n.2"]
    assert sent == [{"query": "x", "fields": ["title"], "limit": 1}] * 3


def test_no_more_results_than_wanted(client: Client, service: Any) -> None:
    """`most` ends the pages, and makes a short first one."""
    service.replies = [reply({**ANSWER, "next_cursor": "n.1"})]
    assert len(list(client.iterate_similar("a", page_size=50, most=2))) == 2
    assert len(service.requests) == 2
    assert service.requests[0].url.params["limit"] == "2"
    assert list(client.iterate_similar("a", most=0)) == []
    assert len(service.requests) == 2
    for wrong in ({"page_size": 0}, {"most": -1}):
        with pytest.raises(ValueError):
            client.iterate_search("x", **wrong)


def test_rate_limits_of_the_last_answer(client: Client, service: Any) -> None:
    """Each thread sees its own; headers that are no numbers are none."""
    assert client.last_answer is None
    headers = {"RateLimit-Limit": "600", "RateLimit-Remaining": "599", "RateLimit-Reset": "60", "X-Request-ID": "r1"}
    service.replies = [reply(ANSWER, **headers), reply(ANSWER, **{"RateLimit-Limit": "many"})]
    client.search("x")
    answer = client.last_answer
    assert answer is not None
    assert answer.rate_limit is not None
    assert (answer.rate_limit.limit, answer.rate_limit.remaining, answer.rate_limit.reset_s) == (600, 599, 60.0)
    assert (answer.status, answer.request_id, answer.attempts) == (200, "r1", 1)
    client.search("x")
    assert client.last_answer is not None
    assert client.last_answer.rate_limit is None


def test_a_title_has_its_entries(client: Client, service: Any) -> None:
    """Those that are named are typed, the others are in `extra`."""
    service.replies = [reply({"id": "a", "title": "A", "adult": False, "year": 1998, "genres": ["action"], "rank": 3})]
    title = client.get_title("mal:1", include_adult=True)
    assert (title.year, title.genres, title.extra) == (1998, ("action",), {"rank": 3})
    assert str(service.requests[0].url) == "http://service:8002/api/v1/search/by-id/mal:1?include_adult=true"


def test_an_answer_of_a_wrong_shape_says_where(client: Client, service: Any) -> None:
    """The path of the first fault, and not its value."""
    service.replies = [reply({**ANSWER, "results": [{**RESULT, "score": "private"}]})]
    with pytest.raises(UnexpectedAnswerError, match=r"results\.0\.score") as caught:
        client.search("x")
    assert "private" not in str(caught.value)


def test_times_are_times(client: Client, service: Any) -> None:
    """With their zone."""
    service.replies = [
        reply({"id": "1", "kind": "index", "state": "paused", "created_at": "2026-11-21T12:00:00+00:00"})
    ]
    job = client.jobs.get("1")
    assert job.created_at == datetime(2026, 11, 21, 12, tzinfo=UTC)
    assert not job.has_ended


def test_an_import_takes_documents_or_a_path(client: Client, service: Any) -> None:
    """One of them."""
    service.replies = [reply({"id": "1", "kind": "import", "state": "pending", "created_at": "2026-11-21T12:00:00Z"})]
    client.jobs.create_import([{"title": "A"}])
    client.jobs.create_import(path="titles.jsonl")
    assert [json.loads(request.content) for request in service.requests] == [
        {"kind": "import", "documents": [{"title": "A"}]},
        {"kind": "import", "path": "titles.jsonl"},
    ]
    for wrong in ({}, {"documents": [], "path": "x"}):
        with pytest.raises(ValueError, match="either documents or path"):
            client.jobs.create_import(**wrong)


def test_counts_are_typed(client: Client, service: Any) -> None:
    """Texts stay texts, numbers numbers and truth values truth values."""
    values = [{"value": value, "count": 1} for value in ("1", 1, True)]
    service.replies = [reply({"facets": {"x": values}, "total": 3})]
    facets = client.get_facets(["x"], filters={"year": {"gte": 2010}})
    assert [(type(entry.value), entry.count) for entry in facets.facets["x"]] == [(str, 1), (int, 1), (bool, 1)]
    sent = json.loads(service.requests[0].content)
    assert sent == {"fields": ["x"], "limit": 20, "include_adult": False, "filters": {"year": {"gte": 2010}}}


def test_suggestions_for_every_script(client: Client, service: Any) -> None:
    """What was typed is sent as it is."""
    service.replies = [reply({"suggestions": [{"id": "a", "title": "A", "matched": "え", "kind": "prefix"}]})]
    assert client.suggest("エヴァ & co", limit=3)[0].matched == "え"
    assert dict(service.requests[0].url.params) == {"q": "エヴァ & co", "limit": "3", "include_adult": "false"}
