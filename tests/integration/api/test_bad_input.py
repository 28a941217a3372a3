"""Whatever a caller sends wrong is a 4xx problem document that names the field and the reason; never a 5xx."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.app import create_app
from api.services import ApiServices, build_services

pytestmark = pytest.mark.usefixtures("worker")

SEARCH = "/api/v1/search"
JOBS = "/api/v1/jobs"
DEEP = "[" * 100_000

# (body of POST search, status, field that is named, part of the reason)
BODIES: list[tuple[Any, int, str, str]] = [
    ({"offset": 9_999}, 422, "offset", "10000"),
    ({"vectors": ["title_vector"]}, 422, "vectors", "without a query"),
    ({"min_score": 0.1}, 422, "min_score", "without a query"),
    ({"diversity": 0.5}, 422, "diversity", "without a query"),
    ({"sort": {"field": "studios"}}, 422, "sort.field", "cannot be sorted"),
    ({"sort": {"field": "year", "order": "up"}}, 422, "sort.order", "asc"),
    ({"sort": {}}, 422, "sort.field", "required"),
    ({"query": "x", "sort": "year"}, 422, "sort", "SortBody"),
    ({"query": "x", "fusion": "borda"}, 422, "fusion", "rrf"),
    ({"query": "x", "fusion": "dbsf", "vectors": {"title_vector": 1, "genre_vector": 1.5}}, 422, "fusion", "whole"),
    ({"query": "x", "diversity": 1.1}, 422, "diversity", "less"),
    ({"query": "x", "diversity": 0.5, "vectors": ["lexical_sparse"]}, 422, "diversity", "dense"),
    ({"query": "x", "diversity": 0.5, "sort": {"field": "year"}}, 422, "diversity", "sort"),
    ({"query": "x", "boost": -1}, 422, "boost", "greater"),
    ({"query": "x", "boost": 6}, 422, "boost", "less"),
    ({"query": "x", "cursor": "nonsense"}, 422, "cursor", "not a cursor"),
    ({"query": "x", "cursor": "*", "offset": 5}, 422, "offset", "cursor"),
    ({"query": "x", "cursor": ""}, 422, "cursor", "at least 1"),
    ({"query": "x", "explain": "yes"}, 422, "explain", "boolean"),
    ({"query": "x", "expand": 1}, 422, "expand", "boolean"),
    ({"query": "x", "limit": 10_001}, 422, "limit", "less"),
    ({"query": ""}, 422, "query", "at least 1"),
    ({"query": " \t\n "}, 422, "query", "empty"),
    ({"query": 7}, 422, "query", "string"),
    ({"query": ["a"]}, 422, "query", "string"),
    ({"query": "a" * 100_000}, 422, "query", "at most 2000"),
    ({"query": "nul \x00"}, 422, "query", "U+0000"),
    ({"query": "bell \x07"}, 422, "query", "U+0007"),
    ({"query": "c1 \x85"}, 422, "query", "U+0085"),
    ({"query": "lone \ud800"}, 422, "query", "unicode"),
    ({"query": "x", "limit": 0}, 422, "limit", "greater"),
    ({"query": "x", "limit": 1_001}, 422, "limit", "1 to 1000"),
    ({"query": "x", "limit": -1}, 422, "limit", "greater"),
    ({"query": "x", "limit": "20"}, 422, "limit", "integer"),
    ({"query": "x", "limit": 1.5}, 422, "limit", "integer"),
    ({"query": "x", "limit": True}, 422, "limit", "integer"),
    ({"query": "x", "limit": 10**30}, 422, "limit", "integer"),
    ({"query": "x", "offset": -1}, 422, "offset", "greater"),
    ({"query": "x", "offset": 9_999}, 422, "offset", "10000"),
    ({"query": "x", "offset": 2**70}, 422, "offset", "integer"),
    ({"query": "x", "min_score": 1.5}, 422, "min_score", "less"),
    ({"query": "x", "min_score": "high"}, 422, "min_score", "number"),
    ({"query": "x", "min_score": 0.1, "threshold": 0.2}, 422, "threshold", "another name"),
    ({"query": "x", "min_score": 0.1, "vectors": ["lexical_sparse"]}, 422, "min_score", "dense"),
    ({"query": "x", "include_adult": "yes"}, 422, "include_adult", "boolean"),
    ({"query": "x", "colour": "red"}, 422, "colour", "not permitted"),
    ({"query": "x", "lone \ud800": 1}, 422, "body", "string"),
    ({"query": "x", "vectors": []}, 422, "vectors", "no vector"),
    ({"query": "x", "vectors": {}}, 422, "vectors", "no vector"),
    ({"query": "x", "vectors": "title_vector"}, 422, "vectors", "dictionary"),
    ({"query": "x", "vectors": ["tittle_vector"]}, 422, "vectors.tittle_vector", "not a vector"),
    ({"query": "x", "vectors": ["lone \ud800"]}, 422, "vectors", "not a vector"),
    ({"query": "x", "vectors": ["image_vector"]}, 422, "vectors.image_vector", "needs a picture"),
    ({"query": "x", "vectors": ["title_vector", "title_vector"]}, 422, "vectors", "twice"),
    ({"query": "x", "vectors": ["title_vector", 3]}, 422, "vectors", "names"),
    ({"query": "x", "vectors": {"title_vector": 0}}, 422, "vectors.title_vector", "above 0"),
    ({"query": "x", "vectors": {"title_vector": -1}}, 422, "vectors.title_vector", "above 0"),
    ({"query": "x", "vectors": {"title_vector": 1e9}}, 422, "vectors.title_vector", "at most"),
    ({"query": "x", "vectors": {"title_vector": "1"}}, 422, "vectors.title_vector", "number"),
    ({"query": "x", "fields": "title"}, 422, "fields", "list"),
    ({"query": "x", "fields": ["titel"]}, 422, "fields.0", "not a field"),
    ({"query": "x", "fields": ["keys"]}, 422, "fields.0", "not a field"),
    ({"query": "x", "fields": ["title"] * 101}, 422, "fields", "at most 100"),
    ({"query": "x", "filters": []}, 422, "filters", "dictionary"),
    ({"query": "x", "filters": {"colour": "red"}}, 422, "filters.colour", "not a field"),
    ({"query": "x", "filters": {"": "red"}}, 422, "filters.", "not a field"),
    ({"query": "x", "filters": {"lone \ud800": "red"}}, 422, "filters.lone", "not a field"),
    ({"query": "x", "filters": {"must": "action"}}, 422, "filters.must", "object"),
    ({"query": "x", "filters": {"must": {"colour": "red"}}}, 422, "filters.must.colour", "not a field"),
    ({"query": "x", "filters": {"year": "2010"}}, 422, "filters.year", "whole number"),
    ({"query": "x", "filters": {"year": {"gte": "2010"}}}, 422, "filters.year.gte", "number"),
    ({"query": "x", "filters": {"must_not": {"year": {"gte": None}}}}, 422, "filters.must_not.year.gte", "number"),
    ({"query": "x", "filters": {"year": {"gte": 2010, "lte": 2000}}}, 422, "filters.year", "empty"),
    ({"query": "x", "filters": {"year": {"gt": 2010, "lt": 2010}}}, 422, "filters.year", "empty"),
    ({"query": "x", "filters": {"year": {}}}, 422, "filters.year", "takes"),
    ({"query": "x", "filters": {"year": {"above": 3}}}, 422, "filters.year", "takes"),
    ({"query": "x", "filters": {"year": 10**30}}, 422, "filters.year", "whole number"),
    ({"query": "x", "filters": {"score": [1.5]}}, 422, "filters.score", "no list"),
    ({"query": "x", "filters": {"genres": 3}}, 422, "filters.genres", "text"),
    ({"query": "x", "filters": {"genres": None}}, 422, "filters.genres", "text"),
    ({"query": "x", "filters": {"genres": ""}}, 422, "filters.genres", "text"),
    ({"query": "x", "filters": {"genres": []}}, 422, "filters.genres", "1 to 100"),
    ({"query": "x", "filters": {"genres": ["a"] * 101}}, 422, "filters.genres", "1 to 100"),
    ({"query": "x", "filters": {"genres": ["a", "\x01"]}}, 422, "filters.genres.1", "U+0001"),
    ({"query": "x", "filters": {"genres": ["a", "\udfff"]}}, 422, "filters.genres.1", "U+DFFF"),
    ({"query": "x", "filters": {"genres": {"gte": "a"}}}, 422, "filters.genres", "takes any or all"),
    ({"query": "x", "filters": {"adult": "no"}}, 422, "filters.adult", "true or false"),
    ({"query": "x", "filters": {"aired_start": "soon"}}, 422, "filters.aired_start", "date"),
    ({"query": "x", "filters": {"aired_start": {"gte": 2010}}}, 422, "filters.aired_start.gte", "date"),
    ([], 400, "body", "object"),
    ("text", 400, "body", "object"),
    (None, 400, "body", "object"),
]

# Bytes that are no JSON at all.
MALFORMED = [
    b"",
    b"{",
    b'{"query": }',
    b"{'query': 'x'}",
    b'{"query": NaN}',
    b"\xff\xfe",
    b'{"query": "\xff"}',
    DEEP.encode(),
]

# (method, path, body, status, field)
OTHERS: list[tuple[str, str, Any, int, str | None]] = [
    ("get", f"{SEARCH}/by-id/no-such-title", None, 404, None),
    ("get", f"{SEARCH}/by-id/mal:999999999", None, 404, None),
    ("get", f"{SEARCH}/by-id/%00", None, 422, "id"),
    ("get", f"{SEARCH}/by-id/{'a' * 300}", None, 422, "id"),
    ("get", f"{SEARCH}/by-id/x?include_adult=perhaps", None, 422, "include_adult"),
    ("get", f"{SEARCH}/by-id/x?colour=red", None, 422, "colour"),
    ("get", SEARCH, None, 405, None),
    ("delete", SEARCH, None, 405, None),
    ("get", "/api/v1/nothing", None, 404, None),
    ("get", f"{JOBS}/no-job", None, 404, None),
    ("get", f"{JOBS}/00000000-0000-0000-0000-000000000000", None, 404, None),
    ("post", f"{JOBS}/00000000-0000-0000-0000-000000000000/cancel", None, 404, None),
    ("post", f"{JOBS}/00000000-0000-0000-0000-000000000000/retry", None, 404, None),
    ("get", f"{JOBS}/00000000-0000-0000-0000-000000000000/dead-letters", None, 404, None),
    ("get", f"{JOBS}?limit=0", None, 422, "limit"),
    ("get", f"{JOBS}?limit=many", None, 422, "limit"),
    ("get", f"{JOBS}?offset=99999999999999999999", None, 422, "offset"),
    ("get", f"{JOBS}?state=sleeping", None, 422, "state"),
    ("post", JOBS, {}, 422, "kind"),
    ("post", JOBS, {"kind": "dance"}, 422, "kind"),
    ("post", JOBS, {"kind": "import"}, 422, "documents"),
    ("post", JOBS, {"kind": "import", "documents": []}, 422, "documents"),
    ("post", JOBS, {"kind": "import", "documents": [1]}, 422, "documents.0"),
    ("post", JOBS, {"kind": "import", "documents": [{}] * 1_001}, 422, "documents"),
    ("post", JOBS, {"kind": "import", "documents": [{"title": "nul \x00"}]}, 422, "documents.0.title"),
    ("post", JOBS, {"kind": "import", "documents": [{"a\x00": 1}]}, 422, "documents.0"),
    ("post", JOBS, {"kind": "import", "documents": [{"title": "\ud800"}]}, 422, "documents.0.title"),
    ("post", JOBS, {"kind": "import", "documents": [{}], "path": "a"}, 422, "documents"),
    ("post", JOBS, {"kind": "import", "path": "../../etc/passwd"}, 422, "path"),
    ("post", JOBS, {"kind": "import", "documents": [{}], "ids": ["a"]}, 422, "ids"),
    ("post", JOBS, {"kind": "index", "ids": []}, 422, "ids"),
    ("post", JOBS, {"kind": "index", "ids": ["\x00"]}, 422, "ids.0"),
    ("post", JOBS, {"kind": "index", "documents": [{}]}, 422, "documents"),
]


@pytest.fixture(scope="module")
def api(index: Any) -> Iterator[ApiServices]:
    """One web process for all of the table."""
    services = build_services(index.settings)
    yield services
    services.close()


@pytest.fixture(scope="module")
def client(api: ApiServices) -> FlaskClient:
    """The API, called in this process."""
    return create_app(api).test_client()


def check_problem(response: Any, *, status: int, field: str | None) -> dict[str, Any]:
    """The answer is a problem document of that status which names the field; returns it."""
    assert (response.status_code, response.content_type) == (status, "application/problem+json"), response.text
    problem: dict[str, Any] = json.loads(response.data)
    assert problem["status"] == status
    assert problem["request_id"] == response.headers["X-Request-ID"]
    assert problem["type"].startswith("urn:avs:problem:")
    assert problem["detail"]
    if field is not None:
        assert problem["field"].startswith(field)
    return problem


@pytest.mark.parametrize(("body", "status", "field", "reason"), BODIES, ids=range(len(BODIES)))
def test_a_bad_search_is_refused(client: FlaskClient, body: Any, status: int, field: str, reason: str) -> None:
    """Each wrong value of a search body is named, with the reason."""
    response = client.post(SEARCH, data=json.dumps(body), content_type="application/json")
    problem = check_problem(response, status=status, field=field)
    assert reason in problem["detail"]


@pytest.mark.parametrize("data", MALFORMED, ids=range(len(MALFORMED)))
def test_malformed_json_is_refused(client: FlaskClient, data: bytes) -> None:
    """What is no JSON is a 400 that says where it breaks."""
    response = client.post(SEARCH, data=data, content_type="application/json")
    problem = check_problem(response, status=400, field="body")
    assert "JSON" in problem["detail"]


@pytest.mark.parametrize(("method", "path", "body", "status", "field"), OTHERS, ids=range(len(OTHERS)))
def test_other_routes_refuse_too(
    client: FlaskClient, method: str, path: str, body: Any, status: int, field: str | None
) -> None:
    """Unknown ids, wrong methods, wrong parameters and wrong jobs."""
    sent = {} if body is None else {"data": json.dumps(body), "content_type": "application/json"}
    response = getattr(client, method)(path, **sent)
    check_problem(response, status=status, field=field)


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_another_content_type_is_refused(client: FlaskClient, content_type: str) -> None:
    """A body that does not say that it is JSON is a 415."""
    response = client.post(SEARCH, data=b'{"query": "x"}', content_type=content_type)
    check_problem(response, status=415, field=None)


def test_a_body_above_the_limit_is_refused(client: FlaskClient, index: Any) -> None:
    """More bytes than MAX_BODY_BYTES are a 413."""
    body = b'{"query": "' + b"x" * index.settings.max_body_bytes + b'"}'
    check_problem(client.post(SEARCH, data=body, content_type="application/json"), status=413, field=None)


def test_a_wrong_method_names_the_right_ones(client: FlaskClient) -> None:
    """A 405 carries the Allow header that HTTP asks for."""
    assert "POST" in client.get(SEARCH).headers["Allow"]


def test_a_good_request_id_is_kept_and_a_bad_one_replaced(client: FlaskClient) -> None:
    """The caller's id comes back when it is harmless; anything else gets one of ours."""
    assert client.get("/health/live", headers={"X-Request-ID": "abc-1.2_3"}).headers["X-Request-ID"] == "abc-1.2_3"
    for bad in ("a b", "x" * 65, "<script>"):
        assert client.get("/health/live", headers={"X-Request-ID": bad}).headers["X-Request-ID"] != bad


def test_an_unexpected_error_shows_nothing_of_the_inside(
    client: FlaskClient, api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug is a 500 problem with a request id, without the exception's words."""

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("secret of the inside")

    monkeypatch.setattr(api.search, "get_by_id", fail)
    problem = check_problem(client.get(f"{SEARCH}/by-id/x"), status=500, field=None)
    assert "secret" not in json.dumps(problem)
