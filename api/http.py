"""What happens to every request: strict JSON in, a request id both ways, compression where it pays."""

from __future__ import annotations

import json
import re
import uuid
import zlib
from typing import Any

import orjson
from flask import Flask, Request, Response, g, request
from structlog.contextvars import bind_contextvars, clear_contextvars
from werkzeug.exceptions import UnsupportedMediaType

from api.problems import MalformedBodyError

REQUEST_ID_HEADER = "X-Request-ID"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
# Below this a compressed answer saves less time on the wire than it costs here.
GZIP_MIN_BYTES = 8_192
_GZIP_LEVEL = 1
_GZIP_WBITS = 31


class StrictRequest(Request):
    """A request whose JSON body is an object in UTF-8, or an error that says what is wrong with it."""

    def get_json(self, force: bool = False, silent: bool = False, cache: bool = True) -> Any:
        """The body. Raises even when `silent`, since a silent None would read as an empty body."""
        if not self.is_json:
            raise UnsupportedMediaType("the body must be JSON: send Content-Type: application/json")
        body = parse_json(self.get_data())
        if not isinstance(body, dict):
            raise MalformedBodyError("body", "must be a JSON object")
        return body


def parse_json(data: bytes) -> Any:
    """Strict JSON. Lone surrogates pass here, so that the check of the field that holds them can name it."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        try:
            # The one valid form that orjson refuses is a text with lone surrogates.
            return json.loads(data, parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            raise MalformedBodyError("body", f"is not valid JSON: {error}") from None


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)


def register_hooks(app: Flask) -> None:
    """Bind the request id before a request, add it and compress after it."""
    app.request_class = StrictRequest
    app.before_request(_bind_request_id)
    app.after_request(_finish)


def _bind_request_id() -> None:
    given = request.environ.get("HTTP_X_REQUEST_ID", "")
    g.request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
    # Threads are reused: what the request before has bound must go.
    clear_contextvars()
    bind_contextvars(request_id=g.request_id)


def _finish(response: Response) -> Response:
    response.headers[REQUEST_ID_HEADER] = g.request_id
    if not response.is_streamed and _is_worth_compressing(response):
        compressor = zlib.compressobj(_GZIP_LEVEL, wbits=_GZIP_WBITS)
        response.set_data(compressor.compress(response.get_data()) + compressor.flush())
        response.headers["Content-Encoding"] = "gzip"
        response.vary.add("Accept-Encoding")
    return response


def _is_worth_compressing(response: Response) -> bool:
    length = response.content_length or 0
    accepted = request.environ.get("HTTP_ACCEPT_ENCODING", "")
    if length < GZIP_MIN_BYTES or "gzip" not in accepted or "Content-Encoding" in response.headers:
        return False
    mimetype = response.mimetype or ""
    return (mimetype.endswith("json") or mimetype == "text/html") and bool(request.accept_encodings["gzip"])
