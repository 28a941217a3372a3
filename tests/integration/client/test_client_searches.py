"""Searches, similar titles and streams, through the client and over the wire."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from client import Client, InvalidRequestError, NotFoundError

ALL = 200


def test_a_search_finds_what_the_service_finds(client: Client, index: Any) -> None:
    """Typed results, best first, with the fields that were asked for."""
    answer = client.search(
        "robot boy", limit=5, fields=["title", "year"], filters={"year": {"gte": 1960}}, explain=True
    )
    assert len(answer.results) == 5
    assert [result.score for result in answer.results] == sorted((r.score for r in answer.results), reverse=True)
    assert all(set(result.payload) <= {"id", "title", "year"} for result in answer.results)
    assert all(result.explanation is not None for result in answer.results)
    assert answer.query_info.vectors
    assert client.last_answer is not None
    assert client.last_answer.request_id


def test_a_listing_is_sorted(client: Client) -> None:
    """Without a query: by a field, all of them counted."""
    answer = client.list_titles(sort={"field": "year", "order": "asc"}, limit=50, fields=["year"])
    years = [result.payload["year"] for result in answer.results if "year" in result.payload]
    assert years == sorted(years)
    assert (answer.total_found, answer.total_is_exact) == (ALL, True)


def test_pages_a_stream_and_a_long_answer_are_one_list(client: Client) -> None:
    """All titles, each once, in the same order whichever way they are read."""
    whole = [result.id for result in client.search("school", limit=1_000, fields=[]).results]
    paged = [result.id for result in client.iterate_search("school", page_size=37, fields=[])]
    with client.stream_search("school", fields=[]) as stream:
        streamed = [result.id for result in stream]
    assert len(set(whole)) == len(whole) == ALL
    assert paged == streamed == whole
    assert stream.summary.total_found == ALL
    assert stream.summary.query_info.query == "school"
    few = [result.id for result in client.iterate_search("school", page_size=37, most=40, fields=[])]
    assert few == whole[:40]


def test_an_answer_that_is_compressed_is_read(client: Client) -> None:
    """Long answers come compressed, and whole."""
    assert len(client.search("school", limit=100).results) == 100


def test_a_batch_answers_in_order(client: Client) -> None:
    """As each search alone."""
    batch = client.search_batch(["robot boy", {"query": "school", "limit": 3}, {"limit": 2}])
    assert [len(answer.results) for answer in batch] == [20, 3, 2]
    alone = client.search("school", limit=3)
    assert [result.id for result in batch[1].results] == [result.id for result in alone.results]


def test_a_title_by_its_ids(client: Client, index: Any) -> None:
    """Slug and provider:id name the same title; what is not there, or hidden, is not found."""
    slug, document = next((s, d) for s, d in index.documents.items() if d.external_ids)
    provider, number = next(iter(document.external_ids.items()))
    by_slug, by_provider = client.get_title(slug), client.get_title(f"{provider}:{number}")
    assert by_slug == by_provider
    assert (by_slug.id, by_slug.title, by_slug.genres) == (slug, document.title, tuple(document.genres))
    for hidden in ("no-such-title", index.adult_slug, "a/b", "100%"):
        with pytest.raises(NotFoundError) as caught:
            client.get_title(hidden)
        assert caught.value.request_id
    assert client.get_title(index.adult_slug, include_adult=True).adult


def test_titles_like_titles(client: Client, index: Any) -> None:
    """By content, by one vector, for each, for several, in pages and as a stream."""
    first, second, third = [slug for slug in index.documents if slug != index.adult_slug][:3]
    answer = client.similar(first, limit=5, explain=True, fields=["title"])
    assert len(answer.results) == 5
    assert first not in {result.id for result in answer.results}
    by_vector = client.similar_by_vector(first, "title_vector", distance="euclid", limit=3)
    assert all(result.distance is not None for result in by_vector.results)
    each = client.similar_each([first, second], limit=4)
    assert [len(answer.results) for answer in each] == [4, 4]
    assert each[0].results[0].id == answer.results[0].id
    combined = client.similar_combined([first, second], [third], limit=6)
    assert len(combined.results) == 6
    paged = [result.id for result in client.iterate_similar(first, page_size=30, most=90, fields=["title"])]
    assert first not in paged
    assert len(set(paged)) == 90
    with client.stream_similar([first, second], [third], limit=6) as stream:
        assert [result.id for result in stream] == [result.id for result in combined.results]
    with pytest.raises(NotFoundError):
        client.similar("no-such-title")


def test_wrong_input_names_its_field(client: Client) -> None:
    """As an InvalidRequestError, from a body, a batch and an address line alike; nothing is sent twice."""
    wrong: dict[str, Any] = {
        "limit": lambda: client.search("x", limit=0),
        "filters.year": lambda: client.search("x", filters={"year": {"gte": 2010, "lte": 2000}}),
        "queries.1.filters.year": lambda: client.search_batch(["x", {"query": "y", "filters": {"year": "soon"}}]),
        "diversity": lambda: client.similar("mal:1", diversity=3),
        "cursor": lambda: client.search("x", cursor="nonsense"),
        "fusion": lambda: client.stream_search("x", fusion="magic"),  # type: ignore[arg-type]
    }
    for name, ask in wrong.items():
        with pytest.raises(InvalidRequestError) as caught:
            ask()
        assert (caught.value.status, caught.value.field) == (422, name)
        assert client.last_answer is not None
        assert client.last_answer.attempts == 1


def test_a_stream_that_is_dropped_frees_its_connection(web: Any) -> None:
    """With a single connection, the next search would wait for ever otherwise."""
    with Client(web.url, connections=1, timeout_s=5, retries=0) as client:
        for _ in range(3):
            stream = client.stream_search("school")
            next(stream)
            del stream
            assert client.search("robot", limit=1).results


def test_threads_share_a_client(client: Client) -> None:
    """Each gets its own answers, and its own `last_answer`."""

    def ask(number: int) -> tuple[str | None, str | None]:
        answer = client.search(f"number {number}", limit=1)
        assert client.last_answer is not None
        return answer.query_info.query, client.last_answer.request_id

    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(ask, range(64)))
    assert [query for query, _ in found] == [f"number {number}" for number in range(64)]
    assert len({request_id for _, request_id in found}) == 64


def test_unchanged_titles_are_not_sent_again(web: Any, index: Any) -> None:
    """The service's own ETags: the second answer comes from memory and is equal."""
    slug = next(iter(index.documents))
    with Client(web.url, etag_cache_size=16) as client:
        first = client.get_title(slug)
        assert client.last_answer is not None
        assert (client.last_answer.status, client.last_answer.is_from_memory) == (200, False)
        assert client.get_title(slug) == first
        assert client.last_answer is not None
        assert (client.last_answer.status, client.last_answer.is_from_memory) == (304, True)
