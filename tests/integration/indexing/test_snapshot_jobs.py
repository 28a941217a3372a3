"""Snapshots of the live generation and their return, ledger and all."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from core.errors import ConflictError, DependencyUnavailableError
from storage.database.models import JobState
from storage.database.snapshots import SnapshotRepository

Documents = Callable[..., list[dict[str, Any]]]
TITLES = 40


@pytest.fixture
def filled(build_pipeline: Callable[..., Any], make_documents: Documents) -> Any:
    """A pipeline under an alias of its own, whose live generation holds 40 titles."""
    pipeline = build_pipeline(alias=f"snap_{uuid.uuid4().hex[:8]}")
    pipeline.embedding.ensure_generation()
    pipeline.import_documents(make_documents(TITLES))
    pipeline.index()
    pipeline.encoder.texts.clear()
    pipeline.embedding = pipeline.build_embedding(pipeline.encoder)
    return pipeline


def _snapshots(pipeline: Any) -> SnapshotRepository:
    return SnapshotRepository(pipeline.database)


def test_a_restored_generation_knows_what_it_holds(filled: Any, make_documents: Documents) -> None:
    """After a restore and a swap only what changed since the snapshot is embedded again."""
    taken = filled.run_kind("snapshot", reason="before the big import")
    assert taken.state is JobState.COMPLETED
    (snapshot,) = _snapshots(filled).list_all(filled.alias)
    assert (snapshot.titles, snapshot.points, snapshot.reason) == (TITLES, TITLES, "before the big import")
    assert snapshot.size_bytes > 0
    filled.import_documents(make_documents(TITLES + 2))
    filled.index()
    filled.encoder.texts.clear()
    restored = filled.run_kind("restore", snapshot=snapshot.name)
    assert restored.state is JobState.COMPLETED
    assert filled.store.count(restored.collection) == TITLES
    swap = filled.switch.swap(restored.collection)
    assert swap.stale == 2
    filled.embedding = filled.build_embedding(filled.encoder)
    filled.jobs.run(swap.job_id)
    assert filled.see_to_its_end(swap.job_id).state is JobState.COMPLETED
    assert filled.store.count(filled.alias) == TITLES + 2
    assert 0 < len(filled.encoder.texts) <= 2 * 5  # passages of two titles
    assert filled.generation_repository.get_live(filled.alias).collection == restored.collection


def test_a_title_that_changes_while_the_snapshot_is_taken_is_not_vouched_for(
    filled: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was written between the two looks at the ledger is left out of the snapshot's."""
    service = filled.kinds["snapshot"]
    save = service._administration.save_snapshot

    def write_meanwhile(collection: str) -> Any:
        filled.ledger.distrust(collection, {"title-number-1": ["title_vector"]})
        return save(collection)

    monkeypatch.setattr(service._administration, "save_snapshot", write_meanwhile)
    filled.run_kind("snapshot")
    (snapshot,) = _snapshots(filled).list_all(filled.alias)
    assert (snapshot.titles, snapshot.points) == (TITLES - 1, TITLES)


def test_an_attempt_that_died_is_not_repeated(filled: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a snapshot whose end nobody saw the job fails, says so, and leaves no row that counts."""
    service = filled.kinds["snapshot"]

    def vanish(collection: str) -> Any:
        raise DependencyUnavailableError("qdrant", "timeout")

    monkeypatch.setattr(service._administration, "save_snapshot", vanish)
    job_id = filled.job_repository.create("snapshot", {})
    with pytest.raises(DependencyUnavailableError):
        filled.jobs.run(job_id)
    filled.jobs.run(job_id)
    job = filled.job_repository.get(job_id)
    assert job.state is JobState.FAILED
    assert "half-way" in job.message
    assert _snapshots(filled).list_all(filled.alias) == []
    assert filled.execute("SELECT count(*) FROM snapshot_ledger")[0][0] == 0


def test_a_restore_that_died_is_done_again(filled: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A restore that is killed after Qdrant and before the ledger ends in one whole generation."""
    filled.run_kind("snapshot")
    (snapshot,) = _snapshots(filled).list_all(filled.alias)
    service = filled.kinds["restore"]
    restore = service._copies.restore

    def die(*args: Any) -> Any:
        monkeypatch.setattr(service._copies, "restore", restore)
        raise DependencyUnavailableError("postgres", "killed")

    monkeypatch.setattr(service._copies, "restore", die)
    job_id = filled.job_repository.create("restore", {"snapshot": snapshot.name})
    with pytest.raises(DependencyUnavailableError):
        filled.jobs.run(job_id)
    with pytest.raises(ConflictError, match="is building"):
        filled.switch.swap(filled.job_repository.get(job_id).collection)
    filled.jobs.run(job_id)
    job = filled.job_repository.get(job_id)
    assert job.state is JobState.COMPLETED
    assert len(filled.generation_repository.list_all(filled.alias)) == 2
    assert filled.ledger.count(job.collection) == filled.store.count(job.collection) == TITLES


def test_a_generation_with_snapshots_is_not_dropped(filled: Any) -> None:
    """Qdrant's snapshots are reached through their collection: while there are any it stays."""
    first = filled.collection
    filled.run_kind("snapshot")
    filled.run_kind("reindex")
    filled.run_kind("reindex")
    filled.execute("UPDATE generations SET retired_at = retired_at - interval '10 minutes'")
    filled.jobs.reconcile()
    assert filled.store.get_state(first) is not None
    with pytest.raises(ConflictError, match="1 snapshots"):
        filled.switch.drop(first)
    _snapshots(filled).delete(_snapshots(filled).list_all(filled.alias)[0].name)
    filled.jobs.reconcile()
    assert filled.store.get_state(first) is None


def test_an_unknown_snapshot_and_an_empty_installation_are_refused(
    filled: Any, build_pipeline: Callable[..., Any]
) -> None:
    """The jobs fail with a reason and make no generation."""
    job = filled.run_kind("restore", snapshot="nobody")
    assert (job.state, len(filled.generation_repository.list_all(filled.alias))) == (JobState.FAILED, 1)
    empty = build_pipeline(alias=f"snap_{uuid.uuid4().hex[:8]}")
    job = empty.run_kind("snapshot")
    assert (job.state, job.message) == (JobState.FAILED, "nothing is live yet: there is nothing to take a snapshot of")
