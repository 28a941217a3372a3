"""No route returns, counts or suggests an adult title unless asked to, or an excluded one ever.

Every route of the application has an entry in one of two tables here: requests that would show the adult titles of this
test if they could, or the reason why the route has no titles to show. A route without an entry fails.
"""

from __future__ import annotations

import html
import importlib.util
import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from qdrant_client import models

from api.app import create_app
from api.guard.access import get_least_role
from api.services import ApiServices, build_services
from core.document import AnimeDocument, content_hash
from core.identity import build_slug, point_id
from core.keys import Role
from core.vectors import LEXICAL_VECTOR
from indexing.payload import build_payload
from inference.bm25 import Bm25Encoder
from inference.fake import FakeTextEncoder
from search.plan import Fusion
from storage.database.jobs import JobRepository
from storage.database.session import Database
from storage.database.titles import StoredTitle, TitleRepository
from storage.vectors.store import VectorStore

pytestmark = pytest.mark.usefixtures("worker")

SEARCH, SIMILAR = "/api/v1/search", "/api/v1/similarity"
STREAM = {"Accept": "application/x-ndjson"}
PLAIN_TITLE = "shingeki-no-kyojin"
# Everything that tells of it is found nowhere else.
ADULT = {
    "title": "Velvet Lanternfish",
    "title_english": "Plush Anglerfish",
    "synonyms": ["Birodo Chouchin"],
    "synopsis": "Quagmire sailors court a phosphorescent siren beneath a drowned wall of giants.",
    "type": "OVA",
    "genres": ["hentai", "action", "drama"],
    "tags": ["bioluminescence"],
    "studios": ["Abyssal Works"],
    "year": 1907,
    "rating": "Rx",
    "score": 9.99,
    "members": 3_999_999,
    "external_ids": {"mal": 987_654_321},
}
SLUG = build_slug(str(ADULT["title"]))
# An adult title shows itself by any of these. What a request says itself may come back with its answer.
MARKS = (
    SLUG,
    "Velvet Lanternfish",
    "Plush Anglerfish",
    "phosphorescent siren",
    "Abyssal Works",
    "bioluminescence",
    "987654321",
)


@dataclass(frozen=True)
class Ask:
    """One request. `shows` is false where not even include_adult makes it show the title."""

    method: str
    path: str
    body: dict[str, Any] | None = None
    query: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    shows: bool = True

    def send(self, client: FlaskClient, *, include_adult: bool) -> str:
        """The whole answer; pages of a cursor are turned to the last."""
        pages, cursor = [], None
        while True:
            body = None if self.body is None else _add_flag(self.body, include_adult, cursor)
            query = self.query | ({"include_adult": "true"} if include_adult and self.body is None else {})
            if cursor and self.body is None:
                query["cursor"] = cursor
            response = client.open(self.path, method=self.method, json=body, query_string=query, headers=self.headers)
            assert response.status_code < 500, response.text
            pages.append(response.text)
            if response.mimetype != "application/json" or not (cursor := _find_cursor(response.get_json())):
                return "\n".join(pages)

    def says(self) -> str:
        """Everything that the request itself says."""
        return f"{self.path} {json.dumps(self.body, ensure_ascii=False)} {self.query}".lower()


def _add_flag(body: dict[str, Any], include_adult: bool, cursor: str | None) -> dict[str, Any]:
    flags: dict[str, Any] = ({"include_adult": True} if include_adult else {}) | ({"cursor": cursor} if cursor else {})
    if "queries" in body:
        return {"queries": [{**query, **flags} for query in body["queries"]]}
    return {**body, **flags}


def _find_cursor(answer: Any) -> str | None:
    if not isinstance(answer, dict):
        return None
    # The lists of a batch have no pages, but for the one list of the mode `combined`.
    answers = answer.get("answers", [answer])
    cursor: str | None = answers[0].get("next_cursor") if len(answers) == 1 else None
    return cursor


QUERY = str(ADULT["synopsis"])
# A search that has the adult title at its top if it is allowed to.
TEXT_SEARCHES: list[dict[str, Any]] = [
    {"query": QUERY},
    {"query": QUERY, "expand": False},
    {"query": QUERY, "explain": True},
    {"query": QUERY, "limit": 1_000},
    {"query": QUERY, "diversity": 0.7},
    {"query": QUERY, "boost": 5},
    {"query": QUERY, "min_score": 0.2},
    {"query": QUERY, "fields": ["studios"]},
    {"query": QUERY, "cursor": "*", "limit": 60},
    {"query": QUERY, "sort": {"field": "year", "order": "asc"}},
    {"query": QUERY, "sort": {"field": "score"}, "explain": True},
    *({"query": QUERY, "fusion": fusion} for fusion in Fusion),
    *({"query": QUERY, "vectors": [name], "limit": 1_000} for name in ("title_vector", "genre_vector", LEXICAL_VECTOR)),
    {"query": QUERY, "vectors": {"title_vector": 1, "lexical_sparse": 2}, "fusion": "dbsf", "explain": True},
    # By any of its names, whole and with an error
    {"query": "Velvet Lanternfish", "limit": 1_000},
    {"query": "Velvet Lanternfihs", "limit": 1_000},
    {"query": '"velvet lanternfish"', "limit": 1_000},
    {"query": "plush anglerfish", "explain": True, "limit": 1_000},
    {"query": "Birodo Chouchin", "limit": 1_000},
    {"query": "anime like Velvet Lanternfish", "limit": 1_000, "expand": False},
    {"query": "Abyssal Works 1907", "limit": 1_000},
    # By filters that only it passes
    *(
        {"query": QUERY, "filters": filters}
        for filters in (
            {"adult": True},
            {"rating": "Rx"},
            {"id": SLUG},
            {"external_ids": "mal:987654321"},
            {"studios": "abyssal works"},
            {"genres": "hentai"},
            {"must": {"adult": True}},
            {"should": {"adult": True}},
            {"should": {"id": SLUG, "adult": False}},
            {"must_not": {"adult": False}},
            {"year": {"lt": 1908}},
        )
    ),
]
LISTINGS: list[dict[str, Any]] = [
    {},
    {"sort": {"field": "year", "order": "asc"}},
    {"sort": {"field": "score"}},
    {"sort": {"field": "members"}, "cursor": "*", "limit": 60},
    {"filters": {"adult": True}},
    {"filters": {"rating": "rx"}},
    {"filters": {"should": {"adult": True}}, "cursor": "*"},
]
SEARCHES = TEXT_SEARCHES + LISTINGS
SIMILAR_OPTIONS: list[dict[str, Any]] = [
    {"limit": 1_000},
    {"limit": 1_000, "include_related": "true", "explain": "true"},
    {"limit": 60, "cursor": "*"},
    *({"limit": 1_000, "fusion": fusion} for fusion in Fusion),
    {"limit": 1_000, "diversity": 0.3},
]
SIMILAR_BATCHES: list[dict[str, Any]] = [
    {"references": [PLAIN_TITLE, "mal:1"], "limit": 1_000},
    {"references": [PLAIN_TITLE], "filters": {"adult": True}, "explain": True},
    {"mode": "combined", "positive": [PLAIN_TITLE], "limit": 1_000},
    {"mode": "combined", "positive": [PLAIN_TITLE], "negative": ["mal:1"], "limit": 1_000, "explain": True},
    {"mode": "combined", "positive": [PLAIN_TITLE], "limit": 60, "cursor": "*"},
]
# References that must not be found: what they lead to would tell of them.
HIDDEN_REFERENCES: list[Ask] = [
    Ask("GET", f"{SIMILAR}/anime/{SLUG}"),
    Ask("GET", f"{SIMILAR}/anime/mal:987654321"),
    Ask("GET", f"{SIMILAR}/vector/{SLUG}", query={"vector": "title_vector"}),
    Ask("POST", f"{SIMILAR}/batch", {"references": [PLAIN_TITLE, SLUG]}),
    Ask("POST", f"{SIMILAR}/batch", {"mode": "combined", "positive": [SLUG]}),
    Ask("POST", f"{SIMILAR}/batch", {"mode": "combined", "positive": [PLAIN_TITLE], "negative": [SLUG]}),
    Ask("GET", f"{SEARCH}/by-id/{SLUG}"),
    Ask("GET", f"{SEARCH}/by-id/mal:987654321"),
    Ask("GET", f"/api/v1/titles/{SLUG}/provenance"),
    Ask("GET", "/api/v1/titles/mal:987654321/provenance"),
]

ROUTES: dict[tuple[str, str], list[Ask]] = {
    ("POST", SEARCH): [
        *(Ask("POST", SEARCH, body) for body in SEARCHES),
        *(Ask("POST", SEARCH, body, headers=STREAM) for body in SEARCHES if "cursor" not in body),
    ],
    ("POST", f"{SEARCH}/batch"): [
        Ask("POST", f"{SEARCH}/batch", {"queries": [body for body in SEARCHES if "cursor" not in body]}),
    ],
    ("GET", f"{SEARCH}/by-id/<id>"): [
        Ask("GET", f"{SEARCH}/by-id/{SLUG}"),
        Ask("GET", f"{SEARCH}/by-id/mal:987654321"),
    ],
    ("GET", "/api/v1/titles/<id>/provenance"): [
        Ask("GET", f"/api/v1/titles/{SLUG}/provenance"),
        Ask("GET", "/api/v1/titles/mal:987654321/provenance"),
    ],
    ("GET", f"{SIMILAR}/anime/<id>"): [
        *(Ask("GET", f"{SIMILAR}/anime/{PLAIN_TITLE}", query=query) for query in SIMILAR_OPTIONS),
    ],
    ("GET", f"{SIMILAR}/vector/<id>"): [
        *(
            Ask("GET", f"{SIMILAR}/vector/{PLAIN_TITLE}", query={"vector": vector, "limit": 1_000, **more})
            for vector in ("title_vector", "genre_vector", LEXICAL_VECTOR)
            for more in ({}, {"explain": "true"})
        ),
        *(
            Ask(
                "GET",
                f"{SIMILAR}/vector/{PLAIN_TITLE}",
                query={"vector": "genre_vector", "limit": 1_000, "distance": d},
            )
            for d in ("cosine", "dot", "euclid")
        ),
    ],
    ("POST", f"{SIMILAR}/batch"): [Ask("POST", f"{SIMILAR}/batch", body) for body in SIMILAR_BATCHES],
    ("POST", "/api/v1/facets"): [
        *(
            Ask("POST", "/api/v1/facets", {"fields": ["studios", "tags"], "limit": 200, **more})
            for more in (
                {},
                {"filters": {"adult": True}},
                {"filters": {"rating": "Rx"}},
                {"filters": {"id": SLUG}},
                {"filters": {"should": {"adult": True}}},
            )
        ),
    ],
    ("GET", "/api/v1/suggest"): [
        Ask("GET", "/api/v1/suggest", query={"q": typed})
        for typed in (
            "velvet",
            "Velvet Lanternfish",
            "velvet lanternfihs",
            "lanter",
            "plush a",
            "birodo",
            "Birodo Chouchin",
        )
    ],
    # The page has no way to ask for adult titles.
    ("GET", "/"): [
        Ask("GET", "/", query={"q": text}, headers={"Accept": "text/html"}, shows=False)
        for text in (QUERY, "Velvet Lanternfish", "plush anglerfish", "hentai")
    ],
}

# Routes that have no titles to show, and why.
SILENT: dict[tuple[str, str], str] = {
    ("GET", "/api/v1/media/<sha256>"): "pictures by their SHA-256, which only a search tells; see test_media_api.py",
    ("POST", "/api/v1/index"): "answers with the id of what an editor sent, and its job",
    ("DELETE", "/api/v1/index/<path:image_id>"): "answers with the id of what an editor named, and its job",
    ("POST", "/api/v1/jobs"): "answers with counts of what was sent; editors only",
    ("GET", "/api/v1/jobs"): "counts and times; ids and documents are shown by their number",
    ("GET", "/api/v1/jobs/<job_id>"): "counts and times; ids and documents are shown by their number",
    ("POST", "/api/v1/jobs/<job_id>/cancel"): "as the job itself; editors only",
    ("POST", "/api/v1/jobs/<job_id>/retry"): "as the job itself; editors only",
    ("GET", "/api/v1/jobs/<job_id>/dead-letters"): "names titles to those who mend them: editors only, tested below",
    ("GET", "/api/v1/admin/stats"): "numbers for operators, adult titles apart; editors only",
    ("GET", "/api/v1/admin/health"): "numbers for operators; editors only",
    ("GET", "/api/v1/admin/providers"): "numbers for operators; editors only",
    ("GET", "/api/v1/admin/collection/info"): "numbers for operators; editors only",
    ("POST", "/api/v1/admin/vectors/upsert"): "answers with the job, like POST jobs; editors only",
    ("DELETE", "/api/v1/admin/vectors/<id>"): "answers with the slug of the title that an editor named",
    ("POST", "/api/v1/admin/vectors/<id>/restore"): "answers with the slug of the title that an editor named",
    ("GET", "/api/v1/admin/titles/<id>/overrides"): "what persons said of the title that an editor named",
    ("PUT", "/api/v1/admin/titles/<id>/overrides/<field>"): "answers with the slug of the title that an editor named",
    ("DELETE", "/api/v1/admin/titles/<id>/overrides/<field>"): "answers with the slug of the title that was named",
    ("GET", "/api/v1/admin/links"): "names titles to those who decide where they are: editors only, tested below",
    ("PUT", "/api/v1/admin/titles/<id>/links/<provider>"): "answers with the slug of the title that an editor named",
    ("DELETE", "/api/v1/admin/titles/<id>/links/<provider>"): "answers with the slug of the title that was named",
    ("GET", "/api/v1/admin/generations"): "numbers for operators; admins only",
    ("POST", "/api/v1/admin/generations/<collection>/swap"): "numbers for operators; admins only",
    ("DELETE", "/api/v1/admin/generations/<collection>"): "numbers for operators; admins only",
    ("POST", "/api/v1/admin/rollback"): "numbers for operators; admins only",
    ("POST", "/api/v1/admin/reindex"): "answers with the job; admins only",
    ("GET", "/api/v1/admin/snapshots"): "numbers for operators; admins only",
    ("POST", "/api/v1/admin/snapshots"): "answers with the job; admins only",
    ("POST", "/api/v1/admin/snapshots/<name>/restore"): "answers with the job; admins only",
    ("DELETE", "/api/v1/admin/snapshots/<name>"): "answers with nothing of a title; admins only",
    ("GET", "/stats"): "numbers, tested below",
    ("GET", "/api/v1/stats"): "numbers, tested below",
    ("GET", "/health"): "servers",
    ("GET", "/health/live"): "servers",
    ("GET", "/health/ready"): "servers",
    ("GET", "/api/v1/health"): "servers",
    ("GET", "/openapi.json"): "the same for every index",
    ("GET", "/docs"): "a page without data",
    ("GET", "/redoc"): "a page without data",
    ("GET", "/swagger"): "a page without data",
    ("GET", "/static/<path:filename>"): "files of the packages",
    ("GET", "/swagger/<path:filename>"): "files of the packages",
    ("GET", "/redoc/<path:filename>"): "files of the packages",
}


# Routes whose requests need pictures, and so other fixtures: the table is in this file.
ELSEWHERE_PATH = Path(__file__).parents[1] / "picture_search" / "test_adult_pictures.py"
ELSEWHERE = {
    ("POST", f"{SEARCH}/image"),
    ("POST", f"{SEARCH}/multimodal"),
    ("GET", f"{SIMILAR}/visual/<id>"),
}


class Catalogue:
    """Writes titles as the pipeline would."""

    def __init__(self, index: Any) -> None:
        self._settings = index.settings
        self._collection = f"{index.settings.qdrant_collection_name}_g1"
        self._database = Database(index.settings.database_url.get_secret_value())
        self._titles = TitleRepository(self._database)
        self._store = VectorStore(index.settings)

    def add(self, values: dict[str, Any]) -> str:
        """A new title, in Postgres and in the index; its slug."""
        document = AnimeDocument.model_validate(values)
        slug, stored = build_slug(document.title), document.to_json()
        with self._database.begin() as connection:
            row = StoredTitle(slug, stored, content_hash(stored), document.is_adult, excluded=False)
            self._titles.insert(connection, [row])
            keys = [(provider, str(value), slug) for provider, value in document.external_ids.items()]
            self._titles.add_ids(connection, keys)
        self._write_point(slug, document)
        return slug

    def change(self, slug: str, values: dict[str, Any]) -> None:
        """Another document for a title, indexed by a job that has just ended."""
        document = AnimeDocument.model_validate(values)
        stored = document.to_json()
        with self._database.begin() as connection:
            self._titles.update(
                connection, [StoredTitle(slug, stored, content_hash(stored), document.is_adult, excluded=False)]
            )
        self._write_point(slug, document)
        JobRepository(self._database).create("index", {})

    def close(self) -> None:
        """Close the connections."""
        self._database.close()
        self._store.close()

    def _write_point(self, slug: str, document: AnimeDocument) -> None:
        text, lexical = FakeTextEncoder(template_version=1), Bm25Encoder(template_version=1)
        passages = {
            "title_vector": f"{document.title} {document.synopsis}",
            "genre_vector": " ".join((*document.genres, *document.tags)),
        }
        vectors: dict[str, Any] = {name: text.encode_queries([p]).dense[0].tolist() for name, p in passages.items()}
        sparse = lexical.encode_passages([passages["title_vector"]])[0]
        vectors[LEXICAL_VECTOR] = models.SparseVector(indices=sparse.indices.tolist(), values=sparse.values.tolist())
        payload = build_payload(slug, document.to_json(), adult=document.is_adult, vectors=frozenset(vectors))
        self._store.upsert(self._collection, [models.PointStruct(id=point_id(slug), vector=vectors, payload=payload)])


@pytest.fixture(scope="module")
def catalogue(index: Any) -> Iterator[Catalogue]:
    """The titles of the other tests and one more adult one that the plain title is alike to and linked with."""
    catalogue = Catalogue(index)
    catalogue.add(ADULT)
    yield catalogue
    catalogue.close()


@pytest.fixture(scope="module")
def api(index: Any, catalogue: Catalogue) -> Iterator[ApiServices]:
    """One web process for the module."""
    services = build_services(index.settings)
    yield services
    services.close()


@pytest.fixture(scope="module")
def client(api: ApiServices) -> FlaskClient:
    """The API, called in this process."""
    return create_app(api).test_client()


def leaks(answer: str, ask: Ask) -> list[str]:
    """What an answer says of the adult title that its request did not say."""
    said, shown = ask.says(), html.unescape(answer).lower()
    marks = [mark for mark in MARKS if mark.lower() in shown and mark.lower() not in said]
    # Who is named by the request may be named back, but not among the results.
    found = re.findall(r'"(?:id|slug)": ?"([^"]+)","score"', answer)
    return marks + [slug for slug in found if slug == SLUG]


def test_every_route_has_thought_of_it(client: FlaskClient) -> None:
    """Each route is in one of the tables, and no table speaks of a route that is gone."""
    routes = {
        (method, rule.rule)
        for rule in client.application.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert routes == set(ROUTES) | set(SILENT) | ELSEWHERE
    assert len(routes) == len(ROUTES) + len(SILENT) + len(ELSEWHERE)


def test_the_other_table_has_thought_of_the_others() -> None:
    """Each route that is left to the tests of pictures has requests there."""
    spec = importlib.util.spec_from_file_location("adult_pictures", ELSEWHERE_PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    assert set(module.ASKS) == {path for _, path in ELSEWHERE}
    assert all(module.ASKS.values())


ASKS = [ask for asks in ROUTES.values() for ask in asks]


@pytest.mark.parametrize("ask", ASKS, ids=lambda ask: f"{ask.method} {ask.path}")
def test_no_answer_tells_of_an_adult_title(client: FlaskClient, ask: Ask) -> None:
    """Without include_adult nothing of it is in the answer; with it, the same request does show it."""
    assert leaks(ask.send(client, include_adult=False), ask) == []
    if ask.shows:
        assert leaks(ask.send(client, include_adult=True), ask), "this request would not show it anyway"
    # Answers are kept: what was asked with the flag must not come back without it, by whichever way.
    for _ in range(2):
        assert leaks(ask.send(client, include_adult=False), ask) == []


@pytest.mark.parametrize("ask", HIDDEN_REFERENCES, ids=lambda ask: f"{ask.method} {ask.path}")
def test_it_is_as_if_there_was_no_such_title(client: FlaskClient, ask: Ask) -> None:
    """Who names it is told the same as who names nothing at all, in the same words."""
    answer = client.open(ask.path, method=ask.method, json=ask.body, query_string=ask.query)
    unknown = json.loads(json.dumps([ask.path, ask.body]).replace(SLUG, "no-such-title").replace("987654321", "999999"))
    expected = client.open(unknown[0], method=ask.method, json=unknown[1], query_string=ask.query)
    assert (answer.status_code, expected.status_code) == (404, 404)
    problem, other = answer.get_json(), expected.get_json()
    for shown in (problem, other):
        del shown["request_id"]
    said = json.dumps(problem).replace(SLUG, "no-such-title").replace("987654321", "999999")
    assert json.loads(said) == other
    if ask.method == "GET":
        assert client.head(ask.path, query_string=ask.query).status_code == 404


@pytest.mark.parametrize("text", ["Velvet Lanternfish", "velvet lanternfihs", "Plush Anglerfish", "birodo chouchin"])
def test_its_names_are_read_for_those_who_may_see_it(client: FlaskClient, text: str) -> None:
    """With the flag a name puts it first and is shown as understood; without it the text names nothing."""
    allowed = client.post(SEARCH, json={"query": text, "include_adult": True}).get_json()
    assert allowed["results"][0]["id"] == SLUG
    assert [name["id"] for name in allowed["query_info"]["understood"]["names"]] == [SLUG]
    hidden = client.post(SEARCH, json={"query": text}).get_json()
    assert hidden["query_info"]["understood"]["names"] == []
    assert not any(finding["effect"] == "pin" for finding in hidden["query_info"]["understood"]["found"])
    like = client.post(SEARCH, json={"query": f"anime like {text}"}).get_json()
    assert like["query_info"]["understood"]["likes"] == []


def test_counts_leave_them_out(client: FlaskClient, index: Any) -> None:
    """Totals, facets and stats count what anybody may see, and two more with the flag."""
    visible = len(index.documents) - 1

    def count(include_adult: bool, **body: Any) -> Any:
        response = client.post(SEARCH, json={"include_adult": include_adult, "limit": 1, **body})
        return response.get_json()["total_found"]

    assert (count(False), count(True)) == (visible, visible + 2)
    assert (count(False, filters={"adult": True}), count(True, filters={"adult": True})) == (0, 2)
    facets = {"fields": ["adult"]}
    assert client.post("/api/v1/facets", json=facets).get_json()["total"] == visible
    with_flag = client.post("/api/v1/facets", json={**facets, "include_adult": True}).get_json()
    assert with_flag["total"] == visible + 2
    for path in ("/stats", "/api/v1/stats"):
        stats = client.get(path).get_json()
        assert (stats["titles"], stats["points"]) == (visible, visible)


def test_relatives_that_are_hidden_are_not_counted(client: FlaskClient, catalogue: Catalogue) -> None:
    """How many relatives were left out does not tell that one of them is adult."""
    slug = catalogue.add({**PLAIN, "related_anime": [{"title": ADULT["title"], "external_ids": {"mal": 987_654_321}}]})
    path = f"{SIMILAR}/anime/{slug}"
    assert client.get(path).get_json()["query_info"]["relatives_left_out"] == 0
    assert client.get(path, query_string={"include_adult": "true"}).get_json()["query_info"]["relatives_left_out"] == 1


def test_a_cursor_with_them_goes_on_with_them_only(client: FlaskClient) -> None:
    """What was begun with include_adult cannot be gone on with without it."""
    body = {"query": QUERY, "limit": 5, "cursor": "*"}
    token = client.post(SEARCH, json={**body, "include_adult": True}).get_json()["next_cursor"]
    refused = client.post(SEARCH, json={**body, "cursor": token})
    assert (refused.status_code, refused.get_json()["field"]) == (422, "cursor")
    assert client.post(SEARCH, json={**body, "cursor": token, "include_adult": True}).status_code == 200


def test_equal_bytes_are_another_search_with_the_flag(client: FlaskClient) -> None:
    """The short way for repeated bodies never takes one for the other: they differ in the flag alone."""
    bodies = [json.dumps({"query": "siren of the giants", "include_adult": flag}) for flag in (True, False)]
    for _ in range(3):
        answers = [client.post(SEARCH, data=body, content_type="application/json").text for body in bodies]
        assert [SLUG in answer for answer in answers] == [True, False]


PLAIN = {
    "title": "Walnut Parade",
    "synopsis": "Walnuts march through an orchard town and elect a mayor.",
    "type": "TV",
    "genres": ["comedy"],
    "year": 2003,
    "score": 9.9,
    "members": 10,
    "external_ids": {"mal": 987_000_001},
}
WALNUTS = {"query": "walnuts march through an orchard town"}


def wait_until_gone(client: FlaskClient, slug: str, ask: Callable[[], str]) -> None:
    """Each process looks after a few seconds whether the index has changed; then the title is gone for good."""
    deadline = time.monotonic() + 20
    while f'"{slug}"' in ask():
        assert time.monotonic() < deadline, "it is still shown"
        time.sleep(0.1)
    for _ in range(3):
        assert f'"{slug}"' not in ask()


def wait_until_suggested(client: FlaskClient, typed: str, slug: str) -> None:
    """Names are read every few seconds."""
    deadline = time.monotonic() + 20
    while slug not in client.get("/api/v1/suggest", query_string={"q": typed}).text:
        assert time.monotonic() < deadline, "it is never suggested"
        time.sleep(0.1)


def test_a_title_that_turns_adult_is_gone(client: FlaskClient, catalogue: Catalogue) -> None:
    """Neither kept answers nor the pages of a cursor that was begun before show it any more; with the flag they do."""
    slug = catalogue.add({**PLAIN, "title": "Walnut Carnival", "external_ids": {}})

    def ask() -> str:
        texts = [
            client.post(SEARCH, json={"query": query, "limit": 3}).text
            for query in (WALNUTS["query"], "walnut carnival")
        ]
        texts.append(client.get("/api/v1/suggest", query_string={"q": "walnut c"}).text)
        texts.append(client.get(f"{SIMILAR}/anime/{PLAIN_TITLE}", query_string={"limit": 1_000}).text)
        return "\n".join(texts)

    listing = {"sort": {"field": "score"}, "filters": {"year": 2003}, "cursor": "*", "limit": 1}
    whole = client.post(SEARCH, json={**listing, "limit": 1_000}).get_json()["results"]
    place = [hit["id"] for hit in whole].index(slug)
    first = client.post(SEARCH, json={**listing, "limit": max(place, 1)}).get_json()
    wait_until_suggested(client, "walnut c", slug)
    assert f'"{slug}"' in ask()
    catalogue.change(slug, {**PLAIN, "title": "Walnut Carnival", "external_ids": {}, "rating": "Rx"})
    wait_until_gone(client, slug, ask)
    rest = client.post(SEARCH, json={**listing, "cursor": first["next_cursor"], "limit": 1_000})
    assert rest.status_code == 200, rest.text
    # Another search with the flag has its payload in memory now.
    assert f'"{slug}"' in client.post(SEARCH, json={**WALNUTS, "include_adult": True}).text
    again = client.post(SEARCH, json={**listing, "cursor": first["next_cursor"], "limit": 1_000})
    for answer in (rest, again):
        assert slug not in [hit["id"] for hit in answer.get_json()["results"]]


def test_an_excluded_title_is_gone_for_everybody(client: FlaskClient, catalogue: Catalogue) -> None:
    """After an editor's DELETE no route shows it, with include_adult or without, from no cache and no cursor."""
    slug = catalogue.add({**PLAIN, "title": "Walnut Jubilee", "external_ids": {"mal": 987_000_002}})
    bodies = [{**WALNUTS, "limit": 5, "include_adult": flag, "explain": flag} for flag in (False, True)]
    cursor = {**WALNUTS, "cursor": "*", "limit": 1, "vectors": ["genre_vector"]}
    names = ("walnut-jubilee", "mal:987000002")

    def ask() -> str:
        texts = [client.post(SEARCH, json=body).text for body in bodies]
        texts += [client.post(SEARCH, json=body, headers=STREAM).text for body in bodies]
        texts.append(client.post(f"{SEARCH}/batch", json={"queries": bodies}).text)
        texts += [
            client.post(SEARCH, json={"query": "walnut jubilee", "include_adult": flag}).text for flag in (True, False)
        ]
        for flag in ("true", "false"):
            texts.append(client.get("/api/v1/suggest", query_string={"q": "walnut j", "include_adult": flag}).text)
            like = {"limit": 1_000, "include_adult": flag}
            texts.append(client.get(f"{SIMILAR}/anime/{PLAIN_TITLE}", query_string=like).text)
        texts.append(client.get("/", query_string={"q": WALNUTS["query"]}, headers={"Accept": "text/html"}).text)
        return "\n".join(texts)

    token = client.post(SEARCH, json=cursor).get_json()["next_cursor"]
    wait_until_suggested(client, "walnut j", slug)
    assert f'"{slug}"' in ask()
    assert client.delete(f"/api/v1/admin/vectors/{slug}").status_code == 200
    wait_until_gone(client, slug, ask)
    page = client.post(SEARCH, json={**cursor, "cursor": token, "limit": 1_000})
    assert slug not in [hit["id"] for hit in page.get_json()["results"]]
    for name in names:
        for flag in ("true", "false"):
            for path in (f"{SEARCH}/by-id/{name}", f"{SIMILAR}/anime/{name}"):
                assert client.get(path, query_string={"include_adult": flag}).status_code == 404
        for body in ({"references": [name]}, {"mode": "combined", "positive": [PLAIN_TITLE], "negative": [name]}):
            assert client.post(f"{SIMILAR}/batch", json={**body, "include_adult": True}).status_code == 404


def test_dead_letters_are_for_editors(client: FlaskClient) -> None:
    """They name titles and show parts of their documents, to those who mend them."""
    assert get_least_role("GET", "/api/v1/jobs/<job_id>/dead-letters") is Role.EDITOR
    assert get_least_role("GET", "/api/v1/admin/links") is Role.EDITOR
