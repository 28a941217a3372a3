"""The ledger of pictures, its rows of work, its collections, and what titles learn from it; on a real Postgres."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from sqlalchemy import text

from core.recipe import EmbeddingRecipe
from storage.database.jobs import JobRepository
from storage.database.models import GenerationState
from storage.database.picture_generations import PictureGenerationRepository
from storage.database.picture_ledger import PictureEntry, PictureLedgerRepository
from storage.database.picture_rows import PictureRowRepository
from storage.database.pictures import FreePicture, PictureRepository
from storage.database.session import Database

_ALIAS = "pictures"
_RECIPE = EmbeddingRecipe("e", "1", 4, 1)


@dataclass
class Tables:
    """The repositories over one database, with a collection."""

    database: Database
    pictures: PictureRepository
    ledger: PictureLedgerRepository
    rows: PictureRowRepository
    generations: PictureGenerationRepository
    collection: str

    def add(self, count: int, *, slug: str | None = None) -> list[PictureEntry]:
        """So many stored pictures, and what the ledger is to say of them."""
        ids = self.pictures.add_free([FreePicture(name=f"p{number}", slug=slug) for number in range(count)])
        with self.database.begin() as connection:
            for number, one in enumerate(ids):
                sha256 = f"{number:064x}"
                values = {"sha256": sha256}
                connection.execute(
                    text("INSERT INTO media_files VALUES (:sha256, 1, 'image/png', 1, 1, 0, '#000000')"), values
                )
                self.pictures.attach_to(connection, [one], sha256)
        rows = self.pictures.load(ids)
        return [PictureEntry(one, rows[one].content_hash, rows[one].sha256 or "") for one in ids]

    def record(self, entries: list[PictureEntry]) -> list[uuid.UUID]:
        """Write entries in a transaction of their own."""
        with self.database.begin() as connection:
            return self.ledger.record(connection, self.collection, entries)

    def title_hash(self) -> str:
        """What the one title says of its pictures."""
        with self.database.begin() as connection:
            return str(connection.execute(text("SELECT pictures_hash FROM titles")).scalar_one())


@pytest.fixture
def tables(database_url: str) -> Iterator[Tables]:
    """An empty database with one title and one collection of pictures."""
    database = Database(database_url)
    generations = PictureGenerationRepository(database)
    with database.begin() as connection:
        connection.execute(text("TRUNCATE titles, jobs, pictures, media_files, picture_generations CASCADE"))
        connection.execute(text("INSERT INTO titles (slug, document, content_hash) VALUES ('one', '{}', 'h')"))
    made, _ = generations.find_or_create(_ALIAS, _RECIPE)
    yield Tables(
        database,
        PictureRepository(database),
        PictureLedgerRepository(database),
        PictureRowRepository(database),
        generations,
        made.collection,
    )
    database.close()


def test_a_title_changes_with_what_the_ledger_lists(tables: Tables) -> None:
    """Each entry that comes, changes or goes makes the title stale; the same entries give the same hash again."""
    entries = tables.add(3, slug="one")
    assert tables.title_hash() == ""
    tables.record(entries[:2])
    two = tables.title_hash()
    tables.record(entries)
    three = tables.title_hash()
    assert len({"", two, three}) == 3
    tables.ledger.distrust(tables.collection, payloads=[entries[0].picture_id], vectors=[])
    assert tables.title_hash() == three, "a payload shows in no vector"
    tables.ledger.distrust(tables.collection, payloads=[], vectors=[entries[2].picture_id])
    assert tables.title_hash() == two, "what is being changed does not count"
    tables.record(entries)
    assert tables.title_hash() == three
    tables.ledger.forget_now(tables.collection, [one.picture_id for one in entries])
    assert tables.title_hash() == ""


def test_writers_of_one_title_do_not_overlook_each_other(tables: Tables) -> None:
    """Two transactions that record pictures of a title at the same time leave a hash over both."""
    entries = tables.add(2, slug="one")
    tables.record(entries)
    both = tables.title_hash()
    tables.ledger.forget_now(tables.collection, [one.picture_id for one in entries])
    begun = threading.Event()
    threads = []
    with tables.database.begin() as connection:
        tables.ledger.record(connection, tables.collection, entries[:1])

        def record_second() -> None:
            begun.set()
            tables.record(entries[1:])

        threads.append(threading.Thread(target=record_second))
        threads[0].start()
        begun.wait()
        threads[0].join(timeout=0.3)
        assert threads[0].is_alive(), "the second one waits for the first"
    threads[0].join()
    assert tables.title_hash() == both


def test_what_changed_meanwhile_is_not_recorded(tables: Tables) -> None:
    """A picture with another description, one that went, and one whose title is excluded are given back."""
    same, changed, gone, hidden = tables.add(4)
    tables.pictures.add_free(
        [FreePicture(name="p1", tags=["new"]), FreePicture(name="p3", slug="one")],
    )
    with tables.database.begin() as connection:
        tables.pictures.remove(connection, [gone.picture_id])
        connection.execute(text("UPDATE titles SET excluded = true"))
    row = tables.pictures.load([hidden.picture_id])[hidden.picture_id]
    hidden = PictureEntry(hidden.picture_id, row.content_hash, hidden.sha256)
    outdated = tables.record([same, changed, gone, hidden])
    assert set(outdated) == {changed.picture_id, gone.picture_id, hidden.picture_id}
    assert tables.ledger.load(tables.collection, [same.picture_id, *outdated]) == {same.picture_id: same}


def test_stale_pictures_are_enqueued_and_claimed_once(tables: Tables) -> None:
    """New, changed and gone pictures get rows; a claim takes what is free and counts its attempts."""
    entries = tables.add(5)
    tables.record(entries[:4])
    tables.pictures.add_free([FreePicture(name="p1", tags=["new"])])
    with tables.database.begin() as connection:
        tables.pictures.remove(connection, [entries[2].picture_id])
        connection.execute(text("DELETE FROM pictures WHERE id = :id"), {"id": entries[3].picture_id})
    jobs = JobRepository(tables.database)
    job_id = jobs.create("pictures", {})
    jobs.start(job_id)
    wanted = [entries[number].picture_id for number in (1, 2, 3, 4)]
    assert tables.rows.count_stale(tables.collection) == 4
    assert tables.rows.enqueue_stale(job_id, tables.collection) == 4
    assert tables.rows.enqueue_stale(job_id, tables.collection) == 4, "a second time adds nothing"
    first = tables.rows.claim(job_id, wanted, owner="a", lease_s=60)
    assert {claim.id for claim in first} == set(wanted) and {claim.attempts for claim in first} == {1}
    assert tables.rows.claim(job_id, wanted, owner="b", lease_s=60) == []
    tables.rows.release(job_id, wanted[:1], owner="a", reason="away")
    [again] = tables.rows.claim(job_id, wanted, owner="b", lease_s=60)
    assert (again.id, again.attempts) == (wanted[0], 1)
    assert tables.rows.fail(job_id, first[1], reason="bad", is_final=True)
    assert not tables.rows.fail(job_id, first[1], reason="bad", is_final=True), "the claim is over"
    [letter] = jobs.list_dead_letters(job_id)
    assert letter.detail["picture_id"] == str(first[1].id)
    assert tables.rows.count_open(job_id) == 3
    other = jobs.create("pictures", {})
    assert tables.rows.enqueue_stale(other, tables.collection, ids=[wanted[0]]) == 1
    assert tables.rows.enqueue_stale(jobs.create("pictures", {}), tables.collection, slugs=["one"]) == 0


def test_an_encoder_finds_its_collection_again(tables: Tables) -> None:
    """One collection a recipe: what was retired comes back with what it holds, and is the newest then."""
    other = EmbeddingRecipe("other", "1", 8, 1)
    first, is_new = tables.generations.find_or_create(_ALIAS, _RECIPE)
    assert not is_new and first.state is GenerationState.BUILDING
    with tables.generations.deciding() as connection:
        tables.generations.set_live_in(connection, first.collection, _ALIAS)
    second, _ = tables.generations.find_or_create(_ALIAS, other)
    with tables.generations.deciding() as connection:
        tables.generations.set_live_in(connection, second.collection, _ALIAS)
    live = tables.generations.get_live(_ALIAS)
    assert live is not None and live.recipe == other
    back, is_new = tables.generations.find_or_create(_ALIAS, _RECIPE)
    assert is_new and back.collection == first.collection
    assert [one.collection for one in tables.generations.list_all(_ALIAS)] == [first.collection, second.collection]


def test_only_what_no_titles_may_return_to_is_needless(tables: Tables) -> None:
    """A retired collection goes after a while, unless a generation of titles was made with its encoder."""
    with tables.generations.deciding() as connection:
        tables.generations.set_live_in(connection, tables.collection, _ALIAS)
    second, _ = tables.generations.find_or_create(_ALIAS, EmbeddingRecipe("other", "1", 8, 1))
    with tables.generations.deciding() as connection:
        tables.generations.set_live_in(connection, second.collection, _ALIAS)
    assert tables.generations.list_needless(_ALIAS, grace_s=60) == []
    assert tables.generations.list_needless(_ALIAS, grace_s=0) == [tables.collection]
    with tables.database.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO generations (collection, alias, state, recipes_fingerprint, text_fingerprint, "
                "lexical_fingerprint, metadata_fingerprint, image_fingerprint) VALUES "
                "('titles', 'titles', 'retired', 'r', :recipe, :recipe, :recipe, :recipe)"
            ),
            {"recipe": _RECIPE.fingerprint},
        )
    assert tables.generations.list_needless(_ALIAS, grace_s=0) == []


def test_an_attempt_that_nobody_carries_on_is_given_up(tables: Tables) -> None:
    """A collection that is building is retired once no open job got on with it for a while."""
    jobs = JobRepository(tables.database)
    job_id = jobs.create("pictures", {})
    jobs.start(job_id)
    jobs.mark_enqueued(job_id, tables.collection)
    with tables.database.begin() as connection:
        connection.execute(text("UPDATE picture_generations SET created_at = now() - interval '1 hour'"))
    assert tables.generations.retire_abandoned(_ALIAS, idle_s=60) == []
    with tables.database.begin() as connection:
        connection.execute(text("UPDATE jobs SET heartbeat_at = now() - interval '1 hour'"))
    assert tables.generations.retire_abandoned(_ALIAS, idle_s=60) == [tables.collection]
