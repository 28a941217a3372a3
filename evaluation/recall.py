"""`avs eval recall`: how much of the exact answer the configured graphs and quantization find, vector by vector."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qdrant_client import models

from core.settings import Settings
from core.vectors import BY_NAME, PICTURE_VECTORS, TEXT_VECTORS, Priority
from evaluation.asking import Progress
from evaluation.catalogue import NothingToEvaluateError
from search.plan import PlannedVector
from search.planning import build_search_plan
from search.qdrant_query import QueryBuilder, QueryRequest
from search.request import SearchRequest
from storage.vectors.schema import get_search_ef
from storage.vectors.store import VectorStore

K = 10
# Fewer points have no graph worth the name: Qdrant searches them exactly.
POINTS_MIN = 1_000
# Equal passages have equal vectors: which of them comes tenth is nobody's fault.
_TIE = 1e-6
_TOGETHER = 32
_ANY_VECTOR = TEXT_VECTORS[0]
_EXACT = models.SearchParams(exact=True, quantization=models.QuantizationSearchParams(ignore=True))

Vector = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class RecallOfVector:
    """Recall@10 against exact search: by vectors that are stored, and by those of texts. `worst` of all queries.

    `by_text` is None for vectors of pictures, which texts are not compared with.
    """

    name: str
    priority: Priority
    points: int
    by_stored: float
    by_text: float | None
    worst: float
    queries: int

    def to_json(self) -> dict[str, Any]:
        """Rounded for a report."""
        return {
            "priority": self.priority.value,
            "points": self.points,
            "by_stored": round(self.by_stored, 4),
            "by_text": None if self.by_text is None else round(self.by_text, 4),
            "worst": round(self.worst, 4),
            "queries": self.queries,
        }


class RecallMeter:
    """Asks the same as a search with one vector does, and once more exactly."""

    def __init__(self, settings: Settings, store: VectorStore, collection: str) -> None:
        self._settings = settings
        self._store = store
        self._collection = collection

    def measure(
        self, texts: Sequence[Vector], point_ids: Sequence[str], *, progress: Progress
    ) -> tuple[RecallOfVector, ...]:
        """Every dense vector with enough points, by the vectors of texts and by those of `point_ids` that have one.

        Raises NothingToEvaluateError if no vector has enough points.
        """
        counts = {name: self._count(name) for name in (*TEXT_VECTORS, *PICTURE_VECTORS)}
        found = [
            self._measure(name, count, texts, point_ids, progress)
            for name, count in counts.items()
            if count >= POINTS_MIN
        ]
        if not found:
            raise NothingToEvaluateError(f"no vector has {POINTS_MIN} points: smaller collections have no graph")
        return tuple(found)

    def _measure(
        self, name: str, points: int, texts: Sequence[Vector], point_ids: Sequence[str], progress: Progress
    ) -> RecallOfVector:
        stored = self._load(name, point_ids)
        by_stored = self._ask(name, [*stored.values()], progress)
        by_text = [] if name in PICTURE_VECTORS else self._ask(name, texts, progress)
        priority = BY_NAME[name].priority
        assert priority is not None, "only dense vectors are measured"
        return RecallOfVector(
            name=name,
            priority=priority,
            points=points,
            by_stored=float(np.mean(by_stored)) if by_stored else 1.0,
            by_text=float(np.mean(by_text)) if by_text else None,
            worst=min((*by_stored, *by_text), default=1.0),
            queries=len(by_stored) + len(by_text),
        )

    def _ask(self, name: str, vectors: Sequence[Vector], progress: Progress) -> list[float]:
        recalls: list[float] = []
        for start in range(0, len(vectors), _TOGETHER):
            group = vectors[start : start + _TOGETHER]
            usual = [self._build(name, vector) for vector in group]
            exact = [request.model_copy(update={"params": _EXACT}) for request in usual]
            found = self._store.query_batch(self._collection, usual)
            right = self._store.query_batch(self._collection, exact)
            recalls += [measure_recall(*_to_scores(pair)) for pair in zip(found, right, strict=True)]
            progress(len(group))
        return recalls

    def _build(self, name: str, vector: Vector) -> QueryRequest:
        """What a search sends, its filter for adult titles included."""
        asked = SearchRequest(query=name, vectors={_ANY_VECTOR: 1.0}, boost=0.0, expand=False, limit=K)
        # The plan of a search by text, of which each vector takes the place in turn.
        planned = PlannedVector(name, 1.0, BY_NAME[name].priority)
        plan = replace(build_search_plan(asked, self._settings), vectors=(planned,))
        builder = QueryBuilder(plan, {name: vector}, get_ef=self._get_ef)
        return builder.build_ranking(limit=K, offset=0)

    def _get_ef(self, priority: Priority) -> int:
        return get_search_ef(self._settings, priority)

    def _count(self, name: str) -> int:
        return self._store.count(self._collection, models.Filter(must=[models.HasVectorCondition(has_vector=name)]))

    def _load(self, name: str, point_ids: Sequence[str]) -> dict[str, Vector]:
        records = self._store.retrieve(self._collection, point_ids, with_payload=False, with_vectors=[name])
        held = {str(record.id): record.vector.get(name) for record in records if isinstance(record.vector, dict)}
        # In the order of the sample, so that a second run asks the same.
        return {one: np.asarray(held[one], np.float32) for one in point_ids if isinstance(held.get(one), list)}


def measure_recall(found: Sequence[float], exact: Sequence[float]) -> float:
    """The share of the exact answer that was found, by cosines; both lists are of the best, and one may be shorter.

    A title as near as the last of the exact ones counts, whichever it is.
    """
    if not exact:
        return 1.0
    return min(1.0, sum(score >= min(exact) - _TIE for score in found) / len(exact))


def sample_ids(ids: Iterator[str], *, count: int, seed: int) -> list[str]:
    """`count` of the ids, the same ones whatever order they come in."""
    known = sorted(ids)
    return sorted(random.Random(seed).sample(known, min(count, len(known))))


def _to_scores(
    pair: tuple[Sequence[models.ScoredPoint], Sequence[models.ScoredPoint]],
) -> tuple[list[float], list[float]]:
    found, exact = pair
    return [point.score for point in found], [point.score for point in exact]
