"""From a plan and the vectors of its query to Qdrant's request models. The only module of `search` that knows them.

The ranked list is one request whatever the plan says: prefetches by vector, their fusion, and around it a formula for
boosts and pins:

    score = fused * (1 + popularity * (search_boost_factor - 1) + sum of the boosts that apply) + pins
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qdrant_client import models

from core.fields import HIDDEN_PAYLOAD
from core.vectors import Priority
from messaging.query_call import SparseRow
from search.filters import ADULT, AllOf, AnyOf, Condition, FilterSpec, Match, Range
from search.plan import Fusion, PlannedVector, SearchPlan
from search.ranking import SPARSE_HALF

QueryVector = NDArray[np.float32] | SparseRow
ScoredPoint = models.ScoredPoint
QueryRequest = models.QueryRequest
PointId = models.ExtendedPointId

# The graph is walked on quantized vectors; what is reported is the cosine of the originals.
_RESCORED = models.QuantizationSearchParams(rescore=True, oversampling=2.0)
# With round weights, positions of different lists give equal scores (the 2nd at weight 1, the 3rd at 1.5), and ties are
# broken anew by every query, so that pages would not join. Nudged weights have no ties.
_NUDGE = 1e-4
_EXACT = models.SearchParams(exact=True, quantization=models.QuantizationSearchParams(ignore=True))
# A neutral factor for points that were written before there was one.
BOOST_FIELD = "search_boost_factor"
# What a query, or a prefetch, is made of; its limit is added last.
_Stage = dict[str, Any]


class QueryBuilder:
    """Builds the requests of one plan; `get_ef` gives the beam width at a priority.

    `vectors` is the query side by name; planned vectors that have none take no part.
    """

    def __init__(
        self, plan: SearchPlan, vectors: Mapping[str, QueryVector], *, get_ef: Callable[[Priority], int]
    ) -> None:
        self._plan = plan
        self.used = tuple(vector for vector in plan.vectors if vector.name in vectors)
        self._queries = {name: _to_query(vector) for name, vector in vectors.items()}
        self._get_ef = get_ef
        self._filter = build_filter(plan.filter, without=plan.without)

    @property
    def names(self) -> tuple[str, ...]:
        """The vectors that take part."""
        return tuple(vector.name for vector in self.used)

    @property
    def is_fused(self) -> bool:
        """True if several vectors are ranked together, so that a score is no cosine."""
        return len(self.used) > 1

    @property
    def is_plain(self) -> bool:
        """True if the score is what the one vector gives."""
        return len(self.used) == 1 and not self._plan.is_rescored

    @property
    def dense(self) -> list[PlannedVector]:
        """The vectors used that give a cosine."""
        return [vector for vector in self.used if not vector.is_sparse]

    @property
    def weights(self) -> list[float]:
        """The weights that rank fusion is told, in the order of `used`: without ties."""
        return [vector.weight * (1 + _NUDGE * place) for place, vector in enumerate(self.used)]

    def build_ranking(self, *, limit: int, offset: int, payload: Sequence[str] = ()) -> models.QueryRequest:
        """Ids and scores of the ranked page, with the named payload entries."""
        stage = self._build_fused()
        if self.is_plain:
            stage["score_threshold"] = self._plan.min_score
        elif self._plan.is_rescored:
            stage = self._build_rescored(stage)
        return models.QueryRequest(**stage, limit=limit, offset=offset, with_payload=_select(payload))

    def build_lists(self) -> list[models.QueryRequest]:
        """What each vector brings into the fusion, as a list of its own: for explanations."""
        return [models.QueryRequest(**self._build_nearest(vector), limit=self._plan.candidates) for vector in self.used]

    def build_listing(self, *, limit: int, offset: int) -> models.QueryRequest:
        """The page of a plan without a query: what passes the filter and has the field, in the order of the sort."""
        sort = self._plan.sort
        assert sort is not None, "a listing is always sorted"
        direction = models.Direction.ASC if sort.order == "asc" else models.Direction.DESC
        order = models.OrderByQuery(order_by=models.OrderBy(key=sort.path, direction=direction))
        return models.QueryRequest(query=order, filter=self._filter, limit=limit, offset=offset)

    def build_unsorted(self, *, limit: int, offset: int) -> models.QueryRequest:
        """What passes the filter of a listing but lacks the field: comes last."""
        return models.QueryRequest(filter=self.build_lacking(), limit=limit, offset=offset)

    def build_lacking(self) -> models.Filter:
        """The filter of a listing, for titles that lack the field of its sort."""
        sort = self._plan.sort
        assert sort is not None, "a listing is always sorted"
        empty = models.IsEmptyCondition(is_empty=models.PayloadField(key=sort.path))
        return models.Filter(must=[*([self._filter] if self._filter else []), empty])

    def build_cosines(self, ids: Sequence[PointId]) -> list[models.QueryRequest]:
        """For each dense vector the exact cosines of these points; a point without that vector is missing."""
        condition = _having(ids)
        return [
            models.QueryRequest(
                query=self._queries[vector.name], using=vector.name, filter=condition, params=_EXACT, limit=len(ids)
            )
            for vector in self.dense
        ]

    def build_payloads(self, ids: Sequence[PointId]) -> models.QueryRequest:
        """The payloads of these points, in no particular order, without points that are hidden by now."""
        hidden = [_build_condition(ADULT)] if self._plan.filter.hides_adult else None
        condition = models.Filter(must=[_has_id(ids)], must_not=hidden)
        return models.QueryRequest(filter=condition, limit=len(ids), with_payload=self._build_selector())

    def build_passing(self, ids: Sequence[PointId], *, payload: Sequence[str] = ()) -> models.QueryRequest:
        """Which of these points pass the filter, in no particular order, with the named payload entries."""
        condition = models.Filter(must=[*([self._filter] if self._filter else []), _has_id(ids)])
        return models.QueryRequest(filter=condition, limit=len(ids), with_payload=_select(payload))

    def build_boosted(self, ids: Sequence[PointId]) -> list[models.QueryRequest]:
        """For each boost of the plan: which of these points it applies to."""
        return [
            models.QueryRequest(
                filter=models.Filter(must=[_has_id(ids), _build_condition(boost.condition)]), limit=len(ids)
            )
            for boost in self._plan.boosts
        ]

    def _build_fused(self) -> _Stage:
        """One nearest-vector query, or prefetches with the fusion of the plan."""
        if not self.is_fused:
            return self._build_nearest(self.used[0])
        lists = [self._build_prefetch(vector) for vector in self.used for _ in range(count_turns(self._plan, vector))]
        return {"prefetch": lists, "query": self._build_fusion()}

    def _build_fusion(self) -> models.Query:
        if self._plan.fusion is Fusion.DBSF:
            return models.FusionQuery(fusion=models.Fusion.DBSF)
        if self._plan.fusion is Fusion.RRF:
            return models.RrfQuery(rrf=models.Rrf(k=self._plan.rrf_k, weights=self.weights))
        terms = [_build_linear_term(place, vector) for place, vector in enumerate(self.used)]
        joined = reduce(_build_larger, terms) if self._plan.fusion is Fusion.MAX else models.SumExpression(sum=terms)
        return models.FormulaQuery(formula=joined, defaults={f"$score[{place}]": 0.0 for place in range(len(terms))})

    def _build_rescored(self, fused: _Stage) -> _Stage:
        """The formula of the module around the fused candidates; pinned titles join even if no vector found them."""
        plan = self._plan
        prefetch = [models.Prefetch(**fused, limit=plan.candidates)]
        if plan.pins:
            named = models.Filter(
                must=[*([self._filter] if self._filter else []), _has_id([pin.point_id for pin in plan.pins])]
            )
            prefetch.append(models.Prefetch(filter=named, limit=len(plan.pins)))
        factors: list[models.Expression] = [1.0, *self._build_factors()]
        terms: list[models.Expression] = [models.MultExpression(mult=["$score[0]", models.SumExpression(sum=factors)])]
        terms += [_multiply(pin.score, _has_id([pin.point_id])) for pin in plan.pins]
        formula = models.FormulaQuery(
            formula=models.SumExpression(sum=terms), defaults={"$score[0]": 0.0, BOOST_FIELD: 1.0}
        )
        return {"prefetch": prefetch, "query": formula}

    def _build_factors(self) -> list[models.Expression]:
        plan = self._plan
        factors: list[models.Expression] = [
            _multiply(boost.weight, _build_condition(boost.condition)) for boost in plan.boosts
        ]
        if plan.popularity:
            factors += [_multiply(plan.popularity, BOOST_FIELD), -plan.popularity]
        return factors

    def _build_nearest(self, vector: PlannedVector) -> _Stage:
        return {
            "query": self._queries[vector.name],
            "using": vector.name,
            "filter": self._filter,
            "params": self._build_params(vector),
        }

    def _build_prefetch(self, vector: PlannedVector) -> models.Prefetch:
        return models.Prefetch(**self._build_nearest(vector), limit=self._plan.candidates)

    def _build_params(self, vector: PlannedVector) -> models.SearchParams | None:
        if vector.priority is None:
            return None
        return models.SearchParams(hnsw_ef=self._get_ef(vector.priority), quantization=_RESCORED)

    def _build_selector(self) -> models.PayloadSelector:
        if self._plan.fields is None:
            return models.PayloadSelectorExclude(exclude=list(HIDDEN_PAYLOAD))
        return models.PayloadSelectorInclude(include=sorted({"id", *self._plan.fields}))


def count_turns(plan: SearchPlan, vector: PlannedVector) -> int:
    """How often a vector's list takes part in the fusion: DBSF knows no other weights."""
    return round(vector.weight) if plan.fusion is Fusion.DBSF else 1


def build_stored_vectors(ids: Sequence[PointId], names: Sequence[str]) -> models.QueryRequest:
    """The stored vectors of these names of these points, in no particular order."""
    return models.QueryRequest(filter=_having(ids), limit=len(ids), with_vector=list(names))


def build_filter(spec: FilterSpec, *, without: Sequence[str] = ()) -> models.Filter | None:
    """Qdrant's filter, None when every point passes. `without`: ids of points that do not."""
    if spec.is_empty and not without:
        return None
    must_not = [_build_condition(condition) for condition in spec.must_not]
    if without:
        must_not.append(_has_id(without))
    return models.Filter(
        must=[_build_condition(condition) for condition in spec.must] or None,
        should=[_build_condition(condition) for condition in spec.should] or None,
        must_not=must_not or None,
    )


def _has_id(ids: Sequence[PointId]) -> models.HasIdCondition:
    return models.HasIdCondition(has_id=list(ids))


def _having(ids: Sequence[PointId]) -> models.Filter:
    return models.Filter(must=[_has_id(ids)])


def _select(payload: Sequence[str]) -> models.PayloadSelectorInclude | None:
    return models.PayloadSelectorInclude(include=list(payload)) if payload else None


def _multiply(number: float, expression: models.Expression) -> models.MultExpression:
    return models.MultExpression(mult=[number, expression])


def _build_larger(first: models.Expression, second: models.Expression) -> models.Expression:
    """max(a, b) = (a + b + |a - b|) / 2: the formulas know no other way to say it."""
    difference = models.AbsExpression(abs=models.SumExpression(sum=[first, _multiply(-1.0, second)]))
    return _multiply(0.5, models.SumExpression(sum=[first, second, difference]))


def _build_linear_term(place: int, vector: PlannedVector) -> models.Expression:
    """weight * cosine; a sparse score has no upper end, so it counts as score / (score + its usual height)."""
    score = f"$score[{place}]"
    if not vector.is_sparse:
        return _multiply(vector.weight, score)
    whole = models.SumExpression(sum=[score, SPARSE_HALF[vector.name]])
    share = models.DivExpression(div=models.DivParams(left=score, right=whole, by_zero_default=0.0))
    return _multiply(vector.weight, share)


def _build_condition(condition: Condition) -> models.Condition:
    if isinstance(condition, AllOf):
        return models.Filter(must=[_build_condition(inner) for inner in condition.conditions])
    if isinstance(condition, AnyOf):
        return models.Filter(should=[_build_condition(inner) for inner in condition.conditions])
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
