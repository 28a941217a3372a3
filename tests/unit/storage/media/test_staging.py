"""Contents that are stored together: not there before they are settled, and all of them afterwards."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.errors import DependencyUnavailableError
from storage.media import StagedMedia, syncing
from storage.media.disk import DiskMediaStore

CONTENTS = {hashlib.sha256(data).hexdigest(): data for data in (b"a" * number for number in range(1, 40))}


@pytest.fixture
def store(tmp_path: Path) -> DiskMediaStore:
    """An empty store, whose folder is not there yet."""
    return DiskMediaStore(tmp_path / "media")


def stage_all(store: DiskMediaStore) -> list[StagedMedia]:
    """All contents, written and not settled."""
    return [store.stage(sha256, data) for sha256, data in CONTENTS.items()]


def test_what_is_settled_is_there(store: DiskMediaStore) -> None:
    """A staged content is neither found nor listed; settled, it is as if it had been put."""
    staged = stage_all(store)
    assert not any(store.exists(sha256) for sha256 in CONTENTS) and list(store.list()) == []
    store.settle(staged)
    assert {sha256: store.get(sha256) for sha256 in CONTENTS} == CONTENTS
    assert {one.sha256: one.size for one in store.list()} == {sha256: len(data) for sha256, data in CONTENTS.items()}
    assert store.clean(before=datetime.now(UTC) + timedelta(hours=1)) == 0


def test_settling_twice_is_harmless(store: DiskMediaStore) -> None:
    """The same batch may be settled again, and the same content may come in two batches."""
    staged = stage_all(store)
    store.settle(staged)
    store.settle(staged)
    store.settle(stage_all(store))
    assert len(list(store.list())) == len(CONTENTS)
    store.settle([])


def test_what_was_lost_is_told(store: DiskMediaStore) -> None:
    """A batch of which a file has gone is refused: nobody may take it for stored."""
    staged = stage_all(store)
    assert store.clean(before=datetime.now(UTC) + timedelta(hours=1)) == len(CONTENTS)
    with pytest.raises(DependencyUnavailableError, match="lost"):
        store.settle(staged)


def test_the_rest_of_a_dead_writer_is_cleaned_away(store: DiskMediaStore) -> None:
    """What was staged and never settled goes when it is old, and not before."""
    stage_all(store)
    assert store.clean(before=datetime.now(UTC) - timedelta(hours=1)) == 0
    assert store.clean(before=datetime.now(UTC) + timedelta(hours=1)) == len(CONTENTS)
    assert store.clean(before=datetime.now(UTC) + timedelta(hours=1)) == 0


def test_a_folder_that_cannot_be_written_is_a_store_that_is_away(tmp_path: Path) -> None:
    """A disk's refusal is told as a store that does not answer."""
    (tmp_path / "media").write_text("a file")
    sha256, data = next(iter(CONTENTS.items()))
    with pytest.raises(DependencyUnavailableError, match="media"):
        DiskMediaStore(tmp_path / "media").stage(sha256, data)


def test_files_and_folders_are_synced_one_by_one_without_syncfs(
    store: DiskMediaStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the system has no call for a whole file system, each file and each folder above it is synced by itself."""
    synced: list[str] = []
    monkeypatch.setattr(syncing, "_find_syncfs", lambda: None)
    monkeypatch.setattr(
        syncing.os, "fsync", lambda descriptor: synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
    )
    staged = stage_all(store)
    store.settle(staged)
    folders = {Path(path).name for path in synced[len(CONTENTS) :]}
    assert set(synced[: len(CONTENTS)]) == {one.place for one in staged}
    assert folders >= {sha256[:2] for sha256 in CONTENTS} | {sha256[2:4] for sha256 in CONTENTS} | {"media"}


def test_a_failing_syncfs_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An error of the system call is an OSError with its number."""
    syncfs = syncing._find_syncfs()
    if syncfs is None:
        pytest.skip("this system has no syncfs")
    syncing.sync_files(tmp_path, [])
    with pytest.raises(OSError, match="Bad file descriptor"):
        syncfs(-1)
