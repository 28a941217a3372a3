"""What happens to every request: strict JSON in, a request id both ways, compression where it pays."""

from __future__ import annotations

import json
import math
import re
import uuid
import zlib
from collections.abc import Mapping
from typing import Any

import orjson
from flask import Flask, Request, Response, g, request
from structlog.contextvars import bind_contextvars, clear_contextvars
from werkzeug.exceptions import UnsupportedMediaType
from werkzeug.http import parse_accept_header

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
            return json.loads(data, parse_constant=_refuse_constant, parse_float=_parse_finite)
        except (ValueError, RecursionError):
            raise MalformedBodyError("body", f"is not valid JSON: {error}") from None


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)


def _parse_finite(text: str) -> float:
    """1e999 is JSON, but it is no number that a database or another parser takes."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def register_hooks(app: Flask) -> None:
    """Bind the request id before a request, add it and compress after it."""
    app.request_class = StrictRequest
    app.before_request(_bind_request_id)
    app.after_request(_finish)


def choose_request_id(environ: Mapping[str, Any]) -> str:
    """The caller's id when it is harmless, else one of ours."""
    given = environ.get("HTTP_X_REQUEST_ID", "")
    return given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


def accepts_gzip(environ: Mapping[str, Any]) -> bool:
    """True if the caller can read it."""
    header = environ.get("HTTP_ACCEPT_ENCODING", "")
    return "gzip" in header and parse_accept_header(header)["gzip"] > 0


def compress(data: bytes) -> bytes:
    """gzip, quickly rather than small."""
    compressor = zlib.compressobj(_GZIP_LEVEL, wbits=_GZIP_WBITS)
    return compressor.compress(data) + compressor.flush()


def _bind_request_id() -> None:
    g.request_id = choose_request_id(request.environ)
    # Threads are reused: what the request before has bound must go.
    clear_contextvars()
    bind_contextvars(request_id=g.request_id)


def _finish(response: Response) -> Response:
    response.headers[REQUEST_ID_HEADER] = g.request_id
    if not response.is_streamed and _is_worth_compressing(response):
        response.set_data(compress(response.get_data()))
        response.headers["Content-Encoding"] = "gzip"
        response.vary.add("Accept-Encoding")
    return response


def _is_worth_compressing(response: Response) -> bool:
    if (response.content_length or 0) < GZIP_MIN_BYTES or "Content-Encoding" in response.headers:
        return False
    mimetype = response.mimetype or ""
    return (mimetype.endswith("json") or mimetype == "text/html") and accepts_gzip(request.environ)
