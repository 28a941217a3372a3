"""What a person says reaches document and index by its own job, and asks no provider."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from messaging.names import TASK_RUN_JOB
from storage.database.bases import BaseRepository
from storage.database.models import JobState
from tests.integration.enrichment.local_pipeline import LocalPipeline

SLUG = "cowboy-bebop"
NOBODY = {"anilist_base_url": "none", "kitsu_base_url": "none", "animeschedule_base_url": "none"}


@pytest.fixture
def pipeline(database_url: str, redis_url: str) -> Iterator[LocalPipeline]:
    """One title, and no provider that could be asked."""
    made = LocalPipeline(database_url, redis_url, NOBODY)
    with made.database.begin() as connection:
        connection.execute(text("TRUNCATE titles, jobs CASCADE"))
    made.add({"title": "Cowboy Bebop", "episodes": 25, "external_ids": {"mal": 1}})
    yield made
    made.database.close()


def _work(pipeline: LocalPipeline, job_id: uuid.UUID | None) -> None:
    assert job_id is not None
    pipeline.hints.send(TASK_RUN_JOB, job_id=str(job_id))
    pipeline.drain()
    job = pipeline.jobs.get(job_id)
    assert job.state is JobState.COMPLETED, job.message


def test_an_override_is_merged_and_indexed_by_its_job(pipeline: LocalPipeline) -> None:
    """Its job ends by itself, the document says it, and an index job follows; so when it is taken back."""
    bases = BaseRepository(pipeline.database)
    _work(pipeline, bases.set_override(SLUG, "episodes", 26, by="editor").job_id)
    assert pipeline.titles.load([SLUG])[SLUG].document["episodes"] == 26
    assert len(pipeline.query("SELECT 1 FROM jobs WHERE kind = 'index'")) == 1
    _work(pipeline, bases.remove_override(SLUG, "episodes").job_id)
    assert pipeline.titles.load([SLUG])[SLUG].document["episodes"] == 25
    assert len(pipeline.query("SELECT 1 FROM jobs WHERE kind = 'index'")) == 2
    assert pipeline.query("SELECT 1 FROM enrich_parts") == []


def test_an_override_that_changes_nothing_writes_no_document(pipeline: LocalPipeline) -> None:
    """It says what the document says already: kept, explained as a person's, and the title has no new version."""
    change = BaseRepository(pipeline.database).set_override(SLUG, "episodes", 25, by="editor")
    before = pipeline.query("SELECT version, content_hash FROM titles")
    _work(pipeline, change.job_id)
    assert pipeline.query("SELECT version, content_hash FROM titles") == before
    (row,) = pipeline.query("SELECT fields -> 'episodes' ->> 'method' AS method FROM provenance")
    assert row.method == "override"
