"""What searches ask Postgres: whether jobs write, and an answer in time whatever Postgres does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import text

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
