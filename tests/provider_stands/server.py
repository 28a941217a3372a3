"""The stands in a thread of their own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import uvloop

from tests.provider_stands.animeschedule import TOKEN
from tests.provider_stands.desk import ANYTHING, Desk
from tests.provider_stands.limits import TRUE_LIMITS
from tests.provider_stands.moods import Mood
from tests.provider_stands.protocol import StandProtocol
from tests.provider_stands.records import Records, Seen, count_most_in_window
from tests.provider_stands.titles import StandTitle, load_titles

_BASE_PATHS = {
    "jikan": "/v4",
    "anilist": "",
    "kitsu": "/api/edge",
    "anidb": "",
    "animeschedule": "/api/v3",
    "anime-planet": "",
}
_SETTINGS = {
    "jikan": "JIKAN_BASE_URL",
    "anilist": "ANILIST_BASE_URL",
    "kitsu": "KITSU_BASE_URL",
    "anidb": "ANIDB_BASE_URL",
    "animeschedule": "ANIMESCHEDULE_BASE_URL",
    "anime-planet": "ANIMEPLANET_BASE_URL",
}
PROVIDERS = tuple(_BASE_PATHS)


class ProviderStands:
    """A context manager. Everything but entering and leaving may be called from any thread.

    factor     all times of the providers (windows, Retry-After, an hour of 429) are so many times shorter
    latency_s  real seconds before each answer
    slack_s    see `limits.Limiter`; None: no limit is kept, only counted
    hour_s     real seconds that the mood `limited` asks to wait; None: an hour by `factor`
    """

    def __init__(
        self,
        titles: Sequence[StandTitle] | None = None,
        *,
        factor: float = 1.0,
        latency_s: float = 0.0,
        slack_s: float | None = None,
        hour_s: float | None = None,
    ) -> None:
        self.titles = tuple(load_titles() if titles is None else titles)
        self.factor = factor
        self.records = Records()
        self._desk = Desk(self.titles, self.records, factor=factor, latency_s=latency_s, slack_s=slack_s, hour_s=hour_s)
        self._ports: dict[str, int] = dict.fromkeys(PROVIDERS, 0)
        self._servers: dict[str, asyncio.Server] = {}
        self._loop = uvloop.new_event_loop()
        self._ready = threading.Event()
        self._stopping = asyncio.Event()
        self._failure: BaseException | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._connections: dict[str, set[asyncio.Transport]] = {name: set() for name in PROVIDERS}
        self._thread = threading.Thread(target=self._run, name="provider-stands", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    def url(self, provider: str, path: str | None = None) -> str:
        """The provider's base URL, or the address of a path at it."""
        return f"http://127.0.0.1:{self._ports[provider]}{_BASE_PATHS[provider] if path is None else path}"

    @property
    def env(self) -> dict[str, str]:
        """Settings that point the service here, by the names of environment variables."""
        return self.build_env(PROVIDERS)

    def build_env(self, providers: Sequence[str]) -> dict[str, str]:
        """The same with only these providers; the others are not asked."""
        bases = {_SETTINGS[name]: self.url(name) for name in providers}
        asked_unless_told = {_SETTINGS[name]: "none" for name in ("anilist", "kitsu")}
        own: dict[str, str] = {"ANIDB_TITLES_URL": "none"}
        if "anidb" in providers:
            titles_url = self.url("anidb", "/api/anime-titles.xml.gz")
            own = {"ANIDB_CLIENT": "standin", "ANIDB_CLIENT_VERSION": "1", "ANIDB_TITLES_URL": titles_url}
        if "animeschedule" in providers:
            own["ANIMESCHEDULE_TOKEN"] = TOKEN
        manners = {
            "ENRICH_ALLOWED_NETWORKS": "127.0.0.0/8",
            "ENRICH_USER_AGENT": "StandTests/1.0 (+https://example.org)",
        }
        return {**asked_unless_told, **bases, **own, **manners}

    def set_mood(self, provider: str, mood: Mood | str, *, match: str = ANYTHING) -> None:
        """Another mood from now on, for requests whose target or body contains `match`; 'normal' ends it.

        'refused' concerns the whole provider: nobody listens any more.
        """
        asyncio.run_coroutine_threadsafe(self._set_mood(provider, str(mood), match), self._loop).result()

    def list_seen(self, provider: str | None = None) -> list[Seen]:
        """All requests so far."""
        return self.records.list_seen(provider)

    def count_over(self, provider: str) -> int:
        """Requests that were too many at a provider."""
        return sum(one.over for one in self.records.list_seen(provider))

    def measure(self) -> Mapping[str, list[dict[str, float]]]:
        """For each limit of each provider: what is allowed, and the most that came in any window of that length."""
        return {
            provider: [
                {
                    "allowed": window.amount,
                    "period_s": window.period_s,
                    "most": count_most_in_window(
                        [one.at for one in self.records.list_seen(provider) if one.is_limited],
                        window.period_s / self.factor,
                    ),
                }
                for window in windows
            ]
            for provider, windows in TRUE_LIMITS.items()
        }

    async def _set_mood(self, provider: str, mood: str, match: str) -> None:
        self._desk.set_mood(provider, mood, match)
        if mood == "refused":
            await self._close(provider)
        elif provider not in self._servers:
            await self._open(provider)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        except OSError as error:
            self._failure = error
        finally:
            self._ready.set()
            self._loop.close()

    async def _serve(self) -> None:
        for provider in PROVIDERS:
            await self._open(provider)
        self._ready.set()
        await self._stopping.wait()
        for provider in tuple(self._servers):
            await self._close(provider)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _open(self, provider: str) -> None:
        server: Any = await self._loop.create_server(
            lambda: StandProtocol(provider, self._desk.answer, self._keep, self._connections[provider]),
            "127.0.0.1",
            self._ports[provider],
        )
        self._servers[provider] = server
        self._ports[provider] = server.sockets[0].getsockname()[1]

    async def _close(self, provider: str) -> None:
        server = self._servers.pop(provider, None)
        if server is not None:
            server.close()
            for transport in tuple(self._connections[provider]):
                transport.close()

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
