"""One request and one answer over a pooled connection. Follows nothing, retries nothing that the host has answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPMessage, HTTPResponse

from fetching.body import ACCEPT_ENCODING, read_body
from fetching.deadlines import BoundedSocket, BoundedSSLSocket, Deadline, FloodError
from fetching.errors import FetchError, FetchReason, build_error
from fetching.pool import ConnectionPool
from fetching.urls import Target

# The page of a redirect or an error is read to keep its connection, if it is this small.
_MOST_DRAINED = 16_384
# What may come besides the body: http.client takes up to 100 headers of 64 KiB, which nobody needs.
_MOST_BESIDES = 1_048_576
_OK = (200, 203)
_FIRST_ERROR = 400


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. `body` is None unless the status is 200 or 203; `error_body` is empty unless it was asked for."""

    status: int
    headers: HTTPMessage
    body: bytes | None
    error_body: bytes = b""

    def get_header(self, name: str, *, most_chars: int = 8_192) -> str | None:
        """A header's value; None if it is absent, or is nothing to keep: too long, or with control characters."""
        value = self.headers.get(name)
        return value if value is not None and len(value) <= most_chars and value.isprintable() else None


@dataclass(frozen=True, slots=True)
class _Request:
    target: Target
    headers: dict[str, str]
    deadline: Deadline
    max_bytes: int
    payload: bytes | None


class Transport:
    """Sends GET requests, and POST where there is a payload to send. Thread-safe."""

    def __init__(self, pool: ConnectionPool, *, user_agent: str, read_timeout_s: float, resends: bool = True) -> None:
        self._pool = pool
        self._headers = {"User-Agent": user_agent, "Accept-Encoding": ACCEPT_ENCODING}
        self._read_timeout_s = read_timeout_s
        self._resends = resends

    def send(
        self,
        target: Target,
        *,
        headers: Mapping[str, str],
        deadline: Deadline,
        max_bytes: int,
        cut: bool = False,
        error_bytes: int = 0,
        payload: bytes | None = None,
    ) -> Reply:
        """Ask once. Raises FetchRefusedError or FetchFailedError; an error status is a reply and no error here."""
        request = _Request(target, {**self._headers, **headers}, deadline, max_bytes, payload)
        connection, response = self._ask(request)
        reusable = False
        try:
            body, error_body = None, b""
            if response.status in _OK:
                body = read_body(response, max_bytes=max_bytes, cut=cut)
            elif response.status >= _FIRST_ERROR and error_bytes:
                error_body = _read_error(response, max_bytes=error_bytes)
            else:
                _drain(response)
            reusable = not response.will_close and (response.isclosed() or response.length == 0)
            return Reply(response.status, response.headers, body, error_body)
        except TimeoutError as error:
            raise build_error(FetchReason.TIMEOUT, f"{target.authority}: the body did not come in time") from error
        except FloodError as error:
            raise build_error(FetchReason.TOO_LARGE, f"{target.authority}: {error}") from error
        except OSError as error:
            raise build_error(FetchReason.TRUNCATED_BODY, f"{target.authority}: {error!r}") from error
        finally:
            response.close()
            self._let_go(target, connection, reusable=reusable)

    def close(self) -> None:
        """Close idle connections."""
        self._pool.close()

    def _let_go(self, target: Target, connection: HTTPConnection, *, reusable: bool) -> None:
        if reusable:
            self._pool.give_back(target, connection)
        else:
            connection.close()

    def _ask(self, request: _Request) -> tuple[HTTPConnection, HTTPResponse]:
        target = request.target
        while True:
            connection, used_before = self._pool.take(target, request.deadline)
            try:
                return connection, self._exchange(connection, request)
            except TimeoutError as error:
                connection.close()
                raise build_error(FetchReason.TIMEOUT, f"{target.authority} did not answer in time") from error
            except ConnectionError as error:
                connection.close()
                # The host closed a kept connection at the moment of our request: most likely it has not seen it.
                if not (used_before and self._resends):
                    raise build_error(FetchReason.CONNECT, f"{target.authority}: {error!r}") from error
            except (HTTPException, OSError, ValueError) as error:
                connection.close()
                raise build_error(FetchReason.BAD_RESPONSE, f"{target.authority}: {error!r}") from error

    def _exchange(self, connection: HTTPConnection, request: _Request) -> HTTPResponse:
        sock = connection.sock
        if not isinstance(sock, BoundedSocket | BoundedSSLSocket):
            raise TypeError("a connection of the pool has a socket without a deadline")
        sock.bound(request.deadline, read_timeout_s=self._read_timeout_s, most_bytes=_MOST_BESIDES)
        method = "GET" if request.payload is None else "POST"
        connection.request(method, request.target.path, body=request.payload, headers=request.headers)
        response = connection.getresponse()
        # Whatever of the first allowance is left may go into the sizes of chunks.
        sock.allow(request.max_bytes)
        return response


def _read_error(response: HTTPResponse, *, max_bytes: int) -> bytes:
    """The beginning of an error's page. One that cannot be read is no news: the status has said what matters."""
    try:
        return read_body(response, max_bytes=max_bytes, cut=True)
    except (FetchError, OSError, HTTPException):
        response.will_close = True
        return b""


def _drain(response: HTTPResponse) -> None:
    """Read a small page, so that its connection can be used again; what goes wrong here costs no more than that."""
    left = _MOST_DRAINED
    try:
        while left > 0 and (piece := response.read1(left)):
            left -= len(piece)
    except (OSError, HTTPException):
        response.will_close = True
