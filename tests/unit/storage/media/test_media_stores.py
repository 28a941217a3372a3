"""Both media stores do the same: what one test holds of files on a disk it holds of objects in a bucket."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from core.errors import DependencyUnavailableError, InvalidInputError, NotFoundError
from core.settings import Settings
from storage.media import MediaDamagedError, MediaStore, build_media_store
from storage.media.disk import DiskMediaStore
from storage.media.s3 import S3MediaStore, connect

BUCKET = "pictures"
DATA = b"some picture" * 1_000
SHA256 = hashlib.sha256(DATA).hexdigest()
NOTHING = "0" * 64


def name(data: bytes) -> str:
    """The SHA-256 of a content."""
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def s3_settings() -> Settings:
    """A bucket that boto3 finds keys for; moto answers instead of AWS."""
    return Settings(
        _env_file=None,
        media_s3_bucket=BUCKET,
        media_s3_region="us-east-1",
        media_s3_access_key="test",
        media_s3_secret_key="test",
        media_s3_prefix="/avs/",
    )


@pytest.fixture(params=["disk", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path, s3_settings: Settings) -> Iterator[MediaStore]:
    """An empty store of each kind."""
    if request.param == "disk":
        yield build_media_store(Settings(_env_file=None, media_path=tmp_path / "media"))
        return
    with mock_aws():
        connect(s3_settings).create_bucket(Bucket=BUCKET)
        yield build_media_store(s3_settings)


def test_what_was_put_is_got_again(store: MediaStore) -> None:
    """The same bytes by the same name, listed with their size, however often they are put."""
    assert not store.exists(SHA256)
    before = datetime.now(UTC) - timedelta(seconds=5)
    for _ in range(2):
        store.put(SHA256, DATA)
    assert store.exists(SHA256)
    assert store.get(SHA256) == DATA
    (found,) = store.list()
    assert (found.sha256, found.size) == (SHA256, len(DATA))
    assert found.modified > before


def test_another_content_is_refused_and_not_stored(store: MediaStore) -> None:
    """Bytes whose SHA-256 is another one never get that name."""
    with pytest.raises(MediaDamagedError):
        store.put(SHA256, DATA[:-1])
    assert not store.exists(SHA256)
    assert list(store.list()) == []


def test_nothing_is_not_found(store: MediaStore) -> None:
    """An unknown content is an error, an unknown variant is none, and deleting either is harmless."""
    with pytest.raises(NotFoundError):
        store.get(NOTHING)
    assert store.get_variant(NOTHING, "320.webp") is None
    store.delete(NOTHING)
    assert list(store.list()) == list(store.list_variants()) == []


def test_variants_are_beside_their_content(store: MediaStore) -> None:
    """They are no contents themselves, each content with some is listed once, and they go with it."""
    store.put(SHA256, DATA)
    store.put_variant(SHA256, "96.webp", b"small")
    store.put_variant(SHA256, "320.webp", b"large")
    store.put_variant(SHA256, "320.webp", b"larger")
    store.put_variant(NOTHING, "96.webp", b"left over")
    assert store.get_variant(SHA256, "96.webp") == b"small"
    assert store.get_variant(SHA256, "320.webp") == b"larger"
    assert [found.sha256 for found in store.list()] == [SHA256]
    assert list(store.list_variants()) == [NOTHING, SHA256]
    store.delete(SHA256)
    assert store.get_variant(SHA256, "96.webp") is None
    assert not store.exists(SHA256)
    store.delete(NOTHING)
    assert list(store.list_variants()) == []


def test_lists_are_in_order_and_whole(store: MediaStore) -> None:
    """A thousand and more contents, more than one page of a bucket's list, come sorted and once each."""
    contents = {name(data): data for data in (str(number).encode() for number in range(1_050))}
    for sha256, data in contents.items():
        store.put(sha256, data)
    assert [found.sha256 for found in store.list()] == sorted(contents)


@pytest.mark.parametrize("bad", ["", "x" * 64, SHA256.upper(), SHA256[:-1], "../../etc/passwd", f"{SHA256}\n"])
def test_what_is_no_sha256_is_refused(store: MediaStore, bad: str) -> None:
    """Nothing but 64 lower-case hex digits becomes a part of a path."""
    for call in (store.get, store.exists, store.delete):
        with pytest.raises(InvalidInputError):
            call(bad)
    with pytest.raises(InvalidInputError):
        store.put(bad, DATA)
    with pytest.raises(InvalidInputError):
        store.put_variant(bad, "96.webp", DATA)


@pytest.mark.parametrize("bad", ["", ".hidden", "../up", "a/b", "A.webp", "x" * 33])
def test_what_is_no_name_of_a_variant_is_refused(store: MediaStore, bad: str) -> None:
    """A variant's name leads nowhere else."""
    with pytest.raises(InvalidInputError):
        store.put_variant(SHA256, bad, b"")
    with pytest.raises(InvalidInputError):
        store.get_variant(SHA256, bad)


def test_many_threads_put_the_same_content(tmp_path: Path) -> None:
    """Equal contents at the same time end in one file that is whole."""
    store = DiskMediaStore(tmp_path)
    failures: list[BaseException] = []

    def put() -> None:
        try:
            store.put(SHA256, DATA)
            assert store.get(SHA256) == DATA
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=put) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert [found.sha256 for found in store.list()] == [SHA256]


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is an unavailable store: no half of the file is seen, and no rest of it stays."""
    store = DiskMediaStore(tmp_path)

    def fail(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(DependencyUnavailableError, match="No space left"):
        store.put(SHA256, DATA)
    assert not store.exists(SHA256)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_what_a_dead_writer_left_is_removed_when_it_is_old(tmp_path: Path) -> None:
    """A file that was begun and never renamed is no content; only old ones are cleaned, and only when it is meant."""
    store = DiskMediaStore(tmp_path)
    store.put(SHA256, DATA)
    left = tmp_path / "incoming" / "dead"
    left.write_bytes(b"half")
    now = datetime.now(UTC)
    assert [found.sha256 for found in store.list()] == [SHA256]
    assert store.clean(before=now - timedelta(hours=1)) == 0
    assert store.clean(before=now + timedelta(hours=1), dry_run=True) == 1
    assert left.exists()
    assert store.clean(before=now + timedelta(hours=1)) == 1
    assert not left.exists()
    assert store.exists(SHA256)


def test_a_file_that_was_cut_short_is_written_again(tmp_path: Path) -> None:
    """Putting a content mends the file of that name that a broken disk has shortened."""
    store = DiskMediaStore(tmp_path)
    store.put(SHA256, DATA)
    (path,) = (found for found in tmp_path.rglob(SHA256) if found.is_file())
    path.write_bytes(DATA[:10])
    store.put(SHA256, DATA)
    assert store.get(SHA256) == DATA


def test_putting_makes_an_old_file_young(tmp_path: Path) -> None:
    """Whoever looks for old orphans passes over a content that somebody has just put again."""
    store = DiskMediaStore(tmp_path)
    store.put(SHA256, DATA)
    (path,) = (found for found in tmp_path.rglob(SHA256) if found.is_file())
    os.utime(path, (0, 0))
    store.put(SHA256, DATA)
    (found,) = store.list()
    assert found.modified > datetime.now(UTC) - timedelta(hours=1)


def test_foreign_files_are_no_contents(tmp_path: Path) -> None:
    """What somebody else put into the folder is neither listed nor a failure."""
    store = DiskMediaStore(tmp_path)
    store.put(SHA256, DATA)
    (tmp_path / ".DS_Store").write_bytes(b"")
    (tmp_path / SHA256[:2] / "notes.txt").write_bytes(b"")
    (tmp_path / "zz").mkdir()
    (tmp_path / SHA256[:2] / SHA256[2:4] / "README").write_bytes(b"")
    assert [found.sha256 for found in store.list()] == [SHA256]


def test_a_closed_or_missing_bucket_is_unavailable(s3_settings: Settings) -> None:
    """What S3 refuses is a store that does not answer, and never an empty one."""
    with mock_aws():
        store = S3MediaStore(connect(s3_settings), bucket="no-such-bucket")
        calls: list[Any] = [
            lambda: store.put(SHA256, DATA),
            lambda: list(store.list()),
            lambda: store.get_variant(SHA256, "96.webp"),
        ]
        for call in calls:
            with pytest.raises(DependencyUnavailableError, match="NoSuchBucket"):
                call()


def test_a_server_that_is_away_is_unavailable(s3_settings: Settings) -> None:
    """Nobody listens at the address: each call says so."""
    settings = s3_settings.model_copy(update={"media_s3_endpoint_url": "http://127.0.0.1:9"})
    store = build_media_store(settings)
    with pytest.raises(DependencyUnavailableError, match="media is unavailable"):
        store.exists(SHA256)
