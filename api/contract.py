"""The OpenAPI document as it is served: what flask-openapi3 collects from the routes, made exact and whole.

The collector loses what its own model of a schema does not know (examples, names of properties), gives problem
documents the type of ordinary answers, and cannot know what every route has in common: the request id, keys, limits,
streams. All of that is added here, so that a route says only what is its own.
"""

from __future__ import annotations

import copy
import importlib
import pkgutil
import re
from collections.abc import Iterator
from typing import Any

from flask_openapi3 import OpenAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

import api.schemas
from api.guard.contract import describe_guard
from api.http import REQUEST_ID_HEADER
from api.picture_forms import FILE_FIELD, MARK
from api.problems import PROBLEM_TYPE
from api.schemas.base import Problem
from api.schemas.searching import StreamLine
from api.streaming import STREAM_TYPE

_REFERENCE = "#/components/schemas/"
_PROBLEM = {PROBLEM_TYPE: {"schema": {"$ref": f"{_REFERENCE}{Problem.__name__}"}}}
# Routes that answer line by line when the caller names the type.
STREAMED = (
    ("/api/v1/search", "post"),
    ("/api/v1/search/image", "post"),
    ("/api/v1/search/multimodal", "post"),
    ("/api/v1/similarity/batch", "post"),
)
# Routes that answer 304 to callers who have the answer already.
CONDITIONAL = (
    "/api/v1/media/{sha256}",
    "/api/v1/search/by-id/{id}",
    "/api/v1/similarity/anime/{id}",
    "/api/v1/similarity/vector/{id}",
    "/api/v1/similarity/visual/{id}",
    "/api/v1/suggest",
)
_HEADERS: dict[str, dict[str, Any]] = {
    REQUEST_ID_HEADER: {
        "description": "The caller's X-Request-ID if it is harmless, else one of ours; every log line has it.",
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"},
    },
    "ETag": {"description": "Send it as If-None-Match: 304 if nothing has changed.", "schema": {"type": "string"}},
    "Cache-Control": {"description": "How long the answer may be kept.", "schema": {"type": "string"}},
    "RateLimit-Limit": {"description": "Requests in a window, where there is a limit.", "schema": {"type": "integer"}},
    "RateLimit-Remaining": {"description": "How many of them are left.", "schema": {"type": "integer"}},
    "RateLimit-Reset": {"description": "Seconds until there are more.", "schema": {"type": "integer"}},
    "Retry-After": {"description": "Seconds to wait before asking again.", "schema": {"type": "integer", "minimum": 1}},
}
# What a status means wherever it is answered.
_MEANINGS = {
    "304": "The caller has the answer already",
    "400": "The body is not a JSON object",
    "401": "No key, or one that is wrong, expired or revoked",
    "403": "The key's role is too low, or the browser's origin is not allowed",
    "404": "Nothing has this id",
    "409": "The present state does not allow this",
    "413": "The body is above MAX_BODY_BYTES",
    "414": "The address is above 8,190 bytes",
    "415": "The body is not application/json",
    "422": "A value cannot be used; `field` names it",
    "429": "More requests than the key or the address may make; Retry-After says when to come back",
    "503": "A server that is needed is away (`dependency` names it), or too many callers wait already",
}
# What these mean where the body holds a picture.
_PICTURE_MEANINGS = {
    "413": "The picture is above PICTURE_MAX_BYTES, or the body above what that needs",
    "415": "The body is neither JSON nor a form, or the picture is of no format that is taken",
}
_FILE: dict[str, Any] = {"type": "string", "format": "binary", "description": "The picture as a file: JPEG, PNG, WebP."}
_WAITING = ("429", "503")
# Who sent no key that is good has no limit to be told of; what the web server refuses nobody has counted.
_KEYLESS = ("401", "414")
# Whatever has a body may have a wrong one; nothing else may.
_BODY_REFUSALS = ("400", "413", "415")
# <id> or <path:id> in a rule.
_PLACE = re.compile(r"<(?:[^<>:]+:)?([^<>]+)>")


class UnknownSchemaError(Exception):
    """The document names a schema that no model of `api.schemas` has."""


def build_document(app: OpenAPI, *, is_open: bool) -> dict[str, Any]:
    """The document of all routes that are registered by now. `is_open`: callers without a key are served too."""
    document = describe_guard(app.api_doc, is_open=is_open)
    names = _name_operations(app)
    # Models that the collector has not seen.
    more = [StreamLine.__name__]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            operation["operationId"] = names[path, method]
            if path in CONDITIONAL:
                _add_conditional(operation["responses"])
            if name := operation.pop(MARK, None):
                operation["requestBody"] = _build_picture_body(name)
                more.append(name)
            _finish_operation(operation, has_stream=(path, method) in STREAMED, has_picture=name is not None)
    components = document["components"]
    components["schemas"] = build_schemas([*components["schemas"], *more])
    components["headers"] = copy.deepcopy(_HEADERS)
    return document


def build_schemas(names: list[str]) -> dict[str, Any]:
    """JSON schemas of these models and all that they refer to. Raises UnknownSchemaError."""
    known = {model.__name__: model for model in _find_models()}
    if unknown := sorted(set(names) - set(known)):
        raise UnknownSchemaError(f"no model of api.schemas is called {', '.join(unknown)}")
    # Answers are described as they may be, not as they are validated: both sides by the same mode.
    _, collected = models_json_schema(
        [(known[name], "validation") for name in dict.fromkeys(names)], ref_template=f"{_REFERENCE}{{model}}"
    )
    schemas: dict[str, Any] = collected["$defs"]
    return dict(sorted(schemas.items()))


def _find_models() -> Iterator[type[BaseModel]]:
    for module in pkgutil.iter_modules(api.schemas.__path__, f"{api.schemas.__name__}."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, type) and issubclass(value, BaseModel):
                yield value


def _name_operations(app: OpenAPI) -> dict[tuple[str, str], str]:
    """('/api/v1/search/by-id/{id}', 'get') -> 'search_by_id': the endpoint, not the path, so that a path may move."""
    names: dict[tuple[str, str], str] = {}
    for rule in app.url_map.iter_rules():
        group, _, name = rule.endpoint.rpartition(".")
        path = _PLACE.sub(r"{\1}", rule.rule)
        for method in rule.methods or ():
            names[path, method.lower()] = name if name.startswith(group) else f"{group}_{name}"
    return names


def _build_picture_body(name: str) -> dict[str, Any]:
    """A body as JSON, or as a form with the picture's file in the place of its base64."""
    form = _find_model(name).model_json_schema(ref_template=f"{_REFERENCE}{{model}}")
    form = {key: value for key, value in form.items() if key not in ("$defs", "examples", "title")}
    form["properties"] = {FILE_FIELD: _FILE, **form["properties"]}
    content = {"application/json": {"schema": {"$ref": f"{_REFERENCE}{name}"}}, "multipart/form-data": {"schema": form}}
    return {"required": True, "content": content}


def _find_model(name: str) -> type[BaseModel]:
    """Raises UnknownSchemaError."""
    found = next((model for model in _find_models() if model.__name__ == name), None)
    if found is None:
        raise UnknownSchemaError(f"no model of api.schemas is called {name}")
    return found


def _finish_operation(operation: dict[str, Any], *, has_stream: bool, has_picture: bool) -> None:
    responses = operation["responses"]
    parameters = operation.get("parameters", [])
    if not parameters and "requestBody" not in operation:
        # Nothing is sent that could be wrong.
        responses.pop("422", None)
    for status in _BODY_REFUSALS:
        if "requestBody" in operation:
            responses.setdefault(status, {"description": _MEANINGS[status]})
        else:
            responses.pop(status, None)
    if parameters:
        responses["414"] = {"description": _MEANINGS["414"]}
    for parameter in parameters:
        parameter["schema"] = _drop_null(parameter["schema"])
    for status, response in responses.items():
        _finish_response(response, status, is_guarded="security" in operation)
    if has_picture:
        for status, meaning in _PICTURE_MEANINGS.items():
            responses[status]["description"] = meaning
    if has_stream:
        responses["200"]["content"][STREAM_TYPE] = {"schema": {"$ref": f"{_REFERENCE}{StreamLine.__name__}"}}
    operation["responses"] = dict(sorted(responses.items()))


def _add_conditional(responses: dict[str, Any]) -> None:
    responses["304"] = {"description": _MEANINGS["304"]}
    for status in ("200", "304"):
        responses[status].setdefault("headers", {}).update(_refer("ETag", "Cache-Control"))


def _refer(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _finish_response(response: dict[str, Any], status: str, *, is_guarded: bool) -> None:
    is_problem = status >= "400" and _refers_to_problem(response)
    if is_problem:
        response["content"] = copy.deepcopy(_PROBLEM)
        response["description"] = _MEANINGS.get(status, response["description"])
    headers = response.setdefault("headers", {})
    headers |= _refer(REQUEST_ID_HEADER)
    if is_guarded and status not in _KEYLESS:
        headers |= _refer("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
    if is_problem and status in _WAITING:
        headers |= _refer("Retry-After")


def _refers_to_problem(response: dict[str, Any]) -> bool:
    schemas = [media.get("schema", {}) for media in response.get("content", {}).values()]
    return all(schema.get("$ref", "").endswith(f"/{Problem.__name__}") or "items" in schema for schema in schemas)


def _drop_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter that is not sent is None inside, but there is no way to send null in an address."""
    kinds = [kind for kind in schema.get("anyOf", []) if kind != {"type": "null"}]
    if len(kinds) != 1:
        return schema
    rest = {name: value for name, value in schema.items() if name not in ("anyOf", "default")}
    return {**rest, **kinds[0]}
