"""What must not be found before its point says so, on a real Postgres."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import text

from core.identity import point_id
from core.recipe import EmbeddingRecipe, RecipeSet
from storage.database.exclusions import ExclusionRepository
from storage.database.generations import GenerationRepository
from storage.database.ledger import LedgerRepository
from storage.database.media import MediaRepository
from storage.database.picture_generations import PictureGenerationRepository
from storage.database.picture_ledger import PictureEntry, PictureLedgerRepository
from storage.database.pictures import FreePicture, MediaFile, PictureRepository
from storage.database.session import Database
from storage.database.titles import StoredTitle, TitleRepository
from storage.database.visibility import HiddenPoints, VisibilityRepository

_RECIPE = EmbeddingRecipe("fake", "1", 4, 1)
_CONTENT = "a" * 64
_NOTHING = HiddenPoints()
TITLES = "titles_g1"


class World:
    """Three titles with a cover each and two free pictures, all of them indexed as they are."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.visibility = VisibilityRepository(database, lease_s=60)
        self.titles = TitleRepository(database)
        self.pictures = PictureRepository(database)
        self.ledger = PictureLedgerRepository(database)
        self._fill()

    def execute(self, statement: str, **values: Any) -> None:
        """Run a statement."""
        with self.database.begin() as connection:
            connection.execute(text(statement), values)

    def let_settle(self) -> None:
        """As if all changes were long ago."""
        for table in ("titles", "pictures"):
            self.execute(
                f"UPDATE {table} SET visibility_changed_at = now() - interval '1 day' WHERE visibility_mark IS NOT NULL"
            )

    def index_title(self, slug: str) -> None:
        """The job of a title that is not excluded has run."""
        self.execute(
            "INSERT INTO embedding_ledger (collection, slug, document_hash, passages) "
            "SELECT :collection, slug, content_hash, '{}' FROM titles WHERE slug = :slug "
            "ON CONFLICT (collection, slug) DO UPDATE SET document_hash = excluded.document_hash",
            collection=TITLES,
            slug=slug,
        )

    def index_pictures(self) -> None:
        """A job of pictures has run: what is wanted is in the ledger as it is, and nothing else."""
        with self.database.begin() as connection:
            ids = list(connection.execute(text("SELECT id FROM pictures")).scalars())
            rows = self.pictures.load_in(connection, ids).values()
            wanted = [row for row in rows if row.is_wanted and row.sha256]
            entries = [PictureEntry(row.id, row.content_hash, row.sha256 or "") for row in wanted]
            self.ledger.record(connection, self.collection, entries)
            self.ledger.forget(connection, self.collection, [row.id for row in rows if row not in wanted])

    def get_hidden(self) -> tuple[HiddenPoints, HiddenPoints]:
        """Of titles, and of pictures."""
        return (
            self.visibility.load_hidden_titles(TITLES),
            self.visibility.load_hidden_pictures(self.collection),
        )

    def get_cover(self, slug: str) -> str:
        """The id of the picture of a title."""
        (identifier,) = self.pictures.list_ids_of_title(slug)
        return str(identifier)

    def give(self, name: str, **more: Any) -> str:
        """Store a free picture, or say something else of it; it shows what all of them show."""
        free = FreePicture(name=name, url=f"http://host/{name}", **more)
        (identifier,) = self.pictures.add_free([free])
        with self.database.begin() as connection:
            self.pictures.attach_to(connection, [identifier], _CONTENT)
        return str(identifier)

    def _fill(self) -> None:
        recipes = RecipeSet(_RECIPE, _RECIPE, _RECIPE)
        GenerationRepository(self.database).create(TITLES, alias="titles", recipes=recipes)
        generation, _ = PictureGenerationRepository(self.database).find_or_create("pictures", _RECIPE)
        self.collection = generation.collection
        with self.database.begin() as connection:
            MediaRepository(self.database).add(connection, MediaFile(_CONTENT, 1, "image/png", 1, 1, 1, "#000000"))
            rows = [
                StoredTitle(slug, {"title": slug, "images": {"picture": f"http://host/{slug}"}}, "v1", adult, False)
                for slug, adult in (("t0", False), ("t1", False), ("born-adult", True))
            ]
            self.titles.insert(connection, rows)
        self.pictures.sync_titles()
        self.execute("UPDATE pictures SET sha256 = :sha256", sha256=_CONTENT)
        self.give("f0")
        self.give("f1", slug="t1")
        for slug in ("t0", "t1", "born-adult"):
            self.index_title(slug)
        self.index_pictures()


@pytest.fixture
def world(new_database: Callable[[], str]) -> Iterator[World]:
    """A database of the test's own, filled."""
    database = Database(new_database())
    yield World(database)
    database.close()


def test_what_never_changed_is_not_asked_for(world: World) -> None:
    """Not even a title that was adult from its first day on: no point ever said otherwise."""
    assert world.get_hidden() == (_NOTHING, _NOTHING)
    assert world.visibility.describe() == "0 0"


def test_an_adult_title_is_hidden_until_all_its_points_have_followed(world: World) -> None:
    """Title and pictures each by their own ledger, in whatever order their jobs end."""
    covers = world.get_cover("t0")
    world.execute("UPDATE titles SET adult = true, content_hash = 'v2' WHERE slug = 't0'")
    world.let_settle()
    assert world.get_hidden() == (HiddenPoints(adult=(point_id("t0"),)), HiddenPoints(adult=(covers,)))
    world.index_title("t0")
    # The row of its picture has not even followed: nothing would tell its point apart.
    assert world.get_hidden() == (_NOTHING, HiddenPoints(adult=(covers,)))
    world.pictures.sync_titles(["t0"])
    assert world.get_hidden() == (_NOTHING, HiddenPoints(adult=(covers,)))
    world.index_pictures()
    assert world.get_hidden() == (_NOTHING, _NOTHING)


def test_a_point_may_still_be_written_when_the_ledger_has_none(world: World) -> None:
    """For two leases after a change what the ledger says counts for nothing: who read the row before may be writing."""
    world.execute("UPDATE titles SET adult = true WHERE slug = 't0'")
    world.pictures.sync_titles(["t0"])
    world.index_pictures()
    assert world.get_hidden() == (
        HiddenPoints(adult=(point_id("t0"),)),
        HiddenPoints(adult=(world.get_cover("t0"),)),
    )
    world.execute("UPDATE titles SET visibility_changed_at = now() - interval '119 seconds' WHERE slug = 't0'")
    assert world.get_hidden()[0].adult
    world.execute("UPDATE titles SET visibility_changed_at = now() - interval '121 seconds' WHERE slug = 't0'")
    assert world.get_hidden() == (_NOTHING, _NOTHING)


def test_an_adult_title_that_was_forgotten_by_the_ledger_is_hidden(world: World) -> None:
    """Its point may be there without the ledger knowing, from a worker that died: only a fresh entry shows it."""
    world.execute("UPDATE titles SET adult = true, content_hash = 'v2' WHERE slug = 't0'")
    world.let_settle()
    LedgerRepository(world.database).forget_now(TITLES, ["t0"])
    assert world.get_hidden()[0].adult == (point_id("t0"),)


def test_an_excluded_title_is_hidden_even_from_those_who_see_adult_ones(world: World) -> None:
    """With its own picture and the free ones that belong to it, as long as the ledgers list them."""
    ExclusionRepository(world.database).exclude("t1")
    world.let_settle()
    titles, pictures = world.get_hidden()
    assert titles.select(include_adult=True) == (point_id("t1"),)
    assert set(pictures.select(include_adult=True)) == {str(one) for one in world.pictures.list_ids_of_title("t1")}
    assert len(pictures.excluded) == 2
    world.index_pictures()
    LedgerRepository(world.database).forget_now(TITLES, ["t1"])
    assert world.get_hidden() == (_NOTHING, _NOTHING)


def test_a_free_picture_that_turns_adult_is_hidden_until_its_point_says_so(world: World) -> None:
    """By itself, without a title; who asks for adult pictures sees it."""
    identifier = world.give("f0", adult=True)
    assert world.get_hidden()[1] == HiddenPoints(adult=(identifier,))
    world.let_settle()
    assert world.get_hidden()[1] == HiddenPoints(adult=(identifier,))
    assert world.get_hidden()[1].select(include_adult=True) == ()
    world.index_pictures()
    assert world.get_hidden()[1] == _NOTHING


def test_a_free_picture_is_hidden_with_the_title_that_it_is_given_to(world: World) -> None:
    """Of an excluded title it is nobody's to see, of an adult one for those who ask; one that is removed is gone."""
    world.execute("UPDATE titles SET excluded = true WHERE slug = 't0'")
    world.index_pictures()
    world.let_settle()
    identifier = world.give("f0", slug="t0")
    world.let_settle()
    assert world.get_hidden()[1] == HiddenPoints(excluded=(identifier,))
    identifier = world.give("f0", slug="born-adult")
    world.let_settle()
    assert world.get_hidden()[1] == HiddenPoints(adult=(identifier,))
    with world.database.begin() as connection:
        assert world.pictures.remove(connection, [uuid.UUID(identifier)]) == 1
    world.let_settle()
    assert world.get_hidden()[1] == HiddenPoints(excluded=(identifier,))
    world.index_pictures()
    assert world.get_hidden()[1] == _NOTHING


def test_the_text_never_comes_back(world: World) -> None:
    """Each change that is committed makes another one, back and forth too, and nothing else does."""
    seen = [world.visibility.describe()]
    for statement in (
        "UPDATE titles SET adult = true WHERE slug = 't0'",
        "UPDATE titles SET adult = false WHERE slug = 't0'",
        "UPDATE titles SET adult = true WHERE slug = 't0'",
        "UPDATE titles SET adult = slug = 't1' WHERE slug IN ('t0', 't1')",
        "UPDATE titles SET excluded = true WHERE slug = 't1'",
        "UPDATE titles SET excluded = false WHERE slug = 't1'",
        "UPDATE pictures SET adult = true WHERE name = 'f0'",
        "UPDATE pictures SET adult = false WHERE name = 'f0'",
        "UPDATE pictures SET gone = true WHERE name = 'f0'",
        "UPDATE pictures SET slug = 't0' WHERE name = 'f0'",
    ):
        world.execute(statement)
        seen.append(world.visibility.describe())
    assert len(set(seen)) == len(seen)
    world.execute("UPDATE titles SET adult = adult, excluded = excluded, updated_at = now(), content_hash = 'x'")
    world.pictures.sync_titles()
    world.index_pictures()
    assert world.visibility.describe().split()[0] == seen[-1].split()[0], "no title is seen by others than before"


def test_a_change_that_is_committed_late_makes_a_text_of_its_own(world: World) -> None:
    """It began before two others and ended after them, with the lower number and the older time."""
    began, go_on = threading.Event(), threading.Event()

    def change_slowly() -> None:
        with world.database.begin() as connection:
            connection.execute(text("UPDATE titles SET adult = true, updated_at = now() WHERE slug = 't0'"))
            began.set()
            assert go_on.wait(20)

    thread = threading.Thread(target=change_slowly)
    seen = [world.visibility.describe()]
    thread.start()
    assert began.wait(20)
    for adult in ("true", "false"):
        world.execute(f"UPDATE titles SET adult = {adult}, updated_at = now() WHERE slug = 't1'")
        seen.append(world.visibility.describe())
        assert point_id("t0") not in world.get_hidden()[0].adult
    go_on.set()
    thread.join()
    seen.append(world.visibility.describe())
    assert world.get_hidden()[0].adult == (point_id("t0"),)
    assert len(set(seen)) == len(seen)


def test_a_title_that_is_restored_asks_for_its_pictures_too(world: World) -> None:
    """One job for each, the title's last; restored again it needs none."""
    exclusions = ExclusionRepository(world.database)
    world.execute("UPDATE picture_generations SET state = 'live'")
    assert exclusions.exclude("t0") is not None and exclusions.exclude("t0") is None
    jobs = exclusions.restore("t0")
    with world.database.begin() as connection:
        stored = dict(connection.execute(text("SELECT id, kind FROM jobs")).all())
    assert [stored[job_id] for job_id in jobs] == ["pictures", "index"]
    assert exclusions.restore("t0") == []
