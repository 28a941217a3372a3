"""A generation made anew beside the live one: copied, caught up with, checked, swapped to, and rolled back."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from qdrant_client import models

from core.errors import ConflictError, DependencyUnavailableError, NotFoundError
from core.identity import point_id
from storage.database.models import GenerationState, JobState

Documents = Callable[..., list[dict[str, Any]]]
TITLES = 150


@pytest.fixture
def filled(build_pipeline: Callable[..., Any], make_documents: Documents) -> Any:
    """A pipeline under an alias of its own, whose live generation holds 150 titles."""
    pipeline = build_pipeline(alias=f"re_{uuid.uuid4().hex[:8]}", chunk_size=50)
    pipeline.embedding.ensure_generation()
    pipeline.import_documents(make_documents(TITLES))
    pipeline.index()
    pipeline.encoder.texts.clear()
    # One that remembers no passage: what it needs it has to encode.
    pipeline.embedding = pipeline.build_embedding(pipeline.encoder)
    return pipeline


def _states(pipeline: Any) -> list[GenerationState]:
    known = pipeline.generation_repository.list_all(pipeline.alias)
    return [one.state for one in sorted(known, key=lambda one: one.created_at)]


def _live(pipeline: Any) -> str:
    return str(pipeline.generation_repository.get_live(pipeline.alias).collection)


def _vectors(pipeline: Any, collection: str) -> dict[str, Any]:
    ids = sorted(pipeline.store.scroll_ids(collection))
    records = pipeline.store.retrieve(collection, ids, with_vectors=True)
    return {str(record.id): (record.vector, record.payload) for record in records}


def test_vectors_are_copied_not_made_again(filled: Any) -> None:
    """The new generation holds the same vectors and payloads under another name, and nothing was encoded for it."""
    old, before = _live(filled), _vectors(filled, _live(filled))
    job = filled.run_kind("reindex", reason="other HNSW settings")
    assert (job.state, job.message) == (JobState.COMPLETED, f"{_live(filled)} is live")
    assert _live(filled) != old
    assert filled.store.get_alias_target(filled.alias) == _live(filled)
    assert filled.encoder.texts == []
    after = _vectors(filled, _live(filled))
    assert after.keys() == before.keys()
    for point, (vectors, payload) in before.items():
        assert after[point][1] == payload
        for name, vector in vectors.items():
            copied = after[point][0][name]
            if isinstance(vector, models.SparseVector):
                assert copied == vector
            else:
                assert np.allclose(copied, vector, atol=1e-6)
    assert filled.ledger.count(_live(filled)) == TITLES
    job, report = filled.index()
    assert report.claimed == 0


def test_settings_take_effect_in_the_new_generation(filled: Any, build_pipeline: Callable[..., Any]) -> None:
    """HNSW and quantization of the new collection are those of the settings, at the same recipes and layout."""
    other = build_pipeline(share=filled, hnsw_m_high=48, quantization_high="none")
    other.run_kind("reindex")
    vectors = other.store.call(lambda client: client.get_collection(_live(other))).config.params.vectors
    assert vectors["title_vector"].hnsw_config.m == 48
    assert vectors["title_vector"].quantization_config is None
    assert other.generation_repository.get_live(other.alias).layout != ""
    other.embedding.ensure_generation()
    assert _states(other) == [GenerationState.RETIRED, GenerationState.LIVE]


def test_a_title_that_changes_meanwhile_ends_up_right(
    filled: Any, make_documents: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New, changed and excluded titles of the time of copying are in the new generation as they are now."""
    documents = make_documents(TITLES + 3)
    documents[10]["synopsis"] = "A story that was told anew while the index was copied."
    copies, changed = filled.kinds["reindex"]._copier._copies, []
    listed = copies.list_copyable

    def change_while_copying(*args: Any, **kwargs: Any) -> Any:
        rows = listed(*args, **kwargs)
        if not changed:
            changed.append(filled.import_documents(documents))
            filled.execute("UPDATE titles SET excluded = true WHERE slug = 'title-number-20'")
            filled.index(ids=["title-number-10", f"title-number-{TITLES}"])
        return rows

    monkeypatch.setattr(copies, "list_copyable", change_while_copying)
    job = filled.run_kind("reindex")
    assert job.state is JobState.COMPLETED
    present = set(filled.store.scroll_ids(_live(filled)))
    assert point_id(f"title-number-{TITLES + 2}") in present
    assert point_id("title-number-20") not in present
    assert len(present) == TITLES + 2
    (record,) = filled.store.retrieve(_live(filled), [point_id("title-number-10")], with_vectors=["title_vector"])
    assert record.payload["synopsis"] == documents[10]["synopsis"]
    fresh = _expected_title_vector(filled, "title-number-10")
    assert float(np.dot(record.vector["title_vector"], fresh)) > 0.9999
    assert filled.index()[1].claimed == 0


def _expected_title_vector(pipeline: Any, slug: str) -> np.ndarray:
    from indexing.passages import build_passages

    document = pipeline.titles.load([slug])[slug].document
    texts = build_passages(document, related_titles={})["title_vector"]
    return np.asarray(pipeline.encoder.encode_passages(texts, token_budget=8_192).dense[0])


def test_a_point_that_is_being_written_is_not_copied(filled: Any) -> None:
    """A vector that the ledger does not vouch for is made again in the new generation, and no other."""
    old = _live(filled)
    filled.ledger.distrust(old, {"title-number-5": ["genre_vector"]})
    wrong = [0.0] * 31 + [1.0]
    points = [models.PointVectors(id=point_id("title-number-5"), vector={"genre_vector": wrong})]
    update = models.UpdateVectorsOperation(update_vectors=models.UpdateVectors(points=points))
    filled.store.apply(old, [update])
    filled.run_kind("reindex")
    (record,) = filled.store.retrieve(_live(filled), [point_id("title-number-5")], with_vectors=True)
    assert not np.allclose(record.vector["genre_vector"], wrong)
    assert len(filled.encoder.texts) == 1
    assert filled.ledger.load(_live(filled), ["title-number-5"])["title-number-5"].passages["genre_vector"]


def test_a_copy_that_was_killed_is_carried_on(filled: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that dies after the points of a page and before their ledger leaves nothing to be mended by hand."""
    copies = filled.kinds["reindex"]._copier._copies
    add, added = copies.add, []

    def die_at_the_second_page(collection: str, rows: Any) -> None:
        if len(added) == 1:
            added.append(0)
            raise DependencyUnavailableError("postgres", "killed")
        added.append(len(rows))
        add(collection, rows)

    monkeypatch.setattr(copies, "add", die_at_the_second_page)
    job_id = filled.job_repository.create("reindex", {})
    with pytest.raises(DependencyUnavailableError):
        filled.jobs.run(job_id)
    begun = filled.job_repository.get(job_id)
    assert begun.state is JobState.PENDING
    assert filled.ledger.count(begun.collection) == added[0]
    filled.jobs.reconcile()
    filled.hints.sent.clear()
    filled.jobs.run(job_id)
    job = filled.see_to_its_end(job_id)
    assert job.state is JobState.COMPLETED
    assert _live(filled) == begun.collection
    assert sum(added) == TITLES
    assert filled.store.count(begun.collection) == TITLES


def test_other_jobs_write_to_the_live_generation_meanwhile(filled: Any, make_documents: Documents) -> None:
    """While a generation is made anew, index jobs write where searches look, and a worker's start changes nothing."""
    old = _live(filled)
    filled.import_documents(make_documents(1, first=TITLES))
    job_id = filled.job_repository.create("reindex", {})
    filled.jobs.run(job_id)
    new = filled.job_repository.get(job_id).collection
    waiting, filled.hints.sent = filled.hints.sent, []
    filled.embedding.ensure_generation()
    index_job, report = filled.index()
    assert (index_job.collection, report.indexed) == (old, 1)
    assert _states(filled) == [GenerationState.LIVE, GenerationState.BUILDING]
    filled.hints.sent = waiting
    filled.see_to_its_end(job_id)
    assert _live(filled) == new
    assert filled.store.count(new) == TITLES + 1


def test_two_at_once_are_one_too_many(filled: Any) -> None:
    """A second reindex fails and says which collection is being built; the first is not disturbed."""
    first = filled.job_repository.create("reindex", {})
    job = filled.kinds["reindex"]
    filled.jobs._jobs.start(first)
    job._find_or_begin(filled.job_repository.get(first))
    second = filled.run_kind("reindex")
    assert second.state is JobState.FAILED
    assert "is being built already" in second.message
    filled.job_repository.wait_again(first)
    filled.jobs.run(first)
    assert filled.see_to_its_end(first).state is JobState.COMPLETED


def test_nothing_live_means_nothing_to_make_anew(build_pipeline: Callable[..., Any]) -> None:
    """Without a live generation the job fails with its reason and leaves no generation behind."""
    pipeline = build_pipeline(alias=f"re_{uuid.uuid4().hex[:8]}")
    job = pipeline.run_kind("reindex")
    assert job.state is JobState.FAILED
    assert "nothing is live" in job.message
    assert _states(pipeline) == []


def test_a_generation_that_lost_its_neighbours_does_not_go_live(filled: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Vectors that were mixed up on the way are found by the gate: the job fails, searches keep the old generation."""
    from indexing import copying

    build, old = copying.build_copy, _live(filled)
    previous: list[Any] = []

    def mix_up(title: Any, row: Any, vectors: Any, **kwargs: Any) -> Any:
        previous.append(vectors)
        return build(title, row, previous[-2] if len(previous) > 1 else vectors, **kwargs)

    monkeypatch.setattr(copying, "build_copy", mix_up)
    job = filled.run_kind("reindex")
    assert job.state is JobState.FAILED
    assert "the exact top 10 are those of the live generation" in job.message
    assert _live(filled) == old
    assert _states(filled) == [GenerationState.LIVE, GenerationState.RETIRED]


def test_graphs_below_the_recall_asked_for_do_not_go_live(filled: Any, build_pipeline: Callable[..., Any]) -> None:
    """Recall of the graphs is compared with what the settings ask for, for vectors of high priority."""
    from core.vectors import BY_NAME
    from indexing.gate import VectorFigures

    gate = build_pipeline(share=filled, reindex_min_recall=0.97).kinds["reindex"]._gate
    low = VectorFigures(sampled=20, recall=0.96, overlap=1.0)
    assert "recall@10 0.960" in gate._judge(BY_NAME["title_vector"], low)
    assert gate._judge(BY_NAME["franchise_vector"], low) is None
    assert gate._judge(BY_NAME["title_vector"], VectorFigures(sampled=20, recall=0.98, overlap=1.0)) is None


def test_titles_that_the_live_generation_has_must_not_be_missing(filled: Any) -> None:
    """The gate names titles that would vanish from searches."""
    live = filled.generation_repository.get_live(filled.alias)
    empty = filled.generation_repository.create(f"{live.collection}_x", alias=filled.alias, recipes=live.recipes)
    filled.generations.ensure_collection(empty)
    report = filled.kinds["reindex"]._gate.check(live, empty, measures=False)
    assert not report.passed
    assert "title-number-0" in report.faults[0]


def test_a_reindex_that_is_not_to_swap_stands_by(filled: Any) -> None:
    """With swap: false the generation passes its gate and waits; swapping to it by hand makes it live."""
    old = _live(filled)
    job = filled.run_kind("reindex", swap=False)
    assert (job.state, _live(filled)) == (JobState.COMPLETED, old)
    assert "stands by" in job.message
    swap = filled.switch.swap(job.collection)
    assert (swap.previous, swap.stale, _live(filled)) == (old, 0, job.collection)


def test_a_cancelled_reindex_leaves_nothing_behind(filled: Any) -> None:
    """The reconciler drops what a cancelled reindex had made; the live generation is untouched."""
    old = _live(filled)
    job_id = filled.job_repository.create("reindex", {})
    filled.jobs._jobs.start(job_id)
    generation = filled.kinds["reindex"]._find_or_begin(filled.job_repository.get(job_id))
    filled.generations.ensure_collection(generation)
    filled.job_repository.cancel(job_id)
    filled.jobs.reconcile()
    assert filled.store.get_state(generation.collection) is None
    assert (_live(filled), _states(filled)) == (old, [GenerationState.LIVE, GenerationState.DROPPED])
    assert filled.run_kind("reindex").state is JobState.COMPLETED


def test_only_as_many_as_are_kept_stay(filled: Any) -> None:
    """After a second reindex the first generation goes, once no search can be under way in it; its row stays."""
    first = _live(filled)
    filled.run_kind("reindex")
    second = _live(filled)
    filled.run_kind("reindex")
    assert filled.store.get_state(first) is not None
    filled.execute("UPDATE generations SET retired_at = retired_at - interval '10 minutes'")
    filled.jobs.reconcile()
    assert filled.store.get_state(first) is None
    assert filled.store.get_state(second) is not None
    assert _states(filled) == [GenerationState.DROPPED, GenerationState.RETIRED, GenerationState.LIVE]
    assert filled.ledger.count(first) == 0
    filled.run_kind("reindex")
    assert _live(filled).endswith("_004")


# Going back


def test_a_rollback_catches_up(filled: Any, make_documents: Documents) -> None:
    """The earlier generation answers at once, says how stale it is, and is brought up to date by a job of its own."""
    first = _live(filled)
    filled.run_kind("reindex")
    filled.import_documents(make_documents(TITLES + 4))
    filled.index()
    swap = filled.switch.rollback()
    assert (swap.collection, swap.stale, swap.recipes_changed) == (first, 4, False)
    assert (_live(filled), filled.store.get_alias_target(filled.alias)) == (first, first)
    assert filled.store.count(first) == TITLES
    filled.jobs.run(swap.job_id)
    assert filled.see_to_its_end(swap.job_id).collection == first
    assert filled.store.count(first) == TITLES + 4


def test_a_rollback_shows_nothing_that_was_hidden_since(filled: Any, make_documents: Documents) -> None:
    """Titles excluded since, and such as became adult, are out of the earlier generation before it answers."""
    filled.run_kind("reindex")
    documents = make_documents(TITLES)
    documents[3]["rating"] = "Rx"
    documents[3]["genres"] = ["hentai"]
    filled.import_documents(documents)
    assert filled.titles.load(["title-number-3"])["title-number-3"].adult
    filled.execute("UPDATE titles SET excluded = true WHERE slug = 'title-number-7'")
    swap = filled.switch.rollback()
    present = set(filled.store.scroll_ids(swap.collection))
    assert not {point_id("title-number-3"), point_id("title-number-7")} & present
    filled.jobs.run(swap.job_id)
    filled.see_to_its_end(swap.job_id)
    (record,) = filled.store.retrieve(swap.collection, [point_id("title-number-3")])
    assert record.payload["adult"] is True
    assert point_id("title-number-7") not in set(filled.store.scroll_ids(swap.collection))


def test_a_worker_does_not_fight_a_rollback(filled: Any) -> None:
    """A worker of the same recipes that starts after a rollback makes nothing and moves nothing."""
    first = _live(filled)
    filled.run_kind("reindex")
    filled.switch.rollback()
    filled.embedding.ensure_generation()
    filled.index()
    assert _live(filled) == first
    assert _states(filled) == [GenerationState.LIVE, GenerationState.RETIRED]


def test_a_worker_of_withdrawn_recipes_waits(filled: Any, make_documents: Documents) -> None:
    """After a rollback to other recipes, a worker of the withdrawn ones neither fills nor makes a generation."""
    first = _live(filled)
    newer = filled.build_embedding(type(filled.encoder)(template_version=99))
    newer.ensure_generation()
    job_id = filled.start_job()
    filled.deliver(newer)
    assert filled.job_repository.get(job_id).state is JobState.COMPLETED
    second = _live(filled)
    assert second != first
    swap = filled.switch.rollback()
    assert swap.recipes_changed
    newer.ensure_generation()
    filled.import_documents(make_documents(TITLES + 1))
    filled.start_job()
    filled.deliver(newer)
    assert (_live(filled), _states(filled)) == (first, [GenerationState.LIVE, GenerationState.RETIRED])
    filled.jobs.reconcile()
    filled.deliver()
    assert filled.store.count(first) == TITLES + 1
    filled.switch.swap(second)
    newer.ensure_generation()
    assert _live(filled) == second


def test_rolling_back_again_goes_further_back_not_forth(build_pipeline: Callable[..., Any], filled: Any) -> None:
    """A second rollback goes to the generation before, and the last one is told that there is none."""
    filled.run_kind("reindex")
    filled.run_kind("reindex")
    names = [one.collection for one in filled.generation_repository.list_all(filled.alias)]
    assert filled.switch.rollback().collection == names[1]
    assert filled.switch.rollback().collection == names[2]
    with pytest.raises(ConflictError, match="no generation older"):
        filled.switch.rollback()
    assert _live(filled) == names[2]


def test_a_swap_that_died_half_way_is_mended(filled: Any) -> None:
    """An alias that shows another collection than Postgres says is set right by the reconciler."""
    job = filled.run_kind("reindex", swap=False)
    filled.store.swap_alias(filled.alias, job.collection)
    filled.jobs.reconcile()
    assert filled.store.get_alias_target(filled.alias) == _live(filled) != job.collection


def test_what_cannot_be_swapped_to_is_refused(filled: Any) -> None:
    """Unknown, live, dropped, empty and vanished generations are refused with the reason, and nothing changes."""
    old = _live(filled)
    with pytest.raises(NotFoundError):
        filled.switch.swap("nobody")
    with pytest.raises(ConflictError, match="is live"):
        filled.switch.swap(old)
    standing = filled.run_kind("reindex", swap=False).collection
    filled.execute("DELETE FROM embedding_ledger WHERE collection = :name AND slug > 'title-number-2'", name=standing)
    with pytest.raises(ConflictError, match=r"lacks \d+ titles"):
        filled.switch.swap(standing)
    filled.execute("DELETE FROM embedding_ledger WHERE collection = :name", name=standing)
    with pytest.raises(ConflictError, match="never filled"):
        filled.switch.swap(standing, force=True)
    filled.store.call(lambda client: client.delete_collection(standing))
    with pytest.raises(ConflictError, match="has no collection"):
        filled.switch.swap(standing)
    assert _live(filled) == old


def test_what_must_not_be_dropped_is_refused(filled: Any) -> None:
    """The live generation, one that is being built, and one that was live a moment ago stay."""
    first = _live(filled)
    with pytest.raises(ConflictError, match="is live"):
        filled.switch.drop(first)
    filled.run_kind("reindex")
    with pytest.raises(ConflictError, match="may still be under way"):
        filled.switch.drop(first)
    filled.execute("UPDATE generations SET retired_at = retired_at - interval '10 minutes'")
    filled.switch.drop(first)
    assert filled.store.get_state(first) is None
    with pytest.raises(ConflictError, match="no generation older"):
        filled.switch.rollback()
    with pytest.raises(ConflictError, match="is dropped"):
        filled.switch.swap(first)


def test_a_drop_that_died_half_way_is_finished(filled: Any) -> None:
    """A generation that Postgres calls dropped and Qdrant still has is removed by the reconciler."""
    first = _live(filled)
    filled.run_kind("reindex")
    with filled.generation_repository.deciding() as connection:
        assert filled.generation_repository.set_dropped_in(connection, first)
    filled.jobs.reconcile()
    assert filled.store.get_state(first) is None
    assert filled.ledger.count(first) == 0


def test_a_title_written_to_the_old_generation_at_the_last_moment_is_not_lost(
    filled: Any, make_documents: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an index job ends to write while the alias moves is brought to the new generation by the same reindex."""
    old, swap_alias, done = _live(filled), filled.switch._store.swap_alias, []
    documents = make_documents(TITLES + 1)
    documents[8]["synopsis"] = "A story told at the last moment."

    def write_meanwhile(alias: str, collection: str) -> None:
        if not done:
            done.append(collection)
            waiting, filled.hints.sent = filled.hints.sent, []
            filled.import_documents(documents)
            job, report = filled.index()
            assert (job.state, job.collection, report.indexed) == (JobState.COMPLETED, old, 2)
            filled.hints.sent = waiting
        swap_alias(alias, collection)

    monkeypatch.setattr(filled.switch._store, "swap_alias", write_meanwhile)
    assert filled.run_kind("reindex").state is JobState.COMPLETED
    assert [_live(filled)] == done
    (record,) = filled.store.retrieve(_live(filled), [point_id("title-number-8")])
    assert record.payload["synopsis"] == documents[8]["synopsis"]
    assert filled.store.count(_live(filled)) == TITLES + 1
    assert filled.index()[1].claimed == 0
