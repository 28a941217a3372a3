"""Jobs of enrichment against the stand-in providers: parts, lanes, merges, what fails, and what follows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from core.errors import ConfigurationError, InvalidInputError
from storage.database.jobs import Job
from storage.database.models import JobState
from tests.integration.enrichment.local_pipeline import LocalPipeline
from tests.provider_stands import ProviderStands
from tests.provider_stands.workflows import write_workflow

# Limits and waits go by so much faster.
FACTOR = 2_000.0


@pytest.fixture
def stands() -> Iterator[ProviderStands]:
    """Providers in their good mood."""
    with ProviderStands(factor=FACTOR) as running:
        yield running


@pytest.fixture
def pipeline(
    new_database: Callable[[], str], redis_url: str, stands: ProviderStands, tmp_path: Path
) -> Iterator[LocalPipeline]:
    """A worker for Jikan, AniList and Kitsu over an empty database, and two titles that they know."""
    env = stands.build_env(["jikan", "anilist", "kitsu"])
    made = LocalPipeline(new_database(), redis_url, env, workflow=write_workflow(tmp_path, FACTOR))
    made.add(*[describe(stands, place) for place in (0, 1)])
    yield made
    made.database.close()


def describe(stands: ProviderStands, place: int) -> dict[str, Any]:
    """What a catalogue says of one of the stands' titles."""
    title = stands.titles[place]
    ids = {space: title.ids[space] for space in ("mal", "anilist", "kitsu")}
    return {"title": title.title, "external_ids": ids}


def test_a_title_is_enriched(pipeline: LocalPipeline) -> None:
    """All parts of a title are asked, it is merged, and an index job follows for it alone."""
    slug = pipeline.query("SELECT min(slug) FROM titles")[0][0]
    job = pipeline.run(ids=[slug])
    assert job.state is JobState.COMPLETED, job.message
    print(pipeline.list_parts(slug))
    print(pipeline.progress(job))
