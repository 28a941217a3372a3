"""The OpenAPI document: valid, whole, and fit for people and for tools."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from api.app import create_app
from api.contract import CONDITIONAL, STREAMED, UnknownSchemaError, build_document, build_schemas
from api.services import build_services
from core.errors import InvalidInputError
from core.settings import Settings
from search.filters import parse_filters

METHODS = ("get", "post", "put", "patch", "delete")
PROBLEM = "application/problem+json"
# Routes for browsers and files: not part of the contract.
PAGES = {"/", "/docs", "/redoc", "/swagger", "/openapi.json"}


@pytest.fixture(scope="module")
def app() -> Iterator[Any]:
    """The application; its servers are asked nothing."""
    services = build_services(Settings(_env_file=None))
    yield create_app(services)
    services.close()


@pytest.fixture(scope="module")
def document(app: Any) -> dict[str, Any]:
    """The document of a service that needs keys."""
    return build_document(app, is_open=False)


def list_operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """(path, method, operation) of every operation."""
    return [
        (path, method, item[method]) for path, item in document["paths"].items() for method in METHODS if method in item
    ]


def test_the_document_is_valid(document: dict[str, Any]) -> None:
    """The reference validator of OpenAPI 3.1 finds nothing."""
    assert [str(error) for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_every_route_is_described(app: Any, document: dict[str, Any]) -> None:
    """Whatever can be asked below /api/v1, and every probe, is in the document with each of its methods."""
    described = {(path, method) for path, method, _ in list_operations(document)}
    for rule in app.url_map.iter_rules():
        if rule.rule in PAGES or rule.endpoint.endswith("static"):
            continue
        path = re.sub(r"<(?:path:)?(\w+)>", r"{\1}", rule.rule)
        wanted = {(path, method.lower()) for method in (rule.methods or ()) if method not in ("HEAD", "OPTIONS")}
        assert wanted <= described


def test_every_operation_can_be_read(document: dict[str, Any]) -> None:
    """Each has a name of its own, a tag, and says in a sentence what it does; so does each of its parameters."""
    operations = list_operations(document)
    names = [operation["operationId"] for _, _, operation in operations]
    assert len(set(names)) == len(names)
    known_tags = {tag["name"] for tag in document["tags"]}
    for path, method, operation in operations:
        assert operation["summary"], (path, method)
        assert operation["description"], (path, method)
        assert len(operation["tags"]) == 1, (path, method)
        assert set(operation["tags"]) <= known_tags, (path, method)
        for parameter in operation.get("parameters", []):
            assert parameter.get("description"), (path, method, parameter["name"])


def test_every_body_has_an_example_that_fits(document: dict[str, Any]) -> None:
    """The examples of request bodies are valid by the schemas that they stand in."""
    components = {"components": document["components"]}
    for path, method, operation in list_operations(document):
        if "requestBody" not in operation:
            continue
        reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
        schema = document["components"]["schemas"][reference.rpartition("/")[2]]
        assert schema.get("examples"), (path, method)
        validator = jsonschema_rs.Draft202012Validator({"$ref": reference, **components})
        for example in schema["examples"]:
            assert [error.message for error in validator.iter_errors(example)] == [], (path, method, example)


def test_refusals_are_problem_documents(document: dict[str, Any]) -> None:
    """Every status from 400 on is a problem document, but for the health checks, whose 503 says what is wrong."""
    for path, method, operation in list_operations(document):
        for status, response in operation["responses"].items():
            assert "X-Request-ID" in response["headers"]
            if status >= "400" and not path.endswith(("/health", "/ready")):
                assert list(response["content"]) == [PROBLEM], (path, method, status)
            if status in ("429", "503") and PROBLEM in response.get("content", {}):
                assert "Retry-After" in response["headers"], (path, method, status)


def test_what_can_be_refused_is_said(document: dict[str, Any]) -> None:
    """Whoever sends a body may be told 400, 413, 415 and 422; who needs a key 401, 403 and 429."""
    for path, method, operation in list_operations(document):
        statuses = set(operation["responses"])
        if "requestBody" in operation:
            assert {"400", "413", "415", "422"} <= statuses, (path, method)
        if "security" in operation:
            assert {"401", "403", "429"} <= statuses, (path, method)
        if any(parameter["in"] == "query" for parameter in operation.get("parameters", [])):
            assert "422" in statuses, (path, method)


def test_streams_are_described(document: dict[str, Any]) -> None:
    """The routes that can answer line by line say so, and what a line is."""
    for path, method in STREAMED:
        content = document["paths"][path][method]["responses"]["200"]["content"]
        assert set(content) == {"application/json", "application/x-ndjson"}
        assert content["application/x-ndjson"]["schema"]["$ref"].endswith("/StreamLine")


def test_headers_are_described(document: dict[str, Any]) -> None:
    """Tags where an answer may be a 304, limits where requests are counted, by the names that are sent."""
    for path in CONDITIONAL:
        responses = document["paths"][path]["get"]["responses"]
        assert {"ETag", "Cache-Control"} <= set(responses["304"]["headers"]) & set(responses["200"]["headers"])
    for path, method, operation in list_operations(document):
        headers = operation["responses"].get("200", operation["responses"].get("202", {})).get("headers", {})
        limits = {"RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"} & set(headers)
        is_answered = bool({"200", "202"} & set(operation["responses"]))
        assert (len(limits) == 3) is ("security" in operation and is_answered), (path, method)


def test_an_open_service_says_that_no_key_is_needed(app: Any, document: dict[str, Any]) -> None:
    """A key is optional where callers without one are served, and needed elsewhere."""
    open_document = build_document(app, is_open=True)
    for path, method, operation in list_operations(document):
        if "security" in operation:
            assert {} not in operation["security"]
            assert {} in open_document["paths"][path][method]["security"]


def test_parameters_are_never_null(document: dict[str, Any]) -> None:
    """An address cannot carry null, so no parameter says that it may be."""
    for _, _, operation in list_operations(document):
        for parameter in operation.get("parameters", []):
            assert {"type": "null"} not in parameter["schema"].get("anyOf", [])


def test_a_model_that_is_unknown_is_an_error() -> None:
    """A schema that no model has ends the start with its name."""
    with pytest.raises(UnknownSchemaError, match="Nonsense"):
        build_schemas(["Problem", "Nonsense"])


@pytest.mark.parametrize(
    "filters",
    [
        {"genres": "action"},
        {"genres": ["action", "drama"]},
        {"genres": {"any": ["action"]}},
        {"genres": {"all": ["action", "drama"]}},
        {"year": 2010},
        {"year": [2010, 2011]},
        {"year": {"gte": 2010, "lt": 2020}},
        {"score": 8.5},
        {"score": {"gt": 8}},
        {"aired_start": "2013-04-07"},
        {"aired_start": {"gte": "2013-04-07", "lt": "2014-01-01T00:00:00Z"}},
        {"adult": False},
        {"must": {"type": "TV"}, "should": {"tags": "space"}, "must_not": {"year": {"lt": 1990}}},
        {},
    ],
)
def test_good_filters_are_good_in_both(document: dict[str, Any], filters: dict[str, Any]) -> None:
    """What the grammar of filters takes, the document takes."""
    parse_filters(filters, include_adult=True)
    assert get_filter_faults(document, filters) == []


@pytest.mark.parametrize(
    "filters",
    [
        {"colour": "red"},
        {"genres": ""},
        {"genres": " \t"},
        {"genres": "a\x00"},
        {"genres": None},
        {"genres": []},
        {"genres": {"any": ["a"], "all": ["b"]}},
        {"genres": {"gte": "a"}},
        {"year": "2010"},
        {"year": {}},
        {"year": {"above": 1}},
        {"score": [1.5]},
        {"score": None},
        {"aired_start": {"gte": 2010}},
        {"adult": "no"},
        {"must": {"must": {}}},
        {"must": None},
        {"should": []},
    ],
)
def test_bad_filters_are_bad_in_both(document: dict[str, Any], filters: dict[str, Any]) -> None:
    """What the grammar of filters refuses, the document refuses."""
    with pytest.raises(InvalidInputError, match="filters"):
        parse_filters(filters, include_adult=True)
    assert get_filter_faults(document, filters)


def get_filter_faults(document: dict[str, Any], filters: dict[str, Any]) -> list[str]:
    """What the document finds wrong with filters."""
    schema = {"$ref": "#/components/schemas/Filters", "components": document["components"]}
    return [error.message for error in jsonschema_rs.Draft202012Validator(schema).iter_errors(filters)]
