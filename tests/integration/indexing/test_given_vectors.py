"""Vectors that a caller made: written beside computed ones, and not lost by what follows."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from core.identity import point_id
from storage.database.models import JobState

Documents = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def filled(build_pipeline: Callable[..., Any], make_documents: Documents) -> Any:
    """A pipeline under an alias of its own, whose live generation holds 30 titles."""
    pipeline = build_pipeline(alias=f"given_{uuid.uuid4().hex[:8]}")
    pipeline.embedding.ensure_generation()
    pipeline.import_documents(make_documents(30))
    pipeline.index()
    return pipeline


def _given(number: int) -> list[float]:
    vector = np.random.default_rng(number).standard_normal(32)
    return [float(x) for x in vector / np.linalg.norm(vector)]


def _recipe(pipeline: Any) -> str:
    return str(pipeline.generation_repository.get_live(pipeline.alias).recipes.text.fingerprint)


def _give(pipeline: Any, *numbers: int, names: tuple[str, ...] = ("title_vector",)) -> Any:
    points = [{"id": f"title-number-{n}", "vectors": dict.fromkeys(names, _given(n))} for n in numbers]
    return pipeline.run_kind("vectors", recipe=_recipe(pipeline), points=points)


def _is_given(pipeline: Any, number: int, name: str = "title_vector") -> bool:
    (record,) = pipeline.store.retrieve(pipeline.alias, [point_id(f"title-number-{number}")], with_vectors=[name])
    return bool(np.allclose(record.vector[name], _given(number), atol=1e-5))


def test_a_given_vector_stays_until_its_text_changes(filled: Any, make_documents: Documents) -> None:
    """It survives index jobs and changes of other fields; when its own text changes it is computed again."""
    job = _give(filled, 1, 2)
    assert (job.state, job.message) == (JobState.COMPLETED, "vectors of 2 titles written")
    assert _is_given(filled, 1)
    assert filled.index()[1].claimed == 0
    documents = make_documents(30)
    documents[1]["year"] = 1999
    documents[2]["synopsis"] = "Another story altogether."
    filled.import_documents(documents)
    filled.index()
    assert _is_given(filled, 1)
    assert not _is_given(filled, 2)


def test_a_reindex_copies_it(filled: Any) -> None:
    """The generation that follows holds the given vector."""
    _give(filled, 3)
    old = filled.collection
    assert filled.run_kind("reindex").state is JobState.COMPLETED
    assert filled.collection != old
    assert _is_given(filled, 3)


def test_a_title_that_waits_for_its_vectors_is_indexed_first(filled: Any, make_documents: Documents) -> None:
    """A vector for a title that has changed is written after the computed ones, not under them."""
    documents = make_documents(31)
    documents[4]["synopsis"] = "A story that nobody has embedded yet."
    filled.import_documents(documents)
    assert _give(filled, 4, 30).state is JobState.COMPLETED
    assert _is_given(filled, 4)
    assert _is_given(filled, 30)
    assert filled.index()[1].claimed == 0


def test_it_waits_for_others_who_are_at_work_on_the_title(filled: Any, make_documents: Documents) -> None:
    """While another job's worker holds the title, and while a generation is being built, nothing is written."""
    filled.import_documents([{**make_documents(6)[5], "year": 1980}])
    other = filled.start_job()
    filled.hints.sent.clear()
    filled.stages.claim(other, ["title-number-5"], owner="somebody else", lease_s=60)
    job_id = filled.job_repository.create(
        "vectors",
        {"recipe": _recipe(filled), "points": [{"id": "title-number-5", "vectors": {"title_vector": _given(5)}}]},
    )
    filled.jobs.run(job_id)
    filled.deliver()
    assert not filled.jobs.finish(job_id)
    assert not _is_given(filled, 5)
    filled.stages.release(other, ["title-number-5"], owner="somebody else", reason="done")
    live = filled.generation_repository.get_live(filled.alias)
    building = filled.generation_repository.create(f"{live.collection}_x", alias=filled.alias, recipes=live.recipes)
    assert not filled.jobs.finish(job_id)
    filled.switch.give_up(building.collection, reason="test")
    assert filled.jobs.finish(job_id)
    assert _is_given(filled, 5)


def test_what_cannot_be_given_is_a_dead_letter(filled: Any) -> None:
    """A vector that the title has no text for, and an unknown title, are refused one by one; the others are written."""
    points = [
        {"id": "title-number-6", "vectors": {"title_vector": _given(6)}},
        {"id": "title-number-7", "vectors": {"review_vector": _given(7)}},
        {"id": "nobody", "vectors": {"title_vector": _given(8)}},
    ]
    job = filled.run_kind("vectors", recipe=_recipe(filled), points=points)
    assert job.message == "vectors of 1 titles written, 2 in the dead letters"
    reasons = {one.detail["id"]: one.reason for one in filled.job_repository.list_dead_letters(job.id)}
    assert "no text for review_vector" in reasons["title-number-7"]
    assert "no such title" in reasons["nobody"]
    assert _is_given(filled, 6)


def test_vectors_of_another_recipe_are_refused(filled: Any) -> None:
    """A job whose recipe is not that of the live index fails and writes nothing."""
    job = filled.run_kind("vectors", recipe="0" * 12, points=[{"id": "title-number-1", "vectors": {}}])
    assert job.state is JobState.FAILED
    assert "the live index is made by" in job.message


def test_dying_before_the_ledger_does_no_harm(filled: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that dies between Qdrant and Postgres leaves a title that is embedded again and then given again."""
    service = filled.kinds["vectors"]
    record = service._ledger.record

    def die(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(service._ledger, "record", record)
        raise KeyboardInterrupt

    monkeypatch.setattr(service._ledger, "record", die)
    points = [{"id": "title-number-9", "vectors": {"title_vector": _given(9)}}]
    job_id = filled.job_repository.create("vectors", {"recipe": _recipe(filled), "points": points})
    with pytest.raises(KeyboardInterrupt):
        filled.jobs.run(job_id)
    assert filled.ledger.load(filled.collection, ["title-number-9"])["title-number-9"].document_hash == ""
    job = filled.see_to_its_end(job_id)
    assert job.message == "vectors of 1 titles written"
    assert _is_given(filled, 9)
