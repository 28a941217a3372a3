"""The gold set of a reindex: asked of both generations, and decisive where the new one answers less."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from core.identity import point_id
from indexing.gold import GateError, GoldCheck, load_gold
from indexing.passages import build_passages
from inference.bm25 import Bm25Encoder
from messaging.query_call import EncodedQueries
from storage.database.models import JobState

Documents = Callable[..., list[dict[str, Any]]]


class _Encoder:
    """Encodes a query as the passage of the title that it names, so that every query can be answered."""

    def __init__(self, pipeline: Any, recipes: str) -> None:
        self._pipeline = pipeline
        self._recipes = recipes

    def encode(self, texts: Sequence[str], timeout_s: float) -> EncodedQueries:
        documents = [self._pipeline.titles.load([slug])[slug].document for slug in texts]
        passages = [build_passages(document, related_titles={})["title_vector"][0] for document in documents]
        lexical = Bm25Encoder(template_version=1).encode_queries(texts)
        dense = self._pipeline.encoder.encode_passages(passages, token_budget=8_192).dense
        return EncodedQueries(self._recipes, dense, [(one.indices, one.values) for one in lexical])

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def filled(build_pipeline: Callable[..., Any], make_documents: Documents) -> Any:
    """A pipeline under an alias of its own, whose live generation holds 60 titles."""
    pipeline = build_pipeline(alias=f"gold_{uuid.uuid4().hex[:8]}")
    pipeline.embedding.ensure_generation()
    pipeline.import_documents(make_documents(60))
    pipeline.index()
    return pipeline


def _ask(pipeline: Any, path: Path, *, recipes: str | None = None) -> None:
    made_by = recipes or pipeline.embedding._models.recipes.fingerprint
    gate = pipeline.kinds["reindex"]._gate
    gate._gold = GoldCheck(
        path, titles=pipeline.titles, store=pipeline.store, build_encoder=lambda: _Encoder(pipeline, made_by)
    )


def _write(path: Path, *slugs: str) -> Path:
    path.write_bytes(b"\n".join(orjson.dumps({"query": slug, "expected": [slug, "unknown"]}) for slug in slugs))
    return path


def test_a_generation_that_answers_as_well_goes_live(filled: Any, tmp_path: Path) -> None:
    """Every query of the set is answered before and after, and the alias moves."""
    _ask(filled, _write(tmp_path / "gold.jsonl", "title-number-3", "title-number-40"))
    assert filled.run_kind("reindex").state is JobState.COMPLETED
    live, old = (one for one in filled.generation_repository.list_all(filled.alias))
    figures = filled.kinds["reindex"]._gate._gold.measure(old, live)
    assert (figures.queries, figures.before, figures.after) == (2, 2, 2)


def test_a_generation_that_answers_less_does_not(filled: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A title that has lost its vectors is no longer found by its query: the job fails and says so."""
    _ask(filled, _write(tmp_path / "gold.jsonl", "title-number-3", "title-number-40"))
    gate, lose = filled.kinds["reindex"]._gate, [point_id("title-number-3")]
    measure = gate._gold.measure

    def measure_without(old: Any, new: Any) -> Any:
        filled.store.call(
            lambda client: client.delete_vectors(new.collection, ["title_vector", "lexical_sparse"], lose, wait=True)
        )
        return measure(old, new)

    monkeypatch.setattr(gate._gold, "measure", measure_without)
    job = filled.run_kind("reindex")
    assert job.state is JobState.FAILED
    assert "1 of 2 gold queries are answered, 2 were before" in job.message


def test_a_set_that_cannot_be_asked_ends_the_job(filled: Any, tmp_path: Path) -> None:
    """A query worker of other recipes, and a file that is gone, are reasons to give up, not to try for ever."""
    _ask(filled, _write(tmp_path / "gold.jsonl", "title-number-3"), recipes="0" * 12)
    job = filled.run_kind("reindex")
    assert (job.state, "the gold set cannot be asked" in job.message) == (JobState.FAILED, True)
    _ask(filled, tmp_path / "missing.jsonl")
    job = filled.run_kind("reindex")
    assert (job.state, "cannot be read" in job.message) == (JobState.FAILED, True)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "holds no query"),
        ('{"query": "x", "expected": []}', "line 1"),
        ('{"query": "x", "expected": ["y"]}\nno json', "line 2"),
        ('{"query": 3, "expected": ["y"]}', "line 1"),
    ],
)
def test_faults_of_the_file_are_named(tmp_path: Path, content: str, reason: str) -> None:
    """The line that is wrong is named."""
    path = tmp_path / "gold.jsonl"
    path.write_text(content)
    with pytest.raises(GateError, match=reason):
        load_gold(path)


def test_vectors_reach_qdrant_as_they_came(filled: Any) -> None:
    """The encoder of these tests gives unit vectors of the index's size: what the figures above stand on."""
    encoded = _Encoder(filled, "x").encode(["title-number-1"], 1.0)
    assert encoded.dense.shape == (1, 32)
    assert np.linalg.norm(encoded.dense[0]) == pytest.approx(1.0, abs=1e-5)
