"""What the server keeps on disk, and when it closes a shard."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from embedded.qdrant.registry import Entry, State, load_state, save_state
from embedded.qdrant.replay import ReplayLog
from embedded.qdrant.shard import Shard
from embedded.qdrant.store import LockedError, Store


def test_registry_is_read_back(tmp_path: Path) -> None:
    """What was saved last is what is loaded, and an unfinished save is ignored."""
    path = tmp_path / "registry.json"
    assert load_state(path) == State()
    state = State({"c": Entry("dir", "shard-1", {"vectors": {}}, {"k": "keyword"}, 7)}, {"alias": "c"})
    save_state(path, State())
    save_state(path, state)
    path.with_suffix(".new").write_bytes(b"half a fi")
    assert load_state(path) == state


def test_replay_log_keeps_order_and_bounds(tmp_path: Path) -> None:
    """Records come back in order, only those between two sizes, and the file goes with `discard`."""
    log = ReplayLog(tmp_path / "log")
    sizes = [log.size]
    for number in range(5):
        log.append("upsert", {"n": number}, failed=number == 3)
        sizes.append(log.size)
    assert list(log.read(sizes[2], sizes[4])) == [("upsert", {"n": 2}, False), ("upsert", {"n": 3}, True)]
    assert list(log.read(sizes[5], sizes[5])) == []
    log.discard()
    assert not (tmp_path / "log").exists()


class FakeEngine:
    """Remembers being closed."""

    closed = False

    def close(self) -> None:
        self.closed = True


def test_a_shard_closes_after_its_last_reader(tmp_path: Path) -> None:
    """A retired shard takes no new reader and is closed, then reported, when the last one leaves."""
    engine = FakeEngine()
    shard = Shard(cast(Any, engine), tmp_path)
    done: list[bool] = []
    assert shard.acquire()
    assert shard.acquire()
    with shard:
        shard.retire(lambda: done.append(True))
        assert not shard.acquire()
        with shard:
            pass
        assert not engine.closed
    assert engine.closed
    assert done == [True]


def test_leftovers_of_a_crash_are_discarded(tmp_path: Path) -> None:
    """At start, half-built copies, replay logs and unregistered collections are removed; the rest is kept."""
    store = Store(tmp_path)
    store.create("c", {"vectors": {"size": 2, "distance": "Dot"}})
    store.get("c").write([("upsert", {"points": [{"id": 1, "vector": [1.0, 0.0]}]})])
    directory = store.get("c").directory
    store.close()
    (directory / "shard-half").mkdir()
    (directory / "shard-half" / "file").write_text("x")
    (directory / "replay.log").write_text("x")
    (tmp_path / "collections" / "unknown").mkdir()
    again = Store(tmp_path)
    assert [path.name for path in directory.iterdir()] == ["shard-1"]
    assert [path.name for path in (tmp_path / "collections").iterdir()] == [directory.name]
    assert again.get("c").info()["points_count"] == 1
    again.close()


def test_a_directory_is_open_once(tmp_path: Path) -> None:
    """A second store on the same directory is refused until the first is closed."""
    store = Store(tmp_path)
    with pytest.raises(LockedError):
        Store(tmp_path)
    store.close()
    Store(tmp_path).close()
