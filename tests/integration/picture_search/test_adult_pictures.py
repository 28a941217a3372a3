"""No search with a picture returns or counts an adult title, or a picture of one, unless asked to.

The table has requests that would show them at their top if they could; `tests/integration/api/test_adult_titles.py`
has those of all other routes, and names this file for these.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.app import create_app
from api.services import ApiServices, build_services
from tests.integration.picture_search.conftest import ADULT, TITLES, PictureIndex, slug_of

pytestmark = pytest.mark.usefixtures("worker")

IMAGE, BOTH, VISUAL = "/api/v1/search/image", "/api/v1/search/multimodal", "/api/v1/similarity/visual"
SLUG = slug_of(ADULT)
# Its neighbour in time and looks, which anybody may see.
PLAIN = slug_of(3)
TEXT = f"A story of hero{ADULT} and of friends in the town of lake0."


@dataclass(frozen=True)
class Ask:
    """One request. `picture` names a picture of the adult title; `way` is how the request brings it."""

    path: str
    picture: str | None = None
    body: dict[str, Any] = field(default_factory=dict)
    query: dict[str, Any] = field(default_factory=dict)
    way: str = "json"

    def send(self, client: FlaskClient, index: PictureIndex, *, include_adult: bool) -> str:
        """The whole answer; pages of a cursor are turned to the last."""
        pages, cursor = [], None
        while True:
            response = self._open(client, index, include_adult=include_adult, cursor=cursor)
            assert response.status_code == 200, response.text
            pages.append(response.text)
            if response.mimetype != "application/json" or not (cursor := response.get_json().get("next_cursor")):
                return "\n".join(pages)

    def _open(self, client: FlaskClient, index: PictureIndex, *, include_adult: bool, cursor: str | None) -> Any:
        flags: dict[str, Any] = ({"include_adult": True} if include_adult else {}) | (
            {"cursor": cursor} if cursor else {}
        )
        if self.path.startswith(VISUAL):
            query = {**self.query, **{name: str(value).lower() for name, value in flags.items() if name != "cursor"}}
            return client.get(self.path, query_string={**query, **({"cursor": cursor} if cursor else {})})
        body = {**self.body, **flags}
        if self.picture is not None:
            data = index.get_cover(ADULT) if self.picture == "cover" else index.get_character(ADULT)
            if self.way == "form":
                fields = {name: value if isinstance(value, str) else json.dumps(value) for name, value in body.items()}
                return client.post(self.path, data={**fields, "image": (io.BytesIO(data), "a.png")})
            body["image_data"] = base64.b64encode(data).decode()
        headers = {"Accept": "application/x-ndjson"} if self.way == "stream" else {}
        return client.post(self.path, json=body, headers=headers)


OPTIONS: list[dict[str, Any]] = [
    {},
    {"limit": 100},
    {"explain": True},
    {"cursor": "*", "limit": 7},
    {"diversity": 0.5},
    {"min_score": 0.3},
    {"include_metadata": False},
    {"fields": ["title"]},
    {"sort": {"field": "year", "order": "asc"}, "limit": 100},
    {"filters": {"adult": True}},
    {"filters": {"must": {"adult": True}}},
    {"filters": {"should": {"adult": True, "id": SLUG}}},
    {"filters": {"must_not": {"adult": False}}},
    {"filters": {"id": SLUG}},
]
PICTURE_OPTIONS: list[dict[str, Any]] = [
    {},
    {"limit": 100},
    {"explain": True},
    {"cursor": "*", "limit": 7},
    {"diversity": 0.5},
    {"include_metadata": False},
    {"filters": {"adult": True}},
    {"filters": {"slug": SLUG}},
    {"filters": {"kind": "cover"}},
    {"filters": {"must_not": {"adult": False}}},
]
WAYS = ("json", "form", "stream")
ASKS: dict[str, list[Ask]] = {
    IMAGE: [
        *(Ask(IMAGE, picture, options) for picture in ("cover", "character") for options in OPTIONS),
        *(Ask(IMAGE, "cover", {"target": "pictures", **options}) for options in PICTURE_OPTIONS),
        Ask(IMAGE, "cover", {"vectors": ["image_vector"]}),
        *(Ask(IMAGE, "cover", {"target": target}, way=way) for target in ("titles", "pictures") for way in WAYS),
    ],
    BOTH: [
        *(Ask(BOTH, "cover", {"query": TEXT, **options}) for options in OPTIONS if "sort" not in options),
        *(Ask(BOTH, "cover", {"query": TEXT}, way=way) for way in WAYS),
        Ask(BOTH, "cover"),
        Ask(BOTH, None, {"query": TEXT}),
        Ask(BOTH, None, {"query": f"Title number {ADULT}"}),
        Ask(BOTH, "cover", {"query": "heroes", "text_weight": 0}),
        Ask(BOTH, "cover", {"query": TEXT, "image_weight": 0}),
    ],
    f"{VISUAL}/<id>": [
        Ask(f"{VISUAL}/{PLAIN}", query={"limit": 100}),
        Ask(f"{VISUAL}/{PLAIN}", query={"limit": 100, "include_related": "true", "explain": "true"}),
        Ask(f"{VISUAL}/{PLAIN}", query={"limit": 7, "cursor": "*"}),
        Ask(f"{VISUAL}/{PLAIN}", query={"limit": 100, "target": "pictures"}),
        Ask(f"{VISUAL}/{PLAIN}", query={"limit": 7, "cursor": "*", "target": "pictures"}),
    ],
}


@pytest.fixture(scope="module")
def api(index: PictureIndex) -> Iterator[ApiServices]:
    """One web process for the module: what it remembers of one request must not show in another."""
    services = build_services(index.settings)
    yield services
    services.close()


@pytest.fixture(scope="module")
def client(api: ApiServices) -> FlaskClient:
    """The API, called in this process."""
    return create_app(api).test_client()


@pytest.fixture(scope="module")
def marks(index: PictureIndex) -> list[str]:
    """An adult title shows itself by any of these."""
    rows = [row for row in index.pictures.values() if row.slug == SLUG]
    assert len(rows) == 3
    ids, hashes, urls = (str(row.id) for row in rows), (str(row.sha256) for row in rows), (str(row.url) for row in rows)
    return [f'"{SLUG}"', f'Title number {ADULT}"', f'Hero {ADULT}"', *ids, *hashes, *urls]


def leaks(answer: str, marks: list[str]) -> list[str]:
    """What the results of an answer say of the adult title."""
    results = [line for line in answer.splitlines() if "summary" not in line]
    # Of the request itself an answer repeats the hash of its picture, the text and the conditions: never as a result.
    shown = "\n".join(json.dumps(_list_results(line)) for line in results)
    return [mark for mark in marks if mark in shown]


def _list_results(line: str) -> Any:
    answer = json.loads(line)
    return answer.get("results", answer.get("result"))


@pytest.mark.parametrize(
    "ask", [ask for asks in ASKS.values() for ask in asks], ids=lambda ask: f"{ask.path} {ask.way}"
)
def test_no_answer_tells_of_an_adult_title(
    client: FlaskClient, index: PictureIndex, marks: list[str], ask: Ask
) -> None:
    """Without include_adult nothing of it is in the results; with it, the same request does show it."""
    assert leaks(ask.send(client, index, include_adult=False), marks) == []
    assert leaks(ask.send(client, index, include_adult=True), marks), "this request would not show it anyway"
    # Answers are kept: what was asked with the flag must not come back without it.
    for _ in range(2):
        assert leaks(ask.send(client, index, include_adult=False), marks) == []


def test_they_are_not_counted(client: FlaskClient, index: PictureIndex) -> None:
    """Totals are those of a catalogue without it."""
    body = {"image_data": base64.b64encode(index.get_cover(ADULT)).decode(), "limit": 100}

    def count(target: str, *, include_adult: bool) -> int:
        asked = {**body, "target": target, "include_adult": include_adult}
        total: int = client.post(IMAGE, json=asked).get_json()["total_found"]
        return total

    assert (count("titles", include_adult=False), count("titles", include_adult=True)) == (TITLES - 1, TITLES)
    everything = len(index.pictures)
    assert count("pictures", include_adult=False) == everything - 3
    assert count("pictures", include_adult=True) == everything


@pytest.mark.parametrize("target", ["titles", "pictures"])
def test_who_names_it_is_told_what_who_names_nothing_is_told(
    client: FlaskClient, index: PictureIndex, target: str
) -> None:
    """By slug, by a provider's id and by the id of its picture: the 404 of an unknown title or picture."""
    picture = next(row for row in index.pictures.values() if row.slug == SLUG)
    unknown_picture = "00000000-0000-5000-8000-000000000000"
    for hidden, unknown in (
        (SLUG, "no-such-title"),
        (f"mal:{ADULT + 1}", "mal:999999"),
        (str(picture.id), unknown_picture),
    ):
        answer = client.get(f"{VISUAL}/{hidden}", query_string={"target": target})
        expected = client.get(f"{VISUAL}/{unknown}", query_string={"target": target})
        assert (answer.status_code, expected.status_code) == (404, 404)
        told, other = (one.get_json() | {"request_id": ""} for one in (answer, expected))
        assert json.loads(json.dumps(told).replace(hidden, unknown)) == other
        shown = client.get(f"{VISUAL}/{hidden}", query_string={"target": target, "include_adult": "true"})
        assert shown.status_code == 200


def test_a_cursor_with_them_goes_on_with_them_only(client: FlaskClient, index: PictureIndex) -> None:
    """What was begun with include_adult cannot be gone on with without it."""
    for target in ("titles", "pictures"):
        body = {
            "image_data": base64.b64encode(index.get_cover(ADULT)).decode(),
            "limit": 5,
            "cursor": "*",
            "target": target,
        }
        token = client.post(IMAGE, json={**body, "include_adult": True}).get_json()["next_cursor"]
        refused = client.post(IMAGE, json={**body, "cursor": token})
        assert refused.status_code in (409, 422), refused.text
        assert client.post(IMAGE, json={**body, "cursor": token, "include_adult": True}).status_code == 200
