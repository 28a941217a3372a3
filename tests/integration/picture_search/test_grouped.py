"""TITLE_PICTURES=group: each picture of a title counts for itself."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.app import create_app
from api.services import build_services
from search.pictures import lookup
from storage.database.models import PictureKind
from tests.integration.picture_search.conftest import ADULT, TITLES, WITH_CHARACTERS, PictureIndex, change, slug_of

IMAGE = "/api/v1/search/image"
pytestmark = pytest.mark.usefixtures("worker")


@pytest.fixture
def grouped(index: PictureIndex, cache_url: str) -> Iterator[FlaskClient]:
    """The API with this setting."""
    services = build_services(index.settings.model_copy(update={"title_pictures": "group"}))
    yield create_app(services).test_client()
    services.close()


def ask(client: FlaskClient, data: bytes, path: str = IMAGE, **more: Any) -> dict[str, Any]:
    """The answer of a search by picture."""
    answer = client.post(path, json={"image_data": base64.b64encode(data).decode(), **more})
    assert answer.status_code == 200, answer.get_json()
    found: dict[str, Any] = answer.get_json()
    return found


def list_ids(answer: dict[str, Any]) -> list[str]:
    """The ids of the results in their order."""
    return [result["id"] for result in answer["results"]]


def test_a_title_is_as_near_as_its_best_picture(grouped: FlaskClient, client: FlaskClient, index: PictureIndex) -> None:
    """A cover has a cosine of 1 with itself, where the mean of cover and banner has less; the picture is named."""
    data = index.get_cover(6)
    found = ask(grouped, data, explain=True)
    first = found["results"][0]
    assert first["id"] == slug_of(6) and first["similarity"] == pytest.approx(1.0, abs=1e-3)
    assert first["similarity"] > ask(client, data)["results"][0]["similarity"]
    shown = first["explanation"]["vectors"]["image_vector"]
    assert shown["picture"] == str(index.find(slug=slug_of(6), kind=PictureKind.COVER).id) and shown["share"] == 1.0
    assert len(set(list_ids(found))) == len(found["results"])


def test_characters_and_covers_are_told_apart(grouped: FlaskClient, index: PictureIndex) -> None:
    """A vector stands for the pictures of its kind: without it they are not looked at."""
    data = index.get_character(2)
    assert list_ids(ask(grouped, data))[0] == slug_of(2)
    covers = ask(grouped, data, vectors=["image_vector"])
    assert covers["results"][0]["similarity"] < 0.99
    characters = ask(grouped, data, vectors=["character_image_vector"], limit=100, include_adult=True)
    assert len(characters["results"]) == WITH_CHARACTERS


def test_titles_whose_pictures_are_not_among_the_nearest_are_found_too(
    grouped: FlaskClient, index: PictureIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However few pictures are looked at, a narrow filter finds its titles: by the mean of their pictures."""
    monkeypatch.setattr(lookup, "WINDOW_MAX", 3)
    data = index.get_cover(6)
    found = ask(grouped, data, filters={"year": {"gte": 2010}}, limit=100, explain=True)
    assert {one["payload"]["year"] for one in found["results"]} == set(range(2010, 2000 + TITLES))
    for result in found["results"]:
        assert result["explanation"]["score"] == pytest.approx(result["score"], abs=1e-4)
        assert result["similarity"] == pytest.approx(result["score"], abs=1e-4)


def test_options_hold(grouped: FlaskClient, index: PictureIndex) -> None:
    """Filters of titles, least similarity, boosts, sorts, pages and cursors do what they do for vectors."""
    data = change(index.get_cover(4), "half")
    everything = list_ids(ask(grouped, data, limit=100))
    assert len(everything) == TITLES - 1 and slug_of(ADULT) not in everything
    assert slug_of(ADULT) in list_ids(ask(grouped, data, limit=100, include_adult=True))
    drama = ask(grouped, data, filters={"genres": "drama"}, limit=100)
    assert drama["results"] and all("drama" in one["payload"]["genres"] for one in drama["results"])
    near = ask(grouped, data, min_score=0.8)
    assert list_ids(near)[0] == slug_of(4) and all(one["similarity"] >= 0.8 for one in near["results"])
    assert list_ids(ask(grouped, data, limit=5, offset=2)) == everything[2:7]
    assert list_ids(ask(grouped, data, boost=1.0))[0] == slug_of(4)
    years = [one["payload"]["year"] for one in ask(grouped, data, sort={"field": "year"}, limit=9)["results"]]
    assert years == sorted(years, reverse=True)
    page = ask(grouped, data, limit=3, cursor="*")
    second = ask(grouped, data, limit=3, cursor=page["next_cursor"])
    assert list_ids(page) + list_ids(second) == everything[:6]
    assert len(ask(grouped, data, diversity=0.8, limit=5)["results"]) == 5


def test_other_fusions_are_refused(grouped: FlaskClient, index: PictureIndex) -> None:
    """Pictures that count one by one have no lists to be fused: the field is named."""
    body = {"image_data": base64.b64encode(index.get_cover(0)).decode(), "fusion": "rrf"}
    answer = grouped.post(IMAGE, json=body)
    assert (answer.status_code, answer.get_json()["field"]) == (422, "fusion")


def test_both_sides_work_with_it(grouped: FlaskClient, index: PictureIndex) -> None:
    """The text's list is joined with that of the best pictures, and explained."""
    data = change(index.get_cover(3), "crop")
    found = ask(grouped, data, "/api/v1/search/multimodal", query="the town of lake3", explain=True)
    first = found["results"][0]
    assert first["id"] == slug_of(3)
    assert first["explanation"]["score"] == pytest.approx(first["score"], abs=1e-4)
    assert first["explanation"]["vectors"]["image_vector"]["picture"]


def test_means_answer_while_there_are_no_pictures_of_their_recipe(
    index: PictureIndex, client: FlaskClient, cache_url: str
) -> None:
    """An encoder that is being changed, or a pictures collection that is away, leaves the titles to be found."""
    elsewhere = {"title_pictures": "group", "qdrant_pictures_collection_name": "nobody_indexed_these"}
    services = build_services(index.settings.model_copy(update=elsewhere))
    found = ask(create_app(services).test_client(), index.get_cover(6))
    services.close()
    assert found["results"] == ask(client, index.get_cover(6))["results"]
