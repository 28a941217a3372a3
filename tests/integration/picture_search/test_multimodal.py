"""Titles by a text and a picture together."""

from __future__ import annotations

import base64
from typing import Any

import orjson
import pytest
from flask.testing import FlaskClient

from api.services import ApiServices
from core.pictures import hash_content
from core.query_picture import QueryPicture
from search.pictures.request import MultimodalRequest, PictureRequest
from search.questions import Request
from search.request import SearchRequest
from tests.integration.picture_search.conftest import ADULT, TITLES, PictureIndex, change, slug_of

BOTH = "/api/v1/search/multimodal"
pytestmark = pytest.mark.usefixtures("worker")


def ask(client: FlaskClient, path: str = BOTH, **body: Any) -> dict[str, Any]:
    """The answer of a search."""
    answer = client.post(path, json=body)
    assert answer.status_code == 200, answer.get_json()
    found: dict[str, Any] = answer.get_json()
    return found


def encode(data: bytes) -> str:
    """Base64."""
    return base64.b64encode(data).decode()


def list_ids(answer: dict[str, Any]) -> list[str]:
    """The ids of the results in their order."""
    return [result["id"] for result in answer["results"]]


@pytest.mark.parametrize(
    "weights", [{}, {"image_weight": 0}, {"text_weight": 2}, {"image_weight": 0, "text_weight": 1}]
)
def test_a_text_alone_is_a_text_search(client: FlaskClient, weights: dict[str, float]) -> None:
    """Without a picture, or with no weight for it, the answer is that of POST search, score by score."""
    asked = {"query": "hero7 and friends", "limit": 10}
    alone = ask(client, "/api/v1/search", **asked)
    assert ask(client, **asked, **weights)["results"] == alone["results"]


def test_a_picture_without_weight_changes_nothing(client: FlaskClient, index: PictureIndex) -> None:
    """Weight 0 for the picture is the text alone, weight 0 for the text the picture alone."""
    text, picture = "hero7 and friends", encode(index.get_cover(3))
    both = {"query": text, "image_data": picture}
    by_text = ask(client, "/api/v1/search", query=text, limit=10)
    by_picture = ask(client, "/api/v1/search/image", image_data=picture)
    assert ask(client, **both, image_weight=0)["results"] == by_text["results"]
    assert ask(client, **both, text_weight=0)["results"] == by_picture["results"]
    assert ask(client, image_data=picture)["results"] == by_picture["results"]


def test_both_sides_move_a_title_up(client: FlaskClient, index: PictureIndex) -> None:
    """A text of several titles and a picture of one: the one is first; the weights decide whom the top belongs to."""
    text, picture = "hero7", encode(change(index.get_cover(3), "half"))
    assert list_ids(ask(client, query="the town of lake3", image_data=picture))[0] == slug_of(3)
    assert list_ids(ask(client, query=text, image_data=picture, text_weight=0.95, image_weight=0.05))[0] == slug_of(7)
    assert list_ids(ask(client, query=text, image_data=picture, text_weight=0.05, image_weight=0.95))[0] == slug_of(3)
    assert {slug_of(3), slug_of(7)} <= set(list_ids(ask(client, query=text, image_data=picture))[:3])


def test_the_shares_of_both_sides_add_up(api: ApiServices, client: FlaskClient, index: PictureIndex) -> None:
    """Explanations name both sides; what vectors, boosts and names added is the score, and shares are parts of 1."""
    assert api.names.wait(20)
    answer = ask(client, query="Title number 7", image_data=encode(index.get_cover(3)), explain=True, text_weight=1.5,
                 image_weight=0.5)  # fmt: skip
    info = answer["query_info"]
    assert (info["text_weight"], info["image_weight"]) == (0.75, 0.25)
    assert {"title_vector", "image_vector"} <= set(info["vectors"]) and info["query"] and info["picture"]
    for result in answer["results"]:
        explained = result["explanation"]
        sides = explained["sides"]
        parts = [*explained["vectors"].values(), *explained["boosts"], *explained["named"]]
        assert explained["score"] == pytest.approx(result["score"], abs=1e-4)
        assert sum(one["contribution"] for one in sides.values()) == pytest.approx(result["score"], abs=1e-4)
        assert sum(one["contribution"] for one in parts) == pytest.approx(result["score"], abs=1e-3)
        assert sum(one["share"] for one in parts) == pytest.approx(1.0, abs=1e-3)
    named = next(one for one in answer["results"] if one["id"] == slug_of(7))
    assert named["explanation"]["named"] and list_ids(answer)[0] == slug_of(7)


def test_options_hold_for_both_sides(api: ApiServices, client: FlaskClient, index: PictureIndex) -> None:
    """Filters, and what the words say, hold for titles that only the picture finds; the rest as everywhere."""
    assert api.names.wait(20)
    both = {"query": "hero9 in the town of lake4", "image_data": encode(index.get_cover(4))}
    everything = list_ids(ask(client, **both, limit=TITLES))
    assert slug_of(ADULT) not in everything
    assert slug_of(ADULT) in list_ids(ask(client, **both, limit=TITLES, include_adult=True))
    drama = ask(client, **both, limit=TITLES, filters={"genres": "drama"})
    assert drama["results"] and all("drama" in one["payload"]["genres"] for one in drama["results"])
    since = ask(client, query="hero9 since 2015", image_data=both["image_data"], limit=TITLES)
    assert since["results"] and all(one["payload"]["year"] >= 2015 for one in since["results"])
    assert list_ids(ask(client, **both, limit=4, offset=2)) == everything[2:6]
    page = ask(client, **both, limit=3, cursor="*")
    second = ask(client, **both, limit=3, cursor=page["next_cursor"])
    assert list_ids(page) + list_ids(second) == everything[:6]
    near = ask(client, **both, min_score=0.5, limit=TITLES)
    assert 0 < len(near["results"]) < len(everything) and all(one["similarity"] >= 0.5 for one in near["results"])
    years = [one["payload"]["year"] for one in ask(client, **both, sort={"field": "year", "order": "asc"})["results"]]
    assert years == sorted(years)
    assert len(ask(client, **both, diversity=0.7, limit=5)["results"]) == 5
    words = ask(client, **both, vectors={"title_vector": 1.0, "image_vector": 2.0})
    assert words["query_info"]["vectors"] == {"title_vector": 1.0, "image_vector": 2.0}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "query"),
        ({"query": "x", "text_weight": 0}, "text_weight"),
        ({"query": "x", "text_weight": 0, "image_weight": 0}, "image_weight"),
        ({"query": "x", "text_weight": -1}, "text_weight"),
        ({"query": "x", "image_weight": 101}, "image_weight"),
        ({"query": "x", "vectors": ["image_vector"]}, "vectors.image_vector"),
        ({"query": "x", "vectors": {}}, "vectors"),
        ({"query": "   "}, "query"),
        ({"query": "x", "target": "pictures"}, "target"),
    ],
)
def test_what_cannot_be_used_is_named(client: FlaskClient, body: dict[str, Any], field: str) -> None:
    """Every wrong request is a problem document that says where it is wrong."""
    answer = client.post(BOTH, json=body)
    assert (answer.status_code, answer.get_json()["field"]) == (422, field)


def test_many_searches_of_all_kinds_at_once(api: ApiServices, index: PictureIndex) -> None:
    """Texts, pictures and both, answered together, have the answers that they have alone."""
    cover = index.get_cover(3)
    picture = QueryPicture(hash_content(cover), cover, 300, 400)
    requests: list[Request] = [
        SearchRequest(query="hero7 and friends", limit=5),
        PictureRequest(picture=picture, limit=5),
        MultimodalRequest(query="hero7 and friends", picture=picture, limit=5),
    ]
    together = [orjson.loads(answer.body + b"}}")["results"] for answer in api.search.search_batch(requests)]
    alone = [orjson.loads(api.search.search(one).to_bytes())["results"] for one in requests]
    assert together == alone and all(together)
