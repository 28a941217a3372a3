"""From calls to answers: one connection pool, time limits, retries, ETags, and errors as exceptions."""

from __future__ import annotations

import ssl
import threading
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx

from client.etags import EtagMemory, KeptAnswer
from client.headers import AnswerInfo, parse_rate_limit
from client.origin import KeyAuth, parse_base_url
from client.parsing import ValueT, build_body, build_params, parse_value
from client.problems import TransportError, build_error
from client.retrying import RetryPolicy
from client.routes import Route

AnswerT = TypeVar("AnswerT")

STREAM_TYPE = "application/x-ndjson"
_JSON_TYPE = "application/json"
_PROBLEM_TYPE = "application/problem+json"
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
# The service keeps idle connections for 30 s. Ours go first, so that a request never meets one that is just closing.
_KEEPALIVE_S = 20.0
_SHORTEST_S = 0.001
_NOT_MODIFIED = 304


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request. `accepted`: statuses besides 2xx that carry the value; `extra_s`: more time for the answer.

    `accept`: the media type of the answer.
    """

    route: Route
    path: str
    params: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    accepted: Collection[int] = ()
    extra_s: float = 0.0
    accept: str = _JSON_TYPE


@dataclass(frozen=True, slots=True)
class _Attempt:
    call: Call
    number: int
    deadline: float
    request_id: str

    @property
    def name(self) -> str:
        return str(self.call.route)


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """How the service is reached. `verify` and `http_transport` are httpx's; `build_request_id` names each call."""

    base_url: str
    api_key: str | None = field(default=None, repr=False)
    timeout_s: float = 30.0
    connections: int = 32
    verify: ssl.SSLContext | bool = True
    http_transport: httpx.BaseTransport | None = None
    build_request_id: Callable[[], str] | None = None


class Transport:
    """Sends calls. Threads may share it; processes may not: make one after a fork."""

    def __init__(self, connection: Connection, policy: RetryPolicy, etags: EtagMemory | None = None) -> None:
        url = parse_base_url(connection.base_url)
        if connection.timeout_s <= 0 or connection.connections < 1:
            raise ValueError("timeout_s and connections must be positive")
        self.base_url = str(url).rstrip("/")
        self._timeout_s = connection.timeout_s
        self._policy = policy
        self._etags = etags
        self._build_request_id = connection.build_request_id or _build_request_id
        self._local = threading.local()
        self._http = httpx.Client(
            auth=None if connection.api_key is None else KeyAuth(connection.api_key, url),
            headers={"User-Agent": "avs-client"},
            limits=httpx.Limits(
                max_connections=connection.connections,
                max_keepalive_connections=connection.connections,
                keepalive_expiry=_KEEPALIVE_S,
            ),
            follow_redirects=False,
            verify=connection.verify,
            transport=connection.http_transport,
        )

    @property
    def last_answer(self) -> AnswerInfo | None:
        """What came beside the body of this thread's last call, errors included; None if nothing came."""
        answer: AnswerInfo | None = getattr(self._local, "answer", None)
        return answer

    def fetch(self, call: Call) -> bytes:
        """The body of the answer. Raises ApiError, TransportError and their kinds."""
        return self._run(call, self._fetch)

    def get(self, call: Call, kind: type[ValueT]) -> ValueT:
        """The value of the answer. Raises as `fetch`, and UnexpectedAnswerError."""
        return parse_value(self.fetch(call), kind, name=str(call.route))

    def open(self, call: Call) -> httpx.Response:
        """An answer that is read line by line; the caller closes it. Raises as `fetch`."""
        return self._run(call, self._open)

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def _run(self, call: Call, once: Callable[[_Attempt], AnswerT]) -> AnswerT:
        self._local.answer = None
        # One name for all attempts, so that the service's log shows them as one.
        request_id = self._build_request_id()
        return self._policy.run(
            lambda number, deadline: once(_Attempt(call, number, deadline, request_id)),
            name=str(call.route),
            is_repeatable=call.route.is_repeatable,
            extra_s=call.extra_s,
        )

    def _fetch(self, attempt: _Attempt) -> bytes:
        request, kept = self._build_request(attempt, accept=f"{attempt.call.accept}, {_PROBLEM_TYPE}")
        left_s = attempt.deadline - self._policy.clock()
        request.extensions["timeout"] = self._limit(min(self._timeout_s + attempt.call.extra_s, left_s))
        with closing(self._send(request, attempt)) as response:
            body = self._read(response, attempt)
        self._record(response, attempt, is_from_memory=kept is not None and response.status_code == _NOT_MODIFIED)
        if kept is not None and response.status_code == _NOT_MODIFIED:
            return kept.body
        if not response.is_success and not _is_accepted(response, attempt.call):
            raise build_error(response.status_code, response.headers, body)
        if self._etags is not None and request.method == "GET":
            self._etags.keep(str(request.url), etag=response.headers.get("etag"), body=body)
        return body

    def _open(self, attempt: _Attempt) -> httpx.Response:
        request, _ = self._build_request(attempt, accept=f"{STREAM_TYPE}, {_PROBLEM_TYPE}")
        request.extensions["timeout"] = self._limit(self._timeout_s)
        response = self._send(request, attempt)
        self._record(response, attempt)
        if response.is_success:
            return response
        with closing(response):
            body = self._read(response, attempt)
        raise build_error(response.status_code, response.headers, body)

    def _build_request(self, attempt: _Attempt, *, accept: str) -> tuple[httpx.Request, KeptAnswer | None]:
        call = attempt.call
        headers = {"Accept": accept, "X-Request-ID": attempt.request_id}
        if call.body is not None:
            headers["Content-Type"] = "application/json"
        request = self._http.build_request(
            call.route.method,
            f"{self.base_url}{call.path}",
            params=build_params(call.params) or None,
            content=None if call.body is None else build_body(call.body),
            headers=headers,
        )
        kept = self._etags.find(str(request.url)) if self._etags is not None and request.method == "GET" else None
        if kept is not None:
            request.headers["If-None-Match"] = kept.etag
        return request, kept

    def _send(self, request: httpx.Request, attempt: _Attempt) -> httpx.Response:
        with as_transport_errors(attempt.name):
            return self._http.send(request, stream=True)

    def _read(self, response: httpx.Response, attempt: _Attempt) -> bytes:
        """The body. A time limit of httpx is one for each piece, so a slow trickle is ended here."""
        pieces = []
        with as_transport_errors(attempt.name):
            for piece in response.iter_bytes():
                pieces.append(piece)
                if self._policy.clock() > attempt.deadline:
                    raise TransportError(f"{attempt.name}: the answer did not end in time")
        return b"".join(pieces)

    def _record(self, response: httpx.Response, attempt: _Attempt, *, is_from_memory: bool = False) -> None:
        self._local.answer = AnswerInfo(
            status=response.status_code,
            request_id=response.headers.get("x-request-id"),
            rate_limit=parse_rate_limit(response.headers),
            attempts=attempt.number,
            is_from_memory=is_from_memory,
        )

    @staticmethod
    def _limit(seconds: float) -> dict[str, float | None]:
        return httpx.Timeout(max(seconds, _SHORTEST_S)).as_dict()


@contextmanager
def as_transport_errors(name: str) -> Iterator[None]:
    """Raise what httpx raises as TransportError. `name` says which request it was."""
    try:
        yield
    except httpx.RequestError as error:
        reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise TransportError(f"{name}: {reason}", was_sent=not isinstance(error, _NEVER_SENT)) from error


def _is_accepted(response: httpx.Response, call: Call) -> bool:
    """A problem document, or a proxy's page, of the same status is not the value."""
    return response.status_code in call.accepted and response.headers.get("content-type", "").startswith(_JSON_TYPE)


def _build_request_id() -> str:
    return uuid.uuid4().hex
