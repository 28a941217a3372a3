"""Errors as RFC 9457 problem documents: the only place that knows which status an error has.

Every answer that is not a success has the type application/problem+json and names what is wrong: `field` as a dotted
path where a field of the request is to blame, `dependency` where a server is away.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import structlog
from flask import Flask, Response
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException

from api.picture_errors import find_picture_problem
from core.errors import (
    ConflictError,
    DependencyUnavailableError,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    QuotaExceededError,
    RateLimitedError,
    ServiceError,
    TransientError,
    UnauthorizedError,
)
from core.log import Event, Log

PROBLEM_TYPE = "application/problem+json"
_log = Log("api")

# The first that fits counts; what is not listed is our fault: 500.
_STATUS: tuple[tuple[type[ServiceError], int, str], ...] = (
    (InvalidInputError, 422, "The request has a value that cannot be used"),
    (NotFoundError, 404, "Nothing has this id"),
    (ConflictError, 409, "The present state does not allow this"),
    (UnauthorizedError, 401, "A valid API key is needed"),
    (ForbiddenError, 403, "This caller may not do this"),
    (RateLimitedError, 429, "Too many requests"),
    (QuotaExceededError, 429, "The quota of this month is used up"),
    (DependencyUnavailableError, 503, "A server that is needed does not answer"),
    (TransientError, 503, "Try again later"),
)
_CHALLENGE = 'Bearer realm="anime-vector-service"'
_ERRORS_SHOWN = 10
_INTERNAL = "Something went wrong on our side; the log has the details under this request id."


class MalformedBodyError(InvalidInputError):
    """The body is no JSON at all, or not the JSON of an object."""

    code = "malformed-body"


def register_error_handlers(app: Flask) -> None:
    """Every error of every route ends in one of these."""
    app.register_error_handler(ServiceError, _answer_service_error)
    app.register_error_handler(HTTPException, _answer_http_error)
    app.register_error_handler(Exception, _answer_unexpected_error)


def refuse_invalid(error: ValidationError, *, within: tuple[str, ...] = ()) -> Response:
    """What pydantic found wrong, as a problem. The first fault is the headline, the others are listed.

    `within`: where in the request the checked value stands.
    """
    faults = [
        {"field": show_path((*within, *fault["loc"])), "reason": fault["msg"].removeprefix("Value error, ")}
        for fault in error.errors(include_url=False, include_input=False, include_context=False)
    ]
    first = faults[0]
    return build_problem(
        422,
        code=InvalidInputError.code,
        title=_STATUS[0][2],
        detail=f"{first['field']}: {first['reason']}",
        extra={**first, "errors": faults[:_ERRORS_SHOWN]},
    )


def show_path(parts: Sequence[str | int]) -> str:
    """'filters.must.year' for ('filters', 'must', 'year'); 'body' for the whole."""
    return ".".join(str(part)[:80] for part in parts) or "body"


def build_problem(
    status: int, *, code: str, title: str, detail: str, extra: Mapping[str, Any] | None = None
) -> Response:
    """One problem document; `extra` adds members."""
    document = _build_document(status, code=code, title=title, detail=detail, extra=extra or {})
    return Response(_encode(document), status=status, content_type=PROBLEM_TYPE)


def _build_document(status: int, *, code: str, title: str, detail: str, extra: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": f"urn:avs:problem:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        **extra,
        "request_id": structlog.contextvars.get_contextvars().get("request_id"),
    }


def _encode(document: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(document)
    except TypeError:
        # A name that the caller made up may hold lone surrogates, which no UTF-8 can carry.
        return orjson.dumps(_escape(document))


def _escape(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, Mapping):
        return {_escape(key): _escape(item) for key, item in value.items()}
    return [_escape(item) for item in value] if isinstance(value, list) else value


def show_detail(error: Exception) -> str:
    """What a caller may read of an error. Addresses, ports and what was not expected are for the log."""
    if isinstance(error, DependencyUnavailableError):
        return f"{error.dependency} does not answer"
    return str(error) if isinstance(error, tuple(kind for kind, _, _ in _STATUS)) else _INTERNAL


def _answer_service_error(error: ServiceError) -> Response:
    found = _find_status(error)
    if found is None:
        return _answer_unexpected_error(error)
    status, title = found
    response = build_problem(
        status, code=_get_code(error), title=title, detail=show_detail(error), extra=_describe(error)
    )
    if isinstance(error, UnauthorizedError):
        response.headers["WWW-Authenticate"] = _CHALLENGE
    if isinstance(error, TransientError):
        response.headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_s)))
        if status != 429:  # as many lines as somebody cares to send requests
            _log.warning(Event.REQUEST_FAILED, status=status, reason=str(error))
    return response


def build_error_document(error: Exception) -> dict[str, Any]:
    """The problem of an error that came when the status was out already: the last line of a stream."""
    found = _find_status(error) if isinstance(error, ServiceError) else None
    if found is None or not isinstance(error, ServiceError):
        _log.error(Event.REQUEST_FAILED, error=error, status=500)
        return _build_document(500, code="internal", title="Internal error", detail=_INTERNAL, extra={})
    status, title = found
    _log.warning(Event.REQUEST_FAILED, status=status, reason=str(error))
    return _build_document(
        status, code=_get_code(error), title=title, detail=show_detail(error), extra=_describe(error)
    )


def _get_code(error: ServiceError) -> str:
    """The short name of the problem's type: pictures have one for each thing that can be wrong with them."""
    found = find_picture_problem(error) if isinstance(error, InvalidInputError) else None
    return error.code if found is None else found[1]


def _find_status(error: ServiceError) -> tuple[int, str] | None:
    if isinstance(error, MalformedBodyError):
        return 400, _STATUS[0][2]
    if isinstance(error, InvalidInputError) and (found := find_picture_problem(error)):
        return found[0], _STATUS[0][2]
    return next(((status, title) for kind, status, title in _STATUS if isinstance(error, kind)), None)


def _describe(error: ServiceError) -> dict[str, Any]:
    if isinstance(error, InvalidInputError):
        return {"field": error.field, "reason": error.reason}
    if isinstance(error, DependencyUnavailableError):
        return {"dependency": error.dependency}
    return {}


def _answer_http_error(error: HTTPException) -> Response:
    """Unknown route, wrong method, wrong content type, body too large, and the like."""
    if error.response is not None:
        return error.response  # type: ignore[return-value]  # what `abort` was given: one of ours
    response = build_problem(
        error.code or 500,
        code=error.name.lower().replace(" ", "-"),
        title=error.name,
        detail=error.description or error.name,
    )
    for name, value in error.get_headers():
        if name.lower() not in ("content-type", "content-length"):
            response.headers[name] = value
    return response


def _answer_unexpected_error(error: Exception) -> Response:
    """Our own fault: the log gets the traceback, the caller the request id to ask about."""
    _log.error(Event.REQUEST_FAILED, error=error, status=500)
    return build_problem(
        500,
        code="internal",
        title="Internal error",
        detail=_INTERNAL,
    )
