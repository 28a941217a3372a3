"""The repositories on a real Postgres: claims, leases, dead letters, ledger, generations."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text

from core.document import content_hash
from core.errors import ConflictError, DependencyUnavailableError, NotFoundError
from core.recipe import EmbeddingRecipe, RecipeSet
from embedded.services import EmbeddedServices
from storage.database.generations import GenerationRepository
from storage.database.jobs import JobRepository
from storage.database.ledger import LedgerEntry, LedgerRepository
from storage.database.models import GenerationState, JobState, Stage
from storage.database.session import Database
from storage.database.stages import StageRepository
from storage.database.titles import StoredTitle, TitleRepository

_COLLECTION = "c_1"
_RECIPES = RecipeSet(*(EmbeddingRecipe(kind, "1", 8, 1) for kind in ("text", "lexical", "metadata")))


class _Tables:
    """All repositories of one database."""

    def __init__(self, url: str) -> None:
        self.database = Database(url, pool_size=10)
        self.titles = TitleRepository(self.database)
        self.jobs = JobRepository(self.database)
        self.stages = StageRepository(self.database)
        self.ledger = LedgerRepository(self.database)
        self.generations = GenerationRepository(self.database)

    def add_titles(self, count: int) -> list[str]:
        """`count` titles t000, t001, …"""
        slugs = [f"t{number:03d}" for number in range(count)]
        rows = [StoredTitle(slug, {"title": slug}, content_hash({"title": slug}), False, False) for slug in slugs]
        with self.database.begin() as connection:
            self.titles.insert(connection, rows)
        return slugs

    def start_job(self, count: int) -> tuple[uuid.UUID, list[str]]:
        """A running job with a row for each of `count` new titles."""
        slugs = self.add_titles(count)
        job_id = self.jobs.create("index", {})
        self.jobs.start(job_id)
        assert self.stages.enqueue_stale(job_id, _COLLECTION) == count
        return job_id, slugs

    def complete(self, job_id: uuid.UUID, slugs: list[str]) -> None:
        """Mark titles done."""
        with self.database.begin() as connection:
            self.stages.complete(connection, job_id, slugs)

    def record(self, entries: list[LedgerEntry]) -> list[str]:
        """Write ledger entries in a transaction."""
        with self.database.begin() as connection:
            return self.ledger.record(connection, _COLLECTION, entries)

    def execute(self, statement: str, **values: Any) -> None:
        """Plain SQL."""
        with self.database.begin() as connection:
            connection.execute(text(statement), values)


@pytest.fixture
def tables(database_url: str) -> Iterator[_Tables]:
    """An empty database with one generation."""
    made = _Tables(database_url)
    made.execute("TRUNCATE titles, jobs, generations, model_versions CASCADE")
    made.generations.create(_COLLECTION, alias="live", recipes=_RECIPES)
    yield made
    made.database.close()


def _entry(slug: str, **passages: str) -> LedgerEntry:
    return LedgerEntry(slug, content_hash({"title": slug}), passages)


# Titles


def test_titles_are_found_by_slug_and_by_provider_id(tables: _Tables) -> None:
    """Both ways lead to the slug; an unknown name to None; the first link of an id stays."""
    tables.add_titles(2)
    with tables.database.begin() as connection:
        tables.titles.add_ids(connection, [("mal", "1", "t000"), ("anime-planet", "a-b", "t001")])
        tables.titles.add_ids(connection, [("mal", "1", "t001")])
    assert tables.titles.resolve_slug("t001") == "t001"
    assert tables.titles.resolve_slug("mal:1") == "t000"
    assert tables.titles.resolve_slug("anime-planet:a-b") == "t001"
    assert tables.titles.resolve_slug("mal:2") is tables.titles.resolve_slug("nobody") is None


def test_an_update_counts_a_version_and_keeps_the_exclusion(tables: _Tables) -> None:
    """New documents raise the version; a title that was excluded stays so, whatever is imported."""
    tables.add_titles(1)
    tables.execute("UPDATE titles SET excluded = true")
    with tables.database.begin() as connection:
        tables.titles.update(connection, [StoredTitle("t000", {"title": "New"}, "h", adult=True, excluded=False)])
    title = tables.titles.load(["t000"])["t000"]
    assert title.document == {"title": "New"} and title.adult and title.excluded
    assert tables.titles.count() == 0
    with tables.database.begin() as connection:
        assert connection.execute(text("SELECT version FROM titles")).scalar_one() == 2


# Jobs


def test_a_job_goes_through_its_states(tables: _Tables) -> None:
    """Pending, running with a start time, closed once; what has ended neither starts nor ends again."""
    job_id = tables.jobs.create("index", {"ids": ["a"]})
    job = tables.jobs.get(job_id)
    assert (job.state, job.params, job.started_at, job.is_closed) == (JobState.PENDING, {"ids": ["a"]}, None, False)
    assert tables.jobs.start(job_id) and tables.jobs.start(job_id)
    assert tables.jobs.get(job_id).state is JobState.RUNNING and tables.jobs.get(job_id).started_at is not None
    assert [job.id for job in tables.jobs.list_open()] == [job_id]
    assert tables.jobs.close(job_id, JobState.COMPLETED) and not tables.jobs.close(job_id, JobState.FAILED)
    assert not tables.jobs.start(job_id)
    assert tables.jobs.get(job_id).state is JobState.COMPLETED and tables.jobs.list_open() == []


def test_an_unknown_job_is_not_found(tables: _Tables) -> None:
    """The error names the id."""
    with pytest.raises(NotFoundError, match="00000000"):
        tables.jobs.get(uuid.UUID(int=0))


def test_recent_jobs_come_newest_first_and_by_state(tables: _Tables) -> None:
    """Lists are paged and can be narrowed to one state."""
    ids = [tables.jobs.create("index", {}) for _ in range(5)]
    tables.jobs.cancel(ids[2])
    assert [job.id for job in tables.jobs.list_recent(limit=2, offset=1)] == [ids[3], ids[2]]
    assert [job.id for job in tables.jobs.list_recent(state=JobState.CANCELLED)] == [ids[2]]


def test_cancel_stops_claims_and_works_once(tables: _Tables) -> None:
    """Rows of a cancelled job cannot be claimed; a job that has ended cannot be cancelled."""
    job_id, slugs = tables.start_job(3)
    assert tables.jobs.cancel(job_id).state is JobState.CANCELLED
    assert tables.stages.claim(job_id, slugs, owner="w", lease_s=60) == []
    with pytest.raises(ConflictError, match="already ended"):
        tables.jobs.cancel(job_id)


def test_retry_revives_what_was_not_done(tables: _Tables) -> None:
    """Dead and open rows start afresh, done ones stay, and the dead letters are resolved; not while it runs."""
    job_id, slugs = tables.start_job(3)
    with pytest.raises(ConflictError, match="still running"):
        tables.jobs.retry(job_id)
    tables.stages.claim(job_id, slugs, owner="w", lease_s=60)
    tables.complete(job_id, slugs[:1])
    tables.stages.fail(job_id, slugs[1], stage=Stage.EMBED, reason="x", attempts=1, is_final=True)
    tables.jobs.close(job_id, JobState.COMPLETED)
    assert tables.jobs.retry(job_id) == 4, "two titles, two stages each"
    assert tables.jobs.get(job_id).state is JobState.RUNNING and tables.jobs.list_dead_letters(job_id) == []
    assert [(row.slug, row.attempts) for row in tables.stages.list_claimable(job_id)] == [("t001", 0), ("t002", 0)]


def test_progress_counts_by_stage_and_state(tables: _Tables) -> None:
    """Counts, rate, time left and dead letters of a running job."""
    job_id, slugs = tables.start_job(10)
    tables.stages.claim(job_id, slugs[:6], owner="w", lease_s=60)
    tables.complete(job_id, slugs[:4])
    tables.stages.fail(job_id, slugs[4], stage=Stage.INDEX, reason="x", attempts=1, is_final=True)
    progress = tables.jobs.get_progress(tables.jobs.get(job_id))
    assert progress.stages["embed"] == {"done": 4, "dead": 1, "leased": 1, "pending": 4}
    assert progress.stages["index"] == {"done": 4, "dead": 1, "pending": 5}
    assert progress.stages["enrich"] == {"skipped": 10} and progress.dead_letters == 1
    assert progress.open_rows == tables.stages.count_open(job_id) == 10
    assert progress.titles_per_s > 0 and progress.seconds_left is not None and progress.seconds_left > 0


@pytest.mark.parametrize("ago", ["0 seconds", "1 hour"])
def test_the_rate_of_a_job_that_has_ended_is_that_of_its_own_time(tables: _Tables, ago: str) -> None:
    """Four titles in four seconds are one a second, not four in half a minute, whenever somebody asks."""
    job_id, slugs = tables.start_job(10)
    tables.stages.claim(job_id, slugs[:4], owner="w", lease_s=60)
    tables.complete(job_id, slugs[:4])
    tables.jobs.cancel(job_id)
    end = f"now() - CAST('{ago}' AS interval)"
    tables.execute(f"UPDATE jobs SET started_at = {end} - interval '4 seconds', finished_at = {end}")
    tables.execute(f"UPDATE stage_rows SET updated_at = {end} - interval '2 seconds'")
    progress = tables.jobs.get_progress(tables.jobs.get(job_id))
    assert progress.titles_per_s == 1.0
    assert progress.seconds_left == (None if progress.open_rows else 0.0), "what was cancelled is not waited for"


def test_the_rate_of_a_long_job_is_that_of_its_last_half_minute(tables: _Tables) -> None:
    """What was done longer ago does not count, while it runs and when it has ended."""
    job_id, slugs = tables.start_job(40)
    tables.stages.claim(job_id, slugs, owner="w", lease_s=60)
    tables.complete(job_id, slugs)
    tables.execute("UPDATE jobs SET started_at = now() - interval '5 minutes'")
    tables.execute("UPDATE stage_rows SET updated_at = now() - interval '40 seconds' WHERE slug < 't010'")
    assert tables.jobs.get_progress(tables.jobs.get(job_id)).titles_per_s == 1.0
    tables.jobs.close(job_id, JobState.COMPLETED)
    assert tables.jobs.get_progress(tables.jobs.get(job_id)).titles_per_s == 1.0


# Stage rows


def test_only_stale_titles_get_rows(tables: _Tables) -> None:
    """Never written, changed since, or excluded with a point still there: these are stale, and no others."""
    tables.add_titles(5)
    tables.record([_entry(slug, title_vector="h") for slug in ("t001", "t002", "t003")])
    tables.execute("UPDATE titles SET content_hash = 'new' WHERE slug = 't002'")
    tables.execute("UPDATE titles SET excluded = true WHERE slug IN ('t003', 't004')")
    job_id = tables.jobs.create("index", {})
    assert tables.stages.enqueue_stale(job_id, _COLLECTION) == 3
    assert [row.slug for row in tables.stages.list_claimable(job_id)] == ["t000", "t002", "t003"]
    assert tables.stages.enqueue_stale(job_id, _COLLECTION) == 3, "the same call again adds nothing"
    narrow = tables.jobs.create("index", {})
    assert tables.stages.enqueue_stale(narrow, _COLLECTION, slugs=["t000", "t001"]) == 1
    assert tables.stages.enqueue_stale(tables.jobs.create("index", {}), _COLLECTION, slugs=[]) == 0


def test_a_title_that_is_deleted_meanwhile_gets_no_row(tables: _Tables) -> None:
    """A job that is given its rows while one of the titles is being deleted waits, and goes on with the others."""
    tables.add_titles(3)
    job_id = tables.jobs.create("index", {})
    counts: list[int] = []
    enqueue = threading.Thread(target=lambda: counts.append(tables.stages.enqueue_stale(job_id, _COLLECTION)))
    with tables.database.begin() as connection:
        connection.execute(text("DELETE FROM titles WHERE slug = 't001'"))
        enqueue.start()
        _wait_for_a_blocked_query(tables)
    enqueue.join(timeout=30)
    assert counts == [2]
    assert [row.slug for row in tables.stages.list_claimable(job_id)] == ["t000", "t002"]


def _wait_for_a_blocked_query(tables: _Tables) -> None:
    query = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    deadline = time.monotonic() + 30
    with tables.database.begin() as connection:
        while not connection.execute(query).scalar_one():
            assert time.monotonic() < deadline, "nothing waits"
            time.sleep(0.02)
            connection.execute(text("SELECT pg_stat_clear_snapshot()"))


def test_workers_at_the_same_time_never_get_the_same_title(tables: _Tables) -> None:
    """Eight workers that claim the same 200 titles at once share them without overlap and without waiting."""
    job_id, slugs = tables.start_job(200)
    claims: list[list[str]] = []
    barrier = threading.Barrier(8)

    def work(number: int) -> None:
        mine: list[str] = []
        barrier.wait()
        for start in range(0, 200, 25):
            part = slugs[start : start + 25]
            order = part if number % 2 else part[::-1]
            mine += [c.slug for c in tables.stages.claim(job_id, order, owner=f"w{number}", lease_s=60)]
        claims.append(mine)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(claims) == 8
    assert sorted(slug for mine in claims for slug in mine) == slugs


def test_a_locked_row_is_passed_over(tables: _Tables) -> None:
    """A claim does not wait for a transaction that holds one of the rows: it takes the others."""
    job_id, slugs = tables.start_job(3)
    with tables.database.begin() as connection:
        connection.execute(text("SELECT 1 FROM stage_rows WHERE slug = 't001' FOR UPDATE"))
        claimed = tables.stages.claim(job_id, slugs, owner="w", lease_s=60)
    assert sorted(claim.slug for claim in claimed) == ["t000", "t002"]


def test_a_lease_protects_until_it_ends(tables: _Tables) -> None:
    """A leased title is nobody else's; once the lease has ended it can be claimed, and the attempt counts."""
    job_id, slugs = tables.start_job(2)
    assert [claim.attempts for claim in tables.stages.claim(job_id, slugs, owner="w1", lease_s=60)] == [1, 1]
    assert tables.stages.claim(job_id, slugs, owner="w2", lease_s=60) == []
    assert tables.stages.list_claimable(job_id) == []
    tables.execute(
        "UPDATE stage_rows SET leased_until = now() - interval '1 s' WHERE slug = 't000' AND stage = 'embed'"
    )
    [claim] = tables.stages.claim(job_id, slugs, owner="w2", lease_s=60)
    assert (claim.slug, claim.attempts) == ("t000", 2)


def test_renewing_holds_only_what_is_named_and_ours(tables: _Tables) -> None:
    """Rows of other workers and rows that are not named keep their end."""
    job_id, slugs = tables.start_job(3)
    tables.stages.claim(job_id, slugs[:2], owner="w1", lease_s=60)
    tables.stages.claim(job_id, slugs[2:], owner="w2", lease_s=60)
    assert tables.stages.renew(job_id, [slugs[0], slugs[2]], owner="w1", lease_s=600) == 1


def test_a_release_does_not_count_as_an_attempt(tables: _Tables) -> None:
    """Given back because a server was away, a title waits again as if it had not been taken."""
    job_id, slugs = tables.start_job(2)
    tables.stages.claim(job_id, slugs, owner="w", lease_s=60)
    tables.stages.release(job_id, slugs[:1], owner="w", reason="qdrant is unavailable")
    tables.stages.release(job_id, slugs[1:], owner="somebody else", reason="x")
    assert [(row.slug, row.attempts) for row in tables.stages.list_claimable(job_id)] == [("t000", 0)]


def test_a_failure_is_tried_again_until_it_is_final(tables: _Tables) -> None:
    """Failed rows can be claimed; the last failure makes exactly one dead letter and closes the row."""
    job_id, [slug] = tables.start_job(1)
    for attempt in (1, 2, 3):
        [claim] = tables.stages.claim(job_id, [slug], owner="w", lease_s=60)
        assert claim.attempts == attempt
        for _ in range(2):
            tables.stages.fail(
                job_id, slug, stage=Stage.EMBED, reason="bad " * 1_000, attempts=attempt, is_final=attempt == 3
            )
    assert tables.stages.claim(job_id, [slug], owner="w", lease_s=60) == [] and tables.stages.count_open(job_id) == 0
    [letter] = tables.jobs.list_dead_letters(job_id)
    assert (letter.slug, letter.stage, letter.attempts, len(letter.reason)) == (slug, "embed", 3, 2_000)


def test_a_worker_that_lost_its_claim_decides_nothing(tables: _Tables) -> None:
    """A slow worker's failure, reported after another one has taken over or finished, leaves no dead letter."""
    job_id, [slug] = tables.start_job(1)
    tables.stages.claim(job_id, [slug], owner="slow", lease_s=60)
    tables.execute("UPDATE stage_rows SET leased_until = now() - interval '1 s' WHERE stage = 'embed'")
    tables.stages.claim(job_id, [slug], owner="fast", lease_s=60)
    tables.stages.fail(job_id, slug, stage=Stage.EMBED, reason="late", attempts=1, is_final=True)
    tables.complete(job_id, [slug])
    tables.stages.fail(job_id, slug, stage=Stage.EMBED, reason="late", attempts=2, is_final=True)
    assert tables.jobs.list_dead_letters() == [] and tables.stages.count_open(job_id) == 0


def test_reopening_makes_titles_claimable_again(tables: _Tables) -> None:
    """Titles that were done, or never were in the job, get open rows in both stages."""
    job_id, slugs = tables.start_job(2)
    tables.stages.claim(job_id, slugs, owner="w", lease_s=60)
    tables.complete(job_id, slugs)
    tables.execute("INSERT INTO titles (slug, document, content_hash) VALUES ('extra', '{}', 'x')")
    tables.stages.reopen(job_id, ["t000", "extra"])
    assert [(row.slug, row.attempts) for row in tables.stages.list_claimable(job_id)] == [("extra", 0), ("t000", 0)]
    assert tables.stages.count_open(job_id) == 4
    tables.stages.reopen(job_id, [])


# Ledger


def test_the_ledger_refuses_outdated_documents(tables: _Tables) -> None:
    """An entry of an older version is not written, and an entry that is there is taken back."""
    tables.add_titles(3)
    assert tables.record([_entry("t000", title_vector="a"), _entry("t001", title_vector="b")]) == []
    tables.execute("UPDATE titles SET content_hash = 'newer' WHERE slug = 't001'")
    assert tables.record([_entry("t000", title_vector="c"), _entry("t001"), _entry("t002")]) == ["t001"]
    loaded = tables.ledger.load(_COLLECTION, ["t000", "t001", "t002"])
    assert set(loaded) == {"t000", "t002"} and loaded["t000"].passages == {"title_vector": "c"}
    assert tables.record([]) == []


def test_recording_waits_for_a_change_that_is_under_way(tables: _Tables) -> None:
    """While an import holds the title, no entry of the old document slips in before it commits."""
    tables.add_titles(1)
    outdated: list[str] = []
    recorder = threading.Thread(target=lambda: outdated.extend(tables.record([_entry("t000")])))
    with tables.database.begin() as connection:
        tables.titles.update(connection, [StoredTitle("t000", {"title": "New"}, "new", False, False)])
        recorder.start()
        recorder.join(0.3)
        assert recorder.is_alive()
    recorder.join()
    assert outdated == ["t000"] and tables.ledger.count(_COLLECTION) == 0


def test_the_ledger_counts_titles_and_vectors(tables: _Tables) -> None:
    """Coverage by vector, all slugs, and forgetting."""
    slugs = tables.add_titles(3)
    tables.record(
        [_entry(slug, title_vector="a", **({"genre_vector": "b"} if slug != "t000" else {})) for slug in slugs]
    )
    assert tables.ledger.count_by_vector(_COLLECTION) == {"title_vector": 3, "genre_vector": 2}
    assert sorted(tables.ledger.iterate_slugs(_COLLECTION)) == slugs
    tables.ledger.forget_now(_COLLECTION, ["t001"])
    tables.ledger.forget_now(_COLLECTION, [])
    assert tables.ledger.count(_COLLECTION) == 2 and tables.ledger.count("another") == 0


# Generations


def test_one_generation_is_live_at_a_time(tables: _Tables) -> None:
    """Going live retires the one before; creating the same one again changes nothing; recipes read back the same."""
    assert tables.generations.get_live("live") is None
    tables.generations.set_live(_COLLECTION, "live")
    tables.generations.create(_COLLECTION, alias="live", recipes=_RECIPES)
    live = tables.generations.get_live("live")
    assert live is not None and (live.collection, live.recipes) == (_COLLECTION, _RECIPES)
    newer = RecipeSet(EmbeddingRecipe("text", "2", 16, 1), _RECIPES.lexical, _RECIPES.metadata)
    assert tables.generations.find_or_create("live", _RECIPES) == (live, False)
    building, is_new = tables.generations.find_or_create("live", newer)
    assert is_new and building.collection == f"live_{newer.fingerprint}_002"
    assert tables.generations.find_or_create("live", newer) == (building, False)
    tables.generations.set_live(building.collection, "live")
    assert {one.collection: one.state for one in tables.generations.list_all("live")} == {
        building.collection: GenerationState.LIVE,
        _COLLECTION: GenerationState.RETIRED,
    }
    again, is_new = tables.generations.find_or_create("live", _RECIPES)
    assert is_new and again.collection.endswith("_003"), "a retired one is not written to again"
    assert tables.generations.list_all("another alias") == []


# Postgres away


def test_an_absent_postgres_is_named(database_url: str, fresh_services: EmbeddedServices) -> None:
    """Away, Postgres is a transient error that names it; back again, the same Database goes on."""
    database = Database(database_url, connect_timeout_s=2)
    database.ping()
    # In good order, for the sake of time: what a kill leaves behind is the crash test's business.
    fresh_services.stop("postgres")
    with pytest.raises(DependencyUnavailableError, match="postgres"):
        database.ping()
    fresh_services.start("postgres")
    database.ping()
    database.close()


def test_a_wrong_statement_is_no_outage(tables: _Tables) -> None:
    """A fault of ours is not taken for a server that is away."""
    with pytest.raises(Exception, match="nowhere") as caught:
        tables.execute("SELECT * FROM nowhere")
    assert not isinstance(caught.value, DependencyUnavailableError)
