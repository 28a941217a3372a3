"""What searches ask Postgres: whether jobs write, and an answer in time whatever Postgres does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest
from sqlalchemy import text

from core.errors import DependencyUnavailableError
from embedded.services import EmbeddedServices
from storage.database.jobs import JobRepository
from storage.database.models import JobState
from storage.database.session import Database


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A database without jobs."""
    opened = Database(database_url)
    with opened.begin() as connection:
        connection.execute(text("TRUNCATE jobs CASCADE"))
    yield opened
    opened.close()


def test_writes_go_on_for_a_lease_after_a_job_has_ended(database: Database) -> None:
    """However many newer jobs have ended, an open one writes, and so does one that ended within its workers' lease."""
    jobs = JobRepository(database)
    assert jobs.describe_writes(settle_s=60) == ("0 None", False)
    long_one = jobs.create("index", {})
    for _ in range(5):
        jobs.close(jobs.create("index", {}), JobState.COMPLETED)
    during, is_writing = jobs.describe_writes(settle_s=0)
    assert is_writing
    jobs.cancel(long_one)
    after, is_writing = jobs.describe_writes(settle_s=60)
    assert is_writing and after != during
    assert jobs.describe_writes(settle_s=0) == (after, False)


@contextmanager
def suspend(pid: int | None) -> Iterator[None]:
    """Stop a process and its children, as a machine that hangs would, and let them go on at the end."""
    parent = psutil.Process(pid)
    family = [parent, *parent.children(recursive=True)]
    for process in family:
        process.suspend()
    try:
        yield
    finally:
        for process in family:
            process.resume()


def test_a_hanging_postgres_is_named(database_url: str, fresh_services: EmbeddedServices) -> None:
    """A statement, the check of a pooled connection and a new one all end by themselves; then the Database goes on."""
    database = Database(database_url, pool_size=1, connect_timeout_s=2, answer_timeout_s=0.5)
    database.ping()
    with (
        pytest.raises(DependencyUnavailableError, match="postgres"),
        database.begin() as connection,
        suspend(fresh_services.pids["postgres"]),
    ):
        connection.execute(text("SELECT 1"))
    database.ping()
    with suspend(fresh_services.pids["postgres"]):
        for _ in range(3):
            with pytest.raises(DependencyUnavailableError, match="postgres"):
                database.ping()
    database.ping()
    database.close()


def test_a_slow_statement_is_ended_by_the_server(database_url: str) -> None:
    """Options of the address stay in force beside the limit."""
    database = Database(f"{database_url}?options=-c%20geqo%3Doff", answer_timeout_s=0.2)
    with pytest.raises(DependencyUnavailableError, match="statement timeout"), database.begin() as connection:
        connection.execute(text("SELECT pg_sleep(30)"))
    with database.begin() as connection:
        assert connection.execute(text("SHOW geqo")).scalar_one() == "off"
    database.close()
