"""What every task gets: the services of its worker process."""

from __future__ import annotations

from typing import Protocol, cast

from celery import Task

from enrichment.building import Enrichment
from indexing.downloads.jobs import DownloadJobs
from indexing.downloads.service import DownloadService
from indexing.embedding import EmbeddingService
from indexing.jobs import JobService
from indexing.pictures.embedding import PictureEmbeddingService
from inference.picture_queries import PictureQueryService
from inference.queries import QueryEncodingService
from messaging.hints import HintSender
from storage.database.job_pruning import JobPruner
from storage.database.query_log import QueryLogRepository


class Services(Protocol):
    """Built by `worker` at first use; a service that this worker's queues do not need is never built."""

    @property
    def jobs(self) -> JobService:
        """Runs and finishes jobs."""

    @property
    def embedding(self) -> EmbeddingService:
        """Embeds and indexes chunks; loads the bulk encoder."""

    @property
    def picture_embedding(self) -> PictureEmbeddingService | None:
        """Embeds pictures; loads the picture encoder. None if no picture encoder is configured."""

    @property
    def query_encoding(self) -> QueryEncodingService:
        """Encodes queries; loads the query encoder."""

    @property
    def picture_queries(self) -> PictureQueryService:
        """Encodes query pictures; loads the picture encoder."""

    @property
    def downloads(self) -> DownloadService:
        """Fetches pictures."""

    @property
    def download_jobs(self) -> DownloadJobs:
        """Starts jobs of downloads."""

    @property
    def enrichment(self) -> Enrichment:
        """Asks providers, merges titles, starts schedules."""

    @property
    def job_pruner(self) -> JobPruner:
        """Deletes jobs of the past."""

    @property
    def query_log(self) -> QueryLogRepository:
        """Counts of searches by day."""

    @property
    def hints(self) -> HintSender:
        """Sends tasks by name."""


class ServiceTask(Task):  # type: ignore[misc]
    """A task with access to the services that `worker` hung on the Celery app."""

    abstract = True

    @property
    def services(self) -> Services:
        """The services of this process."""
        return cast(Services, self.app.services)
