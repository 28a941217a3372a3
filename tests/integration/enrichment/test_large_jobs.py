"""Jobs of enrichment over many titles at once."""

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
