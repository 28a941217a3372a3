"""POST /api/v1/search and GET /api/v1/search/by-id over real servers and a real worker."""

from __future__ import annotations

import gzip
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient

from api.services import ApiServices
from search.ranking import TEXT_RRF_K, TEXT_WEIGHTS

pytestmark = pytest.mark.usefixtures("worker")


def search(client: FlaskClient, query: str, **body: Any) -> dict[str, Any]:
    """The answer to a search that must succeed."""
    response = client.post("/api/v1/search", json={"query": query, **body})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.get_json()
    return answer


def test_the_title_meant_comes_first(client: FlaskClient, index: Any) -> None:
    """Words of a synopsis find their title, with its payload and an account of how."""
    slug, document = next(iter(index.documents.items()))
    answer = search(client, " ".join((document.synopsis or "").split()[:12]))
    first = answer["results"][0]
    assert first["id"] == slug
    assert first["payload"]["title"] == document.title
    assert "keys" not in first["payload"]
    assert "external_keys" not in first["payload"]
    assert answer["query_info"]["vectors"] == {name: TEXT_WEIGHTS[name] for name in ("title_vector", "lexical_sparse")}
    assert answer["query_info"]["fusion"] == "dbsf"
    assert not answer["total_is_exact"]
    assert answer["total_found"] == len(answer["results"]) == 20


def test_one_vector_scores_by_cosine(client: FlaskClient, index: Any) -> None:
    """With one dense vector, score and similarity are the exact cosine, and order the list."""
    query = "a robot boy with jet feet"
    results = search(client, query, vectors=["title_vector"], limit=50, expand=False)["results"]
    assert [hit["score"] for hit in results] == [hit["similarity"] for hit in results]
    assert [hit["score"] for hit in results] == sorted((hit["score"] for hit in results), reverse=True)
    for hit in results:
        assert hit["score"] == pytest.approx(index.get_cosine(hit["id"], query), abs=1e-4)
    everything = sorted((index.get_cosine(slug, query) for slug in index.documents), reverse=True)
    assert results[0]["score"] == pytest.approx(everything[0], abs=1e-4)


def test_fusion_orders_by_score_and_reports_the_cosine(client: FlaskClient, index: Any) -> None:
    """Under fusion the score orders and the similarity is still the best exact cosine of the dense vectors."""
    query = "robot boy circus professor"
    results = search(client, query, vectors={"title_vector": 1.0, "lexical_sparse": 2.0})["results"]
    scores = [hit["score"] for hit in results]
    assert scores == sorted(scores, reverse=True)
    for hit in results:
        assert hit["similarity"] == pytest.approx(index.get_cosine(hit["id"], query), abs=1e-4)


def test_the_best_of_several_dense_vectors_is_the_similarity(client: FlaskClient) -> None:
    """With several dense vectors the similarity is the larger cosine of the two."""
    both = search(client, "action robot", vectors=["title_vector", "genre_vector"])["results"]
    single = {
        name: {
            hit["id"]: hit["score"]
            for hit in search(client, "action robot", vectors=[name], limit=201, expand=False)["results"]
        }
        for name in ("title_vector", "genre_vector")
    }
    for hit in both:
        best = max(scores.get(hit["id"], -1) for scores in single.values())
        assert hit["similarity"] == pytest.approx(best, abs=1e-4)


def test_lexical_search_alone_has_no_similarity(client: FlaskClient) -> None:
    """A sparse score is no cosine, so there is none to show."""
    hits = search(client, "circus", vectors=["lexical_sparse"])["results"]
    assert hits
    assert all(hit["similarity"] is None for hit in hits)


def test_words_that_nobody_uses_find_nothing_lexically(client: FlaskClient) -> None:
    """A query without a single indexed word answers an empty, exact page."""
    answer = search(client, "the of and", vectors=["lexical_sparse"])
    assert (answer["results"], answer["total_found"], answer["total_is_exact"]) == ([], 0, True)
    assert answer["query_info"]["vectors"] == {}


@pytest.mark.parametrize("vectors", [["title_vector"], ["title_vector", "lexical_sparse"]])
def test_min_score_means_the_same_under_every_fusion(client: FlaskClient, vectors: list[str]) -> None:
    """Exactly the titles whose cosine reaches it are left, in the order of the score."""
    full = search(client, "young boy and a robot", vectors=vectors, limit=64)["results"]
    bar = sorted(hit["similarity"] for hit in full)[-10]
    some = search(client, "young boy and a robot", vectors=vectors, limit=64, min_score=bar)
    assert [hit["id"] for hit in some["results"]] == [hit["id"] for hit in full if hit["similarity"] >= bar]
    assert all(hit["payload"]["title"] for hit in some["results"])
    other = search(client, "young boy and a robot", vectors=vectors, limit=64, threshold=bar)
    assert other["results"] == some["results"]


@pytest.mark.parametrize("vectors", [["title_vector"], None])
def test_pages_join_without_gap_or_overlap(client: FlaskClient, index: Any, vectors: list[str] | None) -> None:
    """Pages laid end to end are the one long page; beyond the end the total is exact."""
    body = {} if vectors is None else {"vectors": vectors}
    whole = search(client, "school friends", limit=60, **body)["results"]
    pages = [search(client, "school friends", limit=20, offset=start, **body)["results"] for start in (0, 20, 40)]
    assert [hit["id"] for page in pages for hit in page] == [hit["id"] for hit in whole]
    beyond = search(client, "school friends", limit=20, offset=500, **body)
    assert beyond["results"] == []
    assert (beyond["total_found"], beyond["total_is_exact"]) == (len(index.documents) - 1, True)


def test_filters_hold_for_every_hit(client: FlaskClient, index: Any) -> None:
    """A year range and a genre leave exactly the titles that have both, under the default plan."""
    answer = search(client, "robot", limit=201, filters={"year": {"gte": 1990, "lt": 2010}, "genres": "Drama"})
    wanted = {
        slug
        for slug, document in index.documents.items()
        if document.year and 1990 <= document.year < 2010 and "drama" in document.genres
    }
    assert wanted
    assert {hit["id"] for hit in answer["results"]} == wanted
    assert (answer["total_found"], answer["total_is_exact"]) == (len(wanted), True)


def test_should_and_must_not(client: FlaskClient, index: Any) -> None:
    """One of `should` is needed, none of `must_not` is allowed, and folded names match in any case."""
    studio = next(name for document in index.documents.values() for name in document.studios)
    filters = {
        "should": {"studios": studio.upper(), "genres": {"all": ["action", "drama"]}},
        "must_not": {"type": "tv"},
    }
    hits = search(client, "robot", limit=201, filters=filters)["results"]
    wanted = {
        slug
        for slug, document in index.documents.items()
        if (studio in document.studios or {"action", "drama"} <= set(document.genres)) and document.type != "TV"
    }
    assert {hit["id"] for hit in hits} == wanted


def test_adult_titles_are_shown_only_on_request(client: FlaskClient, index: Any) -> None:
    """Neither search nor by-id shows or counts them unless the request says include_adult."""
    slug = index.adult_slug
    query = index.documents[slug].synopsis
    assert slug not in [hit["id"] for hit in search(client, query, limit=201)["results"]]
    assert search(client, query, include_adult=True)["results"][0]["id"] == slug
    assert search(client, query, filters={"adult": True})["total_found"] == 0
    assert client.get(f"/api/v1/search/by-id/{slug}").status_code == 404
    assert client.get(f"/api/v1/search/by-id/{slug}?include_adult=true").get_json()["id"] == slug


def test_fields_choose_the_payload(client: FlaskClient) -> None:
    """Only the entries asked for come back, and always the id."""
    hits = search(client, "robot", fields=["title", "year"])["results"]
    assert all(set(hit["payload"]) <= {"id", "title", "year"} for hit in hits)
    assert all(hit["id"] == hit["payload"]["id"] for hit in hits)


def test_a_title_by_slug_and_by_provider_id(client: FlaskClient, index: Any) -> None:
    """Both names lead to the same document; an unknown one is a 404 problem."""
    slug, document = next((slug, doc) for slug, doc in index.documents.items() if doc.external_ids)
    provider, external_id = next(iter(document.external_ids.items()))
    by_slug = client.get(f"/api/v1/search/by-id/{slug}").get_json()
    assert by_slug["title"] == document.title
    assert client.get(f"/api/v1/search/by-id/{provider}:{external_id}").get_json() == by_slug
    unknown = client.get("/api/v1/search/by-id/no-such-title")
    assert (unknown.status_code, unknown.content_type) == (404, "application/problem+json")


def test_the_second_time_the_answer_comes_from_the_cache(client: FlaskClient, api: ApiServices) -> None:
    """An equal search, however it is spaced, is a hit with the same results; another page shares the query vector."""
    first = search(client, "a  robot boy ")
    assert api.search.flush(timeout_s=5)
    again = search(client, "a robot boy")
    assert (first["query_info"]["cache"], again["query_info"]["cache"]) == ("none", "result")
    assert again["query_info"]["cache_hit"]
    assert again["results"] == first["results"]
    assert again["query_info"]["vectors"] == first["query_info"]["vectors"]
    assert search(client, "a robot boy", limit=5)["query_info"]["cache"] == "vector"
    stats = client.get("/stats").get_json()
    assert stats["search"]["hit_rate"] == pytest.approx(1 / 3, abs=1e-3)
    assert stats["search"]["embedding"]["keys"] == 1


def test_equal_bytes_are_answered_the_short_way(client: FlaskClient, api: ApiServices) -> None:
    """A body that was answered a moment ago is answered from memory, with the same results, headers and compression."""
    assert api.names.wait(10)
    sent = {"json": {"query": "boy and robot", "limit": 30}}
    first, again = client.post("/api/v1/search", **sent), client.post("/api/v1/search", **sent)
    assert again.get_json()["query_info"]["cache"] == "result"
    assert again.get_json()["results"] == first.get_json()["results"]
    assert again.content_type == first.content_type
    assert again.headers["X-Request-ID"] != first.headers["X-Request-ID"]
    zipped = client.post("/api/v1/search", **sent, headers={"Accept-Encoding": "gzip", "X-Request-ID": "mine"})
    assert (zipped.headers["Content-Encoding"], zipped.headers["X-Request-ID"]) == ("gzip", "mine")
    assert json.loads(gzip.decompress(zipped.data))["results"] == first.get_json()["results"]
    stats = client.get("/stats").get_json()["search"]
    assert (stats["searches"], stats["result_hits"]) == (3, 2)


def test_a_hundred_at_once(client: FlaskClient, api: ApiServices) -> None:
    """A hundred searches at once, of fifty texts, are all answered, in fewer calls than searches."""
    app = client.application

    def ask(number: int) -> tuple[int, str]:
        with app.test_client() as own:
            response = own.post("/api/v1/search", json={"query": f"robot number {number % 50}", "limit": 3})
            return response.status_code, response.get_json()["query_info"]["query"]

    with ThreadPoolExecutor(100) as pool:
        answers = list(pool.map(ask, range(100)))
    assert answers == [(200, f"robot number {number % 50}") for number in range(100)]
    stats = api.search.get_stats()
    assert stats["embedding"]["keys"] < 100
    assert stats["embedding"]["calls"] < stats["embedding"]["keys"]


def test_scores_are_those_of_the_documented_formula(client: FlaskClient) -> None:
    """The fused score is the sum of 1 / ((position + 1) / weight + k - 1) over the lists, as design.md says."""
    weights = {"title_vector": 1.0, "lexical_sparse": 0.5}
    lists = {
        name: [hit["id"] for hit in search(client, "robot boy", vectors=[name], limit=128, expand=False)["results"]]
        for name in weights
    }
    fused = search(client, "robot boy", vectors=weights, expand=False)["results"]
    for hit in fused:
        expected = sum(
            1 / ((found.index(hit["id"]) + 1) / weights[name] + TEXT_RRF_K - 1)
            for name, found in lists.items()
            if hit["id"] in found
        )
        # Ties inside a list may stand in either order.
        assert hit["score"] == pytest.approx(expected, rel=0.15)
    assert np.all(np.diff([hit["score"] for hit in fused]) <= 1e-6)
