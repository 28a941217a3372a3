"""Links that change under jobs: what a person says brings data, what was wrong leaves no trace, no answer is lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from messaging.names import TASK_RUN_JOB
from storage.database.enrichment_models import LinkState
from storage.database.links import LinkRepository, StoredLink
from tests.integration.enrichment.pipeline import TrialPipeline
from tests.provider_stands import ProviderStands
from tests.provider_stands.workflows import write_workflow

FACTOR = 2_000.0
# A name that is like none of the stands' titles.
SLUG, NAME = "qwertz-uiop", "Qwertz Uiop"
STAGES = 6


@pytest.fixture(scope="module")
def stands() -> Iterator[ProviderStands]:
    """The providers."""
    with ProviderStands(factor=FACTOR) as running:
        yield running


@pytest.fixture
def pipeline(database_url: str, redis_url: str, stands: ProviderStands, tmp_path: Path) -> Iterator[TrialPipeline]:
    """A worker for Jikan and AniList over one title that no search finds."""
    redis.Redis.from_url(redis_url).flushdb()
    workflow = write_workflow(tmp_path, FACTOR)
    made = TrialPipeline(database_url, redis_url, stands.build_env(["jikan", "anilist"]), workflow=workflow)
    made.execute("TRUNCATE titles, jobs, provider_answers, provider_counts CASCADE")
    made.add({"title": NAME})
    yield made
    made.close()


def guess(pipeline: TrialPipeline, provider: str, external_id: object) -> None:
    """Link the title by its names."""
    values = {"slug": SLUG, "provider": provider, "method": "titles", "probability": 0.99}
    found = StoredLink(state=LinkState.LINKED, external_id=str(external_id), **values)  # type: ignore[arg-type]
    LinkRepository(pipeline.database).store(found)


def decide(pipeline: TrialPipeline, provider: str, external_id: object | None) -> None:
    """A person's word, and the job that it starts."""
    named = None if external_id is None else str(external_id)
    links = LinkRepository(pipeline.database)
    _, job_id = links.decide(SLUG, provider, external_id=named, by="ann", then_ask=True)
    pipeline.hints.send(TASK_RUN_JOB, job_id=str(job_id))
    pipeline.drain()


def list_states(pipeline: TrialPipeline, provider: str) -> list[str]:
    """States of its parts."""
    return [state for (name, _), (state, _) in pipeline.list_parts(SLUG).items() if name == provider]


def get_document(pipeline: TrialPipeline) -> Any:
    """The title as it is."""
    return pipeline.load_documents()[SLUG]


def test_a_link_by_a_person_brings_the_providers_word(pipeline: TrialPipeline, stands: ProviderStands) -> None:
    """A title that was not found is asked about as soon as a person says where it is, by the job that follows."""
    pipeline.run(ids=[SLUG], then_index=False)
    assert list_states(pipeline, "jikan") == ["absent"] * STAGES
    title = stands.titles[50]
    decide(pipeline, "jikan", title.ids["mal"])
    assert "done" in list_states(pipeline, "jikan") and "failed" not in list_states(pipeline, "jikan")
    assert get_document(pipeline)["external_ids"]["mal"] == int(title.ids["mal"])
    assert get_document(pipeline)["synopsis"]


def test_a_wrong_link_leaves_nothing_behind(pipeline: TrialPipeline, stands: ProviderStands) -> None:
    """AniList was guessed, and said where the title is at Jikan: refused, the title is what the catalogue gave, and the
    next job does not find it at Jikan again.
    """
    before = get_document(pipeline)
    title = stands.titles[50]
    guess(pipeline, "anilist", title.ids["anilist"])
    pipeline.run(ids=[SLUG], providers=["anilist"], then_index=False)
    pipeline.run(ids=[SLUG], providers=["jikan"], then_index=False)
    assert get_document(pipeline)["external_ids"]["mal"] == int(title.ids["mal"])
    assert LinkRepository(pipeline.database).get(SLUG, "jikan")
    decide(pipeline, "anilist", None)
    pipeline.run(ids=[SLUG], then_index=False)
    assert pipeline.query("SELECT slug FROM claims") == []
    assert get_document(pipeline) == before
    link = LinkRepository(pipeline.database).get(SLUG, "jikan")
    assert link is not None and link.state is LinkState.NONE
    assert pipeline.query("SELECT external_id FROM title_ids WHERE provider <> 'local'") == []


def test_a_lane_that_meets_the_catalogues_other_id_goes_on(pipeline: TrialPipeline, stands: ProviderStands) -> None:
    """The guess is dropped by the lane that is asking just then: its answers by the new id are kept, none is lost."""
    wrong, right = stands.titles[60], stands.titles[50]
    guess(pipeline, "jikan", wrong.ids["mal"])
    pipeline.run(ids=[SLUG], providers=["jikan"], then_index=False)
    pipeline.execute(
        "UPDATE titles SET base = jsonb_set(base, '{external_ids}', CAST(:ids AS jsonb)) WHERE slug = :slug",
        slug=SLUG,
        ids=json.dumps({"mal": int(right.ids["mal"])}),
    )
    pipeline.run(ids=[SLUG], providers=["jikan"], stages=["metadata"], refresh=True, then_index=False)
    parts = pipeline.list_parts(SLUG)
    assert parts["jikan", "metadata"] == ("done", None)
    assert parts["jikan", "staff"] == ("failed", "link-changed")
    assert [row.stage for row in pipeline.query("SELECT stage FROM claims")] == ["metadata"]
    pipeline.run(ids=[SLUG], providers=["jikan"], then_index=False)
    assert "failed" not in list_states(pipeline, "jikan")
    assert get_document(pipeline)["external_ids"]["mal"] == int(right.ids["mal"])


def test_an_import_that_names_the_id_is_merged_and_asked(pipeline: TrialPipeline, stands: ProviderStands) -> None:
    """What came by the guess is gone with the job that the import stores; the next one asks by the catalogue's id."""
    wrong, right = stands.titles[60], stands.titles[50]
    pipeline.add({"title": NAME, "external_ids": {"anilist": 999_999}})
    slug = pipeline.query("SELECT slug FROM title_ids WHERE provider = 'anilist'")[0].slug
    guessed = StoredLink(
        slug=slug,
        provider="jikan",
        state=LinkState.LINKED,
        external_id=str(wrong.ids["mal"]),
        method="titles",
        probability=0.99,
    )
    LinkRepository(pipeline.database).store(guessed)
    pipeline.run(ids=[slug], providers=["jikan"], then_index=False)
    pipeline.add({"title": NAME, "external_ids": {"anilist": 999_999, "mal": int(right.ids["mal"])}})
    (job,) = pipeline.query("SELECT id FROM jobs WHERE params ->> 'reason' = 'catalogue''s ids'")
    pipeline.hints.send(TASK_RUN_JOB, job_id=str(job.id))
    pipeline.drain()
    assert "synopsis" not in pipeline.load_documents()[slug]
    pipeline.run(ids=[slug], providers=["jikan"], then_index=False)
    document = pipeline.load_documents()[slug]
    assert document["synopsis"] and document["external_ids"]["mal"] == int(right.ids["mal"])
