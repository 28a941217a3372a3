"""What can go wrong, as exceptions: one type a kind of answer, all under ClientError.

ClientError
|-- TransportError              no answer: no connection, a time limit, a broken stream
|   `-- UnexpectedAnswerError   an answer that is not this API's
|-- WaitTimeoutError            a job has not ended in the time that the caller gave
`-- ApiError                    a problem document (RFC 9457)
    |-- InvalidRequestError     400, 405, 413, 415, 422; `field` names what is to blame
    |-- AuthenticationError     401: no key, or one that is wrong, expired or revoked
    |-- PermissionDeniedError   403: the key's role does not allow it
    |-- NotFoundError           404
    |-- ConflictError           409: the present state does not allow it
    |-- RateLimitedError        429: too many requests, or the quota is used up; `retry_after_s`
    `-- UnavailableError        503: a server is away; `dependency` names it, `retry_after_s`
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from client.headers import RateLimit, parse_rate_limit, parse_retry_after

_TYPE_PREFIX = "urn:avs:problem:"
_DETAIL_CHARS = 2_000
_REDIRECTS = range(300, 400)


class ClientError(Exception):
    """Base of all errors of this library."""


class TransportError(ClientError):
    """No answer came. `was_sent`: the service may have done what was asked."""

    def __init__(self, message: str, *, was_sent: bool = True) -> None:
        super().__init__(message)
        self.was_sent = was_sent


class UnexpectedAnswerError(TransportError):
    """Something answered, and not as this API does: a proxy's page, another service, or a newer version."""


class WaitTimeoutError(ClientError):
    """What was waited for has not happened in the time that the caller gave. It may still happen."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem document and what the headers around it say.

    `members` is the whole document, so that what a newer service adds can be read.
    """

    status: int
    code: str
    title: str
    detail: str
    members: Mapping[str, Any]
    field: str | None = None
    dependency: str | None = None
    request_id: str | None = None
    retry_after_s: float | None = None
    rate_limit: RateLimit | None = None


class ApiError(ClientError):
    """The service refuses or fails. The plain type stands for statuses without a type of their own, such as 500."""

    # One positional argument, so that errors can be pickled: task queues and process pools do that.
    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.problem = problem

    @property
    def status(self) -> int:
        """HTTP status."""
        return self.problem.status

    @property
    def code(self) -> str:
        """Stable and machine-readable, such as `invalid-input`."""
        return self.problem.code

    @property
    def title(self) -> str:
        """What kind of problem it is, in words."""
        return self.problem.title

    @property
    def detail(self) -> str:
        """What is wrong this time."""
        return self.problem.detail

    @property
    def field(self) -> str | None:
        """Dotted path of the field of the request that is to blame, such as `filters.year`."""
        return self.problem.field

    @property
    def dependency(self) -> str | None:
        """The server that is away."""
        return self.problem.dependency

    @property
    def request_id(self) -> str | None:
        """Name of the request in the service's log."""
        return self.problem.request_id

    @property
    def retry_after_s(self) -> float | None:
        """Seconds after which the service asks to be asked again."""
        return self.problem.retry_after_s

    @property
    def rate_limit(self) -> RateLimit | None:
        """What is left of the rate limit."""
        return self.problem.rate_limit

    def __str__(self) -> str:
        text = f"{self.status} {self.code}: {self.detail or self.title}"
        return f"{text} (request {self.request_id})" if self.request_id else text


class InvalidRequestError(ApiError):
    """The request cannot be used as it is; sent again it fails again."""


class AuthenticationError(ApiError):
    """The API key is missing, wrong, expired or revoked."""


class PermissionDeniedError(ApiError):
    """The API key's role does not allow this."""


class NotFoundError(ApiError):
    """Nothing has this id."""


class ConflictError(ApiError):
    """The request is well-formed, but the present state forbids it; `cursor-expired` is one of the codes."""


class RateLimitedError(ApiError):
    """Too many requests, or the month's quota is used up."""


class UnavailableError(ApiError):
    """A server that is needed is away, the queue is full, or the service's own time limit has passed."""


_TYPES: dict[int, type[ApiError]] = {
    400: InvalidRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    405: InvalidRequestError,
    409: ConflictError,
    413: InvalidRequestError,
    415: InvalidRequestError,
    422: InvalidRequestError,
    429: RateLimitedError,
    503: UnavailableError,
}


def build_error(status: int, headers: Mapping[str, str], body: bytes) -> ApiError:
    """The exception that an answer stands for. A body that is no problem document is described by its status."""
    document = _parse(body)
    if not document and status in _REDIRECTS:
        document = {"detail": f"redirects are not followed; Location: {headers.get('location', 'none')}"}
    return _build(document, status, headers)


def build_late_error(document: Mapping[str, Any]) -> ApiError:
    """The exception of a problem that came when the status was out already, as a line of a stream."""
    status = document.get("status")
    return _build(document, status if isinstance(status, int) else HTTPStatus.INTERNAL_SERVER_ERROR.value, {})


def _build(document: Mapping[str, Any], status: int, headers: Mapping[str, str]) -> ApiError:
    problem = Problem(
        status=status,
        code=_get_text(document, "type", f"http-{status}").removeprefix(_TYPE_PREFIX),
        title=_get_text(document, "title", _describe_status(status)),
        detail=_get_text(document, "detail", "")[:_DETAIL_CHARS],
        field=_get_optional(document, "field"),
        dependency=_get_optional(document, "dependency"),
        request_id=_get_optional(document, "request_id") or headers.get("x-request-id"),
        retry_after_s=parse_retry_after(headers),
        rate_limit=parse_rate_limit(headers),
        members=dict(document),
    )
    return _TYPES.get(status, ApiError)(problem)


def _parse(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _get_text(document: Mapping[str, Any], name: str, default: str) -> str:
    return _get_optional(document, name) or default


def _get_optional(document: Mapping[str, Any], name: str) -> str | None:
    value = document.get(name)
    return value if isinstance(value, str) and value else None


def _describe_status(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"status {status}"
