"""What schemathesis is told beyond the document: how to read streams, and to hold answers to it by the letter."""

from __future__ import annotations

import base64
import ipaddress
import itertools
import os
import random
from typing import Any

import orjson
import schemathesis

STREAM_TYPE = "application/x-ndjson"
_SHARE_OF_STREAMS = 0.2
_WAIT_MAX_S = 30
_FIRST_ADDRESS = int(ipaddress.IPv4Address("10.0.0.1"))
_cases = itertools.count()
# The smallest PNG: random bytes are hardly ever a picture.
PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGM4wSUCAAKEAOcA1FO6AAAAAElFTkSuQmCC"
)
# Nobody listens there, and nobody else's server is asked.
_NOWHERE = "http://127.0.0.1:1/{}.png"
_URL_MAX_CHARS = 2_000
_SHARE_OF_PICTURES = 0.7
_KEPT_CONDITIONS = ("genres", "year", "score", "aired_start", "adult")


@schemathesis.hook
def before_load_schema(context: schemathesis.HookContext, raw_schema: dict[str, Any]) -> None:
    """A member of an answer that the document does not name is a fault, though callers must expect new ones."""
    schemas = raw_schema["components"]["schemas"]
    for schema in schemas.values():
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
    # Each line of a stream is held to its schema, so the answer as a whole is a list of them.
    for operations in raw_schema["paths"].values():
        for operation in operations.values():
            content = operation["responses"].get("200", {}).get("content", {})
            if STREAM_TYPE in content:
                line = content[STREAM_TYPE]["schema"]
                content[STREAM_TYPE]["schema"] = {"type": "array", "items": line, "minItems": 1}
    if os.environ.get("FUZZ_BRIEFLY"):
        _shorten(schemas)


def _shorten(schemas: dict[str, Any]) -> None:
    """One field a kind, and one clause: the others are read by the same code, and each costs hundreds of requests."""
    conditions, filters = schemas["FilterConditions"]["properties"], schemas["Filters"]["properties"]
    for name in set(filters) - {*_KEPT_CONDITIONS, "must_not"}:
        del filters[name]
    for name in set(conditions) - {"genres"}:
        del conditions[name]


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case, kwargs: dict[str, Any]) -> None:
    """Every case comes from an address of its own, waits for no job, and asks for a stream now and then."""
    # An address that is refused too often is told 429 instead of 401.
    case.headers["X-Forwarded-For"] = str(ipaddress.IPv4Address(_FIRST_ADDRESS + next(_cases)))
    if isinstance(case.body, dict) and _is_number(case.body.get("wait")) and 0 < case.body["wait"] <= _WAIT_MAX_S:
        # No worker takes jobs here.
        case.body["wait"] = 0
    if isinstance(case.body, dict):
        _give_pictures(case.body)
    responses = case.operation.definition.raw["responses"]
    if STREAM_TYPE in responses.get("200", {}).get("content", {}):
        # By the case itself, so that a seed gives the same requests.
        chance = random.Random(repr(case.body)).random()
        if chance < _SHARE_OF_STREAMS:
            case.headers["Accept"] = STREAM_TYPE


def _give_pictures(body: dict[str, Any]) -> None:
    """A good picture in the place of most random ones, and no address of the world."""
    is_good = random.Random(repr(body)).random() < _SHARE_OF_PICTURES
    if isinstance(body.get("image_data"), str) and is_good:
        body["image_data"] = base64.b64encode(PICTURE).decode()
    if isinstance(body.get("image"), bytes) and is_good:
        body["image"] = PICTURE
    url = body.get("image_url")
    if isinstance(url, str) and 0 < len(url) <= _URL_MAX_CHARS:
        body["image_url"] = _NOWHERE.format(len(url))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


@schemathesis.deserializer(STREAM_TYPE)
def read_lines(context: schemathesis.DeserializationContext, response: schemathesis.Response) -> list[Any]:
    """Every line is JSON, and the last one is the summary, or the problem that ended the stream."""
    lines = [orjson.loads(line) for line in response.content.splitlines()]
    if not lines or set(lines[-1]) != {"summary"}:
        raise ValueError(f"the stream does not end with its summary: {lines[-1:]}")
    return lines
