"""What happens to every request: strict JSON in, a request id both ways, compression where it pays."""

from __future__ import annotations

import json
import math
import re
import uuid
from collections.abc import Mapping
from typing import Any

import orjson
from flask import Flask, Request, Response, g, request
from structlog.contextvars import bind_contextvars, clear_contextvars
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType

from api.compression import MIN_BYTES, choose_encoding, compress, is_worth_compressing
from api.problems import MalformedBodyError

REQUEST_ID_HEADER = "X-Request-ID"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class StrictRequest(Request):
    """A request whose JSON body is an object in UTF-8, or an error that says what is wrong with it."""

    def get_json(self, force: bool = False, silent: bool = False, cache: bool = True) -> Any:
        """The body. Raises even when `silent`, since a silent None would read as an empty body."""
        if not self.is_json:
            raise UnsupportedMediaType("the body must be JSON: send Content-Type: application/json")
        data = self.get_data()
        most = self.max_content_length
        # Of a chunked body werkzeug gives as much as is allowed, without a word about the rest.
        if (
            self.content_length is None
            and most is not None
            and len(data) >= most
            and self.environ["wsgi.input"].read(1)
        ):
            raise RequestEntityTooLarge
        body = parse_json(data)
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


def _bind_request_id() -> None:
    g.request_id = choose_request_id(request.environ)
    # Threads are reused: what the request before has bound must go.
    clear_contextvars()
    bind_contextvars(request_id=g.request_id)


def _finish(response: Response) -> Response:
    response.headers[REQUEST_ID_HEADER] = g.request_id
    size = response.content_length or 0
    if response.is_streamed or "Content-Encoding" in response.headers:
        return response
    if is_worth_compressing(size, response.mimetype or ""):
        response.vary.add("Accept-Encoding")
        encoding = choose_encoding(request.environ)
        if encoding is not None and size >= MIN_BYTES[encoding]:
            response.set_data(compress(response.get_data(), encoding))
            response.headers["Content-Encoding"] = encoding
            _rename_tag(response, encoding)
    return response


def _rename_tag(response: Response, encoding: str) -> None:
    """Other bytes, another strong tag; a weak one stands for the answer in whatever bytes."""
    tag, is_weak = response.get_etag()
    if tag is not None and not is_weak:
        response.set_etag(f"{tag}-{encoding}")
