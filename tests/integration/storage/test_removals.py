"""Free pictures taken out again, on a real Postgres: by which names, how often, and with which job."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text

from cli.media import media_command
from core.errors import NotFoundError
from core.recipe import EmbeddingRecipe
from storage.database.jobs import JobRepository
from storage.database.picture_generations import PictureGenerationRepository
from storage.database.pictures import FreePicture, PictureRepository
from storage.database.removals import PictureNamedError, RemovalRepository
from storage.database.session import Database

URL = "https://pictures.test/listed.jpg?size=2"


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A title with a cover, two free pictures, and a collection of pictures."""
    database = Database(database_url)
    with database.begin() as connection:
        connection.execute(text("TRUNCATE titles, pictures, jobs, picture_generations CASCADE"))
        document = '{"title": "One", "images": {"picture": "https://pictures.test/cover.jpg"}}'
        statement = "INSERT INTO titles (slug, document, content_hash) VALUES ('one', CAST(:document AS jsonb), 'h')"
        connection.execute(text(statement), {"document": document})
    pictures = PictureRepository(database)
    pictures.sync_titles()
    pictures.add_free([FreePicture(name="mine/17", slug="one"), FreePicture(url=URL)])
    PictureGenerationRepository(database).find_or_create("pictures", EmbeddingRecipe("e", "1", 4, 1))
    yield database
    database.close()


@pytest.mark.parametrize(
    ("identifier", "picture"),
    [
        ("mine/17", FreePicture(name="mine/17")),
        (str(FreePicture(name="mine/17").id), FreePicture(name="mine/17")),
        (URL, FreePicture(url=URL)),
        (str(FreePicture(url=URL).id).upper(), FreePicture(url=URL)),
    ],
)
def test_a_picture_is_known_by_several_names(database: Database, identifier: str, picture: FreePicture) -> None:
    """By its caller's id, its address, and the id that searches show; it is gone, and a job for it is stored."""
    removal = RemovalRepository(database).remove(identifier)
    assert (removal.id, removal.is_new) == (picture.id, True)
    assert removal.job_id is not None
    job = JobRepository(database).get(removal.job_id)
    assert (job.kind, job.params) == ("pictures", {"pictures": [str(picture.id)], "reason": "removed"})
    with pytest.raises(NotFoundError):
        PictureRepository(database).get(picture.id)


def test_twice_is_as_good_as_once(database: Database) -> None:
    """The second time says so, and stores no job; given again, the picture is there and can be taken out again."""
    removals, pictures = RemovalRepository(database), PictureRepository(database)
    removals.remove("mine/17")
    again = removals.remove("mine/17")
    assert (again.is_new, again.job_id) == (False, None)
    assert len(JobRepository(database).list_open_of("pictures")) == 1
    pictures.add_free([FreePicture(name="mine/17")])
    assert pictures.get(again.id).name == "mine/17"
    assert removals.remove("mine/17").is_new


def test_the_callers_own_id_counts_before_ours(database: Database) -> None:
    """A name that looks like the id of another picture is that name."""
    other = FreePicture(name=str(FreePicture(name="mine/17").id))
    PictureRepository(database).add_free([other])
    assert RemovalRepository(database).remove(other.name or "").id == other.id
    assert PictureRepository(database).get(FreePicture(name="mine/17").id).name == "mine/17"


@pytest.mark.parametrize("identifier", ["nobody", "MINE/17", str(uuid.UUID(int=1)), "one"])
def test_unknown_names_change_nothing(database: Database, identifier: str) -> None:
    """No picture has this name, id or address."""
    with pytest.raises(NotFoundError):
        RemovalRepository(database).remove(identifier)
    assert JobRepository(database).list_open_of("pictures") == []


def test_a_picture_of_a_document_is_not_taken_out(database: Database) -> None:
    """It would come back with the next import; the refusal names the title, and nothing changes."""
    [cover] = [row for row in PictureRepository(database).load_of_titles(["one"])["one"] if row.kind == "cover"]
    with pytest.raises(PictureNamedError, match="document of one "):
        RemovalRepository(database).remove(str(cover.id))
    assert PictureRepository(database).get(cover.id) == cover


def test_without_a_collection_there_is_no_job(database: Database) -> None:
    """Nothing is indexed, so nothing waits for an encoder that never comes."""
    with database.begin() as connection:
        connection.execute(text("DELETE FROM picture_generations"))
    removal = RemovalRepository(database).remove("mine/17")
    assert (removal.is_new, removal.job_id) == (True, None)


@pytest.fixture
def run(
    database: Database, database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    """Run the command over the test's database."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("REDIS_URL", redis_url)
    return lambda *args: CliRunner().invoke(media_command, args, standalone_mode=False)


def test_the_command_removes_each_and_names_what_it_cannot(database: Database, run: Callable[..., Result]) -> None:
    """What is unknown does not keep the others; exit code 5 says that there was some. Again is no failure."""
    first = run("remove", "nobody", "mine/17", URL)
    assert first.return_value == 5
    assert "mine/17: removed\n" in first.output
    assert "nobody: " in first.stderr
    again = run("remove", "mine/17", URL)
    assert (again.return_value, again.output) == (0, f"mine/17: was removed before\n{URL}: was removed before\n")
    assert len(JobRepository(database).list_open_of("pictures")) == 2
