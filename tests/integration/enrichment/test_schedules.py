"""What beat starts: which titles are picked, that runs never overlap, and the chores."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from core.errors import ConfigurationError, ServiceError
from messaging.names import TASK_ENRICH_SCHEDULE, TASK_RUN_JOB
from storage.database.locks import LockService
from storage.database.models import JobState
from storage.database.provider_titles import ProviderTitle, ProviderTitleRepository
from storage.provider_gate import GateOptions, Leave, ProviderGate, Verdict
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
    """A worker for AniDB and Kitsu over an empty database and an empty Redis."""
    redis.Redis.from_url(redis_url).flushdb()
    env = stands.build_env(["anidb", "kitsu"])
    changes = {
        'ages = { airing = "6 h"': 'ages = { airing = "1 h", upcoming = "1 d", recent = "14 d", finished = "90 d" }'
    }
    made = TrialPipeline(database_url, redis_url, env, workflow=write_workflow(tmp_path, FACTOR, changes=changes))
    made.execute("TRUNCATE titles, jobs, provider_answers, provider_counts, provider_titles, merge_models CASCADE")
    yield made
    made.close()
    stands.set_mood("anidb", "normal")
    stands.set_mood("kitsu", "normal")


def add(pipeline: TrialPipeline, **statuses: dict[str, Any]) -> None:
    """Titles by slug, each with these facts."""
    pipeline.add(*[{"title": name, "external_ids": {"kitsu": 900_000 + place}, **facts}
                   for place, (name, facts) in enumerate(statuses.items())])  # fmt: skip


def say(
    pipeline: TrialPipeline, slug: str, *, days_ago: float, state: str = "done", quality: float | None = None
) -> None:
    """All stages of Kitsu were asked so long ago; the title has this quality."""
    pipeline.execute(
        "INSERT INTO enrich_parts (slug, provider, stage, state, settled_at, fetched_at, due_at) "
        "SELECT :slug, p.name, s.name, :state, ago, ago, CASE WHEN :state IN ('failed', 'blocked') THEN ago END "
        "FROM (SELECT now() - make_interval(secs => :secs) AS ago) a, unnest(ARRAY['kitsu', 'anidb']) p(name), "
        "unnest(ARRAY['metadata', 'episodes', 'relations', 'statistics', 'characters', 'staff']) s(name)",
        slug=slug,
        state=state,
        secs=days_ago * 86_400,
    )
    if quality is not None:
        pipeline.execute(
            "INSERT INTO provenance (slug, fields, quality, quality_parts, model_version, inputs_hash) "
            "VALUES (:slug, '{}', :quality, '{}', 0, '')",
            slug=slug,
            quality=quality,
        )


def start(pipeline: TrialPipeline, name: str) -> list[str] | None:
    """The titles that a schedule picks; None if it starts nothing. The job is then taken away."""
    job_id = pipeline.enrichment.schedules.start(name)
    if job_id is None:
        return None
    job = pipeline.jobs.get(job_id)
    assert job.params["schedule"] == name
    pipeline.jobs.cancel(job_id)
    ids: list[str] = job.params["ids"]
    return ids


def test_what_is_on_air_is_asked_about_every_few_hours(pipeline: TrialPipeline) -> None:
    """By the age of the workflow, the best known first; what is finished is not looked at."""
    add(
        pipeline,
        old={"status": "ONGOING", "popularity": 20},
        known={"status": "ONGOING", "popularity": 3},
        fresh={"status": "ONGOING"},
        done={"status": "FINISHED", "year": 1990},
    )
    say(pipeline, "old", days_ago=0.1)
    say(pipeline, "fresh", days_ago=0.01)
    assert start(pipeline, "airing") == ["known", "old"]


def test_what_is_finished_is_asked_by_age_and_quality(pipeline: TrialPipeline) -> None:
    """The longest overdue first; poor ones grow old in half the time; what was never asked is not for this schedule."""
    finished = {"status": "FINISHED", "year": 1990}
    add(pipeline, good=finished, bad=finished, fresh=finished, young=finished, never=finished, ancient=finished)
    say(pipeline, "good", days_ago=400, quality=90)
    say(pipeline, "bad", days_ago=400, quality=20)
    say(pipeline, "ancient", days_ago=900)
    # Older than half of all ages but not old: it counts for a poor one only.
    say(pipeline, "young", days_ago=50, quality=20)
    say(pipeline, "fresh", days_ago=50, quality=90)
    assert start(pipeline, "finished") == ["ancient", "bad", "good", "young"]


def test_what_was_given_up_or_is_asked_for_the_first_time_has_its_turn(pipeline: TrialPipeline) -> None:
    """A provider that came later, and what is dead for long enough, are found without anything else being old."""
    finished = {"status": "FINISHED", "year": 1990}
    add(pipeline, dead=finished, fresh=finished, lacking=finished, given_up=finished)
    for slug, state, days in (("dead", "dead", 365), ("fresh", "done", 1), ("lacking", "done", 1)):
        say(pipeline, slug, days_ago=days, state=state)
    say(pipeline, "given-up", days_ago=1, state="dead")
    pipeline.execute("DELETE FROM enrich_parts WHERE slug = 'lacking' AND provider = 'anidb'")
    # The retries of the test's workflow are faster; its ages are not.
    pipeline.execute("UPDATE enrich_parts SET settled_at = now() + interval '1 d' WHERE slug = 'given-up'")
    assert start(pipeline, "finished") == ["dead", "lacking"]


def test_new_titles_are_asked_about_once(pipeline: TrialPipeline) -> None:
    """The best known first, excluded ones never; what was not found counts as asked."""
    add(pipeline, first={"popularity": 1}, second={"popularity": 2}, hidden={"popularity": 3}, asked={"popularity": 4})
    pipeline.execute("UPDATE titles SET excluded = true WHERE slug = 'hidden'")
    say(pipeline, "asked", days_ago=1, state="absent")
    assert start(pipeline, "new") == ["first", "second"]


def test_what_failed_is_tried_again_when_it_is_due(pipeline: TrialPipeline) -> None:
    """Blocked ones, too; the longest due first."""
    add(pipeline, late={}, later={}, waiting={}, given_up={})
    say(pipeline, "late", days_ago=2, state="failed")
    say(pipeline, "later", days_ago=1, state="blocked")
    say(pipeline, "waiting", days_ago=-1, state="failed")
    say(pipeline, "given-up", days_ago=9, state="dead")
    assert start(pipeline, "retry") == ["late", "later"]


def test_only_what_failed_is_tried_again(pipeline: TrialPipeline, stands: ProviderStands) -> None:
    """Other providers and stages of the title were not asked for, and are not asked by a schedule that always runs."""
    title = stands.titles[0]
    pipeline.add({"title": title.title, "external_ids": {space: title.ids[space] for space in ("kitsu", "anidb")}})
    before = len(stands.list_seen("anidb"))
    stands.set_mood("kitsu", "refused")
    pipeline.run(providers=["kitsu"], stages=["metadata"])
    stands.set_mood("kitsu", "normal")
    pipeline.execute("UPDATE enrich_parts SET due_at = now()")
    job_id = pipeline.enrichment.schedules.start("retry")
    assert job_id is not None
    pipeline.drain()
    assert pipeline.list_parts() == {("kitsu", "metadata"): ("done", None)}
    assert pipeline.jobs.get(job_id).state is JobState.COMPLETED and len(stands.list_seen("anidb")) == before


def test_who_cannot_be_asked_is_not_asked_again(pipeline: TrialPipeline) -> None:
    """While a provider is away there is no job for what failed there; one title finds out whether it is back."""
    add(pipeline, first={}, second={}, third={})
    pipeline.execute(
        "INSERT INTO enrich_parts (slug, provider, stage, state, settled_at, due_at) "
        "SELECT slug, 'kitsu', 'metadata', 'failed', now(), now() FROM titles"
    )
    client = pipeline.enrichment.clients["kitsu"]
    gate = ProviderGate(pipeline.settings, options=GateOptions(threshold=1, open_s=0.5))
    assert client.get_readiness() == "ready" and len(start(pipeline, "retry") or ()) == 3
    gate.settle("kitsu", client.info.limits, Leave("go", 0.0, "", False), Verdict.FAILED, reason="away")
    assert client.get_readiness() == "away" and start(pipeline, "retry") is None
    time.sleep(0.6)
    assert client.get_readiness() == "trial" and len(start(pipeline, "retry") or ()) == 1
    pipeline.execute("UPDATE enrich_parts SET due_at = now() + interval '1 h'")
    assert start(pipeline, "retry") is None
    gate.resume("kitsu")
    pipeline.execute("UPDATE enrich_parts SET due_at = now()")
    assert client.get_readiness() == "ready" and len(start(pipeline, "retry") or ()) == 3
    gate.settle("kitsu", client.info.limits, Leave("go", 0.0, "", False), Verdict.LIMITED, pause_s=60.0)
    assert client.get_readiness() == "away" and start(pipeline, "retry") is None
    gate.close()


def test_others_are_asked_while_one_is_away(pipeline: TrialPipeline) -> None:
    """A job of retries names who is asked: what failed at a provider that is away waits."""
    add(pipeline, both={}, lone={})
    pipeline.execute(
        "INSERT INTO enrich_parts (slug, provider, stage, state, settled_at, due_at) VALUES "
        "('both', 'kitsu', 'metadata', 'failed', now(), now()), ('both', 'anidb', 'metadata', 'failed', now(), now()), "
        "('lone', 'kitsu', 'metadata', 'failed', now(), now())"
    )
    client = pipeline.enrichment.clients["kitsu"]
    gate = ProviderGate(pipeline.settings, options=GateOptions(threshold=1))
    gate.settle("kitsu", client.info.limits, Leave("go", 0.0, "", False), Verdict.FAILED, reason="away")
    job_id = pipeline.enrichment.schedules.start("retry")
    assert job_id is not None
    params = pipeline.jobs.get(job_id).params
    assert (params["ids"], params["providers"]) == (["both"], ["anidb"])
    pipeline.jobs.cancel(job_id)
    gate.resume("kitsu")
    gate.close()


def test_what_was_fetched_and_not_merged_is_merged(pipeline: TrialPipeline, stands: ProviderStands) -> None:
    """A job was cancelled after its answers came: a later job, or the schedule, merges them without asking."""
    title = stands.titles[0]
    pipeline.add({"title": title.title, "external_ids": {"kitsu": title.ids["kitsu"]}})
    slug = pipeline.query("SELECT slug FROM titles")[0].slug
    job_id = pipeline.start(providers=["kitsu"])
    pipeline.step()
    pipeline.step()
    assert pipeline.enrichment.schedules.start("merge") is None, "an open job is about it"
    pipeline.jobs.cancel(job_id)
    pipeline.hints.sent.clear()
    asked = len(stands.list_seen())
    merging = pipeline.enrichment.schedules.start("merge")
    assert merging is not None and pipeline.jobs.get(merging).params["merge_only"] is True
    pipeline.jobs.cancel(merging)
    pipeline.hints.sent.clear()
    job = pipeline.run(providers=["kitsu"])
    assert pipeline.progress(job).stages["enrich"] == {"done": 1} and len(stands.list_seen()) == asked
    assert pipeline.titles.load([slug])[slug].document["synopsis"]
    assert pipeline.enrichment.schedules.start("merge") is None
    assert pipeline.progress(pipeline.run()).stages.get("enrich") is not None, "AniDB was not asked"
    pipeline.execute("UPDATE titles SET base_at = now() WHERE slug = :slug", slug=slug)
    assert pipeline.enrichment.schedules.start("merge") is not None


def test_who_asks_anidb_for_the_first_time_has_its_titles_fetched(
    pipeline: TrialPipeline, stands: ProviderStands
) -> None:
    """Nothing is said of a title before they are there; when they are it is due, and no attempt was counted."""
    title = next(one for one in stands.titles if one.facts["type"] == "TV" and "anidb" in one.ids)
    facts = {name: title.facts[name] for name in ("title", "type", "year", "episodes") if name in title.facts}
    pipeline.add({**facts, "external_ids": {"kitsu": title.ids["kitsu"]}})
    job = pipeline.run(providers=["anidb"], stages=["metadata"])
    dump = next(job for job in pipeline.jobs.list_recent() if job.params.get("chore") == "dump")
    assert dump.state is JobState.COMPLETED and ProviderTitleRepository(pipeline.database).get_version("anidb") > 0
    assert job.message == "anidb is asked again later (1 titles-not-fetched)"
    assert pipeline.list_parts() == {("anidb", "metadata"): ("failed", "titles-not-fetched")}
    assert pipeline.query("SELECT attempts FROM enrich_parts") == [(0,)]
    assert pipeline.query("SELECT 1 FROM provider_links") == []
    assert pipeline.enrichment.schedules.start("retry") is not None
    pipeline.drain()
    assert pipeline.list_parts()["anidb", "metadata"][0] == "done"


def test_titles_with_an_id_do_not_wait_for_the_dump(pipeline: TrialPipeline, stands: ProviderStands) -> None:
    """However many before them cannot be looked for: AniDB itself answers, and is not left alone."""
    title = next(one for one in stands.titles if "anidb" in one.ids)
    add(pipeline, **{f"title{number}": {"popularity": number + 1} for number in range(8)})
    pipeline.add({"title": title.title, "popularity": 99, "external_ids": {"anidb": title.ids["anidb"]}})
    pipeline.start(providers=["anidb"], stages=["metadata"])
    pipeline.step()
    pipeline.hints.sent.clear()
    assert pipeline.enrichment.lanes.run("anidb").outcomes == {"failed": 8, "done": 1}


def test_a_day_that_is_used_up_holds_no_job(
    pipeline: TrialPipeline, redis_url: str, stands: ProviderStands, tmp_path: Path
) -> None:
    """What is left waits until AniDB may be asked again; the others' data is there, and the job ends."""
    workflow = write_workflow(tmp_path, FACTOR).read_text()
    limits = 'limits = [{ amount = 2880000, period = "1 d", burst = 2 }, { amount = 200, period = "1 d", burst = 2 }]'
    anidb = workflow.index("limits", workflow.index("[providers.anidb]"))
    (tmp_path / "day.toml").write_text(workflow[:anidb] + limits + workflow[workflow.index("\n", anidb) :])
    url = pipeline.settings.database_url.get_secret_value()
    other = TrialPipeline(url, redis_url, stands.build_env(["anidb", "kitsu"]), workflow=tmp_path / "day.toml")
    known = [one for one in stands.titles if {"anidb", "kitsu"} <= one.ids.keys()][:3]
    pipeline.add(*[{"title": one.title, "external_ids": {name: one.ids[name] for name in ("anidb", "kitsu")}}
                   for one in known])  # fmt: skip
    ProviderTitleRepository(pipeline.database).replace("anidb", [ProviderTitle("1", "main", "ja", "x")])
    job = other.run(stages=["metadata"])
    states = other.query("SELECT provider, state, count(*) FROM enrich_parts GROUP BY 1, 2 ORDER BY 1, 2")
    assert job.state is JobState.COMPLETED and job.message == "anidb is asked again later (2 provider-unavailable)"
    assert states == [("anidb", "done", 1), ("anidb", "failed", 2), ("kitsu", "done", 3)]
    waits = other.query("SELECT min(due_at) > now() + interval '10 min' FROM enrich_parts WHERE state = 'failed'")
    assert waits == [(True,)] and other.enrichment.schedules.start("retry") is None
    other.close()


def test_nothing_to_do_is_no_job(pipeline: TrialPipeline) -> None:
    """No schedule leaves an empty job behind."""
    assert [start(pipeline, name) for name in ("airing", "finished", "new", "retry", "merge")] == [None] * 5
    assert pipeline.jobs.list_recent() == []


def test_two_runs_of_a_schedule_never_overlap(pipeline: TrialPipeline) -> None:
    """While a job of it is open, or somebody else is starting one, none is started; another schedule may."""
    add(pipeline, title={"status": "ONGOING"})
    job_id = pipeline.enrichment.schedules.start("airing")
    assert job_id is not None and pipeline.hints.sent.pop() == (TASK_RUN_JOB, {"job_id": str(job_id)})
    assert pipeline.enrichment.schedules.start("airing") is None
    pipeline.jobs.close(job_id, JobState.COMPLETED)
    with LockService(pipeline.database).try_hold(uuid.uuid5(_get_locks(), "airing")):
        assert pipeline.enrichment.schedules.start("airing") is None
        assert pipeline.enrichment.schedules.start("new") is not None
    assert pipeline.enrichment.schedules.start("airing") is not None


def _get_locks() -> uuid.UUID:
    from enrichment import schedules

    return schedules._LOCKS


def test_a_schedule_that_the_workflow_has_not_is_an_error(pipeline: TrialPipeline) -> None:
    """A message of an older workflow: it is named."""
    with pytest.raises(ConfigurationError, match="no schedule 'weekly'"):
        pipeline.enrichment.schedules.start("weekly")


def test_a_run_of_a_schedule_asks_and_merges(pipeline: TrialPipeline, stands: ProviderStands) -> None:
    """As any job does, and its titles may be gone by then."""
    title = stands.titles[0]
    pipeline.add(
        {"title": title.title, "status": "ONGOING", "external_ids": {"kitsu": title.ids["kitsu"]}},
        {"title": "Gone before it was asked", "status": "ONGOING", "external_ids": {"kitsu": 999_999}},
    )
    job_id = pipeline.enrichment.schedules.start("airing")
    assert job_id is not None
    pipeline.execute("DELETE FROM titles WHERE slug LIKE 'gone%'")
    pipeline.drain()
    job = pipeline.jobs.get(job_id)
    assert job.state is JobState.COMPLETED and pipeline.progress(job).stages["enrich"] == {"done": 1}


# Chores


def run_chore(pipeline: TrialPipeline, name: str) -> str | None:
    """Start the schedule by its task, do the job, and say what it came to."""
    pipeline.do(TASK_ENRICH_SCHEDULE, {"name": name})
    ((_, arguments),) = pipeline.hints.sent
    pipeline.drain()
    job = pipeline.jobs.get(uuid.UUID(arguments["job_id"]))
    assert job.state is JobState.COMPLETED
    return job.message


def test_the_dump_of_titles_is_fetched_once_a_day(pipeline: TrialPipeline, stands: ProviderStands) -> None:
    """It takes the place of the one before; the second run of a day asks for nothing."""
    titles = ProviderTitleRepository(pipeline.database)
    before = len(stands.list_seen("anidb"))
    message = run_chore(pipeline, "titles")
    assert message is not None and "titles, as of" in message
    loaded = titles.load_all("anidb")
    assert len(loaded) >= len([one for one in stands.titles if "anidb" in one.ids])
    asked = len(stands.list_seen("anidb"))
    assert asked == before + 1
    run_chore(pipeline, "titles")
    assert len(stands.list_seen("anidb")) == asked and titles.load_all("anidb") == loaded
    # A day later it is asked whether there is another one.
    pipeline.execute("UPDATE provider_answers SET checked_at = now() - interval '1 day'")
    run_chore(pipeline, "titles")
    assert len(stands.list_seen("anidb")) == asked + 1 and titles.load_all("anidb") == loaded


@pytest.mark.parametrize("mood", ["cut", "html-page", "empty", "refused", "exploding", "banned"])
def test_a_dump_that_is_none_leaves_the_one_before(pipeline: TrialPipeline, stands: ProviderStands, mood: str) -> None:
    """The job fails and says why; the next run asks anew, and the titles of the day before stay meanwhile."""
    run_chore(pipeline, "titles")
    before = ProviderTitleRepository(pipeline.database).load_all("anidb")
    pipeline.execute(
        "UPDATE provider_answers SET checked_at = now() - interval '1 day', etag = NULL, last_modified = NULL"
    )
    stands.set_mood("anidb", mood)
    job_id = pipeline.start(chore="dump", schedule="titles")
    with pytest.raises(ServiceError, match="anidb") as caught:
        pipeline.step()
    pipeline.jobs.close(job_id, JobState.FAILED, message=str(caught.value))
    assert ProviderTitleRepository(pipeline.database).load_all("anidb") == before


def test_without_a_client_no_dump_is_fetched(
    database_url: str, redis_url: str, stands: ProviderStands, pipeline: TrialPipeline
) -> None:
    """AniDB knows registered clients only: the schedule starts nothing, and a job for it says what to set."""
    other = TrialPipeline(database_url, redis_url, stands.build_env(["kitsu"]))
    assert other.enrichment.schedules.start("titles") is None
    other.start(chore="dump")
    with pytest.raises(ConfigurationError, match="ANIDB_CLIENT or ANIDB_TITLES_URL"):
        other.step()
    other.close()


def test_learning_waits_until_enough_is_known(pipeline: TrialPipeline) -> None:
    """What comes with us is used until then."""
    assert run_chore(pipeline, "learn") == "too few titles to learn from: what comes with us is used"


def test_tidying_up_takes_what_nobody_waits_for(pipeline: TrialPipeline) -> None:
    """Old counts of requests, and parts of jobs that were cancelled before anything was asked."""
    add(pipeline, title={})
    job_id = pipeline.start(providers=["kitsu"], stages=["staff"])
    pipeline.step()
    pipeline.jobs.cancel(job_id)
    pipeline.hints.sent.clear()
    pipeline.execute(
        "INSERT INTO provider_counts (provider, hour, outcome, requests, latency_ms) "
        "VALUES ('kitsu', now() - interval '90 days', 'ok', 1, 1)"
    )
    assert run_chore(pipeline, "prune") == "1 old counts and 1 unwanted parts are gone"
    assert pipeline.list_parts() == {}
