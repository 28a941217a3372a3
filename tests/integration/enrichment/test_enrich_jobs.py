"""Jobs of enrichment against the stand-in providers: parts, lanes, merges, what fails, and what follows."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis

from core.errors import ConfigurationError, InvalidInputError, NotFoundError
from enrichment.jobs import REASON_NOT_CONFIGURED
from enrichment.lanes import REASON_AWAY, REASON_GARBAGE
from enrichment.merges import MergeService
from enrichment.titles.merger import MergeReport
from messaging.names import TASK_ENRICH_LANE, TASK_ENRICH_MERGE, TASK_RUN_JOB
from storage.database.bases import BaseRepository
from storage.database.enrich_parts import EnrichPartRepository
from storage.database.enrich_rows import EnrichRowRepository
from storage.database.models import JobState
from tests.integration.enrichment.pipeline import TrialPipeline
from tests.provider_stands import ProviderStands
from tests.provider_stands.workflows import write_workflow

# Limits and waits go by so much faster.
FACTOR = 2_000.0
PARTS = 6


@pytest.fixture(scope="module")
def all_stands() -> Iterator[ProviderStands]:
    """The providers."""
    with ProviderStands(factor=FACTOR) as running:
        yield running


@pytest.fixture
def stands(all_stands: ProviderStands) -> Iterator[ProviderStands]:
    """Providers in their good mood, before the test and after it."""
    yield all_stands
    for name in ("jikan", "anilist", "kitsu"):
        all_stands.set_mood(name, "normal")


@pytest.fixture
def pipeline(database_url: str, redis_url: str, stands: ProviderStands, tmp_path: Path) -> Iterator[TrialPipeline]:
    """A worker for Jikan and Kitsu over an empty database and an empty Redis, and three titles that they know."""
    redis.Redis.from_url(redis_url).flushdb()
    made = build_pipeline(database_url, redis_url, stands, tmp_path)
    made.execute("TRUNCATE titles, jobs, provider_answers, provider_counts, merge_models CASCADE")
    places = [place for place, title in enumerate(stands.titles) if title.related and title.episodes]
    made.add(*[describe(stands, place) for place in places[:3]])
    yield made
    made.close()


def build_pipeline(
    database_url: str, redis_url: str, stands: ProviderStands, folder: Path, *names: str, **changes: str
) -> TrialPipeline:
    """A worker for these providers; `changes` are lines of the workflow."""
    lines = {f"{name} = ": f"{name} = {value}" for name, value in changes.items()}
    workflow = write_workflow(folder, FACTOR, changes=lines)
    return TrialPipeline(database_url, redis_url, stands.build_env(names or ("jikan", "kitsu")), workflow=workflow)


def describe(stands: ProviderStands, place: int) -> dict[str, Any]:
    """What a catalogue says of one of the stands' titles."""
    title = stands.titles[place]
    return {"title": title.title, "external_ids": {space: title.ids[space] for space in ("mal", "anilist", "kitsu")}}


def list_slugs(pipeline: TrialPipeline) -> list[str]:
    """All titles."""
    return [row.slug for row in pipeline.query("SELECT slug FROM titles ORDER BY slug")]


def count_states(pipeline: TrialPipeline) -> dict[str, int]:
    """Parts by state."""
    return {
        row.state: row.parts for row in pipeline.query("SELECT state, count(*) AS parts FROM enrich_parts GROUP BY 1")
    }


def make_due(pipeline: TrialPipeline) -> None:
    """Whatever waits for its time has waited long enough."""
    pipeline.execute("UPDATE enrich_parts SET due_at = now() - interval '1 s' WHERE due_at IS NOT NULL")


def count_asked(stands: ProviderStands, since: int = 0) -> Counter[str]:
    """Requests by key, after the first `since`."""
    return Counter(one.key for one in stands.list_seen()[since:])


# The way of a title


def test_a_title_is_enriched_and_then_indexed(pipeline: TrialPipeline) -> None:
    """All parts are asked, what they say is merged with its reasons, and a job of indexing follows for this title."""
    slug = list_slugs(pipeline)[0]
    job = pipeline.run(ids=[slug])
    assert job.state is JobState.COMPLETED and job.message is None
    assert set(pipeline.list_parts(slug).values()) == {("done", None)} and len(pipeline.list_parts()) == 2 * PARTS
    document = pipeline.titles.load([slug])[slug].document
    assert document["synopsis"] and document["characters"] and document["episode_list"]
    assert [row.slug for row in pipeline.query("SELECT slug FROM provenance")] == [slug]
    (following,) = pipeline.others
    index = pipeline.jobs.get(following)
    assert (index.kind, index.params["enriched_by"]) == ("index", str(job.id))
    assert pipeline.jobs.find_following(job.id) == index


def test_a_job_counts_by_provider_and_by_stage(pipeline: TrialPipeline) -> None:
    """Parts that were there before are known, not done; its params say what it was about."""
    first, second = list_slugs(pipeline)[:2]
    pipeline.run(ids=[first], providers=["jikan"], then_index=False)
    job = pipeline.run(ids=[first, second], stages=["metadata", "staff"], then_index=False)
    assert (job.params["providers"], job.params["stages"]) == (["jikan", "kitsu"], ["metadata", "staff"])
    progress = pipeline.progress(job)
    assert progress.enrichment is not None
    assert progress.enrichment.providers == {"jikan": {"done": 2, "known": 2}, "kitsu": {"done": 4}}
    assert progress.enrichment.stages == {name: {"done": 3, "known": 1} for name in ("metadata", "staff")}
    assert progress.stages["enrich"] == {"done": 2} and progress.open_rows == 0


def test_what_is_fresh_is_not_asked_again(pipeline: TrialPipeline, stands: ProviderStands) -> None:
    """A second job asks nothing and merges nothing anew, and no job of indexing follows it."""
    before = len(stands.list_seen())
    pipeline.run()
    asked = count_asked(stands, before)
    assert max(asked.values()) == 1
    indexed = len(pipeline.others)
    job = pipeline.run(ids=list_slugs(pipeline))
    assert job.state is JobState.COMPLETED
    assert count_asked(stands, before) == asked and len(pipeline.others) == indexed


def test_refresh_asks_again_each_thing_once(pipeline: TrialPipeline, stands: ProviderStands) -> None:
    """However fresh it is; stages that share an answer share the new one, too."""
    slug = list_slugs(pipeline)[0]
    before = len(stands.list_seen())
    pipeline.run(ids=[slug])
    first = count_asked(stands, before)
    before = len(stands.list_seen())
    pipeline.run(ids=[slug], refresh=True)
    assert count_asked(stands, before) == first


def test_what_has_grown_old_is_asked_again(pipeline: TrialPipeline, stands: ProviderStands) -> None:
    """By the ages of the workflow; with `stale` nothing that was never asked."""
    first, second, _ = list_slugs(pipeline)
    pipeline.run(ids=[first], providers=["kitsu"])
    before = len(stands.list_seen())
    pipeline.run(stale=True)
    assert len(stands.list_seen()) == before
    pipeline.execute("UPDATE enrich_parts SET fetched_at = now() - interval '2 years' WHERE stage = 'staff'")
    pipeline.execute("UPDATE provider_answers SET checked_at = now() - interval '2 years'")
    job = pipeline.run(stale=True)
    assert [row.slug for row in pipeline.query("SELECT slug FROM stage_rows WHERE job_id = :id", id=job.id)] == [first]
    assert all("media-staff" in key or "staff" in key for key in count_asked(stands, before))
    assert second not in {row.slug for row in pipeline.query("SELECT slug FROM enrich_parts")}


def test_two_jobs_that_want_the_same_wait_for_the_same(pipeline: TrialPipeline, stands: ProviderStands) -> None:
    """Nothing is asked twice, and both end."""
    slug = list_slugs(pipeline)[0]
    before = len(stands.list_seen())
    ids = [pipeline.start(ids=[slug]), pipeline.start(), pipeline.start(ids=[slug], refresh=True)]
    pipeline.drain()
    assert {pipeline.jobs.get(one).state for one in ids} == {JobState.COMPLETED}
    assert max(count_asked(stands, before).values()) == 1


def test_a_job_that_only_merges_asks_nobody(pipeline: TrialPipeline, stands: ProviderStands) -> None:
    """What a person said is in the title afterwards, and the index follows."""
    slug = list_slugs(pipeline)[0]
    pipeline.run(ids=[slug], then_index=False)
    before = len(stands.list_seen())
    BaseRepository(pipeline.database).set_override(slug, "franchise", "Mine", by="me")
    job = pipeline.run(ids=[slug], merge_only=True)
    assert job.state is JobState.COMPLETED and len(stands.list_seen()) == before
    assert pipeline.titles.load([slug])[slug].document["franchise"] == "Mine" and len(pipeline.others) == 1


def test_the_titles_of_an_import_can_be_enriched(pipeline: TrialPipeline) -> None:
    """`imported_by` names the job that put them into the index."""
    slug = list_slugs(pipeline)[1]
    imported = pipeline.jobs.create("import", {})
    pipeline.execute(
        "INSERT INTO stage_rows (job_id, stage, slug) VALUES (:id, 'embed', :slug)", id=imported, slug=slug
    )
    pipeline.run(imported_by=str(imported), providers=["kitsu"], stages=["staff"])
    assert pipeline.query("SELECT slug, provider, stage FROM enrich_parts") == [(slug, "kitsu", "staff")]


def test_kept_answers_are_read_again_by_a_newer_parser(pipeline: TrialPipeline, stands: ProviderStands) -> None:
    """Nobody is asked, and what an older parser had said is replaced."""
    slug = list_slugs(pipeline)[0]
    pipeline.run(ids=[slug])
    before = len(stands.list_seen())
    assert pipeline.progress(pipeline.run(reparse=True)).stages.get("enrich") is None
    pipeline.execute("UPDATE claims SET parser_version = 0, facts = '{}', hash = 'x' WHERE provider = 'jikan'")
    job = pipeline.run(reparse=True)
    assert pipeline.progress(job).stages["enrich"] == {"done": 1}
    assert len(stands.list_seen()) == before
    rows = pipeline.query("SELECT min(parser_version), bool_and(facts <> '{}') FROM claims WHERE provider = 'jikan'")
    assert rows == [(pipeline.enrichment.providers["jikan"].info.parser_version, True)]


# What goes wrong with a job


@pytest.mark.parametrize(
    ("params", "error", "words"),
    [
        ({"ids": ["no-such-title"]}, InvalidInputError, "no-such-title"),
        ({"providers": ["anidb"]}, ConfigurationError, "ANIDB_CLIENT"),
        ({"providers": ["geocities"]}, InvalidInputError, "geocities"),
        ({"stages": ["weather"]}, InvalidInputError, "weather"),
        ({"chore": "dishes"}, ConfigurationError, "dishes"),
    ],
)
def test_a_job_that_cannot_be_says_why(
    pipeline: TrialPipeline, params: dict[str, Any], error: type[Exception], words: str
) -> None:
    """Unknown titles, providers, stages and chores are errors that name them; nothing is stored for them."""
    pipeline.start(**params)
    with pytest.raises(error, match=words):
        pipeline.step()
    assert pipeline.list_parts() == {}


def test_without_any_provider_a_job_says_what_to_set(new_database: Callable[[], str], redis_url: str) -> None:
    """The settings are named."""
    bare = TrialPipeline(new_database(), redis_url, {"anilist_base_url": "none", "kitsu_base_url": "none"})
    bare.start()
    with pytest.raises(ConfigurationError, match="JIKAN_BASE_URL is not set"):
        bare.step()
    bare.database.close()


def test_a_cancelled_job_asks_nothing_more(pipeline: TrialPipeline, stands: ProviderStands) -> None:
    """Its parts are left where they are, nobody claims them, and tidying up takes those away that were never asked."""
    first, second, _ = list_slugs(pipeline)
    pipeline.run(ids=[first], providers=["kitsu"], stages=["staff"], then_index=False)
    before = len(stands.list_seen())
    job_id = pipeline.start(ids=[first, second], providers=["kitsu"], stages=["staff"], refresh=True)
    pipeline.step()
    pipeline.jobs.cancel(job_id)
    pipeline.drain()
    assert len(stands.list_seen()) == before and count_states(pipeline) == {"pending": 2}
    assert EnrichPartRepository(pipeline.database).release_unwanted() == 2
    assert pipeline.list_parts() == {("kitsu", "staff"): ("failed", "cancelled")}
    assert pipeline.run(ids=[first, second], providers=["kitsu"], stages=["staff"]).state is JobState.COMPLETED
    assert count_states(pipeline) == {"done": 2}


def test_a_provider_that_leaves_the_settings_keeps_no_job_open(
    pipeline: TrialPipeline, redis_url: str, stands: ProviderStands, tmp_path: Path
) -> None:
    """What it was to be asked waits; the others' data is merged."""
    slug = list_slugs(pipeline)[0]
    job_id = pipeline.start(ids=[slug])
    pipeline.step()
    other = build_pipeline(pipeline.settings.database_url.get_secret_value(), redis_url, stands, tmp_path, "jikan")
    other.hints.sent.extend(pipeline.hints.sent)
    other.drain()
    other.do("jobs.finish", {"job_id": str(job_id)})
    other.drain()
    job = pipeline.jobs.get(job_id)
    assert job.state is JobState.COMPLETED and REASON_NOT_CONFIGURED in (job.message or "")
    assert pipeline.list_parts(slug)["kitsu", "staff"] == ("failed", REASON_NOT_CONFIGURED)
    assert pipeline.list_parts(slug)["jikan", "staff"] == ("done", None)
    other.close()


# What goes wrong with a provider


def test_a_provider_that_is_away_is_put_off(pipeline: TrialPipeline, stands: ProviderStands) -> None:
    """The job ends with the others' data and says who is missing; when it is due and back, it is asked."""
    slug = list_slugs(pipeline)[0]
    stands.set_mood("kitsu", "refused")
    job = pipeline.run(ids=[slug])
    assert job.state is JobState.COMPLETED and job.message == f"kitsu is asked again later (6 {REASON_AWAY})"
    assert pipeline.progress(job).enrichment.put_off == {"kitsu": {REASON_AWAY: PARTS}}  # type: ignore[union-attr]
    assert pipeline.titles.load([slug])[slug].document["synopsis"]
    # Not yet due: another job leaves it alone, and no retry is started.
    assert pipeline.run(ids=[slug]).state is JobState.COMPLETED
    assert pipeline.enrichment.schedules.start("retry") is None
    stands.set_mood("kitsu", "normal")
    make_due(pipeline)
    retry = pipeline.enrichment.schedules.start("retry")
    assert retry is not None
    pipeline.drain()
    assert pipeline.jobs.get(retry).state is JobState.COMPLETED
    assert set(pipeline.list_parts(slug).values()) == {("done", None)}
    assert pipeline.query("SELECT max(attempts) FROM enrich_parts") == [(0,)]


def test_an_answer_of_no_use_leaves_what_was_known(pipeline: TrialPipeline, stands: ProviderStands) -> None:
    """The part fails with its reason and the claim stays; when it is due it is asked anew, and is done."""
    slug = list_slugs(pipeline)[0]
    pipeline.run(ids=[slug])
    before = pipeline.query("SELECT stage, facts FROM claims WHERE provider = 'jikan' ORDER BY 1")
    stands.set_mood("jikan", "reshaped")
    job = pipeline.run(ids=[slug], providers=["jikan"], refresh=True)
    assert job.state is JobState.COMPLETED and "jikan is asked again later" in (job.message or "")
    assert {state for state, _ in pipeline.list_parts(slug).values()} == {"done", "failed"}
    assert pipeline.query("SELECT stage, facts FROM claims WHERE provider = 'jikan' ORDER BY 1") == before
    stands.set_mood("jikan", "normal")
    make_due(pipeline)
    asked = len(stands.list_seen("jikan"))
    pipeline.run(ids=[slug])
    assert len(stands.list_seen("jikan")) > asked
    assert set(pipeline.list_parts(slug).values()) == {("done", None)}


def test_a_provider_that_sends_garbage_is_left_alone_for_a_while(
    pipeline: TrialPipeline, redis_url: str, stands: ProviderStands, tmp_path: Path
) -> None:
    """After so many titles in a row of which nothing could be used, the rest is put off without blame."""
    url = pipeline.settings.database_url.get_secret_value()
    wary = build_pipeline(url, redis_url, stands, tmp_path, "kitsu", garbage_titles="2")
    stands.set_mood("kitsu", "reshaped")
    job = wary.run()
    reasons = Counter(row.reason for row in wary.query("SELECT reason FROM enrich_parts"))
    assert reasons == {"shape-changed": 2 * PARTS, REASON_GARBAGE: PARTS}
    assert job.state is JobState.COMPLETED
    assert wary.query("SELECT reason, max(attempts) FROM enrich_parts GROUP BY 1 ORDER BY 1") == [
        (REASON_GARBAGE, 0),
        ("shape-changed", 1),
    ]
    wary.close()


def test_protection_against_robots_is_respected(pipeline: TrialPipeline, stands: ProviderStands) -> None:
    """The title is blocked there and left alone, also by a refresh, until it is due."""
    slug = list_slugs(pipeline)[0]
    stands.set_mood("kitsu", "blocked")
    pipeline.run(ids=[slug])
    assert {value for key, value in pipeline.list_parts(slug).items() if key[0] == "kitsu"} == {("blocked", "blocked")}
    asked = len(stands.list_seen("kitsu"))
    assert asked >= 1
    job = pipeline.run(ids=[slug], refresh=True)
    assert len(stands.list_seen("kitsu")) == asked and "6 blocked" in (job.message or "")


def test_what_fails_again_and_again_is_given_up(pipeline: TrialPipeline, stands: ProviderStands) -> None:
    """It goes to the dead letters of the jobs that wanted it; retrying the job gives it a fresh start."""
    slug = list_slugs(pipeline)[0]
    stands.set_mood("kitsu", "reshaped")
    attempts = pipeline.settings.enrich_max_attempts
    jobs = []
    for _ in range(attempts):
        jobs.append(pipeline.run(ids=[slug], providers=["kitsu"], stages=["staff"]))
        make_due(pipeline)
    assert pipeline.list_parts() == {("kitsu", "staff"): ("dead", "shape-changed")}
    (letter,) = pipeline.jobs.list_dead_letters()
    assert (letter.job_id, letter.slug, letter.reason, letter.attempts) == (
        jobs[-1].id,
        slug,
        "shape-changed",
        attempts,
    )
    assert (letter.detail["provider"], letter.detail["enrich_stage"]) == ("kitsu", "staff")
    assert jobs[-1].message == "1 in the dead letters"
    # Dead ones are left alone by a job that does not insist.
    asked = len(stands.list_seen())
    pipeline.run(ids=[slug], providers=["kitsu"], stages=["staff"])
    assert len(stands.list_seen()) == asked
    stands.set_mood("kitsu", "normal")
    assert pipeline.jobs.retry(jobs[-1].id) == 1
    pipeline.hints.send(TASK_RUN_JOB, job_id=str(jobs[-1].id))
    pipeline.drain()
    assert pipeline.list_parts() == {("kitsu", "staff"): ("done", None)}
    assert pipeline.jobs.get(jobs[-1].id).state is JobState.COMPLETED and pipeline.jobs.list_dead_letters() == []


@pytest.mark.parametrize("text", ["a\x00b", "a\ud800b"])
def test_what_cannot_be_stored_fails_alone(pipeline: TrialPipeline, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """A claim that Postgres refuses is its part's failure: the lane goes on with the others."""
    slug = list_slugs(pipeline)[0]
    real = EnrichPartRepository._keep

    def spoil(self: EnrichPartRepository, connection: Any, said: Any, keeps: Any) -> Any:
        kept = real(self, connection, said, keeps)
        return replace(kept, facts={"synopsis": text}) if said.stage == "staff" else kept

    monkeypatch.setattr(EnrichPartRepository, "_keep", spoil)
    job = pipeline.run(ids=[slug], providers=["kitsu"])
    assert job.state is JobState.COMPLETED
    assert pipeline.list_parts()["kitsu", "staff"] == ("failed", "unexpected")
    assert count_states(pipeline) == {"done": PARTS - 1, "failed": 1}


# Workers that die


def test_a_worker_that_dies_before_it_records_asks_nothing_twice(
    pipeline: TrialPipeline, stands: ProviderStands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lease ends, another worker takes the title over, and finds the answers kept."""
    slug = list_slugs(pipeline)[0]
    before = len(stands.list_seen())
    pipeline.start(ids=[slug], providers=["jikan"])
    with monkeypatch.context() as patch:
        patch.setattr(EnrichPartRepository, "record", _die)
        patch.setattr(EnrichPartRepository, "settle", _die)
        with pytest.raises(KeyboardInterrupt):
            pipeline.drain()
    assert count_states(pipeline) == {"leased": PARTS}
    asked = count_asked(stands, before)
    assert asked
    pipeline.enrichment = pipeline.build()
    pipeline.do(TASK_ENRICH_LANE, {"provider": "jikan"})
    assert count_states(pipeline) == {"leased": PARTS}, "somebody else's lease was not respected"
    pipeline.execute("UPDATE enrich_parts SET leased_until = now() - interval '1 s'")
    pipeline.do(TASK_ENRICH_LANE, {"provider": "jikan"})
    pipeline.drain()
    assert max(count_asked(stands, before).values()) == 1 and set(pipeline.list_parts().values()) == {("done", None)}


def _die(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


def test_lost_hints_are_sent_again(pipeline: TrialPipeline) -> None:
    """Whatever hint is lost, the reconciler's look at the job finds out what to do."""
    job_id = pipeline.start(ids=list_slugs(pipeline)[:1], providers=["kitsu"], then_index=False)
    pipeline.step()
    pipeline.hints.sent.clear()
    pipeline.do("jobs.finish", {"job_id": str(job_id)})
    assert [task for task, _ in pipeline.hints.sent] == [TASK_ENRICH_LANE]
    pipeline.step()
    assert [task for task, _ in pipeline.hints.sent] == [TASK_ENRICH_MERGE]
    pipeline.hints.sent.clear()
    pipeline.do("jobs.finish", {"job_id": str(job_id)})
    assert [task for task, _ in pipeline.hints.sent] == [TASK_ENRICH_MERGE]
    pipeline.step()
    pipeline.hints.sent.clear()
    pipeline.do("jobs.finish", {"job_id": str(job_id)})
    assert pipeline.jobs.get(job_id).state is JobState.COMPLETED


def test_a_title_that_goes_meanwhile_takes_its_parts_along(pipeline: TrialPipeline) -> None:
    """Deleted between the claim and the answer: the job ends, and nothing of the title is left."""
    slug = list_slugs(pipeline)[0]
    job_id = pipeline.start(ids=[slug], providers=["kitsu"])
    pipeline.step()
    pipeline.execute("DELETE FROM titles WHERE slug = :slug", slug=slug)
    pipeline.drain()
    pipeline.do("jobs.finish", {"job_id": str(job_id)})
    assert pipeline.jobs.get(job_id).state is JobState.COMPLETED and pipeline.list_parts() == {}


# Merging


class _Merger:
    """Stands for TitleMerger: fails for one title."""

    def __init__(self, bad: str, *, reports: bool) -> None:
        self.bad = bad
        self.reports = reports

    def merge(self, slugs: list[str]) -> MergeReport:
        """Raises for the bad title, or reports it."""
        if self.bad in slugs and not self.reports:
            raise ValueError("cannot be merged")
        good = tuple(slug for slug in slugs if slug != self.bad)
        return MergeReport(changed=good, failed={self.bad: "cannot be merged"} if self.bad in slugs else {})


@pytest.mark.parametrize("reports", [True, False])
def test_a_title_that_cannot_be_merged_stops_no_other(pipeline: TrialPipeline, *, reports: bool) -> None:
    """It is tried again and then given up, with its reason; the others are done, and the job ends."""
    slugs = list_slugs(pipeline)
    pipeline.run(ids=slugs, providers=["kitsu"], then_index=False)
    pipeline.enrichment.__dict__["merges"] = MergeService(
        EnrichRowRepository(pipeline.database),
        _Merger(slugs[1], reports=reports),  # type: ignore[arg-type]
        pipeline.hints,  # type: ignore[arg-type]
        owner="test",
        lease_s=60,
        max_attempts=2,
    )
    job_id = pipeline.start(ids=slugs, merge_only=True)
    pipeline.drain()
    pipeline.do("jobs.finish", {"job_id": str(job_id)})
    pipeline.drain()
    job = pipeline.jobs.get(job_id)
    assert pipeline.progress(job).stages["enrich"] == {"done": 2, "dead": 1}
    (letter,) = pipeline.jobs.list_dead_letters(job_id)
    assert letter.slug == slugs[1] and "cannot be merged" in letter.reason
    assert job.state is JobState.COMPLETED and job.message == "1 in the dead letters"


def test_what_is_known_is_merged_before_a_slow_provider_answers(
    pipeline: TrialPipeline, redis_url: str, stands: ProviderStands, tmp_path: Path
) -> None:
    """After the workflow's patience; the row stays open, and a job of indexing brings it into the index."""
    url = pipeline.settings.database_url.get_secret_value()
    hasty = build_pipeline(url, redis_url, stands, tmp_path, merge='"0.001 s"', index='"0.001 s"')
    slug = list_slugs(hasty)[0]
    job_id = hasty.start(ids=[slug])
    hasty.step()
    hasty.do(TASK_ENRICH_LANE, {"provider": "jikan"})
    hasty.hints.sent.clear()
    hasty.do("jobs.finish", {"job_id": str(job_id)})
    early = [arguments for task, arguments in hasty.hints.sent if task == TASK_ENRICH_MERGE]
    assert early == [{"slugs": [slug], "early": True}]
    hasty.do(TASK_ENRICH_MERGE, early[0])
    assert hasty.titles.load([slug])[slug].document["synopsis"]
    assert hasty.progress(hasty.jobs.get(job_id)).stages["enrich"] == {"pending": 1}
    hasty.hints.sent.clear()
    hasty.do("jobs.finish", {"job_id": str(job_id)})
    started = [uuid.UUID(arguments["job_id"]) for task, arguments in hasty.hints.sent if task == TASK_RUN_JOB]
    assert [hasty.jobs.get(one).params for one in started] == [{"enriched_by": str(job_id)}]
    hasty.drain()
    assert hasty.jobs.get(job_id).state is JobState.COMPLETED
    hasty.close()


# Lanes


def test_a_process_has_so_many_lanes_of_a_provider(pipeline: TrialPipeline) -> None:
    """Who comes too much goes at once; who holds the lane looks once more for what he was sent for."""
    lanes = pipeline.enrichment.lanes
    pipeline.start(ids=list_slugs(pipeline)[:1], providers=["kitsu"])
    pipeline.step()
    assert all(lanes._enter("kitsu") for _ in range(2))
    assert lanes.run("kitsu").outcomes == {}
    assert count_states(pipeline) == {"pending": PARTS}
    lanes._leave("kitsu")
    assert lanes.run("kitsu").outcomes == {"done": PARTS}
    assert lanes.run("nobody").outcomes == {}


def test_a_worker_that_is_to_end_gives_back_what_it_has_not_asked(pipeline: TrialPipeline) -> None:
    """Nothing is claimed after it was told, and nothing stays leased."""
    pipeline.start(ids=list_slugs(pipeline), providers=["kitsu"])
    pipeline.step()
    pipeline.enrichment.lanes.stop()
    report = pipeline.enrichment.lanes.run("kitsu")
    assert not report.outcomes and not report.has_more and count_states(pipeline) == {"pending": 3 * PARTS}


def test_a_title_that_is_not_found_is_absent(pipeline: TrialPipeline) -> None:
    """Its parts say so, and why; the job ends."""
    pipeline.add({"title": "A title that nobody has ever heard of, 8841", "year": 1971})
    slug = next(one for one in list_slugs(pipeline) if "nobody" in one)
    job = pipeline.run(ids=[slug])
    assert job.state is JobState.COMPLETED
    assert {state for state, _ in pipeline.list_parts(slug).values()} == {"absent"}
    assert {reason for _, reason in pipeline.list_parts(slug).values()} == {"link-none"}


def test_jobs_that_are_not_there_are_named(pipeline: TrialPipeline) -> None:
    """A hint for a job that nobody knows is an error with its id."""
    with pytest.raises(NotFoundError):
        pipeline.do("jobs.finish", {"job_id": str(uuid.uuid4())})
