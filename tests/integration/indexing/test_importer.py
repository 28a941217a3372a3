"""Import on a real database: repeatable, in any order, by several at once, and never stopped by one bad record."""

from __future__ import annotations

import gzip
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from core.errors import InvalidInputError
from indexing.importing import BATCH_RECORDS, MAX_KEPT_REFUSALS, Importer
from indexing.sources.files import RawRecord, read_records
from storage.database.jobs import JobRepository
from storage.database.session import Database
from storage.database.titles import TitleRepository

_DEFAULT_DATA = Path(__file__).parents[4] / "shared" / "data"


class _Store:
    """An importer with what it writes to."""

    def __init__(self, url: str) -> None:
        self.database = Database(url)
        self.titles = TitleRepository(self.database)
        self.jobs = JobRepository(self.database)
        self.importer = Importer(self.database, self.titles, self.jobs)

    def run(self, values: list[dict[str, Any]]) -> Any:
        """Import under a new job."""
        return self.importer.run(self.jobs.create("import", {}), _records(values))


@pytest.fixture
def store(database_url: str) -> Iterator[_Store]:
    """An empty database with an importer."""
    made = _Store(database_url)
    with made.database.begin() as connection:
        connection.execute(text("TRUNCATE titles, jobs CASCADE"))
    yield made
    made.database.close()


def _records(values: list[dict[str, Any]]) -> Iterator[RawRecord]:
    return (RawRecord(number, value=value) for number, value in enumerate(values, start=1))


def _titles(count: int) -> list[dict[str, Any]]:
    return [{"title": f"Title {number}", "external_ids": {"mal": number + 1}} for number in range(count)]


def test_a_second_run_changes_nothing(store: _Store) -> None:
    """The same records again are all unchanged: same slugs, same hashes, same versions."""
    values = _titles(BATCH_RECORDS + 20)
    assert store.run(values).counts() == {"added": 520, "changed": 0, "unchanged": 0, "refused": 0}
    before = store.titles.load([f"title-{number}" for number in range(520)])
    assert store.run(values).counts() == {"added": 0, "changed": 0, "unchanged": 520, "refused": 0}
    assert store.titles.load(list(before)) == before and len(before) == 520


def test_a_changed_record_is_a_new_version_of_its_title(store: _Store) -> None:
    """Found by any of its ids, a title keeps its slug even when its name changes."""
    store.run([{"title": "Monster", "external_ids": {"mal": 19, "anilist": 19}}])
    summary = store.run([{"title": "Naoki Urasawa's Monster", "year": 2004, "external_ids": {"anilist": 19}}])
    assert summary.counts() == {"added": 0, "changed": 1, "unchanged": 0, "refused": 0}
    title = store.titles.load(["monster"])["monster"]
    assert title.document["title"] == "Naoki Urasawa's Monster" and title.document["year"] == 2004
    assert title.document["external_ids"] == {"mal": 19, "anilist": 19}
    assert store.titles.count() == 1


def test_one_title_twice_in_a_batch_is_one_title(store: _Store) -> None:
    """Two records that share an id are merged, also through a third that links them, and the ids are joined."""
    summary = store.run(
        [
            {"title": "Monster", "external_ids": {"mal": 19}},
            {"title": "Monster", "year": 2004, "external_ids": {"mal": 19, "kitsu": 10}},
            {"title": "MONSTER", "episodes": 74, "external_ids": {"kitsu": 10}},
        ]
    )
    assert (summary.added, summary.changed, summary.unchanged) == (1, 0, 2)
    [title] = store.titles.load(["monster"]).values()
    assert (title.document["year"], title.document["episodes"]) == (2004, 74)
    assert store.titles.resolve_slug("kitsu:10") == store.titles.resolve_slug("mal:19") == "monster"


def test_same_named_titles_get_slugs_of_their_own(store: _Store) -> None:
    """Within a batch and across imports the first keeps the plain slug, later ones carry their id; none changes."""
    store.run(
        [
            {"title": "Hellsing", "external_ids": {"mal": 270}},
            {"title": "Hellsing!", "external_ids": {"mal": 777}},
            {"title": "!!!", "external_ids": {"anilist": 5}},
        ]
    )
    store.run([{"title": "HELLSING", "external_ids": {"kitsu": 3}}])
    slugs = {key: store.titles.resolve_slug(key) for key in ("mal:270", "mal:777", "anilist:5", "kitsu:3")}
    assert slugs == {
        "mal:270": "hellsing",
        "mal:777": "hellsing-mal777",
        "anilist:5": "anilist5",
        "kitsu:3": "hellsing-kitsu3",
    }


def test_a_title_without_ids_is_recognised_by_its_facts(store: _Store) -> None:
    """Name, type and year stand in for an id: the same facts are the same title, another year is another one."""
    store.run([{"title": "Fan Film", "type": "MOVIE", "year": 2010}])
    summary = store.run(
        [{"title": "Fan Film", "type": "MOVIE", "year": 2010, "score": 7}, {"title": "Fan Film", "year": 2020}]
    )
    assert (summary.added, summary.changed) == (1, 1) and store.titles.count() == 2


def test_blank_ids_do_not_join_titles(store: _Store) -> None:
    """Tables with an empty id column are full of different titles."""
    summary = store.run([{"title": name, "external_ids": {"mal": blank}} for name, blank in (("A", ""), ("B", None))])
    assert summary.added == 2


def test_bad_records_become_dead_letters_with_their_line(store: _Store) -> None:
    """Each refused record is kept with line and reason; the records around it go in, hostile text and all."""
    job_id = store.jobs.create("import", {})
    records = [
        RawRecord(1, value={"title": "Good\x00 one", "external_ids": {"mal": 1}, "statistics": {"a": float("nan")}}),
        RawRecord(2, fault="not JSON: unexpected character"),
        RawRecord(3, value={"title": "Bad", "year": 1066}),
        RawRecord(4, value={"title": "Bad", "statistics": {"a": "\x00"}}),
        RawRecord(5, value={"title": "Bad", "external_ids": {"mal": 10**40}}),
        RawRecord(6, value={"title": "Also good", "external_ids": {"mal": 2}}),
    ]
    summary = store.importer.run(job_id, records)
    assert (summary.added, summary.refused, summary.read) == (2, 4, 6)
    letters = {letter.detail["line"]: letter for letter in store.jobs.list_dead_letters(job_id)}
    assert sorted(letters) == [2, 3, 4, 5]
    assert letters[2].reason == "not JSON: unexpected character" and letters[2].stage == "import"
    assert "year" in letters[3].reason and letters[3].slug is None
    assert store.jobs.get(job_id).import_counts == {"added": 2, "changed": 0, "unchanged": 0, "refused": 4}


def test_a_file_of_another_kind_does_not_flood_the_dead_letters(store: _Store) -> None:
    """All refusals are counted, and only the first thousand are kept."""
    job_id = store.jobs.create("import", {})
    summary = store.importer.run(job_id, (RawRecord(number, fault="x") for number in range(1, 1_801)))
    assert summary.refused == 1_800 and len(summary.refusals) == MAX_KEPT_REFUSALS
    assert len(store.jobs.list_dead_letters(job_id, limit=5_000)) == MAX_KEPT_REFUSALS


def test_an_import_that_died_is_finished_by_the_next(store: _Store) -> None:
    """Batches before the crash are stored with their counts, the rest is not; a second run adds just the rest."""
    values = _titles(2 * BATCH_RECORDS + 10)
    job_id = store.jobs.create("import", {})

    def dying() -> Iterator[RawRecord]:
        yield from _records(values[: BATCH_RECORDS + 100])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.importer.run(job_id, dying())
    assert store.titles.count() == BATCH_RECORDS
    assert store.jobs.get(job_id).import_counts["added"] == BATCH_RECORDS
    assert store.run(values).counts() == {
        "added": BATCH_RECORDS + 10,
        "changed": 0,
        "unchanged": BATCH_RECORDS,
        "refused": 0,
    }


def test_what_stood_before_the_cut_of_a_file_is_kept(store: _Store, tmp_path: Path) -> None:
    """A file that ends in the middle is an error, and its whole batches are stored."""
    packed = gzip.compress("".join(json.dumps(value) + "\n" for value in _titles(20_000)).encode())
    path = tmp_path / "half.jsonl.gz"
    path.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(InvalidInputError, match=r"half\.jsonl\.gz"):
        store.importer.run(store.jobs.create("import", {}), read_records(path))
    assert store.titles.count() >= BATCH_RECORDS and store.titles.count() % BATCH_RECORDS == 0


def test_importers_at_the_same_time_agree(store: _Store) -> None:
    """Two threads that import overlapping catalogues give each title one slug, and each slug one title."""
    values = _titles(1_200)
    for number in range(0, 1_200, 3):
        values[number]["title"] = "Same name"
    errors: list[BaseException] = []

    def run(part: list[dict[str, Any]]) -> None:
        try:
            store.run(part)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(part,)) for part in (values[:900], values[300:][::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert store.titles.count() == 1_200
    slugs = {store.titles.resolve_slug(f"mal:{number}") for number in range(1, 1_201, 7)}
    assert len(slugs) == len(range(1, 1_201, 7)) and None not in slugs


def test_names_of_related_titles_are_found_by_id(store: _Store) -> None:
    """A relation that is only an id gets its name from the catalogue."""
    store.run([{"title": "Monster", "external_ids": {"mal": 19}}])
    with store.database.begin() as connection:
        names = store.titles.find_names_by_ids(connection, [("mal", "19"), ("mal", "404")])
        assert store.titles.find_names_by_ids(connection, []) == {}
    assert names == {"mal:19": "Monster"}


def test_adult_titles_are_marked(store: _Store) -> None:
    """The mark is set from the merged document, whichever record brought the label."""
    store.run([{"title": "A", "external_ids": {"mal": 1}}, {"title": "B", "rating": "Rx", "external_ids": {"mal": 2}}])
    store.run([{"title": "A", "tags": ["Hentai"], "external_ids": {"mal": 1}}])
    assert {slug: title.adult for slug, title in store.titles.load(["a", "b"]).items()} == {"a": True, "b": True}


def test_the_real_catalogue_goes_in_whole(store: _Store) -> None:
    """Two thousand real titles: all of them are taken, each has a slug, and a second run finds them unchanged."""
    folder = Path(os.environ.get("AVS_SHARED_DATA", _DEFAULT_DATA))
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder}; AVS_SHARED_DATA names it")
    path = folder / "catalogue" / "anime-2k.jsonl.zst"
    first = store.importer.run(store.jobs.create("import", {}), read_records(path))
    assert first.refusals == [] and first.added == first.read == store.titles.count_all() > 2_000
    second = store.importer.run(store.jobs.create("import", {}), read_records(path))
    assert second.unchanged == first.added and second.changed == 0
    assert store.titles.resolve_slug("mal:1583") == "009-1"
