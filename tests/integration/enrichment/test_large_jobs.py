"""Jobs of enrichment over many titles, or for a long time."""

from __future__ import annotations

from sqlalchemy import text

from storage.database.enrich_rows import EnrichRowRepository
from storage.database.enrich_wants import Scope, ScopePart, Want, WantRepository
from storage.database.jobs import KIND_ENRICH, JobRepository
from storage.database.session import Database

TITLES = 1_000
PART = ScopePart(
    provider="jikan", stage="metadata", airing_s=60.0, upcoming_s=60.0, recent_s=60.0, finished_s=60.0
)  # fmt: skip
SCOPE = Scope(parts=(PART,), dead_s=60.0)
INSERT = text("""
    INSERT INTO titles (slug, document, content_hash)
    SELECT 'many-' || n, jsonb_build_object('title', 'Many ' || n), md5(n::text) FROM generate_series(1, :titles) n
""")
PROVENANCE = text("""
    INSERT INTO provenance (slug, fields, quality, quality_parts, model_version, inputs_hash)
    VALUES ('many-1', '{}', 50, '{}', 0, 'x')
""")


def test_a_large_job_leaves_statistics_behind(database_url: str) -> None:
    """Who looks at its rows right after it was stored does not plan for empty tables."""
    database = Database(database_url)
    with database.begin() as connection:
        connection.execute(text("TRUNCATE titles, jobs CASCADE"))
        connection.execute(INSERT, {"titles": TITLES})
    jobs = JobRepository(database)
    job_id = jobs.create(KIND_ENRICH, {"providers": ["jikan"], "stages": ["metadata"]})
    assert WantRepository(database).enqueue(job_id, SCOPE, Want()) == TITLES
    query = text("SELECT reltuples::int FROM pg_class WHERE relname IN ('enrich_parts', 'stage_rows')")
    with database.begin() as connection:
        assert list(connection.execute(query).scalars()) == [TITLES, TITLES]
    assert EnrichRowRepository(database).list_ready(job_id, limit=TITLES) == []
    database.close()


def test_what_waits_for_a_lock_while_an_index_job_is_stored_is_indexed_by_the_next(database_url: str) -> None:
    """Merging counts by when it was stored, not only by when it began."""
    database = Database(database_url)
    with database.begin() as connection:
        connection.execute(text("TRUNCATE titles, jobs CASCADE"))
        connection.execute(INSERT, {"titles": 1})
    jobs, rows = JobRepository(database), EnrichRowRepository(database)
    job_id = jobs.create(KIND_ENRICH, {"providers": [], "stages": []})
    jobs.start(job_id)
    with database.begin() as connection:
        WantRepository(database).enqueue_in(connection, job_id, Scope(parts=(), dead_s=60.0), Want(every_title=True))
        jobs.mark_enqueued_in(connection, job_id, None)
    assert not rows.is_any_merged_since_index(job_id, least_s=0.0)
    claimed = rows.claim(["many-1"], owner="me", lease_s=60.0)
    with database.begin() as merging:
        merging.execute(PROVENANCE)
        # Its `merged_at` is before this, and it is seen only after this.
        jobs.create("index", {"enriched_by": str(job_id)})
    assert not rows.is_any_merged_since_index(job_id, least_s=0.0)
    rows.complete(claimed, owner="me")
    assert rows.is_any_merged_since_index(job_id, least_s=0.0)
    jobs.create("index", {"enriched_by": str(job_id)})
    assert not rows.is_any_merged_since_index(job_id, least_s=0.0)
    database.close()
