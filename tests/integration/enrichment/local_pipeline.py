"""Enrichment in the process of a test: hints are kept in a list, and done one after the other when the test says so."""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import text

from core.settings import Settings
from enrichment.building import Enrichment
from indexing.importing import Importer
from indexing.sources.files import RawRecord
from messaging.names import (
    TASK_ENRICH_LANE,
    TASK_ENRICH_MERGE,
    TASK_ENRICH_SCHEDULE,
    TASK_FINISH_JOB,
    TASK_RUN_JOB,
)
from storage.database.jobs import KIND_ENRICH, Job, JobProgress, JobRepository
from storage.database.session import Database
from storage.database.titles import TitleRepository


class KeptHints:
    """Stands for HintSender: what is sent waits in `sent`."""

    def __init__(self) -> None:
        self.sent: deque[tuple[str, dict[str, Any]]] = deque()

    def send(self, task: str, **kwargs: Any) -> bool:
        """Keep one hint; the same twice is kept once."""
        if (task, kwargs) not in self.sent:
            self.sent.append((task, kwargs))
        return True

    def queue_length(self, _queue: str) -> int:
        """Nothing waits anywhere else."""
        return 0


class LocalPipeline:
    """Everything that a worker has for enrichment, over a real database and a real Redis."""

    def __init__(
        self, database_url: str, redis_url: str, env: Mapping[str, str], *, workflow: Path | None = None
    ) -> None:
        values: dict[str, Any] = {name.lower(): value for name, value in env.items()}
        self.settings = Settings(
            _env_file=None,
            **{**values, "database_url": database_url, "redis_url": redis_url, "enrich_workflow": workflow},
        )
        self.database = Database(database_url)
        self.jobs = JobRepository(self.database)
        self.titles = TitleRepository(self.database)
        self.hints = KeptHints()
        self.enrichment = self.build()
        # Jobs of other kinds that were started.
        self.others: list[uuid.UUID] = []

    def build(self) -> Enrichment:
        """A worker of its own."""
        return Enrichment(self.settings, self.database, self.hints, owner=f"test:{uuid.uuid4().hex[:8]}")  # type: ignore[arg-type]

    def add(self, *documents: Mapping[str, Any]) -> None:
        """Import titles."""
        records = (RawRecord(number, value=dict(value)) for number, value in enumerate(documents, start=1))
        importer = Importer(self.database, self.titles, self.jobs)
        importer.run(self.jobs.create("import", {}), records)

    def start(self, **params: Any) -> uuid.UUID:
        """A job, and the hint to run it."""
        job_id = self.jobs.create(KIND_ENRICH, params)
        self.hints.send(TASK_RUN_JOB, job_id=str(job_id))
        return job_id

    def run(self, **params: Any) -> Job:
        """A job, and all work until nothing is to be done."""
        job_id = self.start(**params)
        self.drain()
        return self.jobs.get(job_id)

    def drain(self) -> None:
        """Do what was sent, and what is sent by that, until nothing is left."""
        while self.hints.sent:
            self.step()

    def step(self) -> tuple[str, Mapping[str, Any]]:
        """Do one thing that was sent; what it was."""
        task, arguments = self.hints.sent.popleft()
        self.do(task, arguments)
        return task, arguments

    def do(self, task: str, arguments: Mapping[str, Any]) -> None:
        """As the task of this name does."""
        enrichment = self.enrichment
        if task == TASK_RUN_JOB:
            self._run_job(uuid.UUID(arguments["job_id"]))
        elif task == TASK_FINISH_JOB:
            enrichment.jobs.finish(self.jobs.get(uuid.UUID(arguments["job_id"])))
        elif task == TASK_ENRICH_LANE:
            if enrichment.lanes.run(arguments["provider"]).has_more:
                self.hints.send(task, **arguments)
        elif task == TASK_ENRICH_MERGE:
            enrichment.merges.merge(**arguments)
        elif task == TASK_ENRICH_SCHEDULE:
            enrichment.schedules.start(arguments["name"])
        else:
            raise AssertionError(f"nobody does {task}")

    def progress(self, job: Job) -> JobProgress:
        """How far a job has got."""
        return self.jobs.get_progress(self.jobs.get(job.id))

    def list_parts(self, slug: str | None = None) -> dict[tuple[str, str], tuple[str, str | None]]:
        """(provider, stage) -> (state, reason); of one title, or of all: then the last title's."""
        query = text(
            "SELECT provider, stage, state, reason FROM enrich_parts "
            "WHERE CAST(:slug AS text) IS NULL OR slug = :slug ORDER BY slug, provider, stage"
        )
        with self.database.begin() as connection:
            rows = connection.execute(query, {"slug": slug}).all()
        return {(row.provider, row.stage): (row.state, row.reason) for row in rows}

    def execute(self, statement: str, **parameters: Any) -> int:
        """Change the database behind everybody's back; returns how many rows."""
        with self.database.begin() as connection:
            return connection.execute(text(statement), parameters).rowcount

    def query(self, statement: str, **parameters: Any) -> list[Any]:
        """Rows of the database."""
        with self.database.begin() as connection:
            return list(connection.execute(text(statement), parameters).all())

    def _run_job(self, job_id: uuid.UUID) -> None:
        """As JobService does, for jobs of our kind."""
        job = self.jobs.get(job_id)
        if job.kind != KIND_ENRICH:
            self.others.append(job_id)
            return
        if self.jobs.start(job_id):
            self.enrichment.jobs.run(job)
