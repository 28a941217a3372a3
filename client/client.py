"""The client: one connection to the service and everything that it can be asked."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from types import TracebackType
from typing import Self

import httpx

from client import routes
from client.admin import AdminClient
from client.etags import EtagMemory
from client.headers import AnswerInfo
from client.jobs import JobsClient
from client.pictures import PictureCalls
from client.retrying import RetryPolicy
from client.searching import SearchCalls
from client.similar import SimilarCalls
from client.transport import Call, Connection, Transport
from client.values.status import Alive, Health, Stats

# A service that is not ready says so with this status, and with the same report.
_UNAVAILABLE = 503


class Client(SearchCalls, SimilarCalls, PictureCalls):
    """The Anime Vector Service over HTTP. Searches are methods; jobs and administration are in `jobs` and `admin`.

        with Client("http://localhost:8002", api_key=os.environ["AVS_API_KEY"]) as client:
            answer = client.search("giant robots with feelings", limit=5, filters={"year": {"gte": 1990}})
            for result in answer.results:
                print(result.score, result.payload["title"])

    - `timeout_s` bounds each wait for the service; `retries` is how often a request is sent again, or a RetryPolicy.
    - `etag_cache_size`: so many answers of GET requests are kept, and come again only when they have changed.
    - `connections`: requests at the same time; more than that wait for each other.
    - `verify`, `http_transport`: httpx's; an SSLContext for a private authority, a transport for tests.
    - `build_request_id` names a call in the service's log: give yours to follow a request through both.

    Every method raises ApiError for a problem document, by kind (see `client.problems`), TransportError when no answer
    comes, and ValueError for what cannot be sent. Threads may share a client, and should, since it keeps connections
    open. Processes may not: make one after a fork. The key goes to `base_url` only; redirects are not followed.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str | None = None,
        *,
        timeout_s: float = 30.0,
        retries: int | RetryPolicy = 3,
        etag_cache_size: int = 0,
        connections: int = 32,
        verify: ssl.SSLContext | bool = True,
        http_transport: httpx.BaseTransport | None = None,
        build_request_id: Callable[[], str] | None = None,
    ) -> None:
        connection = Connection(
            base_url=base_url,
            api_key=api_key,
            timeout_s=timeout_s,
            connections=connections,
            verify=verify,
            http_transport=http_transport,
            build_request_id=build_request_id,
        )
        policy = retries if isinstance(retries, RetryPolicy) else RetryPolicy(retries=retries)
        etags = EtagMemory(etag_cache_size) if etag_cache_size else None
        super().__init__(Transport(connection, policy, etags))
        self.jobs = JobsClient(self._transport, policy)
        self.admin = AdminClient(self._transport)

    @property
    def last_answer(self) -> AnswerInfo | None:
        """Status, request id, attempts and rate limit of the last answer that this thread got, errors included."""
        return self._transport.last_answer

    def is_alive(self) -> bool:
        """True if the web process answers. Raises TransportError when it does not."""
        return self._transport.get(Call(route=routes.ALIVE, path=routes.ALIVE.path), Alive).status == "alive"

    def get_health(self) -> Health:
        """Which servers and workers are there. A service that is not ready is a report and no error."""
        call = Call(route=routes.HEALTH, path=routes.HEALTH.path, accepted=(_UNAVAILABLE,))
        return self._transport.get(call, Health)

    def get_stats(self) -> Stats:
        """Sizes of the index, and what the answering process has done."""
        return self._transport.get(Call(route=routes.STATS, path=routes.STATS.path), Stats)

    def close(self) -> None:
        """Close all connections. The client cannot be used after it."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({self._transport.base_url!r})"
