"""Operators' calls, through the client and over the wire, with workers that do the work."""

from __future__ import annotations

from typing import Any

import pytest

from client import Client, ConflictError, InvalidRequestError, Job, NotFoundError, UnavailableError

WAIT_S = 120


def finish(operator: Client, job: Job) -> Job:
    """Wait for a job that should end well."""
    ended = operator.jobs.wait_for(job.id, timeout_s=WAIT_S)
    assert ended.state == "completed", ended
    return ended


def test_numbers_and_health(operator: Client) -> None:
    """Those of the same index agree, and every recipe has its fingerprint."""
    stats, health, collection = operator.admin.get_stats(), operator.admin.get_health(), operator.admin.get_collection()
    assert stats.generation == collection.collection == operator.get_stats().generation
    assert stats.points == collection.points == collection.titles
    assert stats.coverage["title_vector"] == collection.points
    assert health.generation is not None
    assert health.generation["collection"] == collection.collection
    assert health.checks["qdrant"].ok
    assert set(collection.recipes) == {"text", "lexical", "metadata", "image"}


def test_a_reindex_a_rollback_and_a_swap(operator: Client) -> None:
    """A new generation is live after the job, the former one after the rollback, the new one after a swap."""
    before = operator.admin.get_collection().collection
    finish(operator, operator.admin.reindex(reason="the client's test"))
    after = operator.admin.get_collection().collection
    assert after != before
    back = operator.admin.rollback()
    assert (back.collection, back.previous, back.recipes_changed) == (before, after, False)
    operator.jobs.wait_for(back.job_id, timeout_s=WAIT_S)
    states = {one.collection: one.state for one in operator.admin.list_generations()}
    assert (states[before], states[after]) == ("live", "retired")
    with pytest.raises(ConflictError):
        operator.admin.drop_generation(before)
    swapped = operator.admin.swap_generation(after)
    assert swapped.collection == after
    operator.jobs.wait_for(swapped.job_id, timeout_s=WAIT_S)
    with pytest.raises(NotFoundError):
        operator.admin.swap_generation("no-such-collection")


def test_a_snapshot_comes_back_as_a_generation(operator: Client) -> None:
    """Saved, listed, restored, deleted; and the generation is dropped."""
    job = operator.admin.take_snapshot(reason="the client's test", wait_s=20)
    finish(operator, job)
    snapshot = next(one for one in operator.admin.list_snapshots() if one.reason == "the client's test")
    assert snapshot.has_manifest
    assert snapshot.points == operator.admin.get_collection().points
    restored = finish(operator, operator.admin.restore_snapshot(snapshot.name))
    assert restored.kind == "restore"
    made = next(one for one in operator.admin.list_generations() if one.job_id == restored.id)
    assert (made.state, made.points) == ("retired", snapshot.points)
    operator.admin.drop_generation(made.collection)
    dropped = next(one for one in operator.admin.list_generations() if one.job_id == restored.id)
    assert (dropped.state, dropped.points) == ("dropped", None)
    operator.admin.delete_snapshot(snapshot.name)
    assert snapshot.name not in {one.name for one in operator.admin.list_snapshots()}
    with pytest.raises(NotFoundError):
        operator.admin.delete_snapshot(snapshot.name)


def test_titles_by_hand(operator: Client) -> None:
    """Documents and ready vectors are found when the job has ended; an excluded title is gone until it is restored."""
    document = {"title": "The Lighthouse of the Client", "synopsis": "A keeper counts waves.", "year": 2021}
    finish(operator, operator.admin.upsert_documents([document], wait_s=20))
    slug = "the-lighthouse-of-the-client"
    assert operator.get_title(slug).year == 2021
    recipe = operator.admin.get_collection().recipes["text"]
    vector = [1.0] + [0.0] * (recipe.dimension - 1)
    point: Any = {"id": slug, "vectors": {"title_vector": vector}}
    finish(operator, operator.admin.upsert_vectors([point], recipe=recipe.fingerprint, wait_s=20))
    with pytest.raises(ConflictError):
        operator.admin.upsert_vectors([point], recipe="0" * 12)
    with pytest.raises(InvalidRequestError):
        operator.admin.upsert_vectors([{"id": slug, "vectors": {"title_vector": [1.0]}}], recipe=recipe.fingerprint)
    excluded = operator.admin.exclude_title(slug)
    assert (excluded.id, excluded.excluded) == (slug, True)
    assert excluded.removed_from
    with pytest.raises(NotFoundError):
        operator.get_title(slug, include_adult=True)
    assert operator.admin.exclude_title(slug).excluded
    restored = operator.admin.restore_title(slug)
    assert not restored.excluded
    assert restored.job_id is not None
    assert operator.jobs.wait_for(restored.job_id, timeout_s=WAIT_S).state == "completed"
    assert operator.get_title(slug).id == slug


def test_counts_and_suggestions(operator: Client) -> None:
    """Counts of a field add up to no less than the titles that have it; a title is suggested by its beginning."""
    facets = operator.get_facets(["type", "year"], limit=50)
    assert set(facets.facets) == {"type", "year"}
    assert sum(entry.count for entry in facets.facets["type"]) == facets.total
    first = operator.list_titles(limit=1, fields=["title"]).results[0]

    suggestions = None
    while suggestions is None:
        try:
            suggestions = operator.suggest(first.payload["title"])
        except UnavailableError as error:
            assert error.retry_after_s is not None
    assert first.id in {suggestion.id for suggestion in suggestions}
    with pytest.raises(InvalidRequestError) as caught:
        operator.suggest("")
    assert caught.value.field == "q"
