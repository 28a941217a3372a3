"""The media store and its rows on a real Postgres: what may be shown, what is missing, and what is removed."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text

from cli.media import media_command
from core.document import content_hash
from storage.database.downloads import hash_url
from storage.database.leftovers import LeftoverRepository
from storage.database.media import MediaRepository, ShownMedia
from storage.database.pictures import FreePicture, MediaFile, PictureRepository
from storage.database.session import Database
from storage.database.titles import StoredTitle, TitleRepository
from storage.media.disk import DiskMediaStore
from storage.media_upkeep import MediaUpkeep

URL = "https://pictures.test/{}.jpg"
OLD, GRACE = timedelta(hours=48), timedelta(hours=24)


@dataclass
class Shelf:
    """A database and a folder, and ways to bring them out of step."""

    database: Database
    root: Path
    url: str

    @property
    def store(self) -> DiskMediaStore:
        """The contents."""
        return DiskMediaStore(self.root)

    @property
    def media(self) -> MediaRepository:
        """Their rows."""
        return MediaRepository(self.database)

    @property
    def upkeep(self) -> MediaUpkeep:
        """What is tested."""
        return MediaUpkeep(self.media, self.store, leftovers=LeftoverRepository(self.database))

    def put(self, number: int, *, age: timedelta = timedelta()) -> str:
        """A content without a row."""
        data = b"content %d" % number
        sha256 = hashlib.sha256(data).hexdigest()
        self.store.put(sha256, data)
        moment = (datetime.now(UTC) - age).timestamp()
        os.utime(self.get_path(sha256), (moment, moment))
        return sha256

    def get_path(self, sha256: str) -> Path:
        """Its file."""
        return self.root / sha256[:2] / sha256[2:4] / sha256

    def add_row(self, sha256: str, *, age: timedelta = timedelta(), size: int | None = None) -> None:
        """The row of a content."""
        size = self.get_path(sha256).stat().st_size if size is None else size
        with self.database.begin() as connection:
            self.media.add(connection, build_file(sha256, size))
            connection.execute(
                text("UPDATE media_files SET created_at = now() - :age WHERE sha256 = :sha256"),
                {"age": age, "sha256": sha256},
            )

    def show(self, sha256: str, *, name: str, adult: bool = False, slug: str | None = None) -> None:
        """A picture with this content, whose download is long over."""
        pictures, url = PictureRepository(self.database), URL.format(name)
        (identifier,) = pictures.add_free([FreePicture(name=name, url=url, adult=adult, slug=slug)])
        with self.database.begin() as connection:
            pictures.attach_to(connection, [identifier], sha256)
        self.add_download(url, sha256)

    def name_url(self, url: str) -> None:
        """A picture of this address whose content nobody has."""
        PictureRepository(self.database).add_free([FreePicture(url=url)])

    def add_download(self, url: str, sha256: str, *, state: str = "done") -> None:
        """A download that brought this content two days ago."""
        statement = """
            INSERT INTO downloads (url_hash, url, host, state, sha256, etag, updated_at)
            VALUES (:url_hash, :url, 'pictures.test', :state, :sha256, 'x', now() - interval '2 days')
        """
        values = {"url_hash": hash_url(url), "url": url, "state": state, "sha256": sha256}
        with self.database.begin() as connection:
            connection.execute(text(statement), values)

    def ask(self, query: str) -> list[Any]:
        """Rows."""
        with self.database.begin() as connection:
            return list(connection.execute(text(query)).all())


def build_file(sha256: str, size: int = 10) -> MediaFile:
    """The row of a content."""
    return MediaFile(sha256, size, "image/jpeg", 100, 50, -5, "#102030")


def before(age: timedelta = GRACE) -> datetime:
    """So long ago."""
    return datetime.now(UTC) - age


@pytest.fixture
def shelf(database_url: str, tmp_path: Path) -> Iterator[Shelf]:
    """Nothing yet."""
    database = Database(database_url)
    with database.begin() as connection:
        connection.execute(text("TRUNCATE titles, pictures, media_files, downloads, jobs CASCADE"))
    yield Shelf(database, tmp_path / "media", database_url)
    database.close()


def test_what_agrees_is_left_alone(shelf: Shelf) -> None:
    """A content with its row and its picture is whole, however old it is, and is never removed."""
    sha256 = shelf.put(1, age=OLD)
    shelf.add_row(sha256, age=OLD)
    shelf.show(sha256, name="one")
    report = shelf.upkeep.check(before=before(), verify=True)
    assert (report.rows, report.bytes, report.is_whole) == (1, len(b"content 1"), True)
    assert (report.orphans.count, report.unused, report.stray_variants) == (0, 0, 0)
    cleaned = shelf.upkeep.clean(before=before())
    assert (cleaned.orphans.count, cleaned.forgotten_rows) == (0, 0)
    assert shelf.store.exists(sha256)


def test_old_orphans_go_and_young_ones_stay(shelf: Shelf) -> None:
    """A file without a row is removed when it is older than the grace: a younger one may be a download under way."""
    old, young = shelf.put(1, age=OLD), shelf.put(2)
    shelf.store.put_variant(old, "96.webp", b"small")
    assert shelf.upkeep.check(before=before()).orphans.count == 2
    dry = shelf.upkeep.clean(before=before(), dry_run=True)
    assert (dry.orphans.names, shelf.store.exists(old)) == ([old], True)
    assert shelf.upkeep.clean(before=before()).orphans.names == [old]
    assert [found.sha256 for found in shelf.store.list()] == [young]
    assert list(shelf.store.list_variants()) == []


def test_rows_that_no_picture_needs_go_with_their_files(shelf: Shelf) -> None:
    """Their downloads forget the content, too, so that the address is fetched again when it is named again."""
    used, unused, young = shelf.put(1, age=OLD), shelf.put(2, age=OLD), shelf.put(3, age=OLD)
    for sha256, age in ((used, OLD), (unused, OLD), (young, timedelta())):
        shelf.add_row(sha256, age=age)
    shelf.show(used, name="used")
    shelf.add_download(URL.format("unused"), unused)
    shelf.name_url(URL.format("unused"))
    assert shelf.upkeep.check(before=before()).unused == 1
    assert shelf.upkeep.clean(before=before(), dry_run=True).forgotten_rows == 1
    report = shelf.upkeep.clean(before=before())
    assert (report.forgotten_rows, report.orphans.names) == (1, [unused])
    assert {found.sha256 for found in shelf.store.list()} == {used, young}
    downloads = shelf.ask("SELECT url, state, sha256, etag FROM downloads ORDER BY url")
    assert [tuple(row) for row in downloads] == [
        (URL.format("unused"), "pending", None, None),
        (URL.format("used"), "done", used, "x"),
    ]


def test_a_content_that_is_being_fetched_again_is_kept(shelf: Shelf) -> None:
    """While a worker has the lease of its download, neither row nor file is taken."""
    sha256 = shelf.put(1, age=OLD)
    shelf.add_row(sha256, age=OLD)
    shelf.add_download(URL.format(1), sha256, state="leased")
    report = shelf.upkeep.clean(before=before())
    assert (report.forgotten_rows, report.orphans.count) == (0, 0)
    assert shelf.store.exists(sha256)


def test_a_cleaner_waits_for_a_row_that_is_being_written(shelf: Shelf) -> None:
    """A download between its file and the end of its transaction keeps its file, however old the file is."""
    sha256 = shelf.put(1, age=OLD)
    done = threading.Event()

    def clean() -> None:
        shelf.upkeep.clean(before=before())
        done.set()

    with shelf.database.begin() as connection:
        shelf.media.add(connection, build_file(sha256))
        cleaner = threading.Thread(target=clean)
        cleaner.start()
        assert not done.wait(0.5)
        assert shelf.store.exists(sha256)
    cleaner.join()
    assert shelf.store.exists(sha256)


def test_a_writer_waits_for_a_cleaner_and_sees_what_it_did(shelf: Shelf) -> None:
    """While a content is taken for an orphan nobody gets a row for it; after that he finds it gone."""
    sha256 = shelf.put(1, age=OLD)
    added = threading.Event()
    seen: list[bool] = []

    def add() -> None:
        with shelf.database.begin() as connection:
            shelf.media.add(connection, build_file(sha256))
            seen.append(shelf.store.exists(sha256))
        added.set()

    with shelf.media.hold_unknown(sha256) as is_unknown:
        assert is_unknown
        writer = threading.Thread(target=add)
        writer.start()
        assert not added.wait(0.5)
        shelf.store.delete(sha256)
    writer.join()
    assert seen == [False]
    with shelf.media.hold_unknown(sha256) as is_unknown:
        assert not is_unknown


def test_an_orphan_that_was_put_again_is_kept(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """A content that somebody stores between the list and the removal is young again, and stays."""
    sha256 = shelf.put(1, age=OLD)
    hold = MediaRepository.hold_unknown

    def put_first(media: MediaRepository, name: str) -> Any:
        shelf.put(1)
        return hold(media, name)

    monkeypatch.setattr(MediaRepository, "hold_unknown", put_first)
    assert shelf.upkeep.clean(before=before()).orphans.count == 0
    assert shelf.store.exists(sha256)


def test_missing_and_damaged_contents_are_found_and_fetched_again(shelf: Shelf) -> None:
    """A row without a file, a file that is cut short, and other bytes; the next download mends all three."""
    missing, short, changed, good = (shelf.put(number) for number in range(4))
    for sha256 in (missing, short, changed, good):
        shelf.add_row(sha256)
        shelf.show(sha256, name=sha256)
    shelf.get_path(missing).unlink()
    shelf.get_path(short).write_bytes(b"con")
    shelf.get_path(changed).write_bytes(b"CONTENT X")
    quick = shelf.upkeep.check(before=before())
    assert (quick.missing.names, quick.damaged.names, quick.is_whole) == ([missing], [short], False)
    report = shelf.upkeep.check(before=before(), verify=True)
    assert (report.missing.names, set(report.damaged.names)) == ([missing], {short, changed})
    assert shelf.upkeep.repair(report) == 3
    assert [found.sha256 for found in shelf.store.list()] == [good]
    pending = shelf.ask("SELECT url FROM downloads WHERE state = 'pending' AND etag IS NULL")
    assert {row.url for row in pending} == {URL.format(sha256) for sha256 in (missing, short, changed)}


def test_thumbnails_of_nothing_are_removed(shelf: Shelf) -> None:
    """What was made from a content that is gone goes with the next run; what has its content stays."""
    kept = shelf.put(1)
    for sha256 in (kept, "0" * 64):
        shelf.store.put_variant(sha256, "96.webp", b"small")
    assert shelf.upkeep.check(before=before()).stray_variants == 1
    assert shelf.upkeep.clean(before=before(), dry_run=True).stray_variants == 1
    assert shelf.upkeep.clean(before=before()).stray_variants == 1
    assert list(shelf.store.list_variants()) == [kept]


def test_many_rows_are_compared_a_page_at_a_time(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows and files of several pages, of which every third lacks its other half, are all told apart."""
    monkeypatch.setattr("storage.database.media._PAGE", 7)
    contents = [shelf.put(number, age=OLD) for number in range(60)]
    for place, sha256 in enumerate(contents):
        if place % 3:
            shelf.add_row(sha256)
        if place % 3 == 1:
            shelf.get_path(sha256).unlink()
    report = shelf.upkeep.check(before=before())
    assert (report.rows, report.missing.count, report.orphans.count) == (40, 20, 20)


def test_who_may_see_a_content(shelf: Shelf) -> None:
    """One picture that all may see is enough; excluded titles and pictures that are gone show nothing."""
    titles, pictures = TitleRepository(shelf.database), PictureRepository(shelf.database)
    document = {"title": "Adult", "rating": "Rx"}
    with shelf.database.begin() as connection:
        titles.insert(connection, [StoredTitle("adult", document, content_hash(document), True, excluded=False)])
    sha256 = shelf.put(1)
    assert shelf.media.find_shown(sha256) is None
    shelf.add_row(sha256)
    assert shelf.media.find_shown(sha256) is None
    shelf.show(sha256, name="adult", slug="adult")
    assert shelf.media.find_shown(sha256) == ShownMedia("image/jpeg", 9, is_adult=True)
    shelf.show(sha256, name="plain")
    assert shelf.media.find_shown(sha256) == ShownMedia("image/jpeg", 9, is_adult=False)
    with shelf.database.begin() as connection:
        pictures.remove(connection, [FreePicture(name="plain").id])
    assert shelf.media.find_shown(sha256) == ShownMedia("image/jpeg", 9, is_adult=True)
    with shelf.database.begin() as connection:
        connection.execute(text("UPDATE titles SET excluded = true"))
    assert shelf.media.find_shown(sha256) is None


@pytest.fixture
def run(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run the command over the test's database and folder."""
    monkeypatch.setenv("DATABASE_URL", shelf.url)
    monkeypatch.setenv("MEDIA_PATH", str(shelf.root))
    return lambda *args: CliRunner().invoke(media_command, args, standalone_mode=False)


def test_the_commands_say_what_they_found(shelf: Shelf, run: Callable[..., Result]) -> None:
    """A missing picture makes `check` fail and names it; `clean` says what went, and `--json` is JSON."""
    orphan, missing = shelf.put(1, age=OLD), shelf.put(2)
    shelf.add_row(missing)
    shelf.show(missing, name="two")
    shelf.get_path(missing).unlink()
    checked = run("check", "--repair")
    assert checked.return_value == 1
    assert f"1 missing\n  {missing}\n" in checked.output
    assert "1 addresses will be fetched again by `avs download`" in checked.output
    assert json.loads(run("check", "--json").stdout)["orphans"]["names"] == [orphan]
    assert "1 pictures without a row would be removed" in run("clean", "--dry-run").output
    assert json.loads(run("clean", "--json").stdout)["orphans"]["count"] == 1
    assert not shelf.store.exists(orphan)


def test_no_grace_at_all_is_refused(run: Callable[..., Result]) -> None:
    """Less than an hour would take what is being downloaded."""
    assert run("clean", "--older-than", "0.5").exception is not None
