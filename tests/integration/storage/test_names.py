"""Names as Postgres gives them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import event, text

from search.names.keeper import NameIndexKeeper
from storage.database import names as module
from storage.database.names import NameRepository, measure_popularity
from storage.database.session import Database
from storage.database.titles import StoredTitle, TitleRepository

FULL = {
    "title": "Shingeki no Kyojin",
    "title_english": "Attack on Titan",
    "title_japanese": "進撃の巨人",
    "synonyms": ["AoT", "Attack on Titan", "진격의 거인"],
    "type": "TV",
    "year": 2013,
    "members": 4_000_000,
    "studios": ["Wit Studio"],
    "genres": ["action"],
    "tags": ["gore", "action"],
}


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """The module's database without titles."""
    opened = Database(database_url)
    with opened.begin() as connection:
        connection.execute(text("TRUNCATE titles CASCADE"))
    yield opened
    opened.close()


@pytest.fixture
def repository(database: Database) -> NameRepository:
    """What is tested."""
    return NameRepository(database)


def store(database: Database, slug: str, document: dict[str, Any], *, adult: bool = False) -> None:
    """A new title."""
    with database.begin() as connection:
        row = StoredTitle(slug, document, "hash", adult, excluded=False)
        TitleRepository(database).insert(connection, [row])


def execute(database: Database, statement: str) -> None:
    """One statement in a transaction of its own."""
    with database.begin() as connection:
        connection.execute(text(statement))


def test_a_title_with_everything(database: Database, repository: NameRepository) -> None:
    """Each name once, titles before synonyms; labels of all kinds."""
    store(database, "aot", FULL, adult=True)
    ((title,),) = repository.fetch_all()
    assert title.names == ("Shingeki no Kyojin", "Attack on Titan", "進撃の巨人", "AoT", "진격의 거인")
    assert (title.main_count, title.type, title.year, title.version) == (3, "TV", 2013, 1)
    assert (title.adult, title.excluded) == (True, False)
    assert (title.studios, title.labels) == (("Wit Studio",), ("action", "gore"))
    assert title.popularity == pytest.approx(1.0, abs=1e-3)


def test_a_title_with_a_name_only(database: Database, repository: NameRepository) -> None:
    """Whatever else is not known is absent."""
    store(database, "x", {"title": "X", "type": "UNKNOWN"})
    ((title,),) = repository.fetch_all()
    assert (title.names, title.year, title.studios, title.labels) == (("X",), None, (), ())
    assert 0 < title.popularity < 0.2


def test_many_titles_come_in_batches(
    database: Database, repository: NameRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them, excluded ones too, without holding them all at once."""
    monkeypatch.setattr(module, "_BATCH", 10)
    for number in range(25):
        store(database, f"t{number}", {"title": f"T {number}", "type": "TV"})
    execute(database, "UPDATE titles SET excluded = true WHERE slug = 't3'")
    cursors = []
    event.listen(database.engine, "before_cursor_execute", lambda _connection, cursor, *_: cursors.append(cursor))
    batches = list(repository.fetch_all())
    assert isinstance(cursors[-1], psycopg.ServerCursor)
    assert [len(batch) for batch in batches] == [10, 10, 5]
    assert {title.slug for batch in batches for title in batch if title.excluded} == {"t3"}


def test_changed_titles(database: Database, repository: NameRepository) -> None:
    """Those stored at or after a moment, the longest ago first."""
    store(database, "old", {"title": "Old", "type": "TV"})
    execute(database, "UPDATE titles SET updated_at = now() - interval '1 hour'")
    store(database, "new", {"title": "New", "type": "TV"})
    store(database, "newer", {"title": "Newer", "type": "TV"})
    since = repository.get_moment(overlap_s=60)
    assert [title.slug for title in repository.fetch_changed(since, limit=10)] == ["new", "newer"]
    assert [title.slug for title in repository.fetch_changed(since, limit=1)] == ["new"]
    hours = since - timedelta(hours=2)
    assert [title.slug for title in repository.fetch_changed(hours, limit=10)] == ["old", "new", "newer"]


def test_changed_titles_are_found_by_an_index(database: Database) -> None:
    """Web processes ask every two seconds."""
    with database.begin() as connection:
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        plan = connection.execute(text("EXPLAIN SELECT slug FROM titles WHERE updated_at >= now() ORDER BY updated_at"))
        assert "ix_titles_updated_at" in "\n".join(plan.scalars())


def test_the_keeper_follows_the_database(database: Database, repository: NameRepository) -> None:
    """Stored, renamed and excluded titles are known after the next look, each by one reading of what changed."""
    store(database, "aot", FULL)
    keeper = NameIndexKeeper(repository, refresh_s=3_600)
    assert keeper.wait(20)

    def find(name: str) -> list[str]:
        return [match.slug for match in keeper.require().index.match(name)]

    assert find("attack on titan") == find("進撃の巨人") == ["aot"]
    store(database, "naruto", {"title": "Naruto", "type": "TV"})
    keeper.refresh()
    assert find("naruto") == ["naruto"]
    with database.begin() as connection:
        changed = StoredTitle("naruto", {"title": "Boruto", "type": "TV"}, "other", False, excluded=False)
        TitleRepository(database).update(connection, [changed])
    execute(database, "UPDATE titles SET excluded = true, updated_at = now() WHERE slug = 'aot'")
    keeper.refresh()
    assert find("naruto") == find("attack on titan") == []
    assert find("boruto") == ["naruto"]
    keeper.close()


def test_popularity_where_nobody_counts_members() -> None:
    """Estimated from synonyms and score, below what is followed by millions."""
    unknown = measure_popularity(None, synonyms=0, score=None)
    noted = measure_popularity(None, synonyms=39, score=8.5)
    assert 0 < unknown < noted < measure_popularity(3_000_000, synonyms=0, score=None) < 1
    assert measure_popularity(0, synonyms=10, score=9.0) == 0
