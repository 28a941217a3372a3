"""Suggestions and named titles over HTTP, on real servers."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from api.app import create_app
from api.services import ApiServices
from search.names.keeper import NameIndexKeeper
from search.names.match import NameMatch

pytestmark = pytest.mark.usefixtures("worker")


@pytest.fixture
def ready(api: ApiServices) -> ApiServices:
    """The services of a process that knows the names."""
    assert api.names.wait(20)
    return api


def suggest(client: FlaskClient, q: str, **options: Any) -> list[dict[str, Any]]:
    """Suggestions that must be given."""
    response = client.get("/api/v1/suggest", query_string={"q": q, **options})
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.get_json()["suggestions"]
    return found


def search(client: FlaskClient, query: str, **body: Any) -> dict[str, Any]:
    """The answer to a search that must succeed."""
    response = client.post("/api/v1/search", json={"query": query, **body})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.get_json()
    return answer


def test_typed_so_far(client: FlaskClient, ready: ApiServices, index: Any) -> None:
    """The beginning of each title's name suggests that title among the first, an entry a title."""
    for slug, document in list(index.documents.items())[:50]:
        if slug == index.adult_slug:
            continue
        found = suggest(client, document.title[:12], limit=50)
        assert slug in [one["id"] for one in found]
        assert len({one["id"] for one in found}) == len(found)


def test_what_a_suggestion_says(client: FlaskClient, ready: ApiServices, index: Any) -> None:
    """The title, the name that fits, its type and year; the answer may be kept for a while, and is known again."""
    slug, document = next(
        (slug, one) for slug, one in index.documents.items() if one.title_japanese and one.title_japanese != one.title
    )
    response = client.get("/api/v1/suggest", query_string={"q": document.title_japanese, "limit": 1})
    (found,) = response.get_json()["suggestions"]
    assert found == {
        "id": slug,
        "title": document.title,
        "matched": document.title_japanese,
        "type": document.type,
        "year": document.year,
        "kind": "exact",
    }
    assert "max-age=" in response.headers["Cache-Control"]
    again = client.get(
        "/api/v1/suggest",
        query_string={"q": document.title_japanese, "limit": 1},
        headers={"If-None-Match": response.headers["ETag"]},
    )
    assert again.status_code == 304


def test_adult_titles_are_suggested_on_request(client: FlaskClient, ready: ApiServices, index: Any) -> None:
    """And pinned on request only."""
    title = index.documents[index.adult_slug].title
    assert index.adult_slug not in [one["id"] for one in suggest(client, title)]
    assert suggest(client, title, include_adult=True)[0]["id"] == index.adult_slug
    assert index.adult_slug not in [hit["id"] for hit in search(client, title, limit=201)["results"]]
    assert search(client, title, include_adult=True)["results"][0]["id"] == index.adult_slug


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({}, "q"),
        ({"q": ""}, "q"),
        ({"q": "   "}, "q"),
        ({"q": "a\x00b"}, "q"),
        ({"q": "x" * 201}, "q"),
        ({"q": "x", "limit": 0}, "limit"),
        ({"q": "x", "limit": 51}, "limit"),
        ({"q": "x", "include_adult": "maybe"}, "include_adult"),
        ({"q": "x", "other": 1}, "other"),
    ],
)
def test_bad_input_is_named(client: FlaskClient, ready: ApiServices, query: dict[str, Any], field: str) -> None:
    """Each wrong parameter is a problem that names it."""
    response = client.get("/api/v1/suggest", query_string=query)
    assert (response.status_code, response.content_type) == (422, "application/problem+json")
    assert response.get_json()["field"] == field


def test_before_the_names_are_read(api: ApiServices, monkeypatch: pytest.MonkeyPatch) -> None:
    """Suggestions are refused with a hint when to come again; searches are answered without them."""
    monkeypatch.setattr(NameIndexKeeper, "get", lambda self: None)
    client = create_app(api).test_client()
    refused = client.get("/api/v1/suggest", query_string={"q": "a"})
    assert (refused.status_code, refused.content_type) == (503, "application/problem+json")
    assert int(refused.headers["Retry-After"]) >= 1
    assert refused.get_json()["type"] == "urn:avs:problem:names-not-ready"
    assert search(client, "robots from the 60s")["query_info"]["understood"]["found"]


def test_a_title_that_is_typed_comes_first(client: FlaskClient, ready: ApiServices, index: Any) -> None:
    """By its title and by its synonyms, and with two letters that changed places."""
    for slug, document in list(index.documents.items())[10:30]:
        for name in (document.title, *document.synonyms[:2]):
            first: NameMatch = ready.names.require().index.match(name)[0]
            answer = search(client, name, limit=3)
            assert answer["results"][0]["id"] == first.slug
            assert answer["query_info"]["understood"]["names"][0]["id"] == first.slug
        assert slug in {match.slug for match in ready.names.require().index.match(document.title)}
        swapped = f"{document.title[:-3]}{document.title[-2]}{document.title[-3]}{document.title[-1]}"
        if found := ready.names.require().index.match(swapped):
            assert search(client, swapped, limit=3)["results"][0]["id"] == found[0].slug


def test_conditions_in_words_hold_for_every_hit(client: FlaskClient, ready: ApiServices, index: Any) -> None:
    """A decade and a demographic in the text leave exactly the titles that have both, unless `expand` is false."""
    answer = search(client, "kids anime from the 60s", limit=201)
    wanted = {
        slug
        for slug, document in index.documents.items()
        if document.year
        and 1960 <= document.year < 1970
        and "kids" in {*document.demographics, *document.genres, *document.tags}
    }
    assert wanted
    assert {hit["id"] for hit in answer["results"]} == wanted
    assert answer["query_info"]["query"] == "kids anime"
    plain = search(client, "kids anime from the 60s", limit=201, expand=False)
    assert plain["total_found"] > len(wanted)
    assert not plain["query_info"].get("understood")


def test_what_is_unwanted_is_left_out(client: FlaskClient, ready: ApiServices, index: Any) -> None:
    """Every hit of `not comedy` is none, in whatever field it would be said."""
    hits = search(client, "robot adventure, not comedy", limit=201)["results"]
    assert hits
    for hit in hits:
        document = index.documents[hit["id"]]
        assert "comedy" not in {*document.genres, *document.themes, *document.tags}


def test_the_callers_filters_count_before_the_text(client: FlaskClient, ready: ApiServices, index: Any) -> None:
    """Who filters years himself gets these years, whatever the text says."""
    hits = search(client, "robots from the 60s", limit=201, filters={"year": {"gte": 2000}})["results"]
    assert hits
    assert all(index.documents[hit["id"]].year >= 2000 for hit in hits)
