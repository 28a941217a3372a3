"""The rows of pictures on a real Postgres."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text

from core.document import content_hash, is_adult
from core.errors import NotFoundError
from core.identity import picture_id
from storage.database.models import PictureKind
from storage.database.pictures import FreePicture, PictureRepository
from storage.database.session import Database
from storage.database.titles import StoredTitle, TitleRepository

_COVER = "https://pictures.test/cover.jpg"
_THUMBNAIL = "https://pictures.test/thumbnail.jpg"
_FACE = "https://pictures.test/face.png"
_SHA = "a" * 64
_OTHER_SHA = "b" * 64


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An empty database with two contents in its media store's table."""
    database = Database(database_url)
    with database.begin() as connection:
        connection.execute(text("TRUNCATE titles, pictures, media_files, downloads CASCADE"))
        for sha256 in (_SHA, _OTHER_SHA):
            connection.execute(
                text("INSERT INTO media_files VALUES (:sha256, 10, 'image/jpeg', 200, 300, -5, '#102030')"),
                {"sha256": sha256},
            )
    yield database
    database.close()


@pytest.fixture
def repository(database: Database) -> PictureRepository:
    """The repository under test."""
    return PictureRepository(database)


def _store(database: Database, slug: str, document: dict[str, Any]) -> None:
    document = {"title": slug.title(), **document}
    row = StoredTitle(slug, document, content_hash(document), is_adult(document), excluded=False)
    titles = TitleRepository(database)
    with database.begin() as connection:
        known = titles.find_taken(connection, [slug])
        (titles.update if known else titles.insert)(connection, [row])


def _title(**images: str) -> dict[str, Any]:
    return {"images": images, "characters": [{"name": "Hero", "image": _FACE}, {"name": "Nobody"}]}


def test_every_picture_that_a_document_names_has_one_row(database: Database, repository: PictureRepository) -> None:
    """Cover, thumbnail and characters with a picture become rows; a second sync writes nothing."""
    _store(database, "one", _title(picture=_COVER, thumbnail=_THUMBNAIL))
    assert repository.sync_titles().written == 3
    rows = repository.load_of_titles(["one"])["one"]
    assert {(row.kind, row.url, row.character, row.name) for row in rows} == {
        (PictureKind.COVER, _COVER, None, "One"),
        (PictureKind.THUMBNAIL, _THUMBNAIL, None, "One"),
        (PictureKind.CHARACTER, _FACE, "Hero", "One"),
    }
    cover = next(row for row in rows if row.kind is PictureKind.COVER)
    assert str(cover.id) == picture_id(kind="cover", slug="one", name=_COVER)
    again = repository.sync_titles()
    assert (again.written, again.gone) == (0, 0)


def test_a_picture_that_is_named_no_more_is_gone_and_may_come_back(
    database: Database, repository: PictureRepository
) -> None:
    """A changed address makes a new row and the old one goes; named again, it comes back with its content."""
    _store(database, "one", _title(picture=_COVER))
    repository.sync_titles(["one"])
    with database.begin() as connection:
        assert repository.attach_content(connection, _COVER, _SHA) == 1
    _store(database, "one", _title(picture="https://pictures.test/new.jpg"))
    counts = repository.sync_titles(["one"])
    assert (counts.written, counts.gone) == (1, 1)
    old = uuid.UUID(picture_id(kind="cover", slug="one", name=_COVER))
    with pytest.raises(NotFoundError):
        repository.get(old)
    _store(database, "one", _title(picture=_COVER))
    repository.sync_titles(["one"])
    back = repository.get(old)
    assert back.sha256 == _SHA
    assert back.media is not None and (back.media.width, back.media.phash) == (200, -5)


def test_adult_follows_the_title(database: Database, repository: PictureRepository) -> None:
    """A title that turns adult takes its own and its free pictures along, and every content hash changes."""
    _store(database, "one", _title(picture=_COVER))
    repository.sync_titles()
    [linked] = repository.add_free([FreePicture(name="still", slug="one")])
    before = {row.id: row.content_hash for row in repository.load_of_titles(["one"])["one"]}
    _store(database, "one", {**_title(picture=_COVER), "tags": ["hentai"]})
    repository.sync_titles(["one"])
    rows = repository.load_of_titles(["one"])["one"]
    assert len(rows) == 3 and all(row.adult for row in rows)
    assert all(row.content_hash != before[row.id] for row in rows)
    # Given anew, a picture of an adult title is adult from the start and has the hash that the sync gave it.
    after = repository.get(linked).content_hash
    repository.add_free([FreePicture(name="still", slug="one")])
    assert repository.get(linked).adult and repository.get(linked).content_hash == after


def test_a_content_reaches_all_pictures_of_its_address(database: Database, repository: PictureRepository) -> None:
    """One fetch serves every row of the URL, those of later titles too, and is told once."""
    _store(database, "one", _title(picture=_COVER))
    _store(database, "two", _title(picture=_COVER))
    repository.sync_titles()
    with database.begin() as connection:
        assert repository.attach_contents(connection, {_COVER: _SHA, _FACE: _OTHER_SHA}) == 4
        assert repository.attach_contents(connection, {_COVER: _SHA}) == 0
    _store(database, "three", _title(picture=_COVER))
    repository.sync_titles(["three"])
    assert {row.sha256 for row in repository.load_of_titles(["three"])["three"]} == {_SHA, _OTHER_SHA}
    assert len(repository.list_of_content(_SHA)) == 3
    assert repository.count() == {"all": 6, "stored": 6, "adult": 0}


def test_a_lost_content_takes_no_newer_one_with_it(database: Database, repository: PictureRepository) -> None:
    """A picture that was given another content meanwhile keeps it when the one that it showed before is found lost."""
    ids = repository.add_free([FreePicture(name="left"), FreePicture(name="replaced")])
    with database.begin() as connection:
        repository.attach_to(connection, ids, _SHA)
        repository.attach_to(connection, ids[1:], _OTHER_SHA)
        repository.detach(connection, ids, lost=[_SHA])
    found = repository.load(ids)
    assert [found[one].sha256 for one in ids] == [None, _OTHER_SHA]


def test_pictures_of_excluded_titles_are_not_found(database: Database, repository: PictureRepository) -> None:
    """While a title is excluded none of its pictures is listed, counted or got."""
    _store(database, "one", _title(picture=_COVER))
    repository.sync_titles()
    [row, *_] = repository.load_of_titles(["one"])["one"]
    with database.begin() as connection:
        connection.execute(text("UPDATE titles SET excluded = true"))
    assert repository.load_of_titles(["one"]) == {}
    assert repository.count()["all"] == 0
    assert not repository.load([row.id])[row.id].is_wanted
    with pytest.raises(NotFoundError):
        repository.get(row.id)


def test_free_pictures_are_known_by_name_or_address(database: Database, repository: PictureRepository) -> None:
    """The same name is the same picture; what is said of it may change, another address loses the content."""
    given = FreePicture(name="a", url=_COVER, tags=["x", "x", "y"], metadata={"k": 1})
    [first, second] = repository.add_free([given, FreePicture(url=_FACE)])
    assert first == given.id != second
    row = repository.get(first)
    assert (row.kind, row.slug, row.tags, row.metadata) == (PictureKind.FREE, None, ("x", "y"), {"k": 1})
    with database.begin() as connection:
        repository.attach_to(connection, [first], _SHA)
    repository.add_free([FreePicture(name="a", url=_COVER, tags=["z"])])
    changed = repository.get(first)
    assert (changed.sha256, changed.tags) == (_SHA, ("z",)) and changed.content_hash != row.content_hash
    repository.add_free([FreePicture(name="a", url=_THUMBNAIL)])
    assert repository.get(first).sha256 is None


def test_a_free_picture_of_an_unknown_title_is_refused(repository: PictureRepository) -> None:
    """Nothing is stored, not even the pictures beside it."""
    good = FreePicture(name="good")
    with pytest.raises(NotFoundError, match="nowhere"):
        repository.add_free([good, FreePicture(name="bad", slug="nowhere")])
    assert repository.load([good.id]) == {}


def test_removed_pictures_wait_to_leave_the_index(database: Database, repository: PictureRepository) -> None:
    """A removed picture keeps its row, so that a job can delete its point, and is got no more."""
    [identifier] = repository.add_free([FreePicture(name="a")])
    with database.begin() as connection:
        assert repository.remove(connection, [identifier]) == 1
    assert repository.load([identifier])[identifier].gone
    with pytest.raises(NotFoundError):
        repository.get(identifier)


def test_many_titles_are_synced_page_by_page(database: Database, repository: PictureRepository) -> None:
    """Every title of a catalogue larger than a page gets its row."""
    with database.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO titles (slug, document, content_hash) SELECT 't' || n, jsonb_build_object("
                "'title', 'T', 'images', jsonb_build_object('picture', 'https://pictures.test/' || n)), '' "
                "FROM generate_series(1, 9000) AS n"
            )
        )
    assert repository.sync_titles().written == 9_000
    assert repository.sync_titles().written == 0
