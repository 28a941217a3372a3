"""Enrichment put together, for workers and commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

from core.errors import ConfigurationError
from core.providers import Limit
from core.settings import Settings
from enrichment.asking import ProviderClient, build_clients
from enrichment.attempt import Attempts
from enrichment.chores import TitleDump, learn_sources, prune
from enrichment.jobs import EnrichJobs
from enrichment.lanes import LaneService
from enrichment.limits import choose_limits
from enrichment.linking.dump import DumpSearch
from enrichment.linking.service import LinkService
from enrichment.merges import MergeService
from enrichment.providers.base import Provider
from enrichment.providers.registry import build_providers
from enrichment.schedules import Chores, ScheduleService
from enrichment.scope import ScopeBuilder
from enrichment.synthesis.service import build_synthesiser
from enrichment.titles.merger import TitleMerger
from enrichment.titles.models import ModelKeeper
from enrichment.workflow import Workflow, load_workflow
from messaging.hints import HintSender
from storage.database.answers import AnswerRepository
from storage.database.enrich_parts import EnrichPartRepository
from storage.database.enrich_rows import EnrichRowRepository
from storage.database.enrich_wants import WantRepository
from storage.database.jobs import JobRepository
from storage.database.locks import LockService
from storage.database.provider_titles import ProviderTitleRepository
from storage.database.session import Database
from storage.database.stages import StageRepository
from storage.database.titles import TitleRepository

# A process that dies leaves its claims for so long; leases are renewed before each request.
_MOST_LEASE_S = 180.0
# Providers without a search, whose titles are published as a whole.
_ANIDB = "anidb"
_DUMPED = frozenset({_ANIDB})


class Enrichment:
    """The services of enrichment, each built when it is first needed. Opens no connection before its first call."""

    def __init__(self, settings: Settings, database: Database, hints: HintSender, *, owner: str) -> None:
        self._settings = settings
        self._database = database
        self._hints = hints
        self._owner = owner

    @cached_property
    def workflow(self) -> Workflow:
        """As the settings name it. Raises ConfigurationError."""
        return load_workflow(self._settings)

    @cached_property
    def providers(self) -> dict[str, Provider]:
        """All providers by name, also those that may not be asked."""
        return build_providers(self._settings)

    @cached_property
    def scopes(self) -> ScopeBuilder:
        """Tells what may be asked of whom. Raises ConfigurationError, also for limits that nobody may set."""
        self.get_limits()
        infos = {name: provider.info for name, provider in self.providers.items()}
        return ScopeBuilder(self._settings, self.workflow, infos)

    @cached_property
    def clients(self) -> dict[str, ProviderClient]:
        """Of the providers that are configured."""
        most_wait_s = self.workflow.patience.provider.total_seconds()
        return build_clients(
            self._settings, self.providers, self._database, limits=self.get_limits(), most_wait_s=most_wait_s
        )

    def get_limits(self) -> Mapping[str, tuple[Limit, ...]]:
        """Those of the workflow, and the providers' own. Raises ConfigurationError."""
        return {
            name: choose_limits(self._settings, self.workflow, name, provider.info.limits)
            for name, provider in self.providers.items()
        }

    @cached_property
    def jobs(self) -> EnrichJobs:
        """Starts and ends jobs of enrichment."""
        return EnrichJobs(
            database=self._database,
            jobs=JobRepository(self._database),
            titles=TitleRepository(self._database),
            stages=StageRepository(self._database),
            parts=self._parts,
            rows=self._rows,
            scopes=self.scopes,
            workflow=self.workflow,
            hints=self._hints,
            chores=Chores({"dump": self._refresh_dump, "learn": self._learn, "prune": self._prune}),
            prepare=self._prepare,
        )

    @cached_property
    def lanes(self) -> LaneService:
        """Asks providers."""
        links, dumps = LinkService.build(self._database), ProviderTitleRepository(self._database)
        attempts = {
            name: Attempts(
                self.providers[name],
                client,
                links=links,
                workflow=self.workflow,
                max_attempts=self._settings.enrich_max_attempts,
                search=DumpSearch(dumps, name, is_awaited=self._can_fetch_dump) if name in _DUMPED else None,
            )
            for name, client in self.clients.items()
        }
        return LaneService(
            attempts,
            parts=self._parts,
            rows=self._rows,
            titles=TitleRepository(self._database),
            hints=self._hints,
            workflow=self.workflow,
            owner=self._owner,
            lease_s=self._lease_s,
        )

    def stop(self) -> None:
        """The process is to end: lanes record what they have and return."""
        if "lanes" in self.__dict__:
            self.lanes.stop()
        for client in self.__dict__.get("clients", {}).values():
            client.stop()

    @cached_property
    def merges(self) -> MergeService:
        """Merges titles of which nothing is open any more."""
        synthesiser = build_synthesiser(self._settings, self._database)
        return MergeService(
            self._rows,
            TitleMerger(self._database, synthesise=synthesiser.write if synthesiser else None),
            self._hints,
            owner=self._owner,
            lease_s=self._lease_s,
            max_attempts=self._settings.max_attempts,
        )

    @cached_property
    def schedules(self) -> ScheduleService:
        """Starts what beat says."""
        return ScheduleService(
            workflow=self.workflow,
            scopes=self.scopes,
            wants=WantRepository(self._database),
            jobs=JobRepository(self._database),
            locks=LockService(self._database),
            hints=self._hints,
            is_wanted=lambda chore: chore != "dump" or self._can_fetch_dump,
            get_readiness=lambda provider: self.clients[provider].get_readiness(),
        )

    @property
    def _parts(self) -> EnrichPartRepository:
        return EnrichPartRepository(self._database)

    @property
    def _rows(self) -> EnrichRowRepository:
        return EnrichRowRepository(self._database)

    @property
    def _lease_s(self) -> float:
        return min(self._settings.lease_s, _MOST_LEASE_S)

    def _prepare(self, providers: Sequence[str]) -> None:
        """Titles are found at AniDB in its dump: whoever asks AniDB for the first time needs it."""
        if _ANIDB not in providers or not self._can_fetch_dump:
            return
        if ProviderTitleRepository(self._database).get_version(_ANIDB):
            return
        for name, plan in self.workflow.schedules.items():
            if plan.what == "dump":
                self.schedules.start(name)

    # Chores

    @property
    def _can_fetch_dump(self) -> bool:
        return _ANIDB in self.clients and self._settings.anidb_titles_url is not None

    def _refresh_dump(self) -> str:
        url = self._settings.anidb_titles_url
        if url is None or not self._can_fetch_dump:
            raise ConfigurationError("AniDB's titles are not fetched: ANIDB_CLIENT or ANIDB_TITLES_URL is not set")
        # Where the dump lies, and within the limits of AniDB's pages.
        placed = self._settings.model_copy(update={"anidb_base_url": url})
        clients = build_clients(
            placed, {_ANIDB: self.providers[_ANIDB]}, self._database, limits=self.get_limits()
        )  # fmt: skip
        return TitleDump(clients[_ANIDB], ProviderTitleRepository(self._database), self._parts).refresh()

    def _learn(self) -> str:
        return learn_sources(ModelKeeper(self._database))

    def _prune(self) -> str:
        return prune(AnswerRepository(self._database), self._parts)
