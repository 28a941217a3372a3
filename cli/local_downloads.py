"""Downloads in the process of the command: for a machine without workers, or for more of them."""

from __future__ import annotations

import os
import socket
import threading
import uuid
from typing import Any, cast

from rich.console import Console

from cli.job_progress import follow_job
from cli.services import CommandServices
from indexing.downloads.building import build_download_jobs, build_download_service
from indexing.downloads.jobs import KIND_DOWNLOAD
from messaging.hints import HintSender
from messaging.names import TASK_FETCH_DOWNLOADS
from storage.database.downloads import Shard
from storage.database.models import JobState

_SOURCE = "here"
_POLL_S = 0.5


class _OwnHints:
    """Sends what is meant for others, and keeps the parts of the job for this process."""

    def __init__(self, hints: HintSender) -> None:
        self._hints = hints

    def send(self, task: str, **kwargs: Any) -> bool:
        """As HintSender does, but for parts of downloads."""
        return task == TASK_FETCH_DOWNLOADS or self._hints.send(task, **kwargs)

    def queue_length(self, _queue: str) -> int:
        """Never empty: nobody is to be woken."""
        return 1


class LocalDownloads:
    """Works on jobs in this process. Killed, it is carried on by the workers, or by the next command of this kind."""

    def __init__(self, services: CommandServices) -> None:
        self._job_repository = services.job_repository
        hints = cast(HintSender, _OwnHints(services.hints))
        self.jobs = build_download_jobs(services.settings, services.database, hints)
        owner = f"{socket.gethostname()}:{os.getpid()}:here"
        self._service = build_download_service(services.settings, services.database, owner=owner)
        self._failure: BaseException | None = None

    @staticmethod
    def mark(params: dict[str, Any]) -> dict[str, Any]:
        """The params of a job of this process."""
        return {**params, "source": _SOURCE}

    def start(self, params: dict[str, Any]) -> uuid.UUID:
        """A job for titles: the one that an earlier command of the same words left open, or a new one."""
        marked = self.mark(params)
        for job in self._job_repository.list_open_of(KIND_DOWNLOAD):
            if job.params == marked:
                return job.id
        return self._job_repository.create(KIND_DOWNLOAD, marked)

    def work(self, job_id: uuid.UUID, *, console: Console) -> None:
        """Fetch until the job is over, with bars. Interrupted, it records what it has and cancels the job."""
        worker = threading.Thread(target=self._fetch_safely, args=(job_id,), name="downloads")
        worker.start()
        try:
            follow_job(
                self._job_repository, job_id, console=console, is_over=lambda: not worker.is_alive(), goes_on=False
            )
        except BaseException:
            self._service.stop()
            worker.join()
            self._job_repository.close(job_id, JobState.CANCELLED, message="interrupted: what was fetched is known")
            raise
        worker.join()
        if self._failure is not None:
            raise self._failure
        self._finish_others(job_id)

    def _fetch_safely(self, job_id: uuid.UUID) -> None:
        try:
            self._fetch(job_id)
        except BaseException as error:
            self._failure = error

    def _fetch(self, job_id: uuid.UUID) -> None:
        if not self._job_repository.start(job_id):
            return
        self.jobs.run(self._job_repository.get(job_id))
        pause = threading.Event()
        while not self.jobs.finish(self._job_repository.get(job_id)):
            report = self._service.fetch_shard(job_id, Shard())
            if self._service.is_stopping:
                return
            if not report.outcomes:
                # What is left is put off, or somebody else's.
                pause.wait(_POLL_S)

    def _finish_others(self, job_id: uuid.UUID) -> None:
        """Jobs that a killed command has left behind may be over by what this one has fetched."""
        for job in self._job_repository.list_open_of(KIND_DOWNLOAD):
            if job.id != job_id and job.params.get("source") == _SOURCE:
                self.jobs.finish(job)
