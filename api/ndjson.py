"""Long answers line by line: a result a line, then one summary, so that neither side holds the whole in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson
from flask import Request, Response

from api.problems import build_error_document
from core.errors import ServiceError

STREAM_TYPE = "application/x-ndjson"


def wants_stream(request: Request) -> bool:
    """True if the caller names this type: `*/*` means the ordinary answer."""
    return STREAM_TYPE in request.headers.get("Accept", "")


def answer_as_stream(hits: Iterator[bytes], summary: Mapping[str, Any]) -> Response:
    """{"result": ...} lines of encoded hits, then {"summary": ...}.

    The status is out before the last line is made, so an error on the way is the last line: {"problem": ...}.
    """

    def write() -> Iterator[bytes]:
        try:
            for hit in hits:
                yield b'{"result":' + hit + b"}\n"
        except ServiceError as error:
            yield orjson.dumps({"problem": build_error_document(error)}) + b"\n"
            return
        yield orjson.dumps({"summary": summary}) + b"\n"

    return Response(write(), content_type=STREAM_TYPE)
