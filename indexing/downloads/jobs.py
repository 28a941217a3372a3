"""Jobs of kind `download`: which URLs are wanted, hints to the workers, the end, and what follows it.

params: `ids` (titles; all if missing) or `urls` (a list of pictures); `refresh`, `only_missing`, `shard` ("K/N": only
that part of the URLs), `then_index`. A list from a file comes with its rows: its job is `enqueued` from the beginning.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, Final

from core.errors import InvalidInputError
from core.log import Event, Log
from core.picture_lists import ListedPicture, parse_listed
from core.settings import Settings
from indexing.pictures.jobs import KIND_PICTURES
from messaging.hints import HintSender
from messaging.names import QUEUE_NETWORK, TASK_FETCH_DOWNLOADS, TASK_RUN_JOB
from storage.database.downloads import DownloadRepository, Shard, hash_url
from storage.database.jobs import Job, JobRepository
from storage.database.locks import LockService
from storage.database.models import JobState
from storage.database.pictures import FreePicture, PictureRepository
from storage.database.session import Connection, Database
from storage.database.titles import TitleRepository

KIND_DOWNLOAD: Final = "download"
# Tasks at once for one job: several workers share it. A short list is not worth dividing.
_SHARDS = 4
_SHORT = 1_000
_PAGE = 1_000
_AUTO_LOCK = uuid.UUID("0b7f4a52-8a5e-4b0c-9d6e-7f1f6a3c2d11")
_WHOLE = Shard()
_log = Log("downloads")


class DownloadJobs:
    """Starts and ends jobs of downloads. Everything may be called twice, at any time, by any number of workers."""

    def __init__(
        self,
        settings: Settings,
        *,
        database: Database,
        jobs: JobRepository,
        titles: TitleRepository,
        pictures: PictureRepository,
        downloads: DownloadRepository,
        hints: HintSender,
    ) -> None:
        self._settings = settings
        self._database = database
        self._jobs = jobs
        self._titles = titles
        self._pictures = pictures
        self._downloads = downloads
        self._hints = hints
        self._locks = LockService(database)

    # As every kind of job

    def run(self, job: Job) -> None:
        """Store a row for each URL that is wanted, and send hints."""
        if not job.enqueued:
            self.enqueue(job)
        if not self._end(job.id):
            self._send(job.id)

    def finish(self, job: Job) -> bool:
        """Close the job if none of its URLs is open. Parts that nobody works on are sent again."""
        job = self._jobs.get(job.id)
        if job.is_closed or not job.enqueued:
            return job.is_closed
        if self._end(job.id):
            return True
        if self._hints.queue_length(QUEUE_NETWORK) == 0:
            self._send(job.id, only_silent=True)
        return False

    def enqueue(self, job: Job) -> int:
        """The rows of the job; returns how many URLs it looked at."""
        refresh_days = self._settings.download_refresh_days if job.params.get("refresh") else None
        shard = Shard.parse(job.params["shard"]) if "shard" in job.params else _WHOLE
        urls = self._collect_urls(job)
        count = self._downloads.enqueue(job.id, urls, shard=shard, refresh_days=refresh_days)
        self._jobs.mark_enqueued(job.id, None)
        return count

    # Lists

    def start_list(
        self, pages: Iterable[Sequence[ListedPicture]], params: Mapping[str, Any], *, refresh: bool = False
    ) -> uuid.UUID:
        """A job for a list that is too long for the params of a job. The pictures of a page are stored at once.

        The job is there with all its rows or not at all; what a process that dies half-way has stored is found again
        when the same list is given once more. Raises NotFoundError if a page names a title that is not known.
        """
        urls: dict[str, str] = {}
        shard = Shard.parse(params["shard"]) if "shard" in params else _WHOLE
        for page in pages:
            self._pictures.add_free([_to_free(one) for one in page])
            hashed = ((hash_url(one.url), one.url) for one in page)
            urls.update((url_hash, url) for url_hash, url in hashed if shard.holds(url_hash))
        refresh_days = self._settings.download_refresh_days if refresh else None
        with self._database.begin() as connection:
            job_id = self._jobs.create_in(connection, KIND_DOWNLOAD, {**params, "listed": len(urls)})
            pairs = iter(sorted(urls.items()))
            while part := dict(islice(pairs, _PAGE)):
                self._downloads.enqueue_in(connection, job_id, part, refresh_days=refresh_days)
            self._jobs.mark_enqueued_in(connection, job_id, None)
        return job_id

    def resolve(self, listed: Sequence[ListedPicture]) -> tuple[list[ListedPicture], set[str]]:
        """The pictures with the slugs of their titles, without those of unknown titles; and these titles."""
        named = {one.title for one in listed if one.title is not None}
        slugs = self._titles.resolve_slugs(sorted(named))
        known = [
            one if one.title is None else replace(one, title=slugs[one.title])
            for one in listed
            if one.title is None or one.title in slugs
        ]
        return known, named - set(slugs)

    # By itself

    def start_missing(self) -> uuid.UUID | None:
        """Where PICTURES_AUTO allows it: a job for the pictures of titles that nobody has fetched; None if none is."""
        if not self._settings.pictures_auto:
            return None
        with self._locks.try_hold(_AUTO_LOCK) as lock:
            if lock is None or self._jobs.list_open_of(KIND_DOWNLOAD):
                return None
            self._pictures.sync_titles()
            if not self._downloads.is_any_missing():
                return None
            params = {"source": "auto", "only_missing": True, "then_index": True}
            job_id = self._jobs.create(KIND_DOWNLOAD, params)
        self._hints.send(TASK_RUN_JOB, job_id=str(job_id))
        return job_id

    # Parts

    def _collect_urls(self, job: Job) -> Iterable[str]:
        params = job.params
        if "urls" in params:
            listed = [parse_listed(value, field=f"urls.{number}") for number, value in enumerate(params["urls"])]
            known, unknown = self.resolve(listed)
            if unknown:
                raise InvalidInputError("urls", f"unknown titles: {', '.join(sorted(unknown)[:10])}")
            self._pictures.add_free([_to_free(one) for one in known])
            return [one.url for one in known]
        slugs = self._resolve_titles(params["ids"]) if "ids" in params else None
        self._pictures.sync_titles(slugs)
        return self._downloads.list_title_urls(slugs, only_missing=bool(params.get("only_missing")))

    def _resolve_titles(self, ids: Sequence[str]) -> list[str]:
        found = self._titles.resolve_slugs(ids)
        if unknown := [identifier for identifier in ids if identifier not in found]:
            raise InvalidInputError("ids", f"unknown: {', '.join(unknown[:10])}")
        return sorted(set(found.values()))

    def _send(self, job_id: uuid.UUID, *, only_silent: bool = False) -> None:
        """A hint for each part with something to fetch. `only_silent`: in which nobody is at work."""
        whole = self._downloads.list_shards(job_id, of=1).get(_WHOLE)
        parts = 1 if whole is None or whole.claimable <= _SHORT else _SHARDS
        for shard, state in self._downloads.list_shards(job_id, of=parts).items():
            if state.claimable and not (only_silent and state.leased):
                self._hints.send(TASK_FETCH_DOWNLOADS, job_id=str(job_id), shard=str(shard))

    def _end(self, job_id: uuid.UUID) -> bool:
        """Close the job if nothing is open in it."""
        self._downloads.settle(job_id)
        is_over = not self._downloads.list_shards(job_id, of=1)
        if is_over:
            self._close(self._jobs.get(job_id))
        return is_over

    def _close(self, job: Job) -> None:
        progress = self._jobs.get_progress(job)
        dead = progress.dead_letters
        message = f"{dead} in the dead letters" if dead else None
        with self._database.begin() as connection:
            if not self._jobs.close_in(connection, job.id, JobState.COMPLETED, message=message):
                return
            following = self._follow(connection, job)
        outcomes = progress.downloads.outcomes if progress.downloads else {}
        _log.info(Event.JOB_FINISHED, job_id=str(job.id), dead_letters=dead, outcomes=outcomes)
        if following is not None:
            self._hints.send(TASK_RUN_JOB, job_id=str(following))

    def _follow(self, connection: Connection, job: Job) -> uuid.UUID | None:
        """The job that indexes what this one has brought. Stored with its end: not forgotten, and not made twice."""
        if not job.params.get("then_index"):
            return None
        return self._jobs.create_in(connection, KIND_PICTURES, {"after": str(job.id)})


def _to_free(one: ListedPicture) -> FreePicture:
    return FreePicture(name=one.id, url=one.url, slug=one.title, tags=one.tags, metadata=one.metadata, adult=one.adult)
