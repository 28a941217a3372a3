"""The downloader put together, for workers and for commands that fetch in their own process."""

from __future__ import annotations

from core.settings import Settings
from fetching import build_fetcher
from indexing.downloads.attempt import AttemptOptions, Downloader
from indexing.downloads.jobs import DownloadJobs
from indexing.downloads.lanes import HostLanes
from indexing.downloads.service import DownloadService
from messaging.hints import HintSender
from storage.database.download_outcomes import OutcomeRepository
from storage.database.downloads import DownloadRepository
from storage.database.jobs import JobRepository
from storage.database.pictures import PictureRepository
from storage.database.session import Database
from storage.database.titles import TitleRepository
from storage.media import build_media_store

# A process that dies leaves its claims for so long. Attempts are far shorter, and leases are renewed meanwhile.
_MOST_LEASE_S = 60.0


def build_download_service(settings: Settings, database: Database, *, owner: str) -> DownloadService:
    """What fetches. Starts no thread and opens no connection before its first call."""
    pictures, store = PictureRepository(database), build_media_store(settings)
    threads = settings.download_concurrency
    return DownloadService(
        downloads=DownloadRepository(database, pictures),
        outcomes=OutcomeRepository(database, pictures),
        attempts=Downloader(build_fetcher(settings), store, AttemptOptions.of(settings)),
        store=store,
        lanes=HostLanes(threads=threads, per_host=settings.download_per_host),
        threads=threads,
        owner=owner,
        lease_s=min(settings.lease_s, _MOST_LEASE_S),
    )


def build_download_jobs(settings: Settings, database: Database, hints: HintSender) -> DownloadJobs:
    """What starts and ends jobs of downloads."""
    pictures = PictureRepository(database)
    return DownloadJobs(
        settings,
        database=database,
        jobs=JobRepository(database),
        titles=TitleRepository(database),
        pictures=pictures,
        downloads=DownloadRepository(database, pictures),
        hints=hints,
    )
