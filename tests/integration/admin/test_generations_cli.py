"""`avs generations` over a real index: what it prints, what it changes, and how it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from cli.exits import Exit
from cli.main import run
from storage.database.models import GenerationState

Avs = Callable[..., tuple[int, str]]


@pytest.fixture
def avs(pipeline: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Avs:
    """Run a command on the pipeline's servers; returns its exit code and what it printed."""
    settings = pipeline.settings
    monkeypatch.setenv("AVS_HOME", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", settings.database_url.get_secret_value())
    monkeypatch.setenv("REDIS_URL", settings.redis_url.get_secret_value())
    monkeypatch.setenv("REDIS_CACHE_URL", settings.redis_cache_url.get_secret_value())
    monkeypatch.setenv("QDRANT_URL", settings.qdrant_url)
    monkeypatch.setenv("QDRANT_COLLECTION_NAME", settings.qdrant_collection_name)

    def call(*args: str) -> tuple[int, str]:
        capsys.readouterr()
        code = run(["generations", *args])
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return call


@pytest.fixture(autouse=True)
def _with_workers(workers: Any) -> Iterator[None]:
    """Every job gets done."""
    yield
    assert workers.error is None, workers.error


def _live(pipeline: Any) -> str:
    return str(pipeline.generation_repository.get_live(pipeline.alias).collection)


def test_reindex_rollback_and_list(avs: Avs, pipeline: Any) -> None:
    """One command makes the index anew, one goes back, and the list shows both generations."""
    first = _live(pipeline)
    code, printed = avs("reindex", "--reason", "a test")
    assert (code, "is live" in printed) == (Exit.OK, True)
    second = _live(pipeline)
    assert second != first
    code, printed = avs("rollback")
    assert code == Exit.OK
    assert f"{first} is live (before: {second})" in printed
    assert _live(pipeline) == first
    code, printed = avs("list", "--json")
    states = {row["collection"]: row["state"] for row in orjson.loads(printed)}
    assert states == {first: "live", second: "retired"}
    code, printed = avs("list")
    assert (code, "retired" in printed) == (Exit.OK, True)
    code, printed = avs("swap", second, "--json")
    assert orjson.loads(printed)["collection"] == second == _live(pipeline)


def test_snapshot_restore_and_drop(avs: Avs, pipeline: Any) -> None:
    """A snapshot is taken, listed and made a generation of, which may be dropped at once: nobody searched in it."""
    code, printed = avs("snapshot", "--reason", "a test", "--json")
    assert code == Exit.OK
    code, printed = avs("snapshots", "--json")
    (snapshot,) = orjson.loads(printed)
    assert snapshot["reason"] == "a test"
    assert "a test" in avs("snapshots")[1]
    code, printed = avs("restore", snapshot["name"])
    assert (code, "stands by" in printed) == (Exit.OK, True)
    restored = next(
        one
        for one in pipeline.generation_repository.list_all(pipeline.alias)
        if (one.message or "").startswith("restored")
    )
    code, printed = avs("drop", restored.collection)
    assert (code, printed) == (Exit.OK, f"dropped {restored.collection}\n")
    states = {one.collection: one.state for one in pipeline.generation_repository.list_all(pipeline.alias)}
    assert states[restored.collection] is GenerationState.DROPPED
    assert restored.collection in avs("list", "--all", "--json")[1]


def test_what_cannot_be_done_says_why(avs: Avs, pipeline: Any) -> None:
    """An unknown name, and the live generation, end with one line and a code that scripts can tell apart."""
    assert avs("swap", "nobody")[0] == Exit.NOT_FOUND
    assert avs("restore", "nobody")[0] == Exit.NOT_FOUND
    code, printed = avs("drop", _live(pipeline))
    assert (code, "is live" in printed) == (Exit.FAILED, True)
    assert printed.count("\n") == 1
