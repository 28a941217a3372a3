"""From a plan and a query's vectors to Qdrant's request models. The only module of `search` that knows them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from qdrant_client import models

from core.fields import HIDDEN_PAYLOAD
from core.vectors import Priority
from messaging.query_call import SparseRow
from search.filters import AllOf, Condition, FilterSpec, Match, Range
from search.plan import RRF_K, PlannedVector, SearchPlan

QueryVector = NDArray[np.float32] | SparseRow
ScoredPoint = models.ScoredPoint
QueryRequest = models.QueryRequest

# The graph is walked on quantized vectors; what is reported is the cosine of the originals.
_RESCORED = models.QuantizationSearchParams(rescore=True, oversampling=2.0)
# With round weights, positions of different lists give equal scores (the 2nd at weight 1, the 3rd at 1.5), and ties are
# broken anew by every query, so that pages would not join. Nudged weights have no ties.
_NUDGE = 1e-4
_EXACT = models.SearchParams(exact=True, quantization=models.QuantizationSearchParams(ignore=True))


class QueryBuilder:
    """Builds the requests of one search; `get_ef` gives the beam width at a priority."""

    def __init__(
        self,
        plan: SearchPlan,
        vectors: Mapping[str, QueryVector],
        *,
        get_ef: Callable[[Priority], int],
    ) -> None:
        self._plan = plan
        self._used = [vector for vector in plan.vectors if vector.name in vectors]
        self._queries = {name: _to_query(vector) for name, vector in vectors.items()}
        self._get_ef = get_ef
        self._filter = build_filter(plan.filter)

    @property
    def names(self) -> tuple[str, ...]:
        """The vectors that take part."""
        return tuple(vector.name for vector in self._used)

    @property
    def is_fused(self) -> bool:
        """True if several vectors are ranked together, so that a score is no cosine."""
        return len(self._used) > 1

    @property
    def dense(self) -> list[PlannedVector]:
        """The vectors used that give a cosine."""
        return [vector for vector in self._used if not vector.is_sparse]

    def build_search(self, *, limit: int, offset: int) -> models.QueryRequest:
        """Ids and scores of the ranked page: one nearest-vector query, or prefetches with weighted rank fusion."""
        if not self.is_fused:
            vector = self._used[0]
            return models.QueryRequest(
                query=self._queries[vector.name],
                using=vector.name,
                filter=self._filter,
                params=self._build_params(vector),
                score_threshold=self._plan.min_score,
                limit=limit,
                offset=offset,
            )
        weights = [vector.weight * (1 + _NUDGE * place) for place, vector in enumerate(self._used)]
        return models.QueryRequest(
            prefetch=[self._build_prefetch(vector) for vector in self._used],
            query=models.RrfQuery(rrf=models.Rrf(k=RRF_K, weights=weights)),
            limit=limit,
            offset=offset,
        )

    def build_cosines(self, ids: Sequence[models.ExtendedPointId]) -> list[models.QueryRequest]:
        """For each dense vector the exact cosines of these points; a point without that vector is missing."""
        condition = models.Filter(must=[models.HasIdCondition(has_id=list(ids))])
        return [
            models.QueryRequest(
                query=self._queries[vector.name], using=vector.name, filter=condition, params=_EXACT, limit=len(ids)
            )
            for vector in self.dense
        ]

    def build_payloads(self, ids: Sequence[models.ExtendedPointId]) -> models.QueryRequest:
        """The payloads of these points, in no particular order."""
        condition = models.Filter(must=[models.HasIdCondition(has_id=list(ids))])
        return models.QueryRequest(filter=condition, limit=len(ids), with_payload=self._build_selector())

    def _build_prefetch(self, vector: PlannedVector) -> models.Prefetch:
        return models.Prefetch(
            query=self._queries[vector.name],
            using=vector.name,
            filter=self._filter,
            params=self._build_params(vector),
            limit=self._plan.candidates,
        )

    def _build_params(self, vector: PlannedVector) -> models.SearchParams | None:
        if vector.priority is None:
            return None
        return models.SearchParams(hnsw_ef=self._get_ef(vector.priority), quantization=_RESCORED)

    def _build_selector(self) -> models.PayloadSelector:
        if self._plan.fields is None:
            return models.PayloadSelectorExclude(exclude=list(HIDDEN_PAYLOAD))
        return models.PayloadSelectorInclude(include=sorted({"id", *self._plan.fields}))


def build_filter(spec: FilterSpec) -> models.Filter | None:
    """Qdrant's filter, None when every point passes."""
    if spec.is_empty:
        return None
    return models.Filter(
        must=[_build_condition(condition) for condition in spec.must] or None,
        should=[_build_condition(condition) for condition in spec.should] or None,
        must_not=[_build_condition(condition) for condition in spec.must_not] or None,
    )


def _build_condition(condition: Condition) -> models.Condition:
    if isinstance(condition, AllOf):
        return models.Filter(must=[_build_condition(inner) for inner in condition.conditions])
    if isinstance(condition, Range):
        return models.FieldCondition(key=condition.path, range=_build_range(condition))
    return models.FieldCondition(key=condition.path, match=_build_match(condition))


def _build_match(condition: Match) -> models.Match:
    if len(condition.values) == 1:
        return models.MatchValue(value=condition.values[0])
    return models.MatchAny(any=list(condition.values))


def _build_range(condition: Range) -> models.Range | models.DatetimeRange:
    bounds = {name: getattr(condition, name) for name in ("gt", "gte", "lt", "lte")}
    given = {name: bound for name, bound in bounds.items() if bound is not None}
    if any(isinstance(bound, datetime) for bound in given.values()):
        return models.DatetimeRange(**given)
    return models.Range(**given)


def _to_query(vector: QueryVector) -> list[float] | models.SparseVector:
    if isinstance(vector, tuple):
        indices, values = vector
        return models.SparseVector(indices=indices.tolist(), values=values.tolist())
    # Seven digits are all that a float32 holds; the rest of a double is bytes on the wire.
    rounded: list[float] = np.round(vector.astype(np.float64), 7).tolist()
    return rounded
