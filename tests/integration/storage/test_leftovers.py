"""Rows of pictures and downloads that nothing needs any more, on a real Postgres: which go, which stay, and races."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text

from core.document import content_hash
from core.recipe import EmbeddingRecipe
from storage.database.downloads import DownloadRepository, Shard, hash_url
from storage.database.jobs import JobRepository
from storage.database.leftovers import LeftoverRepository
from storage.database.media import MediaRepository
from storage.database.models import JobState, PictureKind
from storage.database.picture_generations import PictureGenerationRepository
from storage.database.picture_ledger import PictureEntry, PictureLedgerRepository
from storage.database.pictures import FreePicture, MediaFile, PictureRepository
from storage.database.session import Database
from storage.database.titles import StoredTitle, TitleRepository
from storage.database.visibility import VisibilityRepository
from storage.media.disk import DiskMediaStore
from storage.media_upkeep import MediaUpkeep

URL = "https://pictures.test/{}.jpg"
OLD = timedelta(hours=48)


@dataclass
class Attic:
    """A database and a folder in which everything is two days old, unless it is touched later."""

    database: Database
    store: DiskMediaStore
    root: Path

    def __post_init__(self) -> None:
        self.pictures = PictureRepository(self.database)
        self.leftovers = LeftoverRepository(self.database)
        self.downloads = DownloadRepository(self.database, self.pictures)
        self.jobs = JobRepository(self.database)
        self.ledger = PictureLedgerRepository(self.database)
        self.upkeep = MediaUpkeep(MediaRepository(self.database), self.store, leftovers=self.leftovers)

    def name(self, cover: str | None) -> None:
        """The one title names this cover, or none."""
        document: dict[str, Any] = {"title": "One"} | ({} if cover is None else {"images": {"picture": cover}})
        row = StoredTitle("one", document, content_hash(document), adult=False, excluded=False)
        titles = TitleRepository(self.database)
        with self.database.begin() as connection:
            (titles.update if titles.find_taken(connection, ["one"]) else titles.insert)(connection, [row])
        self.pictures.sync_titles()

    def fetch(self, url: str) -> str:
        """A content comes from this address, as a download brings it; its SHA-256."""
        data = url.encode()
        sha256 = hashlib.sha256(data).hexdigest()
        self.store.put(sha256, data)
        moment = (datetime.now(UTC) - OLD).timestamp()
        os.utime(self.root / sha256[:2] / sha256[2:4] / sha256, (moment, moment))
        with self.database.begin() as connection:
            file = MediaFile(sha256, len(data), "image/jpeg", 100, 50, -5, "#102030")
            MediaRepository(self.database).add(connection, file)
            self.pictures.attach_content(connection, url, sha256)
        self.download(url, sha256=sha256)
        return sha256

    def download(self, url: str, **values: Any) -> str:
        """A row of downloads; its key."""
        given = {"url_hash": hash_url(url), "url": url, "host": "pictures.test", "state": "done", **values}
        names, places = ", ".join(given), ", ".join(f":{name}" for name in given)
        self.execute(f"INSERT INTO downloads ({names}) VALUES ({places})", **given)
        return hash_url(url)

    def age(self) -> None:
        """All that is there by now is two days old."""
        for table, column in (("pictures", "updated_at"), ("downloads", "updated_at"), ("media_files", "created_at")):
            self.execute(f"UPDATE {table} SET {column} = now() - interval '2 days'")

    def clean(self, *, dry_run: bool = False) -> tuple[int, int, int, int]:
        """Pictures, downloads, contents and files that went, or would."""
        report = self.upkeep.clean(before=before(), dry_run=dry_run)
        return (
            report.forgotten_pictures,
            report.forgotten_downloads,
            report.forgotten_rows,
            report.orphans.count,
        )

    def execute(self, statement: str, **values: Any) -> list[Any]:
        """Rows, if it has any."""
        with self.database.begin() as connection:
            result = connection.execute(text(statement), values)
            return list(result.all()) if result.returns_rows else []

    def list_urls(self, table: str) -> list[str | None]:
        """The addresses in a table, sorted."""
        return [row.url for row in self.execute(f"SELECT url FROM {table} ORDER BY url")]


def before() -> datetime:
    """The usual grace."""
    return datetime.now(UTC) - timedelta(hours=24)


@pytest.fixture
def attic(database_url: str, tmp_path: Path) -> Iterator[Attic]:
    """Nothing yet."""
    database = Database(database_url)
    with database.begin() as connection:
        tables = "titles, pictures, media_files, downloads, jobs, picture_generations"
        connection.execute(text(f"TRUNCATE {tables} CASCADE"))
    yield Attic(database, DiskMediaStore(tmp_path / "media"), tmp_path / "media")
    database.close()


@pytest.fixture
def replaced(attic: Attic) -> str:
    """A cover that its title names no more, fetched long ago; the SHA-256 of its content."""
    attic.name(URL.format("old"))
    sha256 = attic.fetch(URL.format("old"))
    attic.name(URL.format("new"))
    attic.fetch(URL.format("new"))
    attic.age()
    return sha256


def get_collection(attic: Attic) -> str:
    """The name of a collection of pictures."""
    made, _ = PictureGenerationRepository(attic.database).find_or_create("pictures", EmbeddingRecipe("e", "1", 4, 1))
    return made.collection


def test_a_replaced_cover_goes_with_all_that_it_kept(attic: Attic, replaced: str) -> None:
    """Row, download, content and file go in one run, which a dry run foretells; the new cover stays."""
    assert attic.clean(dry_run=True) == (1, 1, 1, 0)
    assert attic.store.exists(replaced)
    assert attic.clean() == (1, 1, 1, 1)
    assert not attic.store.exists(replaced)
    assert attic.list_urls("pictures") == attic.list_urls("downloads") == [URL.format("new")]
    assert attic.clean() == (0, 0, 0, 0)
    attic.name(URL.format("old"))
    [back] = attic.pictures.load_of_titles(["one"])["one"]
    assert (back.url, back.sha256) == (URL.format("old"), None)


def test_what_went_lately_stays(attic: Attic, replaced: str) -> None:
    """Within the grace a picture that is gone keeps its content, and comes back with it."""
    attic.execute("UPDATE pictures SET updated_at = now() WHERE gone")
    assert attic.clean() == (0, 0, 0, 0)
    attic.name(URL.format("old"))
    [back] = attic.pictures.load_of_titles(["one"])["one"]
    assert back.sha256 == replaced


def test_a_picture_with_a_point_stays(attic: Attic, replaced: str) -> None:
    """Its row says what is to be removed from the collection; it goes once the ledger lists it no more."""
    collection = get_collection(attic)
    [(identifier,)] = attic.execute("SELECT id FROM pictures WHERE gone")
    attic.execute(
        "INSERT INTO picture_ledger (collection, picture_id, content_hash, sha256) VALUES (:c, :id, '', :sha256)",
        c=collection,
        id=identifier,
        sha256=replaced,
    )
    assert attic.clean(dry_run=True) == attic.clean() == (0, 0, 0, 0)
    attic.ledger.forget_now(collection, [identifier])
    assert attic.clean() == (1, 1, 1, 1)


@pytest.mark.parametrize(
    ("state", "lease", "stays"),
    [
        (JobState.RUNNING, None, True),
        (JobState.CANCELLED, "1 minute", True),
        (JobState.CANCELLED, "-2 days", False),
        (JobState.COMPLETED, None, False),
    ],
)
def test_a_picture_that_somebody_works_on_stays(
    attic: Attic, replaced: str, state: JobState, lease: str | None, stays: bool
) -> None:
    """While a job is open that has it, or a worker's lease has not run out long ago."""
    [(identifier,)] = attic.execute("SELECT id FROM pictures WHERE gone")
    job_id = attic.jobs.create("pictures", {})
    attic.execute("UPDATE jobs SET state = :state", state=state)
    attic.execute(
        "INSERT INTO picture_rows (job_id, picture_id, state, leased_until) "
        "VALUES (:job_id, :id, 'leased', now() + CAST(:lease AS interval))",
        job_id=job_id,
        id=identifier,
        lease=lease,
    )
    assert attic.clean()[0] == (0 if stays else 1)
    assert attic.store.exists(replaced) is stays


def test_a_free_picture_that_was_taken_out_leaves_an_empty_row(attic: Attic) -> None:
    """What was hidden must stay marked, so its row is emptied of all that it said; given again, it is whole."""
    visibility = VisibilityRepository(attic.database, lease_s=60)
    given = FreePicture(name="mine", url=URL.format("mine"), tags=["a"], metadata={"k": "secret"})
    [identifier] = attic.pictures.add_free([given])
    sha256 = attic.fetch(URL.format("mine"))
    with attic.database.begin() as connection:
        attic.pictures.remove(connection, [identifier])
    attic.age()
    described = visibility.describe()
    assert attic.clean() == (1, 1, 1, 1)
    assert visibility.describe() == described
    row = attic.pictures.load([identifier])[identifier]
    assert (row.kind, row.gone, row.name, row.url, row.sha256) == (PictureKind.FREE, True, None, None, None)
    assert (row.tags, row.metadata) == ((), {})
    assert attic.clean(dry_run=True) == attic.clean() == (0, 0, 0, 0)
    attic.pictures.add_free([given])
    assert attic.fetch(URL.format("mine")) == sha256
    row = attic.pictures.get(identifier)
    assert (row.name, row.tags, row.metadata, row.sha256) == ("mine", ("a",), {"k": "secret"}, sha256)


def test_an_emptied_picture_is_in_no_ledger_again(attic: Attic) -> None:
    """A worker that read it before it was taken out cannot record its point, and its removal does not fail."""
    collection = get_collection(attic)
    [identifier] = attic.pictures.add_free([FreePicture(name="mine", url=URL.format("mine"))])
    sha256 = attic.fetch(URL.format("mine"))
    stored = attic.pictures.get(identifier)
    with attic.database.begin() as connection:
        attic.pictures.remove(connection, [identifier])
    attic.age()
    assert attic.clean()[0] == 1
    with attic.database.begin() as connection:
        entry = PictureEntry(identifier, stored.content_hash, sha256)
        assert attic.ledger.record(connection, collection, [entry]) == [identifier]
    assert attic.ledger.load(collection, [identifier]) == {}


def test_a_picture_that_comes_back_meanwhile_is_kept(attic: Attic, replaced: str) -> None:
    """A transaction that names it again, not yet at its end, is passed by; afterwards it shows what it did."""
    with attic.database.begin() as connection:
        connection.execute(text("UPDATE pictures SET gone = false WHERE gone"))
        assert attic.clean() == (0, 0, 0, 0)
    assert attic.clean() == (0, 0, 0, 0)
    assert attic.store.exists(replaced)


def test_downloads_go_when_nothing_needs_them(attic: Attic) -> None:
    """Those that a picture names, an open job wants or a worker holds stay, and those that were touched lately."""
    kept, ended = attic.jobs.create("download", {}), attic.jobs.create("download", {})
    attic.execute("UPDATE jobs SET state = 'completed' WHERE id = :id", id=ended)
    attic.pictures.add_free([FreePicture(url=URL.format("named"))])
    attic.download(URL.format("named"))
    for name, job_id in (("wanted", kept), ("told", ended)):
        url_hash = attic.download(URL.format(name))
        attic.execute("INSERT INTO job_downloads (job_id, url_hash) VALUES (:job, :url)", job=job_id, url=url_hash)
    attic.download(URL.format("held"), state="leased", leased_until=datetime.now(UTC))
    attic.download(URL.format("left"), state="leased", leased_until=datetime.now(UTC) - OLD)
    attic.download(URL.format("dead"), state="dead")
    attic.age()
    attic.download(URL.format("young"))
    assert attic.clean(dry_run=True)[1] == attic.clean()[1] == 3
    assert attic.list_urls("downloads") == [URL.format(name) for name in ("held", "named", "wanted", "young")]
    assert [row.job_id for row in attic.execute("SELECT job_id FROM job_downloads")] == [kept]


def test_a_download_that_a_job_begins_to_want_is_kept(attic: Attic) -> None:
    """From the moment that the job has registered it, before its transaction ends."""
    attic.download(URL.format(1))
    attic.age()
    job_id = attic.jobs.create("download", {})
    with attic.database.begin() as connection:
        attic.downloads.enqueue_in(connection, job_id, {hash_url(URL.format(1)): URL.format(1)})
        assert attic.clean()[1] == 0
    assert attic.clean()[1] == 0
    assert attic.list_urls("downloads") == [URL.format(1)]


def test_a_download_that_goes_while_a_job_registers_it_is_made_again(attic: Attic) -> None:
    """A cleaner that comes between the look and the hold costs the job nothing but a second look."""
    urls = [URL.format(number) for number in range(3)]
    attic.download(urls[1])
    attic.age()
    cleaned: list[int] = []

    def clean_first(_c: object, _k: object, statement: str, *_: object) -> None:
        if "FOR KEY SHARE" in statement and "downloads" in statement and not cleaned:
            cleaned.append(attic.leftovers.forget_downloads(before=before()))

    engine = attic.database.engine
    event.listen(engine, "before_cursor_execute", clean_first)
    try:
        job_id = attic.jobs.create("download", {})
        assert attic.downloads.enqueue(job_id, urls, shard=Shard()) == 3
    finally:
        event.remove(engine, "before_cursor_execute", clean_first)
    assert cleaned == [1]
    states = attic.execute("SELECT d.state FROM downloads d JOIN job_downloads w USING (url_hash)")
    assert [row.state for row in states] == ["pending"] * 3


def test_many_are_forgotten_a_page_at_a_time(attic: Attic, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several pages with free pictures and downloads none is left behind."""
    monkeypatch.setattr("storage.database.leftovers._PAGE", 7)
    names = [f"p{number}" for number in range(30)]
    ids: list[uuid.UUID] = attic.pictures.add_free([FreePicture(name=name, url=URL.format(name)) for name in names])
    for name in names:
        attic.download(URL.format(name))
    with attic.database.begin() as connection:
        assert attic.pictures.remove(connection, ids) == 30
    attic.age()
    assert attic.clean() == (30, 30, 0, 0)
