"""A service that answers as it is told, and time that only passes when somebody sleeps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from client import Client, RetryPolicy

KEY = "avs_0123_very-secret-0f9e8d7c"
Reply = httpx.Response | httpx.RequestError


class Service:
    """Gives the replies one after the other, the last one again and again, and remembers the requests."""

    def __init__(self) -> None:
        self.replies: list[Reply | Callable[[httpx.Request], httpx.Response]] = []
        self.requests: list[httpx.Request] = []

    def handle(self, request: httpx.Request) -> httpx.Response:
        """What httpx.MockTransport calls."""
        self.requests.append(request)
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if isinstance(reply, httpx.RequestError):
            raise reply
        return reply(request) if callable(reply) else reply


class Time:
    """A clock that sleeping moves."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.sleeps: list[float] = []

    def sleep(self, seconds: float) -> None:
        """Pass at once."""
        self.sleeps.append(seconds)
        self.now += seconds

    def read(self) -> float:
        """Seconds."""
        return self.now


@pytest.fixture
def service() -> Service:
    """Answers for the client under test."""
    return Service()


@pytest.fixture
def time() -> Time:
    """The client's clock."""
    return Time()


@pytest.fixture
def build_client(service: Service, time: Time) -> Iterator[Callable[..., Client]]:
    """Make a client of the service; `policy` are entries of its RetryPolicy."""
    made: list[Client] = []

    def build(*, policy: dict[str, Any] | None = None, base_url: str = "http://service:8002", **more: Any) -> Client:
        retries = RetryPolicy(**{"sleep": time.sleep, "clock": time.read, "rand": lambda: 1.0, **(policy or {})})
        made.append(Client(base_url, KEY, retries=retries, http_transport=httpx.MockTransport(service.handle), **more))
        return made[-1]

    yield build
    for client in made:
        client.close()


@pytest.fixture
def client(build_client: Callable[..., Client]) -> Client:
    """A client with the defaults."""
    return build_client()
