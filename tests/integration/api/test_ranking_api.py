"""What a search may ask of its ranking: fusions, boosts, diversity, sort, explanations, cursors, streams, batches."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import combinations, pairwise
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.app import create_app
from api.services import ApiServices, build_services
from search.ranking import TEXT_RRF_K

SEARCH = "/api/v1/search"
STREAM = "application/x-ndjson"
QUERY = "a boy with a secret power fights for his friends"
Post = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def api(index: Any, worker: None) -> Iterator[ApiServices]:
    """One web process for all of this module."""
    services = build_services(index.settings)
    yield services
    services.close()


@pytest.fixture(scope="module")
def client(api: ApiServices) -> FlaskClient:
    """The API, called in this process."""
    return create_app(api).test_client()


@pytest.fixture(scope="module")
def search(client: FlaskClient) -> Post:
    """POST a search and return its answer."""

    def post(path: str = SEARCH, **body: Any) -> dict[str, Any]:
        response = client.post(path, json=body)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json
        return answer

    return post


def ids(answer: dict[str, Any]) -> list[str]:
    """The slugs of an answer in order."""
    return [result["id"] for result in answer["results"]]


@pytest.mark.parametrize("fusion", ["rrf", "dbsf", "linear", "max"])
@pytest.mark.parametrize("boost", [0.0, 1.5])
@pytest.mark.parametrize(
    "vectors",
    [
        {"title_vector": 1.0, "lexical_sparse": 1.0},
        {"title_vector": 1.0, "genre_vector": 1.0, "lexical_sparse": 1.0},
        {"title_vector": 1.0},
    ],
)
def test_the_shares_of_an_explanation_add_up(
    search: Post, fusion: str, boost: float, vectors: dict[str, float]
) -> None:
    """Whatever the fusion, contributions sum to the score that Qdrant gave, and shares to 1."""
    answer = search(query=QUERY, fusion=fusion, boost=boost, vectors=vectors, explain=True, expand=False)
    assert answer["results"]
    for result in answer["results"]:
        why = result["explanation"]
        parts = [*why["vectors"].values(), *why["boosts"], *why["named"]]
        assert set(why["vectors"]) == set(vectors)
        assert sum(part["contribution"] for part in parts) == pytest.approx(result["score"], abs=1e-4)
        assert sum(part["share"] for part in parts) == pytest.approx(1.0, abs=1e-4)
        assert why["score"] == pytest.approx(result["score"], abs=1e-4)


def test_an_explanation_names_ranks_similarities_and_words(search: Post) -> None:
    """The first title by words matches the very words of the query, and the ranks are those of the single lists."""
    answer = search(query="Cowboy Bebop", explain=True, expand=False, vectors=["title_vector", "lexical_sparse"])
    first = next(result for result in answer["results"][:2] if result["id"] == "cowboy-bebop")
    lexical = first["explanation"]["vectors"]["lexical_sparse"]
    assert lexical["rank"] in (1, 2), "its film has the same words"
    assert {match["feature"] for match in lexical["matched"]} == {"cowboy", "bebop"}
    alone = search(query="Cowboy Bebop", vectors=["title_vector"], expand=False, boost=0.0, limit=128)
    places = {slug: place for place, slug in enumerate(ids(alone), start=1)}
    for result in answer["results"]:
        dense = result["explanation"]["vectors"]["title_vector"]
        assert dense["rank"] == places.get(result["id"])


def test_an_explained_answer_shows_the_filters_applied(search: Post) -> None:
    """The caller's conditions and those that hide titles are all there, by clause."""
    answer = search(
        query=QUERY, explain=True, expand=False, filters={"genres": {"all": ["drama"]}, "year": {"gte": 2000}}
    )
    assert answer["query_info"]["filters"] == {
        "must": [{"field": "genres", "all": ["drama"]}, {"field": "year", "gte": 2000}],
        "should": [],
        "must_not": [{"field": "adult", "any": [True]}],
    }


def test_rank_fusion_is_qdrants_formula(search: Post) -> None:
    """A title's score is the sum of 1 / (rank / weight + k - 1) over the lists."""
    answer = search(
        query=QUERY, vectors={"title_vector": 1.0, "genre_vector": 2.0}, explain=True, boost=0.0, expand=False
    )
    for result in answer["results"]:
        lists = result["explanation"]["vectors"].values()
        expected = sum(1 / (one["rank"] / one["weight"] + TEXT_RRF_K - 1) for one in lists if one["rank"])
        assert result["score"] == pytest.approx(expected, rel=1e-3)


def test_a_boost_prefers_what_is_known(search: Post) -> None:
    """The stronger the boost, the larger is the mean boost factor of the page."""

    def measure(boost: float) -> float:
        answer = search(query=QUERY, boost=boost, expand=False, limit=10)
        factors = [result["payload"]["search_boost_factor"] for result in answer["results"]]
        return sum(factor / place for place, factor in enumerate(factors, start=1))

    assert measure(0.0) < measure(5.0)


def test_diversity_shows_more_different_titles(search: Post) -> None:
    """Labels are shared by fewer titles of a diverse page than of the page of the nearest; the first stays first."""

    def count_shared(answer: dict[str, Any]) -> int:
        pages = [
            {*result["payload"].get("genres", []), *result["payload"].get("tags", [])} for result in answer["results"]
        ]
        return sum(len(first & second) for first, second in combinations(pages, 2))

    plain = search(query=QUERY, vectors=["genre_vector"], boost=0.0, limit=8)
    diverse = search(query=QUERY, vectors=["genre_vector"], boost=0.0, limit=8, diversity=1.0)
    assert ids(diverse)[0] == ids(plain)[0]
    assert count_shared(diverse) < count_shared(plain)
    pages = [ids(search(query=QUERY, diversity=0.6, limit=5, offset=offset)) for offset in (0, 5)]
    assert not set(pages[0]) & set(pages[1])


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_a_sort_orders_what_the_text_found(search: Post, order: str) -> None:
    """Values come in order, those without one last, and pages join."""
    pages = [search(query=QUERY, sort={"field": "year", "order": order}, limit=15, offset=offset) for offset in (0, 15)]
    years = [result["payload"].get("year") for page in pages for result in page["results"]]
    known = [year for year in years if year is not None]
    assert known == sorted(known, reverse=order == "desc")
    assert None not in years[: len(known)]
    assert len({slug for page in pages for slug in ids(page)}) == 30


def test_without_a_text_the_filter_decides(search: Post, index: Any) -> None:
    """A listing holds each title that passes once, in the order of the sort, those without the field last."""
    listed: list[dict[str, Any]] = []
    for offset in range(0, 300, 50):
        answer = search(sort={"field": "scored_by"}, limit=50, offset=offset)
        listed += answer["results"]
        assert (answer["total_found"], answer["total_is_exact"]) == (len(index.documents) - 1, True)
    assert len({result["id"] for result in listed}) == len(listed) == len(index.documents) - 1
    scores = [result["payload"].get("scored_by") for result in listed]
    known = [score for score in scores if score is not None]
    assert len(known) < len(scores), "some titles of the sample lack the field"
    assert known == sorted(known, reverse=True)
    assert scores[: len(known)] == known


def test_a_least_similarity_holds_under_every_rearrangement(search: Post) -> None:
    """min_score is a cosine whatever orders the list."""
    for more in ({}, {"sort": {"field": "year"}}, {"diversity": 0.5}, {"boost": 2.0}, {"fusion": "linear"}):
        answer = search(query=QUERY, min_score=0.1, **more)
        assert all(result["similarity"] >= 0.1 for result in answer["results"])


def test_a_cursor_reads_the_whole_list_once(search: Post) -> None:
    """Pages of any size, cut from one list, hold what one large page holds, in its order."""
    whole = ids(search(query=QUERY, limit=200, expand=False))
    seen: list[str] = []
    cursor: str | None = "*"
    for limit in (7, 30, 1, 100, 100, 100):
        if cursor is None:
            break
        answer = search(query=QUERY, cursor=cursor, limit=limit, fields=["title"], expand=False)
        seen += ids(answer)
        cursor = answer["next_cursor"]
    assert cursor is None
    assert len(seen) == len(set(seen))
    assert set(whole) <= set(seen)


def test_a_page_of_a_cursor_is_explained_as_it_was_ranked(search: Post) -> None:
    """Contributions sum to the score on every page, though the list behind it is longer than the page."""
    cursor: str | None = "*"
    for _ in range(2):
        answer = search(query=QUERY, cursor=cursor, limit=60, explain=True)
        assert len(answer["results"]) == 60
        for result in answer["results"]:
            assert result["explanation"]["score"] == pytest.approx(result["score"], abs=1e-4)
        cursor = answer["next_cursor"]


def test_a_listing_is_counted_however_it_is_read(client: FlaskClient, search: Post) -> None:
    """By page, by cursor or as a stream, beyond its end too: the total is that of all titles that pass."""
    filters = {"type": "tv"}
    total = search(filters=filters, limit=1)["total_found"]
    by_cursor = search(filters=filters, limit=1, cursor="*")
    assert (by_cursor["total_found"], by_cursor["total_is_exact"]) == (total, True)
    beyond = client.post(SEARCH, json={"filters": filters, "offset": 9_000}, headers={"Accept": STREAM})
    summary = json.loads(beyond.data)["summary"]
    assert (summary["total_found"], summary["total_is_exact"]) == (total, True)


@pytest.mark.parametrize(
    ("accept", "is_streamed"),
    [
        (STREAM, True),
        ("Application/X-NDJSON; charset=utf-8", True),
        (f"{STREAM}, application/problem+json", True),
        (f"application/json, {STREAM};q=0.5", False),
        (f"application/json, {STREAM};q=0", False),
        ("*/*", False),
    ],
)
def test_what_is_accepted_decides_between_stream_and_answer(
    client: FlaskClient, accept: str, is_streamed: bool
) -> None:
    """Twice, since an answer that is remembered goes another way."""
    for _ in range(2):
        response = client.post(SEARCH, json={"query": QUERY, "limit": 3}, headers={"Accept": accept})
        assert (response.mimetype == STREAM) is is_streamed


def test_a_remembered_answer_does_not_excuse_a_wrong_type(client: FlaskClient) -> None:
    """Whether or not the same bytes were just answered, what is not declared as JSON is refused."""
    body = json.dumps({"query": QUERY, "limit": 4}).encode()
    for kind, status in (
        ("application/json", 200),
        ("Application/JSON; charset=utf-8", 200),
        ("application/jsonx", 415),
    ):
        assert client.post(SEARCH, data=body, content_type=kind).status_code == status


def test_a_stream_takes_no_cursor(client: FlaskClient) -> None:
    """It would be read as the beginning of the list."""
    response = client.post(SEARCH, json={"query": QUERY, "cursor": "*"}, headers={"Accept": STREAM})
    assert (response.status_code, response.json["field"]) == (422, "cursor")


def test_a_batch_reaches_only_so_deep(client: FlaskClient, search: Post) -> None:
    """A batch of the deepest pages would keep Qdrant busy for minutes: it is refused before anything is asked."""
    deep = [{"query": f"{QUERY} {number}", "offset": 9_999, "limit": 1} for number in range(13)]
    response = client.post(f"{SEARCH}/batch", json={"queries": deep})
    assert (response.status_code, response.json["field"]) == (422, "queries")
    assert len(search(f"{SEARCH}/batch", queries=deep[:12])["answers"]) == 12


def test_a_sorted_cursor_begins_as_the_sorted_page(search: Post) -> None:
    """The list of a cursor sorts what the text is about, as an ordinary page does."""
    question = {"query": QUERY, "sort": {"field": "year"}, "limit": 10, "expand": False}
    assert ids(search(**question, cursor="*")) == ids(search(**question))


def test_a_cursor_fits_its_own_search_only(client: FlaskClient, search: Post) -> None:
    """With another query, filter or order it is refused; one that has expired says so."""
    cursor = search(query=QUERY, cursor="*", limit=5)["next_cursor"]
    for other in ({"query": "x"}, {"query": QUERY, "filters": {"type": "tv"}}, {"query": QUERY, "boost": 3.0}):
        response = client.post(SEARCH, json={**other, "cursor": cursor, "limit": 5})
        assert (response.status_code, response.json["field"]) == (422, "cursor")
    response = client.post(SEARCH, json={"query": QUERY, "cursor": "A" * 22 + ".5"})
    assert (response.status_code, response.json["type"]) == (409, "urn:avs:problem:cursor-expired")


def test_a_stream_has_a_result_a_line_and_a_summary(client: FlaskClient, search: Post) -> None:
    """NDJSON holds the same results as the ordinary answer, more of them where asked, and ends with a summary."""
    response = client.post(SEARCH, json={"query": QUERY, "limit": 2_000}, headers={"Accept": "application/x-ndjson"})
    assert (response.status_code, response.mimetype) == (200, "application/x-ndjson")
    lines = [json.loads(line) for line in response.data.splitlines()]
    assert [line["result"]["id"] for line in lines[:-1]] == ids(search(query=QUERY, limit=1_000, cursor="*"))
    assert lines[-1]["summary"]["total_found"] == len(lines) - 1 > 150
    refused = client.post(SEARCH, json={"query": "", "limit": 5}, headers={"Accept": "application/x-ndjson"})
    assert refused.status_code == 422


def test_a_batch_answers_as_its_searches_would(search: Post, api: ApiServices) -> None:
    """Each answer of a batch is that of the search alone; the texts share one embedding call."""
    queries: list[dict[str, Any]] = [
        {"query": "robots in space"},
        {"query": "a quiet love story", "filters": {"type": "tv"}, "limit": 3},
        {"sort": {"field": "year"}, "limit": 4},
        {"query": "robots in space", "vectors": ["genre_vector"], "explain": True},
    ]
    before = api.search.get_stats()["embedding"]["calls"]
    answers = search(f"{SEARCH}/batch", queries=queries)["answers"]
    assert api.search.get_stats()["embedding"]["calls"] == before + 1
    for query, answer in zip(queries, answers, strict=True):
        alone = search(**query)
        assert answer["results"] == alone["results"]
        assert answer["total_found"] == alone["total_found"]


def test_one_bad_search_refuses_the_batch(client: FlaskClient) -> None:
    """The problem names the search and its field, and nothing is answered."""
    queries = [{"query": "x"}, {"query": "x", "filters": {"colour": "red"}}]
    response = client.post(f"{SEARCH}/batch", json={"queries": queries})
    assert (response.status_code, response.json["field"]) == (422, "queries.1.filters.colour")
    response = client.post(f"{SEARCH}/batch", json={"queries": [{"query": "x"}] * 1_001})
    assert (response.status_code, response.json["field"]) == (422, "queries")
    response = client.post(f"{SEARCH}/batch", json={"queries": [{"query": "x", "cursor": "*"}]})
    assert (response.status_code, response.json["field"]) == (422, "queries.0.cursor")


def test_pages_of_a_boosted_search_join(search: Post) -> None:
    """No title is on two pages, and scores fall from page to page."""
    pages = [search(query=QUERY, boost=1.0, limit=10, offset=offset) for offset in range(0, 60, 10)]
    seen = [slug for page in pages for slug in ids(page)]
    scores = [result["score"] for page in pages for result in page["results"]]
    assert len(set(seen)) == len(seen) == 60
    assert all(first >= second for first, second in pairwise(scores))
