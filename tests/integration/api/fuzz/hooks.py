"""What schemathesis is told beyond the document: how to read streams, and to hold answers to it by the letter."""

from __future__ import annotations

import os
import random
from typing import Any

import orjson
import schemathesis

STREAM_TYPE = "application/x-ndjson"
_SHARE_OF_STREAMS = 0.2
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
        # One field a kind: the others are read by the same code, and each costs hundreds of requests.
        conditions = schemas["FilterConditions"]["properties"]
        filters = schemas["Filters"]["properties"]
        for name in set(conditions) - set(_KEPT_CONDITIONS):
            del conditions[name], filters[name]


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case, kwargs: dict[str, Any]) -> None:
    """Some of the searches that can be streamed are."""
    responses = case.operation.definition.raw["responses"]
    if STREAM_TYPE in responses.get("200", {}).get("content", {}):
        # By the case itself, so that a seed gives the same requests.
        chance = random.Random(repr(case.body)).random()
        if chance < _SHARE_OF_STREAMS:
            case.headers["Accept"] = STREAM_TYPE


@schemathesis.deserializer(STREAM_TYPE)
def read_lines(context: schemathesis.DeserializationContext, response: schemathesis.Response) -> list[Any]:
    """Every line is JSON, and the last one is the summary, or the problem that ended the stream."""
    lines = [orjson.loads(line) for line in response.content.splitlines()]
    if not lines or set(lines[-1]) != {"summary"}:
        raise ValueError(f"the stream does not end with its summary: {lines[-1:]}")
    return lines
