"""Why a title is where it is: what each vector, boost and pin added to its score. The shares add up to 1.

The lists that went into the fusion are asked for again, each by itself, and the engine's formulas are applied to them
(docs/api.md has them). What is computed here is checked against the engine's own scores by tests.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from qdrant_client import models

from core.features import build_passage_features, feature_index
from core.vectors import METADATA_VECTOR
from core.words import hash_to_index, split_terms
from search.plan import Fusion, PlannedVector, SearchPlan
from search.qdrant_query import BOOST_FIELD, QueryBuilder, QueryRequest, QueryVector, ScoredPoint, count_turns
from search.rank import Ranked
from search.ranking import SPARSE_HALF
from search.steps import Steps

_DIGITS = 6
_MATCHES_SHOWN = 10


@dataclass(frozen=True, slots=True)
class _List:
    """What one vector brought: scores by point id, the best first. `mean` and `deviation` are those of the scores."""

    vector: PlannedVector
    weight: float
    scores: dict[str, float]
    ranks: dict[str, int]
    mean: float
    deviation: float


def explain(
    plan: SearchPlan, builder: QueryBuilder, vectors: Mapping[str, QueryVector], points: Sequence[Ranked]
) -> Steps[dict[str, dict[str, Any]]]:
    """Explanations by point id. One round trip, whatever the plan."""
    ids = [point.point_id for point in points]
    if not ids or plan.is_listing:
        return {}
    lists = builder.build_lists()
    stored = QueryRequest(filter=_having(ids), limit=len(ids), with_payload=True, with_vector=_get_sparse(builder))
    boosted = builder.build_boosted(ids)
    answers = yield [*lists, stored, *boosted]
    found = [_read_list(*pair) for pair in zip(builder.used, builder.weights, answers, strict=False)]
    known = {str(point.id): point for point in answers[len(lists)]}
    fulfilled = [{str(point.id) for point in answer} for answer in answers[len(lists) + 1 :]]
    explainer = _Explainer(plan, builder, vectors, found, fulfilled)
    return {point.point_id: explainer.explain(point, known.get(point.point_id)) for point in points}


@dataclass(frozen=True, slots=True)
class _Explainer:
    """Explains the points of one answer. `fulfilled`: for each boost the points that it applies to."""

    plan: SearchPlan
    builder: QueryBuilder
    vectors: Mapping[str, QueryVector]
    lists: Sequence[_List]
    fulfilled: Sequence[set[str]]

    def explain(self, point: Ranked, stored: ScoredPoint | None) -> dict[str, Any]:
        payload = (stored.payload if stored else None) or {}
        parts = {found.vector.name: self._contribute(found, point.point_id) for found in self.lists}
        if self.builder.is_fused and self.plan.fusion is Fusion.MAX:
            best = max(parts, key=lambda name: parts[name])
            parts = {name: part if name == best else 0.0 for name, part in parts.items()}
        fused = sum(parts.values())
        boosts = [*self._explain_popularity(fused, payload), *self._explain_boosts(fused, point.point_id)]
        pins = [
            {"name": pin.name, "similarity": pin.similarity, "contribution": pin.score}
            for pin in self.plan.pins
            if pin.point_id == point.point_id
        ]
        total = fused + sum(part["contribution"] for part in (*boosts, *pins))
        return {
            "score": round(total, _DIGITS),
            "confidence": self._agree(point.point_id),
            "vectors": {
                found.vector.name: self._show(found, point.point_id, parts[found.vector.name], total, stored, payload)
                for found in self.lists
            },
            "boosts": [_add_share(part, total) for part in boosts],
            "named": [_add_share(part, total) for part in pins],
        }

    def _contribute(self, found: _List, point_id: str) -> float:
        """What the list added to the fused score."""
        if (score := found.scores.get(point_id)) is None:
            return 0.0
        if not self.builder.is_fused:
            return score
        if self.plan.fusion is Fusion.RRF:
            return 1.0 / (found.ranks[point_id] / found.weight + self.plan.rrf_k - 1)
        if self.plan.fusion is Fusion.DBSF:
            return count_turns(self.plan, found.vector) * _normalise_by_distribution(score, found)
        if found.vector.is_sparse:
            return found.vector.weight * score / (score + SPARSE_HALF[found.vector.name])
        return found.vector.weight * score

    def _explain_popularity(self, fused: float, payload: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        if self.plan.popularity:
            value = payload.get(BOOST_FIELD, 1.0)
            yield {"what": BOOST_FIELD, "value": value, "contribution": fused * self.plan.popularity * (value - 1.0)}

    def _explain_boosts(self, fused: float, point_id: str) -> Iterator[dict[str, Any]]:
        for boost, ids in zip(self.plan.boosts, self.fulfilled, strict=True):
            if point_id in ids:
                yield {"what": boost.label, "value": boost.weight, "contribution": fused * boost.weight}

    def _agree(self, point_id: str) -> float | None:
        """The share of the vectors, by weight, that found this title among their candidates."""
        whole = sum(found.vector.weight for found in self.lists)
        agreeing = sum(found.vector.weight for found in self.lists if point_id in found.scores)
        return round(agreeing / whole, 4) if whole else None

    def _show(
        self,
        found: _List,
        point_id: str,
        contribution: float,
        total: float,
        stored: ScoredPoint | None,
        payload: Mapping[str, Any],
    ) -> dict[str, Any]:
        score = found.scores.get(point_id)
        shown: dict[str, Any] = {
            "weight": found.vector.weight,
            "rank": found.ranks.get(point_id),
            "similarity": None if score is None else round(score, _DIGITS),
            "contribution": contribution,
        }
        if found.vector.is_sparse and stored is not None:
            shown["matched"] = self._match(found.vector.name, stored, payload)
        return _add_share(shown, total)

    def _match(self, name: str, stored: ScoredPoint, payload: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The features that query and title share, by name, the weightiest first. `weight` is without rarity (IDF)."""
        query, held = self.vectors[name], _get_row(stored, name)
        if held is None or not isinstance(query, tuple):
            return []
        asked = dict(zip(query[0].tolist(), query[1].tolist(), strict=True))
        shared = {index: asked[index] * value for index, value in held.items() if index in asked}
        best = sorted(shared.items(), key=lambda item: -item[1])[:_MATCHES_SHOWN]
        if name == METADATA_VECTOR:
            names = {feature_index(feature): feature for feature in build_passage_features(payload)}
        else:
            names = _name_terms({index for index, _ in best}, self.plan.text, payload)
        return [{"feature": names.get(index, f"#{index}"), "weight": round(weight, 4)} for index, weight in best]


def _having(ids: Sequence[str]) -> models.Filter:
    return models.Filter(must=[models.HasIdCondition(has_id=list(ids))])


def _get_sparse(builder: QueryBuilder) -> list[str] | None:
    return [vector.name for vector in builder.used if vector.is_sparse] or None


def _read_list(vector: PlannedVector, weight: float, points: Sequence[ScoredPoint]) -> _List:
    scores = {str(point.id): point.score for point in points}
    values = np.fromiter(scores.values(), np.float64, len(scores))
    return _List(
        vector,
        weight,
        scores,
        {point_id: place for place, point_id in enumerate(scores, start=1)},
        mean=float(values.mean()) if len(values) else 0.0,
        deviation=float(values.std(ddof=1)) if len(values) > 1 else 0.0,
    )


def _normalise_by_distribution(score: float, found: _List) -> float:
    """Distribution-based fusion as Qdrant computes it: 0 and 1 are three deviations below and above the mean."""
    if found.deviation == 0.0:
        return 0.5
    return (score - found.mean + 3 * found.deviation) / (6 * found.deviation)


def _get_row(stored: ScoredPoint, name: str) -> dict[int, float] | None:
    vector = stored.vector.get(name) if isinstance(stored.vector, dict) else None
    if not isinstance(vector, models.SparseVector):
        return None
    return dict(zip(vector.indices, vector.values, strict=True))


def _name_terms(indices: set[int], text: str | None, payload: Mapping[str, Any]) -> dict[int, str]:
    """The words behind these indices: of the query, else of the title. Learned tokens stay numbers."""
    names: dict[int, str] = {}
    for source in chain([text or ""], _walk_texts(payload)):
        if indices <= names.keys():
            break
        names.update((hash_to_index(term), term) for term in split_terms(source))
    return names


def _walk_texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _walk_texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _walk_texts(inner)


def _add_share(part: Mapping[str, Any], total: float) -> dict[str, Any]:
    contribution = part["contribution"]
    share = contribution / total if total else 0.0
    return {**part, "contribution": round(contribution, _DIGITS), "share": round(share, _DIGITS)}
