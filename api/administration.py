"""What the admin routes call: put together once, over connections that wait longer than a search does."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from api.health import Check, HealthChecker
from api.picture_shelf import PictureShelf, build_picture_shelf
from core.errors import DependencyUnavailableError
from core.identity import point_id
from core.log import Event, Log
from core.settings import Settings
from messaging.broker import BrokerProbe
from messaging.names import QUEUE_DEFAULT, QUEUE_EMBED, QUEUE_NETWORK, QUEUE_QUERY
from storage.database.copying import LedgerCopyRepository
from storage.database.counts import CountRepository
from storage.database.exclusions import ExclusionRepository
from storage.database.generations import GenerationRepository
from storage.database.jobs import Job, JobRepository
from storage.database.ledger import LedgerRepository
from storage.database.removals import RemovalRepository
from storage.database.session import Database
from storage.database.snapshots import SnapshotRepository
from storage.provider_health import ProviderHealthReader
from storage.switching import GenerationSwitch, build_generation_switch
from storage.vectors.administration import CollectionAdministration
from storage.vectors.store import VectorStore

_QDRANT_TIMEOUT_S = 30.0
_POLL_S = 0.1
_log = Log("admin")


@dataclass(frozen=True)
class Administration:
    """The parts of the service that operators use."""

    alias: str
    switch: GenerationSwitch
    generations: GenerationRepository
    copies: LedgerCopyRepository
    ledger: LedgerRepository
    counts: CountRepository
    exclusions: ExclusionRepository
    removals: RemovalRepository
    snapshots: SnapshotRepository
    jobs: JobRepository
    pictures: PictureShelf
    collections: CollectionAdministration
    store: VectorStore
    workers: HealthChecker
    providers: ProviderHealthReader

    def remove_points(self, slug: str) -> list[str]:
        """Take a title out of every collection that is there; returns their names.

        Qdrant being away is no failure: the title is excluded, and its job deletes the point.
        """
        removed: list[str] = []
        try:
            present = self.collections.list_names()
            for one in self.generations.list_all(self.alias):
                if one.collection not in present or one.is_dropped:
                    continue
                if not one.is_in_use:
                    # No job writes there; without the row the title is written in full if it ever goes live again.
                    self.ledger.forget_now(one.collection, [slug])
                if self.collections.delete_points(one.collection, [point_id(slug)]):
                    removed.append(one.collection)
            self.pictures.remove_points_of(slug, present=present)
        except DependencyUnavailableError as error:
            _log.warning(Event.DEPENDENCY_UNAVAILABLE, dependency=error.dependency, reason=error.reason)
        return removed

    def remove_pictures(self, ids: Sequence[uuid.UUID]) -> list[str]:
        """Take pictures that are gone out of every collection that is there; returns the names of those they were in.

        Qdrant being away is no failure, as for titles: searches leave them out, and their job deletes the points.
        """
        try:
            return self.pictures.remove_points(ids, present=self.collections.list_names())
        except DependencyUnavailableError as error:
            _log.warning(Event.DEPENDENCY_UNAVAILABLE, dependency=error.dependency, reason=error.reason)
            return []

    def wait_for_end(self, job_id: uuid.UUID, *, wait_s: float) -> Job:
        """The job as it is when it has ended, or after so many seconds."""
        deadline = time.monotonic() + wait_s
        while not (job := self.jobs.get(job_id)).is_closed and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        return job

    def close(self) -> None:
        """Close what was opened here."""
        self.workers.close()
        self.providers.close()
        self.store.close()


def build_administration(settings: Settings, database: Database) -> Administration:
    """Administration over this database, with a Qdrant client of its own."""
    store = VectorStore(settings, timeout_s=_QDRANT_TIMEOUT_S)
    return Administration(
        alias=settings.qdrant_collection_name,
        switch=build_generation_switch(settings, database, store),
        generations=GenerationRepository(database),
        copies=LedgerCopyRepository(database),
        ledger=LedgerRepository(database),
        counts=CountRepository(database),
        exclusions=ExclusionRepository(database),
        removals=RemovalRepository(database),
        snapshots=SnapshotRepository(database),
        jobs=JobRepository(database),
        pictures=build_picture_shelf(settings, database, store),
        collections=CollectionAdministration(settings, store),
        store=store,
        workers=_build_worker_checks(settings, (QUEUE_QUERY, QUEUE_EMBED, QUEUE_NETWORK, QUEUE_DEFAULT)),
        providers=ProviderHealthReader(settings, database),
    )


def _build_worker_checks(settings: Settings, queues: Sequence[str]) -> HealthChecker:
    broker = BrokerProbe(settings, timeout_s=1.0)

    def build(queue: str) -> Check:
        return Check(lambda: broker.check_worker(queue), required=queue == QUEUE_QUERY)

    return HealthChecker({queue: build(queue) for queue in queues})
