"""The composition root of workers: services are built at first use, by the process that needs them."""

from __future__ import annotations

import os
import socket
import uuid
from functools import cached_property
from typing import TYPE_CHECKING

from celery import Celery

from core.settings import Settings
from enrichment.building import Enrichment
from indexing.downloads.building import build_download_jobs, build_download_service
from indexing.downloads.jobs import DownloadJobs
from indexing.downloads.service import DownloadService
from indexing.generations import GenerationService
from indexing.importing import Importer
from indexing.jobs import JobKind, JobService
from indexing.kinds import build_job_kinds, build_seeder
from indexing.passages import TEMPLATE_VERSION
from indexing.pictures.building import (
    build_picture_follower,
    build_picture_generations,
    build_picture_jobs,
    build_title_pictures,
)
from messaging.hints import HintSender
from storage.database.generations import GenerationRepository
from storage.database.job_pruning import JobPruner
from storage.database.jobs import KIND_ENRICH, JobRepository
from storage.database.ledger import LedgerRepository
from storage.database.query_log import QueryLogRepository
from storage.database.session import Database
from storage.database.stages import StageRepository
from storage.database.titles import TitleRepository
from storage.media import build_media_store
from storage.switching import GenerationSwitch, build_generation_switch
from storage.vectors.store import VectorStore

if TYPE_CHECKING:
    from indexing.embedding import EmbeddingService
    from indexing.pictures.embedding import PictureEmbeddingService
    from inference.picture_queries import PictureQueryService
    from inference.pictures.base import PictureEncoder
    from inference.queries import QueryEncodingService

# Bulk writes of a thousand points may wait for a laptop's Qdrant to finish copying a shard.
_BULK_TIMEOUT_S = 60


class WorkerServices:
    """Everything that tasks call."""

    def __init__(self, settings: Settings, app: Celery) -> None:
        self._settings = settings
        self._app = app

    @cached_property
    def hints(self) -> HintSender:
        """Sends tasks by name."""
        return HintSender(self._app)

    @cached_property
    def jobs(self) -> JobService:
        """Runs, finishes and mends jobs."""
        return JobService(
            settings=self._settings,
            jobs=self._job_repository,
            stages=StageRepository(self._database),
            titles=self._titles,
            ledger=LedgerRepository(self._database),
            generations=self._generations,
            store=self._store,
            importer=Importer(self._database, self._titles, self._job_repository),
            hints=self.hints,
            kinds=self._build_kinds(),
            has_pictures=build_picture_generations(self._settings, self._database, self._store).is_ready_for,
            seed=build_seeder(self._settings, database=self._database, store=self._store).seed,
            tidy=self._tidy,
        )

    def _build_kinds(self) -> dict[str, JobKind]:
        kinds = build_job_kinds(
            self._settings, database=self._database, store=self._store, hints=self.hints, switch=self._switch
        )
        return {**kinds, KIND_ENRICH: self.enrichment.jobs}

    def _tidy(self) -> None:
        self._switch.tidy()
        build_picture_jobs(self._settings, database=self._database, store=self._store, hints=self.hints).tidy()

    @cached_property
    def _switch(self) -> GenerationSwitch:
        return build_generation_switch(self._settings, self._database, self._store)

    @cached_property
    def embedding(self) -> EmbeddingService:
        """Loads the bulk encoder and makes sure that its generation exists."""
        from indexing.embedding import EmbeddingService, Models
        from inference.registry import build_recipes, load_lexical_encoder, load_text_encoder

        text = load_text_encoder(self._settings, template_version=TEMPLATE_VERSION, purpose="bulk")
        lexical = load_lexical_encoder(self._settings, text)
        recipes = build_recipes(text, lexical, self._picture_encoder)
        return EmbeddingService(
            settings=self._settings,
            database=self._database,
            titles=self._titles,
            stages=StageRepository(self._database),
            ledger=LedgerRepository(self._database),
            generations=self._generations,
            store=self._store,
            models=Models(text, lexical, recipes),
            pictures=build_title_pictures(self._settings, recipes.image, database=self._database, store=self._store),
            follower=build_picture_follower(self._settings, self._database, self._store),
            owner=_build_owner(),
        )

    @cached_property
    def picture_embedding(self) -> PictureEmbeddingService | None:
        """Embeds pictures; None if no picture encoder is configured."""
        from indexing.pictures.service import build_picture_embedding

        if self._picture_encoder is None:
            return None
        return build_picture_embedding(
            self._settings,
            self._picture_encoder,
            database=self._database,
            store=self._store,
            media=build_media_store(self._settings),
            owner=_build_owner(),
        )

    @cached_property
    def _picture_encoder(self) -> PictureEncoder | None:
        from inference.registry import load_picture_encoder

        return load_picture_encoder(self._settings, purpose="bulk")

    @cached_property
    def query_encoding(self) -> QueryEncodingService:
        """Loads the query encoder."""
        from inference.queries import QueryEncodingService
        from inference.registry import build_recipes, load_lexical_encoder, load_text_encoder

        text = load_text_encoder(self._settings, template_version=TEMPLATE_VERSION, purpose="query")
        lexical = load_lexical_encoder(self._settings, text)
        return QueryEncodingService(text, lexical, build_recipes(text, lexical))

    @cached_property
    def picture_queries(self) -> PictureQueryService:
        """Loads the picture encoder for queries."""
        from inference.picture_queries import PictureQueryService
        from inference.registry import load_picture_encoder

        encoder = load_picture_encoder(self._settings, purpose="query")
        return PictureQueryService(encoder, max_pixels=self._settings.picture_max_pixels)

    @cached_property
    def downloads(self) -> DownloadService:
        """Fetches pictures."""
        return build_download_service(self._settings, self._database, owner=_build_owner())

    @cached_property
    def download_jobs(self) -> DownloadJobs:
        """Starts jobs of downloads."""
        return build_download_jobs(self._settings, self._database, self.hints)

    @cached_property
    def enrichment(self) -> Enrichment:
        """Asks providers, merges titles, starts schedules."""
        return Enrichment(self._settings, self._database, self.hints, owner=_build_owner())

    def stop(self) -> None:
        """The worker is to end: long tasks record what they have and return."""
        if "enrichment" in self.__dict__:
            self.enrichment.stop()
        if "downloads" in self.__dict__:
            self.downloads.stop()

    @cached_property
    def query_log(self) -> QueryLogRepository:
        """Deletes old counts of searches."""
        return QueryLogRepository(self._database, keep_days=self._settings.query_log_days)

    @cached_property
    def job_pruner(self) -> JobPruner:
        """Deletes jobs of the past."""
        return JobPruner(self._database, kept_days=self._settings.jobs_kept_days)

    @cached_property
    def _database(self) -> Database:
        return Database(self._settings.database_url.get_secret_value())

    @cached_property
    def _titles(self) -> TitleRepository:
        return TitleRepository(self._database)

    @cached_property
    def _job_repository(self) -> JobRepository:
        return JobRepository(self._database)

    @cached_property
    def _store(self) -> VectorStore:
        return VectorStore(self._settings, timeout_s=_BULK_TIMEOUT_S)

    @cached_property
    def _generations(self) -> GenerationService:
        return GenerationService(
            GenerationRepository(self._database), self._store, alias=self._settings.qdrant_collection_name
        )


def _build_owner() -> str:
    """Whose leases these are: another one in each process of each machine."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
