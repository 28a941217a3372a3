"""One request and one answer over a pooled connection. Follows nothing, retries nothing that the host has answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPMessage, HTTPResponse

from fetching.body import ACCEPT_ENCODING, read_body
from fetching.deadlines import BoundedSocket, BoundedSSLSocket, Deadline
from fetching.errors import FetchReason, build_error
from fetching.pool import ConnectionPool
from fetching.urls import Target

# The page of a redirect or an error is read to keep its connection, if it is this small.
_MOST_DRAINED = 16_384
_OK = (200, 203)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. `body` is None unless the status is 200 or 203."""

    status: int
    headers: HTTPMessage
    body: bytes | None

    def get_header(self, name: str, *, most_chars: int = 8_192) -> str | None:
        """A header's value; None if it is absent, or too long to be kept."""
        value = self.headers.get(name)
        return str(value) if value is not None and len(value) <= most_chars else None


class Transport:
    """Sends GET requests. Thread-safe."""

    def __init__(self, pool: ConnectionPool, *, user_agent: str, read_timeout_s: float) -> None:
        self._pool = pool
        self._headers = {"User-Agent": user_agent, "Accept-Encoding": ACCEPT_ENCODING}
        self._read_timeout_s = read_timeout_s

    def get(
        self, target: Target, *, headers: Mapping[str, str], deadline: Deadline, max_bytes: int, cut: bool = False
    ) -> Reply:
        """Ask once. Raises FetchRefusedError or FetchFailedError; an error status is a reply and no error here."""
        connection, response = self._ask(target, {**self._headers, **headers}, deadline)
        reusable = False
        try:
            body = None
            if response.status in _OK:
                body = read_body(response, max_bytes=max_bytes, cut=cut)
            elif response.length is not None and response.length <= _MOST_DRAINED:
                response.read()
            reusable = not response.will_close and (response.isclosed() or response.length == 0)
            return Reply(response.status, response.headers, body)
        except TimeoutError as error:
            raise build_error(FetchReason.TIMEOUT, f"{target.authority}: the body did not come in time") from error
        except (OSError, HTTPException) as error:
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

    def _ask(
        self, target: Target, headers: Mapping[str, str], deadline: Deadline
    ) -> tuple[HTTPConnection, HTTPResponse]:
        while True:
            connection, used_before = self._pool.take(target, deadline)
            try:
                return connection, self._exchange(connection, target, headers, deadline)
            except TimeoutError as error:
                connection.close()
                raise build_error(FetchReason.TIMEOUT, f"{target.authority} did not answer in time") from error
            except ConnectionError as error:
                connection.close()
                # The host closed a kept connection at the moment of our request: it has not seen it, so once more.
                if not used_before:
                    raise build_error(FetchReason.CONNECT, f"{target.authority}: {error!r}") from error
            except (HTTPException, OSError, ValueError) as error:
                connection.close()
                raise build_error(FetchReason.BAD_RESPONSE, f"{target.authority}: {error!r}") from error

    def _exchange(
        self, connection: HTTPConnection, target: Target, headers: Mapping[str, str], deadline: Deadline
    ) -> HTTPResponse:
        sock = connection.sock
        if not isinstance(sock, BoundedSocket | BoundedSSLSocket):
            raise TypeError("a connection of the pool has a socket without a deadline")
        sock.bound(deadline, read_timeout_s=self._read_timeout_s)
        connection.request("GET", target.path, headers=dict(headers))
        return connection.getresponse()
