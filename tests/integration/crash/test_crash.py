"""Nothing is lost: a job outlives the death of every kind of process, an emptied Redis and a killed Qdrant."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import requests
from qdrant_client import QdrantClient
from sqlalchemy import create_engine, text

from core.errors import DependencyUnavailableError
from core.identity import point_id
from core.settings import Settings
from embedded.plan import StackOptions
from embedded.supervisor import Supervisor
from indexing.importing import Importer
from indexing.sources.files import RawRecord
from storage.database.jobs import Job, JobRepository
from storage.database.models import JobState
from storage.database.session import Database
from storage.database.titles import TitleRepository

SAMPLE = Path(__file__).parents[3] / "data" / "sample-catalogue.jsonl"
COPIES = 5
LIMIT_S = 280.0
# Short leases and a quick reconciler: the mechanism is the same, the test need not wait for minutes.
ENV = {
    "LEASE_S": "8",
    "RECONCILE_EVERY_S": "2",
    "CHUNK_SIZE": "48",
    "LOG_FORMAT": "json",
    "VECTOR_SERVICE_PORT": "0",
    "FLOWER_PORT": "0",
}
# In the order in which they die, about a second apart.
PROCESSES = ("worker-embed", "web", "worker-network", "worker-query", "postgres", "beat")


@pytest.fixture(scope="module")
def stack(new_home: Callable[[], Path]) -> Iterator[Supervisor]:
    """The whole stack with the real small encoder."""
    with Supervisor(StackOptions(home=new_home(), env=ENV)) as running:
        running.wait_until_ready(limit_s=180)
        yield running


def _build_records() -> list[RawRecord]:
    """The sample several times over; each copy is another title to the pipeline, with passages of its own."""
    lines = [orjson.loads(line) for line in SAMPLE.read_bytes().splitlines()]
    records = []
    for copy in range(COPIES):
        for document in lines:
            name = f"{document['title']} {copy}" if copy else document["title"]
            synopsis = f"{document['synopsis']} Retelling number {copy}."
            changed = {**document, "title": name, "synopsis": synopsis}
            if copy:
                changed["external_ids"] = {}
            records.append(RawRecord(len(records) + 1, value=changed))
    return records


def _start_job(stack: Supervisor, database: Database, count: int) -> uuid.UUID:
    records = _build_records()
    assert len(records) == count
    jobs = JobRepository(database)
    loading = jobs.create("import", {"source": "cli"})
    jobs.start(loading)
    Importer(database, TitleRepository(database), jobs).run(loading, records)
    jobs.close(loading, JobState.COMPLETED)
    api = stack.snapshot().services["web"].address
    answer = requests.post(f"{api}/api/v1/jobs", json={"kind": "index"}, timeout=10)
    assert answer.status_code in (200, 201, 202), answer.text
    return uuid.UUID(answer.json()["id"])


def _wait_for_end(database: Database, job_id: uuid.UUID) -> Job:
    jobs = JobRepository(database)
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        try:
            job = jobs.get(job_id)
        except DependencyUnavailableError:
            time.sleep(0.5)
            continue
        if job.is_closed:
            return job
        time.sleep(0.5)
    pytest.fail(f"the job did not end: {jobs.get_progress(jobs.get(job_id))}")


@pytest.mark.timeout(600)
def test_a_job_survives_the_death_of_everything(stack: Supervisor) -> None:
    """Each process is killed, Redis is emptied and Qdrant is killed; every title is in the index exactly once."""
    count = COPIES * len(SAMPLE.read_bytes().splitlines())
    settings = Settings(**{name.lower(): value for name, value in stack.env.items()})  # type: ignore[arg-type]
    database = Database(settings.database_url.get_secret_value())
    job_id = _start_job(stack, database, count)

    for name in PROCESSES:
        time.sleep(1.0)
        stack.kill(name)
    stack.restart("redis-broker", wipe=True)
    time.sleep(2.0)
    stack.kill("qdrant")
    time.sleep(2.0)
    stack.kill("worker-embed")

    job = _wait_for_end(database, job_id)
    assert (job.state, job.message) == (JobState.COMPLETED, None)
    _check_index(settings, count)
    _check_rows(settings, job_id, count)
    stack.wait_until_ready(limit_s=120)
    _check_search(stack)


@pytest.mark.timeout(600)
def test_a_reindex_survives_the_death_of_everything(stack: Supervisor) -> None:
    """Killed while it copies, with Postgres and Qdrant after it, a reindex ends with every title in the new index."""
    count = COPIES * len(SAMPLE.read_bytes().splitlines())
    settings = Settings(**{name.lower(): value for name, value in stack.env.items()})  # type: ignore[arg-type]
    database = Database(settings.database_url.get_secret_value())
    api = stack.snapshot().services["web"].address
    before = _get_live(settings)
    job_id = uuid.UUID(requests.post(f"{api}/api/v1/admin/reindex", json={}, timeout=10).json()["id"])
    _wait_for_copies(database, job_id)
    stack.kill("worker-network")
    time.sleep(4.0)
    for name in ("postgres", "worker-network", "qdrant", "worker-embed"):
        stack.kill(name)
        time.sleep(2.0)
    job = _wait_for_end(database, job_id)
    assert job.state is JobState.COMPLETED, job.message
    assert _get_live(settings) == job.collection != before
    _check_index(settings, count)
    stack.wait_until_ready(limit_s=120)
    _check_search(stack)
    back = requests.post(f"{api}/api/v1/admin/rollback", json={}, timeout=30)
    assert back.json()["collection"] == before
    _check_search(stack)


def _get_live(settings: Settings) -> str:
    aliases = QdrantClient(url=settings.qdrant_url, timeout=60).get_aliases().aliases
    return next(one.collection_name for one in aliases if one.alias_name == settings.qdrant_collection_name)


def _wait_for_copies(database: Database, job_id: uuid.UUID) -> None:
    """Until a part of the titles has been copied."""
    deadline = time.monotonic() + 60
    statement = text(
        "SELECT count(*) FROM embedding_ledger l JOIN jobs j ON j.collection = l.collection WHERE j.id = :id"
    )
    while True:
        with database.begin() as connection:
            if connection.execute(statement, {"id": job_id}).scalar_one() > 0:
                return
        assert time.monotonic() < deadline, "nothing was copied"
        time.sleep(0.05)


def _check_index(settings: Settings, count: int) -> None:
    client = QdrantClient(url=settings.qdrant_url, timeout=60)
    engine = create_engine(settings.database_url.get_secret_value())
    with engine.begin() as connection:
        slugs = connection.execute(text("SELECT slug FROM titles")).scalars().all()
    found: Counter[str] = Counter()
    offset: Any = None
    while True:
        page, offset = client.scroll(
            settings.qdrant_collection_name,
            limit=500,
            offset=offset,
            with_payload=["id"],
            with_vectors=["title_vector"],
        )
        for record in page:
            assert record.payload is not None
            assert record.id == point_id(record.payload["id"])
            assert isinstance(record.vector, dict)
            assert "title_vector" in record.vector
            found[record.payload["id"]] += 1
        if offset is None:
            break
    assert len(slugs) == count
    assert found == Counter(slugs)


def _check_rows(settings: Settings, job_id: uuid.UUID, count: int) -> None:
    engine = create_engine(settings.database_url.get_secret_value())
    with engine.begin() as connection:
        states = connection.execute(
            text("SELECT stage, state, count(*) FROM stage_rows WHERE job_id = :job GROUP BY 1, 2"), {"job": job_id}
        ).all()
        ledger = connection.execute(text("SELECT count(*) FROM embedding_ledger")).scalar_one()
        dead = connection.execute(text("SELECT count(*) FROM dead_letters")).scalar_one()
    assert {(row.stage, row.state): row.count for row in states} == {
        ("enrich", "skipped"): count,
        ("download", "skipped"): count,
        ("embed", "done"): count,
        ("index", "done"): count,
    }
    assert (ledger, dead) == (count, 0)


def _check_search(stack: Supervisor) -> None:
    api = stack.snapshot().services["web"].address
    query = "a notebook that kills whoever's name is written in it"
    answer = requests.post(f"{api}/api/v1/search", json={"query": query, "limit": 20}, timeout=30)
    assert answer.status_code == 200, answer.text
    assert any("Death Note" in result["payload"]["title"] for result in answer.json()["results"])
