"""Jobs of the past on a real Postgres: which go, which stay, and what becomes of their rows."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import text

from core.errors import NotFoundError
from storage.database.job_pruning import JobPruner
from storage.database.jobs import JobRepository
from storage.database.models import JobState
from storage.database.session import Database


@pytest.fixture(scope="module")
def url(new_database: Callable[[], str]) -> str:
    """A database of the tests' own."""
    return new_database()


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """The same, without jobs and titles."""
    opened = Database(url)
    with opened.begin() as connection:
        connection.execute(text("TRUNCATE jobs, titles, generations, snapshots CASCADE"))
    yield opened
    opened.close()


def execute(database: Database, statement: str, **parameters: object) -> list[object]:
    """The first column of what a statement returns."""
    with database.begin() as connection:
        result = connection.execute(text(statement), parameters)
        return [row[0] for row in result] if result.returns_rows else []


def end_job(
    database: Database, *, days_ago: float, state: JobState = JobState.COMPLETED, collection: str | None = None
) -> uuid.UUID:
    """A job that ended so many days ago."""
    jobs = JobRepository(database)
    job_id = jobs.create("index", {})
    jobs.close(job_id, state)
    execute(
        database,
        "UPDATE jobs SET finished_at = now() - make_interval(secs => :secs), collection = :collection WHERE id = :id",
        secs=days_ago * 86_400,
        collection=collection,
        id=job_id,
    )
    return job_id


def list_jobs(database: Database) -> set[object]:
    """The ids of the jobs that are there."""
    return set(execute(database, "SELECT id FROM jobs"))


def add_rows(database: Database, job_id: uuid.UUID, count: int) -> None:
    """Rows of so many titles for the job, and the titles."""
    execute(
        database,
        "INSERT INTO titles (slug, document, content_hash) "
        "SELECT 't' || n, '{}', '' FROM generate_series(1, :count) n ON CONFLICT DO NOTHING",
        count=count,
    )
    execute(
        database,
        "INSERT INTO stage_rows (job_id, stage, slug, state) "
        "SELECT :id, s, 't' || n, 'done' FROM generate_series(1, :count) n, unnest(ARRAY['embed', 'index']) s",
        id=job_id,
        count=count,
    )


def bury(database: Database, job_id: uuid.UUID, *, days_ago: float, is_resolved: bool = False) -> None:
    """The job gave something up."""
    execute(
        database,
        "INSERT INTO dead_letters (job_id, stage, reason, created_at, resolved_at) VALUES (:id, 'import', 'bad', "
        "now() - make_interval(secs => :secs), CASE WHEN :resolved THEN now() END)",
        id=job_id,
        secs=days_ago * 86_400,
        resolved=is_resolved,
    )


def test_jobs_that_ended_long_ago_go_with_their_rows(database: Database) -> None:
    """However they ended; younger and open ones stay, and so do titles and other jobs' rows."""
    old = [end_job(database, days_ago=31, state=state) for state in (JobState.COMPLETED, JobState.FAILED)]
    old.append(end_job(database, days_ago=400, state=JobState.CANCELLED))
    young = end_job(database, days_ago=29)
    opened = JobRepository(database).create("index", {})
    execute(database, "UPDATE jobs SET created_at = now() - interval '1 year' WHERE id = :id", id=opened)
    for job_id in (*old, young):
        add_rows(database, job_id, 7)
    assert JobPruner(database, kept_days=30).prune(rows_a_step=3) == 3
    assert list_jobs(database) == {young, opened}
    assert execute(database, "SELECT DISTINCT job_id FROM stage_rows") == [young]
    assert execute(database, "SELECT count(*) FROM stage_rows") == [14]
    assert execute(database, "SELECT count(*) FROM titles") == [7]
    assert JobPruner(database, kept_days=30).prune() == 0


def test_one_run_takes_the_oldest_and_the_next_goes_on(database: Database) -> None:
    """A run is bounded by a number of jobs."""
    newer, older = end_job(database, days_ago=40), end_job(database, days_ago=50)
    pruner = JobPruner(database, kept_days=30)
    assert pruner.prune(most=1) == 1
    assert list_jobs(database) == {newer}
    assert older not in list_jobs(database)
    assert pruner.prune(most=1) == 1


def test_what_was_given_up_and_not_settled_keeps_its_job_longer(database: Database) -> None:
    """Ninety days for letters that nobody has retried; settled ones keep nothing."""
    waiting, forgotten, settled = (end_job(database, days_ago=100) for _ in range(3))
    bury(database, waiting, days_ago=80)
    bury(database, forgotten, days_ago=95)
    bury(database, settled, days_ago=80, is_resolved=True)
    assert JobPruner(database, kept_days=30).prune() == 2
    assert list_jobs(database) == {waiting}
    assert execute(database, "SELECT job_id FROM dead_letters") == [waiting]


def test_jobs_that_others_need_stay(database: Database) -> None:
    """A generation's, a snapshot's, that of titles which an open job is about, one that fills what is being built."""
    execute(
        database,
        "INSERT INTO model_versions (fingerprint, kind, encoder, revision, dimension, template_version) "
        "VALUES ('f', 'text', 'e', 'r', 8, 1) ON CONFLICT DO NOTHING",
    )
    owner, saved, imported, filling, live = (
        end_job(database, days_ago=99, collection=collection) for collection in (None, None, None, "new", "old")
    )
    add = (
        "INSERT INTO generations (collection, alias, state, recipes_fingerprint, text_fingerprint, "
        "lexical_fingerprint, metadata_fingerprint, job_id) VALUES (:name, 'a', :state, 'f', 'f', 'f', 'f', :id)"
    )
    execute(database, add, name="mine", state="retired", id=owner)
    execute(database, add, name="new", state="building", id=None)
    execute(database, add, name="old", state="live", id=None)
    execute(
        database,
        "INSERT INTO snapshots (id, collection, job_id) VALUES (:own, 'old', :id)",
        own=uuid.uuid4(),
        id=saved,
    )
    later = JobRepository(database).create("enrich", {"imported_by": str(imported)})
    assert JobPruner(database, kept_days=30).prune() == 1
    assert list_jobs(database) == {owner, saved, imported, filling, later}
    assert live not in list_jobs(database)


def test_a_job_that_is_retried_meanwhile_stays(database: Database) -> None:
    """Who deletes passes over a job that is being revived, and who revives one that is gone is told."""
    job_id = end_job(database, days_ago=99)
    add_rows(database, job_id, 2)
    with database.begin() as connection:
        connection.execute(text("SELECT 1 FROM jobs WHERE id = :id FOR UPDATE"), {"id": job_id})
        found: list[int] = []
        pruning = threading.Thread(target=lambda: found.append(JobPruner(database, kept_days=30).prune()))
        pruning.start()
        pruning.join()
    assert found == [0]
    JobRepository(database).retry(job_id)
    assert JobPruner(database, kept_days=30).prune() == 0
    assert execute(database, "SELECT count(*) FROM stage_rows") == [4]
    JobRepository(database).close(job_id, JobState.COMPLETED)
    execute(database, "UPDATE jobs SET finished_at = now() - interval '99 d'")
    assert JobPruner(database, kept_days=30).prune() == 1
    with pytest.raises(NotFoundError):
        JobRepository(database).retry(job_id)
