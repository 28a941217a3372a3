"""(a) Titles a second through the whole pipeline, against the bare encoder on the same passages.

The baseline is the library's default call on all passages in the order given, in a process of its own, after the
pipeline has stopped. It writes nothing; the pipeline claims, encodes, writes to Qdrant and records in Postgres.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from core.document import AnimeDocument
from core.settings import Settings
from embedded.plan import StackOptions
from embedded.supervisor import Supervisor
from indexing.generations import GenerationService, NoGenerationError
from indexing.importing import Importer
from indexing.jobs import JobService
from indexing.passages import build_passages
from indexing.sources.files import RawRecord, read_records
from indexing.sources.records import parse_record
from messaging.app import create_celery
from messaging.hints import HintSender
from storage.database.generations import GenerationRepository
from storage.database.jobs import Job, JobRepository
from storage.database.ledger import LedgerRepository
from storage.database.session import Database
from storage.database.stages import StageRepository
from storage.database.titles import TitleRepository
from storage.vectors.store import VectorStore

_POLL_S = 0.2
_PROCESSES = ("worker-embed", "worker-network", "beat")


class PipelineUnderTest:
    """The embedded servers with the processes that the bulk path needs, and the services to drive them."""

    def __init__(self, home: Path) -> None:
        options = StackOptions(
            home=home,
            processes=_PROCESSES,
            env={"LOG_FORMAT": "json", "VECTOR_SERVICE_PORT": "0", "FLOWER_PORT": "0"},
        )
        self._home = home
        self._stack = Supervisor(options)

    def __enter__(self) -> PipelineUnderTest:
        self._stack.__enter__()
        try:
            self._connect()
        except BaseException:
            self._stack.close()
            raise
        return self

    def _connect(self) -> None:
        for name in _PROCESSES:
            self._stack.wait_until_running(name, limit_s=120)
        self.settings = Settings.model_validate({name.lower(): value for name, value in self._stack.env.items()})
        self.database = Database(self.settings.database_url.get_secret_value())
        self.store = VectorStore(self.settings, timeout_s=60)
        self.repository = JobRepository(self.database)
        self.ledger = LedgerRepository(self.database)
        titles, stages = TitleRepository(self.database), StageRepository(self.database)
        self.generations = GenerationService(
            GenerationRepository(self.database), self.store, alias=self.settings.qdrant_collection_name
        )
        self.jobs = JobService(
            settings=self.settings,
            jobs=self.repository,
            stages=stages,
            titles=titles,
            ledger=self.ledger,
            generations=self.generations,
            store=self.store,
            importer=Importer(self.database, titles, self.repository),
            hints=HintSender(create_celery(self.settings)),
        )
        self._wait_for_worker()

    def __exit__(self, *_: object) -> None:
        self.database.close()
        self._stack.close()

    def run_job(self, records: Iterator[RawRecord]) -> dict[str, Any]:
        """Import and index; returns seconds by part and what was done."""
        job_id = self.repository.create("import", {"source": "cli"})
        started = time.monotonic()
        summary = self.jobs.import_records(job_id, records, on_progress=lambda _: None)
        imported = time.monotonic()
        titles = self.jobs.enqueue(job_id)
        job = self._wait_for_end(job_id)
        ended = time.monotonic()
        return {
            "state": job.state.value,
            "message": job.message,
            "import": summary.counts(),
            "import_s": round(imported - started, 2),
            "embedded_titles": titles,
            "embed_s": round(ended - imported, 2),
            "titles_per_s": round(titles / (ended - imported), 1),
            **self._count_passages(job_id),
        }

    def _wait_for_worker(self) -> None:
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline:
            try:
                self.generations.get_target()
            except NoGenerationError:
                time.sleep(_POLL_S)
            else:
                return
        raise TimeoutError("the embedding worker did not come up")

    def _wait_for_end(self, job_id: uuid.UUID) -> Job:
        while not (job := self.repository.get(job_id)).is_closed:
            time.sleep(_POLL_S)
        return job

    def _count_passages(self, job_id: uuid.UUID) -> dict[str, int]:
        """Summed over the worker's log of this job: a chunk says how many texts it had and how many it encoded."""
        counts = {"passages": 0, "encoded": 0}
        for line in (self._home / "logs" / "worker-embed.log").read_text(errors="replace").splitlines():
            start = line.find("{")
            if start < 0 or '"chunk_embedded"' not in line or str(job_id) not in line:
                continue
            event = json.loads(line[start:])
            for name in counts:
                counts[name] += event[name]
        return counts


def run(*, catalogue: Path, titles: int) -> dict[str, Any]:
    """Benchmark (a) on the first `titles` records of a catalogue."""
    records = list(islice(read_records(catalogue), titles))
    with tempfile.TemporaryDirectory(prefix="avs-bench-") as home, PipelineUnderTest(Path(home)) as pipeline:
        measured = pipeline.run_job(iter(records))
    bare = _run_bare_encoder(records)
    ratio = measured["titles_per_s"] / (len(records) / bare["seconds"])
    return {"pipeline": measured, "bare_encoder": bare, "ratio_titles_per_s": round(ratio, 2), "aim": 1.5}


def _run_bare_encoder(records: list[RawRecord]) -> dict[str, Any]:
    passages = [
        text
        for record in records
        if isinstance(document := parse_record(record), AnimeDocument)
        for texts in build_passages(document.to_json()).values()
        for text in texts
    ]
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(passages, file)
        file.flush()
        command = [sys.executable, "-m", "benchmarks.bare_encoder", file.name]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    result: dict[str, Any] = json.loads(output.splitlines()[-1])
    return result
