"""Titles like titles: by content, by one vector, many at once, and away from what is not wanted."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.app import create_app
from api.services import ApiServices, build_services

SIMILAR = "/api/v1/similarity"
TITLE = "shingeki-no-kyojin"


@pytest.fixture(scope="module")
def api(index: Any) -> Iterator[ApiServices]:
    """One web process for all of this module; no query worker, since nothing is embedded."""
    services = build_services(index.settings)
    yield services
    services.close()


@pytest.fixture(scope="module")
def client(api: ApiServices) -> FlaskClient:
    """The API, called in this process."""
    return create_app(api).test_client()


def get(client: FlaskClient, path: str, **query: Any) -> Any:
    """The answer of a GET that succeeds."""
    response = client.get(f"{SIMILAR}/{path}", query_string=query)
    assert response.status_code == 200, response.text
    return response.json


def ids(answer: dict[str, Any]) -> list[str]:
    """The slugs of an answer in order."""
    return [result["id"] for result in answer["results"]]


def test_a_title_is_not_like_itself(client: FlaskClient) -> None:
    """The reference never comes back, and a provider's id finds the same title as the slug."""
    answer = get(client, f"anime/{TITLE}", limit=50)
    assert len(answer["results"]) == 50
    assert TITLE not in ids(answer)
    assert answer["query_info"]["positive"] == [TITLE]
    assert ids(get(client, "anime/mal:16498", limit=50)) == ids(answer)


def test_relatives_are_left_out_unless_asked_for(client: FlaskClient) -> None:
    """A sequel that its title links to is no discovery."""
    sequel = "code-geass-hangyaku-no-lelouch"
    alone = get(client, "anime/code-geass-hangyaku-no-lelouch-r2", limit=100)
    assert sequel not in ids(alone)
    assert alone["query_info"]["relatives_left_out"] >= 1
    assert sequel in ids(get(client, "anime/code-geass-hangyaku-no-lelouch-r2", limit=100, include_related="true"))


def test_one_vector_is_ordered_by_its_cosine(client: FlaskClient, index: Any) -> None:
    """The list of one vector falls by similarity, and the other measures follow from the cosine."""
    cosine = get(client, f"vector/{TITLE}", vector="genre_vector", boost=0, distance="cosine")
    similarities = [result["similarity"] for result in cosine["results"]]
    assert similarities == sorted(similarities, reverse=True)
    assert [result["distance"] for result in cosine["results"]] == similarities
    euclid = get(client, f"vector/{TITLE}", vector="genre_vector", boost=0, distance="euclid")
    for result in euclid["results"]:
        assert result["distance"] == pytest.approx(math.sqrt(2 - 2 * result["similarity"]), abs=1e-3)
    response = client.get(f"{SIMILAR}/vector/{TITLE}?vector=lexical_sparse&distance=euclid")
    assert (response.status_code, response.json["field"]) == (422, "distance")


def test_a_vector_that_the_title_lacks_takes_no_part(client: FlaskClient) -> None:
    """No content means no vector, and no list either: an empty answer, not an error."""
    answer = get(client, f"vector/{TITLE}", vector="staff_vector")
    assert (answer["results"], answer["total_found"], answer["total_is_exact"]) == ([], 0, True)


def test_each_reference_has_its_own_list(client: FlaskClient) -> None:
    """A batch answers as its single questions would."""
    references = [TITLE, "mal:1", "death-note"]
    response = client.post(f"{SIMILAR}/batch", json={"references": references, "limit": 5, "explain": True})
    assert response.status_code == 200, response.text
    for reference, answer in zip(references, response.json["answers"], strict=True):
        alone = get(client, f"anime/{reference}", limit=5, explain="true")
        assert answer["results"] == alone["results"]


def test_negative_references_push_away(client: FlaskClient) -> None:
    """What is most like the unwanted title falls in the list."""

    def find_place(negative: list[str]) -> int:
        body = {
            "mode": "combined",
            "positive": ["cowboy-bebop"],
            "negative": negative,
            "limit": 200,
            "vectors": ["genre_vector"],
        }
        response = client.post(f"{SIMILAR}/batch", json=body)
        assert response.status_code == 200, response.text
        found = ids(response.json["answers"][0])
        assert not set(negative) & set(found)
        return found.index(unwanted)

    unwanted = ids(get(client, "vector/toradora", vector="genre_vector", boost=0))[0]
    assert find_place(["toradora"]) > find_place([])


def test_the_shares_of_similar_titles_add_up(client: FlaskClient) -> None:
    """Explanations hold for references as they do for texts, with features by name."""
    answer = get(client, f"anime/{TITLE}", explain="true", limit=10)
    for result in answer["results"]:
        why = result["explanation"]
        parts = [*why["vectors"].values(), *why["boosts"]]
        assert sum(part["contribution"] for part in parts) == pytest.approx(result["score"], abs=1e-4)
        assert sum(part["share"] for part in parts) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize(
    ("path", "status", "field"),
    [
        ("anime/no-such-title", 404, None),
        ("anime/mal:999999999", 404, None),
        ("anime/midnight-garden", 404, None),
        (f"anime/{'a' * 201}", 422, "positive.0"),
        (f"anime/{TITLE}?limit=0", 422, "limit"),
        (f"anime/{TITLE}?limit=1001", 422, "limit"),
        (f"anime/{TITLE}?fields=colour", 422, "fields.0"),
        (f"anime/{TITLE}?colour=red", 422, "colour"),
        (f"anime/{TITLE}?fusion=borda", 422, "fusion"),
        (f"vector/{TITLE}", 422, "vector"),
        (f"vector/{TITLE}?vector=nonsense", 422, "vectors.nonsense"),
        (f"vector/{TITLE}?vector=title_vector&distance=manhattan", 422, "distance"),
        (f"vector/{TITLE}?vector=lexical_sparse&distance=euclid", 422, "distance"),
        (f"vector/{TITLE}?vector=lexical_sparse&distance=dot&boost=1", 422, "boost"),
    ],
)
def test_a_bad_question_is_refused(client: FlaskClient, path: str, status: int, field: str | None) -> None:
    """A problem document names the field; unknown and hidden titles are not found."""
    response = client.get(f"{SIMILAR}/{path}")
    assert (response.status_code, response.content_type) == (status, "application/problem+json"), response.text
    assert response.json.get("field") == field


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({}, 422, "body"),
        ({"references": []}, 422, "references"),
        ({"references": ["a"] * 101}, 422, "references"),
        ({"references": [TITLE], "positive": [TITLE]}, 422, "body"),
        ({"mode": "combined", "references": [TITLE]}, 422, "body"),
        ({"mode": "combined", "positive": [TITLE], "negative": [TITLE]}, 422, "negative"),
        ({"mode": "combined", "positive": [TITLE], "negative": ["nobody"]}, 404, None),
        ({"mode": "both", "references": [TITLE]}, 422, "mode"),
        ({"references": [TITLE], "vectors": {"title_vector": -1}}, 422, "vectors.title_vector"),
        ({"references": [TITLE], "filters": {"year": {"gte": 2010, "lt": 2000}}}, 422, "filters.year"),
        ({"references": [TITLE], "cursor": "*"}, 422, "cursor"),
        ({"references": [TITLE, " "]}, 422, "references.1"),
    ],
)
def test_a_bad_batch_is_refused(client: FlaskClient, body: dict[str, Any], status: int, field: str | None) -> None:
    """The first thing that is wrong is named."""
    response = client.post(f"{SIMILAR}/batch", json=body)
    assert (response.status_code, response.content_type) == (status, "application/problem+json"), response.text
    assert response.json.get("field") == field
