"""A host that answers as a test says, and clients that ask it as workers do."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from core.enrichment import EnrichStage
from core.providers import Limit
from core.settings import Settings
from enrichment.asking import AskOptions, ProviderClient
from enrichment.providers.base import ProviderInfo, Request
from fetching import Fetcher, FetchOptions
from storage.database.answers import AnswerRepository
from storage.database.session import Database
from storage.provider_gate import GateOptions, ProviderGate
from tests.answering_host import AnsweringHost

LOOPBACK = ("127.0.0.0/8",)
# So quick that no test waits for it.
QUICK = (Limit(1_000, 1.0, burst=10),)
DAY_S = 86_400.0
# Where a test counts what arrives: requests of a busy machine are late by more than those of a network.
WIDE = GateOptions(margin=0.7)
BuildClient = Callable[..., ProviderClient]


@pytest.fixture(scope="module")
def database(database_url: str) -> Iterator[Database]:
    """The module's database."""
    opened = Database(database_url, pool_size=8)
    yield opened
    opened.close()


@pytest.fixture
def answers(database: Database) -> AnswerRepository:
    """Kept answers."""
    return AnswerRepository(database)


@pytest.fixture
def host() -> Iterator[AnsweringHost]:
    """A running host."""
    with AnsweringHost() as running:
        yield running


@pytest.fixture
def name() -> str:
    """A provider that no other test knows."""
    return f"test-{uuid.uuid4().hex}"


@pytest.fixture
def gate(redis_url: str) -> Iterator[ProviderGate]:
    """A gate whose circuit opens after three failures."""
    opened = ProviderGate(Settings(_env_file=None, redis_url=redis_url), options=GateOptions(threshold=3))
    yield opened
    opened.close()


@pytest.fixture
def build_client(
    name: str, host: AnsweringHost, gate: ProviderGate, answers: AnswerRepository
) -> Iterator[BuildClient]:
    """Makes clients of the provider, each as another worker has it. They never wait for long."""
    with ExitStack() as stack:

        def make(
            *,
            limits: tuple[Limit, ...] = QUICK,
            headers: dict[str, str] | None = None,
            base_url: str | None = None,
            gate: ProviderGate = gate,
            fetching: dict[str, Any] | None = None,
            uses_own_sleep: bool = False,
            url_setting: str = "its base URL",
            **options: Any,
        ) -> ProviderClient:
            fetch_options = {
                "user_agent": "AnimeBot/1.0 (+https://example.org/bot)",
                "allowed_networks": LOOPBACK,
                "breaker_threshold": 0,
                "pause_hosts": False,
                "respect_robots": False,
                "resends": False,
            } | (fetching or {})
            fetcher = stack.enter_context(Fetcher(FetchOptions(**fetch_options)))
            asking = AskOptions(**({"timeout_s": 5.0, "most_wait_s": 20.0, "backoff_s": 0.0} | options))
            info = build_info(name, limits)
            return ProviderClient(
                info,
                base_url or host.url,
                fetcher,
                gate,
                answers,
                headers=headers,
                options=asking,
                sleep=None if uses_own_sleep else nap,
                url_setting=url_setting,
            )

        yield make


@pytest.fixture
def client(build_client: BuildClient) -> ProviderClient:
    """One client."""
    return build_client()


def nap(seconds: float) -> None:
    """Sleep, and fail instead of sleeping long."""
    assert seconds < 15, "a test waits for too long"
    time.sleep(seconds)


def build_info(name: str, limits: tuple[Limit, ...]) -> ProviderInfo:
    """What the provider declares."""
    return ProviderInfo(
        name=name,
        id_space="mal",
        stages=frozenset(EnrichStage),
        limits=limits,
        can_search=True,
        licence="none",
        terms_url="https://example.org/terms",
    )


def build_request(key: str = "anime/1", **values: Any) -> Request:
    """A request whose path is its key."""
    return Request(key=key, path=f"/{key}", **values)
