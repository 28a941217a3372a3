"""What is known and not merged: every job brings it into its titles, and so does the schedule."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from enrichment.titles.merger import TitleMerger
from storage.database.bases import BaseRepository
from storage.database.id_mappings import IdMappingRepository
from storage.database.links import LinkRepository
from tests.integration.enrichment.pipeline import TrialPipeline
from tests.provider_stands import ProviderStands
from tests.provider_stands.workflows import write_workflow

FACTOR = 2_000.0


@pytest.fixture(scope="module")
def stands() -> Iterator[ProviderStands]:
    """The providers."""
    with ProviderStands(factor=FACTOR) as running:
        yield running


@pytest.fixture
def pipeline(database_url: str, redis_url: str, stands: ProviderStands, tmp_path: Path) -> Iterator[TrialPipeline]:
    """A worker for Kitsu, over one title that is merged and as it should be."""
    redis.Redis.from_url(redis_url).flushdb()
    workflow = write_workflow(tmp_path, FACTOR)
    made = TrialPipeline(database_url, redis_url, stands.build_env(["kitsu"]), workflow=workflow)
    made.execute("TRUNCATE titles, jobs, provider_answers, id_mappings CASCADE")
    made.add(describe(stands))
    made.run(then_index=False)
    assert made.enrichment.schedules.start("merge") is None
    yield made
    made.close()


def describe(stands: ProviderStands, **facts: Any) -> dict[str, Any]:
    """What a catalogue says of the title."""
    title = stands.titles[0]
    return {"title": title.title, "external_ids": {"kitsu": title.ids["kitsu"]}, **facts}


def load_document(pipeline: TrialPipeline) -> dict[str, Any]:
    """The title's."""
    return dict(pipeline.query("SELECT document FROM titles ORDER BY slug")[0].document)


def run_schedule(pipeline: TrialPipeline) -> int:
    """How many titles a run of `merge` was about; there is nothing more to do after it."""
    job_id = pipeline.enrichment.schedules.start("merge")
    if job_id is None:
        return 0
    pipeline.drain()
    titles = pipeline.query("SELECT count(*) FROM stage_rows WHERE job_id = :id AND stage = 'enrich'", id=job_id)
    assert pipeline.enrichment.schedules.start("merge") is None
    return int(titles[0][0])


@pytest.mark.parametrize("by", ["job", "schedule"])
def test_what_was_imported_since_is_merged(pipeline: TrialPipeline, stands: ProviderStands, by: str) -> None:
    """The import's value does not stay over what the sources say together; nobody is asked for that."""
    told = load_document(pipeline)["episodes"]
    asked = len(stands.list_seen())
    pipeline.add(describe(stands, episodes=told + 700))
    assert load_document(pipeline)["episodes"] == told + 700
    if by == "job":
        job = pipeline.run(stages=["staff"], then_index=False)
        assert pipeline.progress(job).stages["enrich"] == {"done": 1}
    else:
        assert run_schedule(pipeline) == 1
    fields = pipeline.query("SELECT fields FROM provenance")[0].fields
    assert {"catalogue", "kitsu"} <= {one for other in fields["episodes"]["others"] for one in other["sources"]} | set(
        fields["episodes"]["sources"]
    )
    assert len(stands.list_seen()) == asked and run_schedule(pipeline) == 0


def test_an_import_of_a_title_without_a_base_is_merged(pipeline: TrialPipeline, stands: ProviderStands) -> None:
    """Its last merging found nothing to change, so its document is what imports give."""
    pipeline.add({"title": "Nobody Else Knows It", "external_ids": {"mal": 990_001}})
    pipeline.run(ids=["nobody-else-knows-it"], merge_only=True, then_index=False)
    rows = pipeline.query("SELECT base FROM titles WHERE slug = 'nobody-else-knows-it'")
    assert rows == [(None,)] and run_schedule(pipeline) == 0
    pipeline.add({"title": "Nobody Else Knows It", "external_ids": {"mal": 990_001}, "episodes": 3})
    assert run_schedule(pipeline) == 1 and run_schedule(pipeline) == 0


def test_a_persons_word_outlives_its_job(pipeline: TrialPipeline) -> None:
    """Said or taken back, and the job cancelled: the next run has it."""
    bases = BaseRepository(pipeline.database)
    slug = pipeline.query("SELECT slug FROM titles")[0].slug
    said = bases.set_override(slug, "franchise", "Mine", by="me")
    assert said.job_id is not None and pipeline.jobs.cancel(said.job_id)
    assert run_schedule(pipeline) == 1 and load_document(pipeline)["franchise"] == "Mine"
    taken_back = bases.remove_override(slug, "franchise")
    assert taken_back.job_id is not None and pipeline.jobs.cancel(taken_back.job_id)
    assert run_schedule(pipeline) == 1 and load_document(pipeline).get("franchise") != "Mine"


def test_a_word_about_a_title_that_was_never_merged(pipeline: TrialPipeline) -> None:
    """It is merged for that word alone."""
    pipeline.add({"title": "Never Merged"})
    job_id = BaseRepository(pipeline.database).set_override("never-merged", "franchise", "Mine", by="me").job_id
    assert job_id is not None and pipeline.jobs.cancel(job_id)
    assert run_schedule(pipeline) == 1
    assert pipeline.titles.load(["never-merged"])["never-merged"].document["franchise"] == "Mine"


def test_a_link_that_is_refused_takes_its_facts_along(pipeline: TrialPipeline) -> None:
    """Also where the job that follows is cancelled: what came by it is gone from the document with the next run."""
    slug = pipeline.query("SELECT slug FROM titles")[0].slug
    assert load_document(pipeline).get("synopsis")
    _, job_id = LinkRepository(pipeline.database).decide(slug, "kitsu", external_id=None, by="me", then_ask=False)
    assert job_id is not None and pipeline.jobs.cancel(job_id)
    assert run_schedule(pipeline) == 1 and "synopsis" not in load_document(pipeline)


def test_what_cannot_be_merged_is_not_tried_for_ever(pipeline: TrialPipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """The schedule leaves it alone for a day after it was given up; a job that somebody starts does not."""

    def fail(*_: object) -> None:
        raise RuntimeError("this one not")

    slug = pipeline.query("SELECT slug FROM titles")[0].slug
    pipeline.execute("UPDATE provenance SET inputs_hash = ''")
    with monkeypatch.context() as patched:
        patched.setattr(TitleMerger, "merge", fail)
        assert pipeline.enrichment.schedules.start("merge") is not None
        pipeline.drain()
        for _ in range(10):
            for job in pipeline.jobs.list_open_of("enrich"):
                pipeline.enrichment.jobs.finish(job)
            pipeline.drain()
    assert pipeline.query("SELECT slug, state FROM stage_rows WHERE state = 'dead'") == [(slug, "dead")]
    assert pipeline.enrichment.schedules.start("merge") is None
    pipeline.run(then_index=False)
    assert pipeline.query("SELECT inputs_hash <> '' FROM provenance") == [(True,)]


def test_a_claim_that_is_stored_while_its_title_is_merged(pipeline: TrialPipeline) -> None:
    """Merging stamps what it has read, so no claim is older than a merging that has not seen it."""
    claimed = "SELECT max(c.changed_at) < max(v.merged_at) FROM claims c, provenance v"
    assert pipeline.query(claimed) == [(True,)]
    with pipeline.database.begin() as waiting:
        # As a merging that was kept waiting since before the claim was stored.
        waiting.exec_driver_sql("SELECT now()")
        pipeline.execute("UPDATE claims SET facts = facts || '{\"episodes\": 3}', changed_at = clock_timestamp()")
        pipeline.run(ids=[pipeline.query("SELECT slug FROM titles")[0].slug], merge_only=True, then_index=False)
    assert pipeline.query(claimed) == [(True,)]


def test_a_new_table_of_ids_makes_titles_due(pipeline: TrialPipeline, stands: ProviderStands) -> None:
    """Those that were not found and that it names; all others wait as before."""
    wanted = stands.titles[5]
    pipeline.add(
        {"title": "Some Name That Finds Nothing 1", "external_ids": {"mal": 880_001}},
        {"title": "Some Name That Finds Nothing 2", "external_ids": {"mal": 880_002}},
    )
    pipeline.run(stages=["metadata"], then_index=False)
    lost = pipeline.query("SELECT slug FROM enrich_parts WHERE reason = 'link-none' ORDER BY 1")
    assert [row.slug[-1] for row in lost] == ["1", "2"]
    tables = IdMappingRepository(pipeline.database)
    tables.replace("arm", [[("mal", "880002"), ("kitsu", str(wanted.ids["kitsu"]))], [("mal", "1"), ("kitsu", "7")]])
    due = pipeline.query("SELECT slug, stage FROM enrich_parts WHERE state = 'failed' AND reason = 'link-again'")
    assert [(row.slug[-1], row.stage) for row in due] == [("2", "metadata")]
    assert pipeline.enrichment.schedules.start("retry") is not None
    pipeline.drain()
    assert pipeline.query("SELECT state FROM enrich_parts WHERE slug = :slug", slug=due[0].slug) == [("done",)]
