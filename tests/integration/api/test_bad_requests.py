"""Bad requests to every route: a problem document that says what is wrong, whatever the route; never a 5xx.

`test_bad_input.py` has the bodies of searches and jobs, value by value; `test_guard_api.py` has keys and roles. Here
are the other routes' values, and what HTTP itself lets a caller do wrong, to all of them.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.app import create_app
from api.services import ApiServices, build_services

pytestmark = pytest.mark.usefixtures("worker")

V1 = "/api/v1"
SEARCH, BATCH, SIMILAR = f"{V1}/search", f"{V1}/search/batch", f"{V1}/similarity"
FACETS, SUGGEST, ADMIN = f"{V1}/facets", f"{V1}/suggest", f"{V1}/admin"
TITLE = "shingeki-no-kyojin"
NOBODY = "no-such-title"
RECIPE = "0" * 12
POST_ROUTES = [
    SEARCH,
    BATCH,
    f"{SIMILAR}/batch",
    FACETS,
    f"{V1}/jobs",
    f"{ADMIN}/vectors/upsert",
    f"{ADMIN}/reindex",
    f"{ADMIN}/snapshots",
    f"{ADMIN}/rollback",
    f"{ADMIN}/vectors/{TITLE}/restore",
    f"{ADMIN}/generations/x/swap",
    f"{ADMIN}/snapshots/x/restore",
]
# Bodies with a picture: forms too, and larger ones. `test_picture_requests.py` has their values.
PICTURE_ROUTES = [f"{V1}/index", f"{SEARCH}/image", f"{SEARCH}/multimodal"]


def repeat(query: dict[str, Any], times: int) -> dict[str, Any]:
    """A batch of equal searches."""
    return {"queries": [query] * times}


# (path, body, status, field that is named, part of the reason)
POSTS: list[tuple[str, Any, int, str | None, str]] = [
    (BATCH, {}, 422, "queries", "required"),
    (BATCH, {"queries": []}, 422, "queries", "at least 1"),
    (BATCH, {"queries": {"query": "x"}}, 422, "queries", "list"),
    (BATCH, repeat({"query": "x"}, 1_001), 422, "queries", "at most 1000"),
    (BATCH, {"queries": [{"query": "x"}, {"query": ""}]}, 422, "queries.1.query", "at least 1"),
    (BATCH, {"queries": [{"query": "x"}, {"query": " "}]}, 422, "queries.1.query", "empty"),
    (BATCH, {"queries": [{"query": "x", "limit": 1_001}]}, 422, "queries.0.limit", "1000"),
    (BATCH, {"queries": [{"query": "x", "cursor": "*"}]}, 422, "queries.0.cursor", "batch"),
    (BATCH, {"queries": [{"query": "x", "vectors": {"title_vector": 0}}]}, 422, "queries.0.vectors.title_vector", "0"),
    (BATCH, {"queries": ["x"]}, 422, "queries.0", "SearchBody"),
    (BATCH, {"queries": [{"query": "x"}], "limit": 5}, 422, "limit", "not permitted"),
    (f"{SIMILAR}/batch", {"references": TITLE}, 422, "references", "list"),
    (f"{SIMILAR}/batch", {"references": [""]}, 422, "references.0", "at least 1"),
    (f"{SIMILAR}/batch", {"references": ["a" * 201]}, 422, "references.0", "at most 200"),
    (f"{SIMILAR}/batch", {"references": ["nul \x00"]}, 422, "references.0", "U+0000"),
    (f"{SIMILAR}/batch", {"references": ["lone \ud800"]}, 422, "references.0", "unicode"),
    (f"{SIMILAR}/batch", {"references": [7]}, 422, "references.0", "string"),
    (f"{SIMILAR}/batch", {"references": [TITLE, NOBODY]}, 404, None, NOBODY),
    (f"{SIMILAR}/batch", {"mode": "combined", "positive": []}, 422, "positive", "at least 1"),
    (f"{SIMILAR}/batch", {"mode": "combined", "positive": ["a"] * 101}, 422, "positive", "at most 100"),
    (f"{SIMILAR}/batch", {"mode": "combined", "positive": [TITLE], "negative": ["a"] * 101}, 422, "negative", "100"),
    (f"{SIMILAR}/batch", {"references": [TITLE], "limit": 1_001}, 422, "limit", "1000"),
    (f"{SIMILAR}/batch", {"references": [TITLE], "include_related": 1}, 422, "include_related", "boolean"),
    (FACETS, {}, 422, "fields", "required"),
    (FACETS, {"fields": []}, 422, "fields", "at least 1"),
    (FACETS, {"fields": "genres"}, 422, "fields", "list"),
    (FACETS, {"fields": ["genres"] * 21}, 422, "fields", "at most 20"),
    (FACETS, {"fields": ["genres", "genres"]}, 422, "fields", "twice"),
    (FACETS, {"fields": ["colour"]}, 422, "fields.0", "cannot be counted"),
    (FACETS, {"fields": ["score"]}, 422, "fields.0", "cannot be counted"),
    (FACETS, {"fields": ["lone \ud800"]}, 422, "fields.0", "cannot be counted"),
    (FACETS, {"fields": ["genres"], "limit": 0}, 422, "limit", "greater"),
    (FACETS, {"fields": ["genres"], "limit": 201}, 422, "limit", "less"),
    (FACETS, {"fields": ["genres"], "limit": 10**30}, 422, "limit", "integer"),
    (FACETS, {"fields": ["genres"], "filters": {"year": {"gte": 2010, "lt": 2000}}}, 422, "filters.year", "empty"),
    (FACETS, {"fields": ["genres"], "filters": {"colour": "red"}}, 422, "filters.colour", "not a field"),
    (FACETS, {"fields": ["genres"], "include_adult": "no"}, 422, "include_adult", "boolean"),
    (FACETS, {"fields": ["genres"], "offset": 1}, 422, "offset", "not permitted"),
    (f"{ADMIN}/vectors/upsert", {}, 422, "body", "either"),
    (f"{ADMIN}/vectors/upsert", {"documents": []}, 422, "documents", "at least 1"),
    (f"{ADMIN}/vectors/upsert", {"documents": [{}] * 1_001}, 422, "documents", "1000"),
    (f"{ADMIN}/vectors/upsert", {"documents": [{"title": "nul \x00"}]}, 422, "documents.0.title", "U+0000"),
    (f"{ADMIN}/vectors/upsert", {"documents": [{"title": "x"}], "wait": 31}, 422, "wait", "less"),
    (f"{ADMIN}/vectors/upsert", {"documents": [{"title": "x"}], "wait": -1}, 422, "wait", "greater"),
    (f"{ADMIN}/vectors/upsert", {"points": [{"id": TITLE, "vectors": {"title_vector": [1.0]}}]}, 422, "body", "recipe"),
    (f"{ADMIN}/vectors/upsert", {"recipe": "x", "points": []}, 422, "recipe", "pattern"),
    (
        f"{ADMIN}/vectors/upsert",
        {"recipe": RECIPE, "points": [{"id": TITLE, "vectors": {}}]},
        422,
        "points.0.vectors",
        "1",
    ),
    (
        f"{ADMIN}/vectors/upsert",
        {"recipe": RECIPE, "points": [{"id": "\x00", "vectors": {}}]},
        422,
        "points.0.id",
        "U+0000",
    ),
    (f"{ADMIN}/reindex", {"reason": "nul \x00"}, 422, "reason", "U+0000"),
    (f"{ADMIN}/reindex", {"reason": "lone \ud800"}, 422, "reason", "U+D800"),
    (f"{ADMIN}/snapshots", {"reason": "nul \x00"}, 422, "reason", "U+0000"),
    (f"{ADMIN}/vectors/%00/restore", {}, 422, "id", "U+0000"),
    (f"{ADMIN}/generations/%00/swap", {}, 422, "collection", "U+0000"),
    (f"{ADMIN}/snapshots/%00/restore", {}, 422, "name", "U+0000"),
    (f"{ADMIN}/reindex", {"reason": ""}, 422, "reason", "at least 1"),
    (f"{ADMIN}/reindex", {"reason": "a" * 501}, 422, "reason", "at most 500"),
    (f"{ADMIN}/reindex", {"swap": "yes"}, 422, "swap", "boolean"),
    (f"{ADMIN}/reindex", {"force": True}, 422, "force", "not permitted"),
    (f"{ADMIN}/snapshots", {"wait": 31}, 422, "wait", "less"),
    (f"{ADMIN}/rollback", {"to": "x"}, 422, "to", "not permitted"),
    (f"{ADMIN}/rollback", {}, 409, None, ""),
    (f"{ADMIN}/generations/nothing/swap", {}, 404, None, "nothing"),
    (f"{ADMIN}/generations/nothing/swap", {"force": 1}, 422, "force", "boolean"),
    (f"{ADMIN}/snapshots/nothing/restore", {}, 404, None, "nothing"),
    (f"{ADMIN}/vectors/{NOBODY}/restore", {}, 404, None, NOBODY),
]

# (method, path, status, field)
OTHERS: list[tuple[str, str, int, str | None]] = [
    ("get", SUGGEST, 422, "q"),
    ("get", f"{SUGGEST}?q=", 422, "q"),
    ("get", f"{SUGGEST}?q=%20%09", 422, "q"),
    ("get", f"{SUGGEST}?q=%00", 422, "q"),
    ("get", f"{SUGGEST}?q={'a' * 201}", 422, "q"),
    ("get", f"{SUGGEST}?q=a&limit=0", 422, "limit"),
    ("get", f"{SUGGEST}?q=a&limit=51", 422, "limit"),
    ("get", f"{SUGGEST}?q=a&limit=ten", 422, "limit"),
    ("get", f"{SUGGEST}?q=a&include_adult=perhaps", 422, "include_adult"),
    ("get", f"{SUGGEST}?q=a&colour=red", 422, "colour"),
    ("get", f"{SIMILAR}/anime/{TITLE}?min_score=2", 422, "min_score"),
    ("get", f"{SIMILAR}/anime/{TITLE}?min_score=NaN", 422, "min_score"),
    ("get", f"{SIMILAR}/anime/{TITLE}?boost=Infinity", 422, "boost"),
    ("get", f"{SIMILAR}/anime/{TITLE}?boost=1e999", 422, "boost"),
    ("get", f"{SIMILAR}/anime/{TITLE}?diversity=-0.1", 422, "diversity"),
    ("get", f"{SIMILAR}/anime/{TITLE}?offset=9999", 422, "offset"),
    ("get", f"{SIMILAR}/anime/{TITLE}?offset=1{'0' * 30}", 422, "offset"),
    ("get", f"{SIMILAR}/anime/{TITLE}?cursor=nonsense", 422, "cursor"),
    ("get", f"{SIMILAR}/anime/{TITLE}?cursor={'A' * 22}.5", 409, None),
    ("get", f"{SIMILAR}/anime/%00", 422, "positive.0"),
    ("get", f"{SIMILAR}/anime/%ED%A0%80", 404, None),
    ("get", f"{SIMILAR}/anime/..%2F..%2Fetc%2Fpasswd", 404, None),
    ("get", f"{SIMILAR}/anime/", 404, None),
    ("get", f"{SIMILAR}/vector/{TITLE}?vector=title_vector&vector=nonsense&distance=manhattan", 422, "distance"),
    ("get", f"{SIMILAR}/visual/%00", 422, None),
    ("get", f"{SIMILAR}/visual/{TITLE}?target=faces", 422, "target"),
    ("get", f"{SIMILAR}/visual/{TITLE}?limit=0", 422, "limit"),
    ("get", f"{SIMILAR}/visual/{TITLE}?target=pictures&include_related=true", 422, "include_related"),
    ("get", f"{SIMILAR}/visual/{TITLE}?min_score=NaN", 422, "min_score"),
    ("get", f"{SIMILAR}/visual/{TITLE}?boost=1", 422, "boost"),
    ("get", f"{SIMILAR}/visual/{NOBODY}", 404, None),
    ("get", f"{SIMILAR}/visual/{TITLE}", 409, None),
    ("get", f"{SEARCH}/by-id/%FF%FE", 404, None),
    ("get", f"{SEARCH}/by-id/mal:", 404, None),
    ("get", f"{SEARCH}/by-id/:1", 404, None),
    ("get", f"{SEARCH}/by-id/mal:{'9' * 100}", 404, None),
    ("get", f"{SEARCH}/by-id/{TITLE}/", 404, None),
    ("get", f"{SEARCH}/by-id/{TITLE}?include_adult=", 422, "include_adult"),
    ("delete", f"{ADMIN}/vectors/{NOBODY}", 404, None),
    ("delete", f"{ADMIN}/vectors/%00", 422, "id"),
    ("delete", f"{V1}/index/{NOBODY}", 404, None),
    ("delete", f"{V1}/index/%00", 422, "image_id"),
    ("delete", f"{V1}/index/{'a' * 2_001}", 422, "image_id"),
    ("delete", f"{V1}/index/..%2F..%2Fetc%2Fpasswd", 404, None),
    ("delete", f"{V1}/index/", 404, None),
    ("delete", f"{V1}/index", 405, None),
    ("delete", f"{ADMIN}/generations/%00", 422, "collection"),
    ("delete", f"{ADMIN}/snapshots/%00", 422, "name"),
    ("delete", f"{ADMIN}/generations/nothing", 404, None),
    ("delete", f"{ADMIN}/snapshots/nothing", 404, None),
    ("delete", f"{ADMIN}/snapshots/..%2F..%2Fetc%2Fpasswd", 404, None),
    ("get", f"{ADMIN}/nothing", 404, None),
    ("get", f"{ADMIN}/reindex", 405, None),
    ("put", f"{ADMIN}/vectors/{TITLE}", 405, None),
    ("patch", FACETS, 405, None),
    ("post", SUGGEST, 405, None),
    ("get", f"{SEARCH}/", 404, None),
    ("get", f"{V1}", 404, None),
]


@pytest.fixture(scope="module")
def api(index: Any) -> Iterator[ApiServices]:
    """One web process for all of the module."""
    services = build_services(index.settings)
    yield services
    services.close()


@pytest.fixture(scope="module")
def client(api: ApiServices) -> FlaskClient:
    """The API, called in this process."""
    return create_app(api).test_client()


def check_problem(response: Any, *, status: int, field: str | None = None) -> dict[str, Any]:
    """The answer is a problem document of that status which names the field; returns it."""
    assert (response.status_code, response.mimetype) == (status, "application/problem+json"), response.text
    problem: dict[str, Any] = json.loads(response.data)
    assert problem["status"] == status
    assert problem["request_id"] == response.headers["X-Request-ID"]
    assert problem["type"].startswith("urn:avs:problem:")
    if field is not None:
        assert problem["field"].startswith(field), problem
        assert problem["reason"]
    return problem


@pytest.mark.parametrize(("path", "body", "status", "field", "reason"), POSTS, ids=range(len(POSTS)))
def test_a_bad_body_is_refused(
    client: FlaskClient, path: str, body: Any, status: int, field: str | None, reason: str
) -> None:
    """Each wrong value is named by its dotted path, with the reason."""
    response = client.post(path, data=json.dumps(body), content_type="application/json")
    problem = check_problem(response, status=status, field=field)
    assert reason in problem["detail"]


@pytest.mark.parametrize(("method", "path", "status", "field"), OTHERS, ids=range(len(OTHERS)))
def test_a_bad_address_is_refused(client: FlaskClient, method: str, path: str, status: int, field: str | None) -> None:
    """Unknown ids, wrong parameters, wrong methods, and paths that lead nowhere."""
    check_problem(getattr(client, method)(path), status=status, field=field)


BROKEN = [
    (b"", 400),
    (b"{", 400),
    (b"[1]", 400),
    (b'{"limit": NaN}', 400),
    (b'{"limit": 1e999}', 400),
    (b'{"limit": -Infinity}', 400),
    (b"\xff\xfe", 400),
    (b"[" * 100_000, 400),
    (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, 400),
    (gzip.compress(b"{}")[:-4], 400),
]


def test_no_route_is_left_out(client: FlaskClient) -> None:
    """Every route that takes a body stands in one of the lists above."""
    routes = client.application.url_map
    listed = {routes.bind("").match(path, "POST")[0] for path in POST_ROUTES + PICTURE_ROUTES}
    posted = {rule.endpoint for rule in routes.iter_rules() if "POST" in (rule.methods or ())}
    assert listed == posted - {"jobs.cancel", "jobs.retry"}


@pytest.mark.parametrize("path", POST_ROUTES + PICTURE_ROUTES)
def test_a_body_that_is_no_object_is_refused_by_every_route(client: FlaskClient, path: str) -> None:
    """Not JSON, not an object, numbers that are none, nested too deep, or compressed: 400."""
    for data, status in BROKEN:
        problem = check_problem(client.post(path, data=data, content_type="application/json"), status=status)
        assert problem["field"] == "body"


@pytest.mark.parametrize("path", POST_ROUTES)
def test_another_type_or_too_much_is_refused_by_every_route(client: FlaskClient, path: str) -> None:
    """A body that does not say that it is JSON is a 415, one of more than two megabytes a 413."""
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        check_problem(client.post(path, data=b"{}", content_type=content_type), status=415)
    body = b'{"query": "' + b"x" * 2_000_000 + b'"}'
    check_problem(client.post(path, data=body, content_type="application/json"), status=413)


@pytest.mark.parametrize("path", PICTURE_ROUTES)
def test_routes_with_pictures_take_forms_and_no_more(client: FlaskClient, path: str) -> None:
    """Another type is a 415, a form that is none lacks its picture, and above 14 megabytes nothing is read."""
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "image/jpeg", ""):
        check_problem(client.post(path, data=b"{}", content_type=content_type), status=415)
    for content_type in ("multipart/form-data", "multipart/form-data; boundary=x"):
        check_problem(client.post(path, data=b"{}", content_type=content_type), status=422, field="image")
    body = b'{"image_data": "' + b"x" * 14_000_000 + b'"}'
    check_problem(client.post(path, data=body, content_type="application/json"), status=413)


def test_compressed_bodies_are_not_read(client: FlaskClient) -> None:
    """Content-Encoding is not undone: a bomb stays as small as it came, and is no JSON."""
    body = gzip.compress(json.dumps({"query": "x"}).encode())
    sent = {"data": body, "content_type": "application/json", "headers": {"Content-Encoding": "gzip"}}
    problem = check_problem(client.post(SEARCH, **sent), status=400, field="body")
    assert "JSON" in problem["detail"]


def test_the_last_of_equal_names_counts(client: FlaskClient) -> None:
    """JSON leaves open what a name that comes twice means: the last one is read, as everywhere in Python."""
    body = b'{"query": "robot", "limit": 7, "limit": 2}'
    answer = client.post(SEARCH, data=body, content_type="application/json").get_json()
    assert len(answer["results"]) == 2


@pytest.mark.parametrize(
    "filters",
    [
        {"genres": "action", "must_not": {"genres": "action"}},
        {"must": {"year": {"gte": 2010}}, "must_not": {"year": {"gte": 2000}}},
        {"genres": {"all": ["action", "no such genre"]}},
        {"year": 2**53},
        {"id": NOBODY},
    ],
)
def test_what_contradicts_itself_finds_nothing(client: FlaskClient, filters: dict[str, Any]) -> None:
    """Conditions that no title fulfils are no mistake: an empty answer, exactly counted."""
    for body in ({"query": "robot", "filters": filters}, {"filters": filters}):
        answer = client.post(SEARCH, json=body)
        assert answer.status_code == 200, answer.text
        assert (answer.get_json()["results"], answer.get_json()["total_found"]) == ([], 0)
    facets = client.post(FACETS, json={"fields": ["genres"], "filters": filters}).get_json()
    assert facets == {"facets": {"genres": []}, "total": 0}


@pytest.mark.parametrize("path", POST_ROUTES + PICTURE_ROUTES)
def test_wrong_methods_name_the_right_ones(client: FlaskClient, path: str) -> None:
    """A 405 carries Allow; OPTIONS says the same and changes nothing."""
    refused = client.open(path, method="TRACE")
    check_problem(refused, status=405)
    asked = client.options(path)
    assert asked.status_code == 200
    assert "POST" in asked.headers["Allow"]
    assert set(refused.headers["Allow"].split(", ")) == set(asked.headers["Allow"].split(", "))


def test_head_is_get_without_the_body(client: FlaskClient) -> None:
    """The same status and length, and no byte of the answer."""
    for path, status in ((f"{SEARCH}/by-id/{TITLE}", 200), (f"{SEARCH}/by-id/{NOBODY}", 404), ("/health/live", 200)):
        got, head = client.get(path), client.head(path)
        assert (head.status_code, head.data) == (status, b"")
        assert head.headers["Content-Length"] == got.headers["Content-Length"]


def test_percent_encoded_ids_are_the_ids(client: FlaskClient) -> None:
    """mal%3A16498 is mal:16498, and each letter of a slug may be written so."""
    plain = client.get(f"{SEARCH}/by-id/mal:16498").data
    assert client.get(f"{SEARCH}/by-id/mal%3A16498").data == plain
    assert client.get(f"{SEARCH}/by-id/%73hingeki-no-kyojin").data == plain


@pytest.mark.parametrize("sent", ["a\tb", "a;b", "\u00e9", "x" * 65, "<script>", "%0d%0aSet-Cookie: a=b", ""])
def test_a_request_id_carries_nothing_into_answers_or_logs(client: FlaskClient, sent: str) -> None:
    """An id that is not plain is replaced, in the header and in the problem."""
    response = client.get(f"{SEARCH}/by-id/{NOBODY}", headers={"X-Request-ID": sent})
    problem = check_problem(response, status=404)
    assert problem["request_id"] != sent
    assert "Set-Cookie" not in response.headers


def test_texts_of_a_caller_come_back_as_json(client: FlaskClient) -> None:
    """Markup and line ends in a name that is refused are data in a problem document, which no browser runs."""
    response = client.post(SEARCH, json={"query": "x", "filters": {"<img src=x onerror=alert(1)>\r\nX: y": 1}})
    check_problem(response, status=422, field="filters")
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "X" not in response.headers
    page = client.get("/", query_string={"q": "<script>alert(1)</script>"}, headers={"Accept": "text/html"})
    assert page.status_code == 200
    assert "<script>alert(1)" not in page.text


def test_a_page_with_a_bad_query_says_so(client: FlaskClient) -> None:
    """The search page answers what the API refuses with a sentence, not with an error."""
    for query in ("a" * 3_000, "nul \x00", "c1 \u0085"):
        page = client.get("/", query_string={"q": query}, headers={"Accept": "text/html"})
        assert page.status_code == 200
        assert 'role="alert"' in page.text


def test_many_unknown_names_are_not_repeated_at_length(client: FlaskClient) -> None:
    """A body of a thousand mistakes gets a short answer, and long names are cut."""
    body = {f"{'n' * 500}{number}": number for number in range(1_000)}
    response = client.post(SEARCH, json={"query": "x", **body})
    problem = check_problem(response, status=422)
    assert len(problem["errors"]) == 10
    assert len(response.data) < 5_000


def test_nothing_was_changed_by_any_of_it(client: FlaskClient, api: ApiServices) -> None:
    """None of the refused jobs, deletions and uploads of this module left a job or an excluded title behind."""
    assert client.get(f"{V1}/jobs").get_json() == {"jobs": []}
    assert client.get(f"{SEARCH}/by-id/{TITLE}").status_code == 200
    assert api.admin.counts.count().titles["excluded"] == 0
