"""Titles and pictures by a picture, through the HTTP API, the query worker and Qdrant."""

from __future__ import annotations

import base64
import io
from itertools import pairwise
from typing import Any

import orjson
import pytest
from flask.testing import FlaskClient

from core.pictures import hash_content
from storage.database.models import PictureKind
from tests.integration.picture_search.conftest import ADULT, FREE, TITLES, PictureIndex, change, slug_of
from tests.picture_host.pictures import draw, save

IMAGE = "/api/v1/search/image"
VISUAL = "/api/v1/similarity/visual"
pytestmark = pytest.mark.usefixtures("worker")


def encode(data: bytes) -> str:
    """Base64."""
    return base64.b64encode(data).decode()


def ask(client: FlaskClient, data: bytes | None = None, **more: Any) -> dict[str, Any]:
    """The answer of a search by picture."""
    body = more if data is None else {"image_data": encode(data), **more}
    answer = client.post(IMAGE, json=body)
    assert answer.status_code == 200, answer.get_json()
    found: dict[str, Any] = answer.get_json()
    return found


def list_ids(answer: dict[str, Any]) -> list[str]:
    """The ids of the results in their order."""
    return [result["id"] for result in answer["results"]]


@pytest.mark.parametrize("how", ["crop", "half", "quality"])
def test_changed_copies_find_their_title(client: FlaskClient, index: PictureIndex, how: str) -> None:
    """A crop, a copy of half the size and one with much loss find the title of the cover first."""
    for number in (0, 7, 16):
        answer = ask(client, change(index.get_cover(number), how))
        assert list_ids(answer)[0] == slug_of(number), (how, number)


def test_a_character_finds_its_title(client: FlaskClient, index: PictureIndex) -> None:
    """The pictures of characters are compared too, and the score is the best cosine of both vectors."""
    answer = ask(client, index.get_character(3), explain=True)
    first = answer["results"][0]
    assert first["id"] == slug_of(3)
    assert first["similarity"] == pytest.approx(1.0, abs=1e-3)
    assert first["score"] == pytest.approx(first["similarity"], abs=1e-3)
    vectors = first["explanation"]["vectors"]
    assert vectors["character_image_vector"]["share"] == 1.0 and vectors["image_vector"]["share"] == 0.0


def test_the_answer_says_what_was_compared(client: FlaskClient, index: PictureIndex) -> None:
    """Ten results by default, each a whole title; query_info names the content, the vectors and their fusion."""
    data = index.get_cover(1)
    answer = ask(client, data)
    assert len(answer["results"]) == 10
    assert answer["results"][0]["payload"]["title"] == "Title number 1"
    info = answer["query_info"]
    assert info["picture"] == {"sha256": hash_content(data)} and info["query"] is None
    assert info["vectors"] == {"image_vector": 1.0, "character_image_vector": 1.0} and info["fusion"] == "max"
    assert {"embed", "retrieve", "total"} <= set(info["took_ms"])


def test_a_form_asks_the_same(client: FlaskClient, index: PictureIndex) -> None:
    """multipart/form-data with a file is answered as the JSON body is, from the same cache."""
    data = index.get_cover(2)
    first = ask(client, data, limit=3)
    form = {"image": (io.BytesIO(data), "cover.png"), "limit": "3"}
    second = client.post(IMAGE, data=form, content_type="multipart/form-data")
    assert second.status_code == 200
    assert second.get_json()["results"] == first["results"]


def test_equal_pictures_are_encoded_once(client: FlaskClient, api: Any, index: PictureIndex) -> None:
    """The same content again is a cached answer; with another page its vector is known."""
    data = save(draw(77), "PNG")
    assert ask(client, data)["query_info"]["cache"] == "none"
    assert api.search.flush(timeout_s=5)
    assert ask(client, data)["query_info"]["cache"] == "result"
    assert ask(client, data, limit=3)["query_info"]["cache"] == "vector"
    assert api.picture_search.get_stats()["picture-embedding"]["keys"] == 1


def test_options_hold_for_pictures(client: FlaskClient, index: PictureIndex) -> None:
    """Filters, least similarity, fields, offset, sort, diversity and cursors do what they do for texts."""
    data = index.get_cover(4)
    everything = list_ids(ask(client, data, limit=TITLES, include_adult=True))
    assert len(everything) == TITLES
    assert list_ids(ask(client, data, limit=5, offset=3, include_adult=True)) == everything[3:8]
    drama = ask(client, data, filters={"genres": "drama"}, limit=TITLES)
    assert drama["results"] and all("drama" in one["payload"]["genres"] for one in drama["results"])
    least = ask(client, data)["results"][2]["similarity"] - 1e-5
    near = ask(client, data, min_score=least)
    assert len(near["results"]) == 3 and all(one["similarity"] >= least for one in near["results"])
    assert ask(client, data, threshold=least)["results"] == near["results"]
    assert set(ask(client, data, fields=["year"])["results"][0]["payload"]) == {"id", "year"}
    assert set(ask(client, data, include_metadata=False)["results"][0]["payload"]) == {"id"}
    years = [one["payload"]["year"] for one in ask(client, data, sort={"field": "year"}, top_k=6)["results"]]
    assert years == sorted(years, reverse=True) and len(years) == 6
    assert list_ids(ask(client, data, diversity=0.9, limit=5)) != list_ids(ask(client, data, limit=5))
    page = ask(client, data, limit=4, cursor="*", include_adult=True)
    second = ask(client, data, limit=4, cursor=page["next_cursor"], include_adult=True)
    assert list_ids(page) + list_ids(second) == everything[:8]
    other = client.post(IMAGE, json={"image_data": encode(index.get_cover(3)), "cursor": page["next_cursor"]})
    assert other.status_code == 422 and other.get_json()["field"] == "cursor"


def test_a_stream_is_the_same_list(client: FlaskClient, index: PictureIndex) -> None:
    """With Accept: application/x-ndjson the results come line by line, then the summary."""
    data = index.get_cover(4)
    body = {"image_data": encode(data), "limit": 6}
    for target in ("titles", "pictures"):
        asked = {**body, "target": target}
        lines = client.post(IMAGE, json=asked, headers={"Accept": "application/x-ndjson"}).data.splitlines()
        results = client.post(IMAGE, json=asked).get_json()["results"]
        assert len(lines) == 7
        assert [orjson.loads(line)["result"]["id"] for line in lines[:-1]] == [one["id"] for one in results]


def test_an_adult_title_needs_to_be_asked_for(client: FlaskClient, index: PictureIndex) -> None:
    """Neither the title nor its pictures are found or counted by its own cover without include_adult."""
    cover = index.get_cover(ADULT)
    for target in ("titles", "pictures"):
        hidden = ask(client, cover, target=target, limit=100)
        shown = ask(client, cover, target=target, limit=100, include_adult=True)
        own = slug_of(ADULT)
        assert own not in {one["payload"].get("slug", one["id"]) for one in hidden["results"]}
        first = shown["results"][0]
        assert own in (first["id"], first["payload"].get("slug"))
        assert shown["total_found"] > hidden["total_found"]


def test_pictures_are_found_as_pictures(client: FlaskClient, index: PictureIndex) -> None:
    """With target pictures each picture is a result of its own, with what is known of it."""
    cover = index.find(slug=slug_of(8), kind=PictureKind.COVER)
    answer = ask(client, change(index.get_cover(8), "half"), target="pictures", limit=3)
    first = answer["results"][0]
    assert first["id"] == str(cover.id) and first["similarity"] > 0.9
    payload = first["payload"]
    assert payload["kind"] == "cover" and payload["slug"] == slug_of(8) and payload["title"] == "Title number 8"
    assert payload["sha256"] == cover.sha256 and payload["url"] == cover.url
    assert payload["source"] == "pictures.example.org" and (payload["width"], payload["height"]) == (300, 400)
    assert answer["query_info"]["target"] == "pictures"


def test_free_pictures_are_found_by_their_own_facts(client: FlaskClient, index: PictureIndex) -> None:
    """Pictures without a title have ids, tags and metadata; filters name fields of pictures."""
    data = index.files["http://pictures.example.org/free/2.png"]
    answer = ask(client, data, target="pictures", filters={"tags": "still"}, limit=10)
    assert len(answer["results"]) == FREE
    first = answer["results"][0]["payload"]
    assert first["image_id"] == "still-2" and first["metadata"] == {"scene": 2} and first["title"] is None
    wide = ask(client, data, target="pictures", filters={"width": {"gte": 400}}, limit=100)
    assert {one["payload"]["kind"] for one in wide["results"]} == {"banner"}
    page = ask(client, data, target="pictures", limit=4, cursor="*")
    rest = ask(client, data, target="pictures", limit=4, cursor=page["next_cursor"])
    assert len({*list_ids(page), *list_ids(rest)}) == 8


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"filters": {"genres": "action"}}, "filters.genres"),
        ({"fields": ["synopsis"]}, "fields.0"),
        ({"sort": {"field": "year"}}, "sort.field"),
        ({"vectors": ["image_vector"]}, "vectors"),
        ({"fusion": "rrf"}, "fusion"),
        ({"boost": 1.0}, "boost"),
    ],
)
def test_what_titles_have_is_refused_for_pictures(
    client: FlaskClient, index: PictureIndex, body: dict[str, Any], field: str
) -> None:
    """Each is told by its name, and nothing is searched."""
    answer = client.post(IMAGE, json={"image_data": encode(index.get_cover(0)), "target": "pictures", **body})
    assert (answer.status_code, answer.get_json()["field"]) == (422, field)


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({}, 422, "query"),
        ({"query": "x", "image_data": "aGVsbG8="}, 422, "query"),
        ({"image_data": "@@@"}, 422, "image_data"),
        ({"image_data": "aGVsbG8="}, 415, "image_data"),
        ({"query": "x", "vectors": ["title_vector"]}, 422, "vectors.title_vector"),
        ({"query": "x", "limit": 5, "top_k": 6}, 422, "top_k"),
        ({"query": "x", "include_metadata": False, "fields": ["year"]}, 422, "include_metadata"),
        ({"query": "x", "target": "episodes"}, 422, "target"),
    ],
)
def test_what_cannot_be_used_is_named(client: FlaskClient, body: dict[str, Any], status: int, field: str) -> None:
    """Every wrong request is a problem document that says where it is wrong."""
    answer = client.post(IMAGE, json=body)
    assert (answer.status_code, answer.get_json()["field"]) == (status, field)


def test_words_need_an_encoder_that_knows_them(client: FlaskClient) -> None:
    """visual_baseline has no text tower: 409 with the setting to change."""
    answer = client.post(IMAGE, json={"query": "a girl in a red coat"})
    problem = answer.get_json()
    assert answer.status_code == 409 and problem["type"] == "urn:avs:problem:no-text-tower"
    assert "IMAGE_EMBEDDING_MODEL" in problem["detail"]


def test_a_title_looks_like_others(client: FlaskClient, index: PictureIndex) -> None:
    """By slug or provider id, without the title itself; the second answer to a known tag is 304."""
    answer = client.get(f"{VISUAL}/mal:3?limit=5")
    found = answer.get_json()
    assert len(found["results"]) == 5 and slug_of(2) not in list_ids(found)
    assert found["query_info"]["positive"] == [slug_of(2)]
    assert client.get(f"{VISUAL}/{slug_of(2)}?limit=5").get_json()["results"] == found["results"]
    again = client.get(f"{VISUAL}/mal:3?limit=5", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304


def test_a_picture_of_the_index_looks_like_others(client: FlaskClient, index: PictureIndex) -> None:
    """By its id: titles without its own one, or pictures without itself."""
    cover = index.find(slug=slug_of(9), kind=PictureKind.COVER)
    titles = client.get(f"{VISUAL}/{cover.id}?limit=100").get_json()
    assert slug_of(9) not in list_ids(titles) and len(titles["results"]) == TITLES - 2
    assert titles["query_info"]["picture"] == {"id": str(cover.id)}
    pictures = client.get(f"{VISUAL}/{cover.id}?limit=100&target=pictures").get_json()
    assert str(cover.id) not in list_ids(pictures)
    assert all(one["score"] >= other["score"] for one, other in pairwise(pictures["results"]))


def test_pictures_like_a_title_leave_its_own_out(client: FlaskClient, index: PictureIndex) -> None:
    """By the mean of its covers and banners; none of its pictures comes back."""
    found = client.get(f"{VISUAL}/{slug_of(1)}?target=pictures&limit=100").get_json()
    assert found["results"] and slug_of(1) not in {one["payload"]["slug"] for one in found["results"]}


@pytest.mark.parametrize("identifier", ["nobody", "mal:999999", "6f4d7c1e-0b57-5d43-9f0a-3c1f0a1f7a10"])
def test_an_unknown_id_is_not_found(client: FlaskClient, identifier: str) -> None:
    """404, whether titles or pictures are looked for."""
    for target in ("titles", "pictures"):
        assert client.get(f"{VISUAL}/{identifier}?target={target}").status_code == 404


def test_an_adult_picture_is_not_found_by_its_id(client: FlaskClient, index: PictureIndex) -> None:
    """Neither the picture nor its title may be named without include_adult."""
    cover = index.find(slug=slug_of(ADULT), kind=PictureKind.COVER)
    for identifier in (cover.id, slug_of(ADULT)):
        assert client.get(f"{VISUAL}/{identifier}").status_code == 404
        assert client.get(f"{VISUAL}/{identifier}?include_adult=true").status_code == 200


def test_titles_are_compared_by_one_picture_vector(client: FlaskClient) -> None:
    """similarity/vector and similarity/batch know the picture vectors of titles too."""
    found = client.get(f"/api/v1/similarity/vector/{slug_of(0)}?vector=image_vector&limit=3")
    assert found.status_code == 200 and len(found.get_json()["results"]) == 3
    body = {"references": [slug_of(0)], "vectors": ["character_image_vector"], "limit": 3}
    assert len(client.post("/api/v1/similarity/batch", json=body).get_json()["answers"][0]["results"]) == 3
    refused = client.post("/api/v1/search", json={"query": "x", "vectors": ["image_vector"]})
    assert (refused.status_code, refused.get_json()["field"]) == (422, "vectors.image_vector")
