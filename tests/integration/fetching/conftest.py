"""A picture host for each test, and fetchers that may reach it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from fetching import Fetcher, FetchOptions
from fetching.opening import Opener
from tests.picture_host import PictureHost

BuildFetcher = Callable[..., Fetcher]
LOOPBACK = ("127.0.0.0/8",)


@pytest.fixture
def host() -> Iterator[PictureHost]:
    """A running host."""
    with PictureHost() as running:
        yield running


@pytest.fixture
def build() -> Iterator[BuildFetcher]:
    """Makes fetchers that are closed after the test. They may reach loopback and are quick to give up."""
    with ExitStack() as stack:

        def make(*, opener: Opener | None = None, **options: Any) -> Fetcher:
            defaults: dict[str, Any] = {
                "user_agent": "AnimeBot/1.0 (+https://example.org/bot)",
                "allowed_networks": LOOPBACK,
                "timeout_s": 5.0,
                "read_timeout_s": 5.0,
                "breaker_threshold": 0,
                "pause_hosts": False,
            }
            return stack.enter_context(Fetcher(FetchOptions(**(defaults | options)), opener=opener))

        yield make


@pytest.fixture
def fetcher(build: BuildFetcher) -> Fetcher:
    """One with the defaults of these tests."""
    return build()
