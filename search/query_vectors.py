"""The query side of a plan: a text's vectors, a text's features, or the vectors of the titles that it refers to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from qdrant_client import models

from core.features import feature_index
from core.vectors import LEXICAL_VECTOR, METADATA_VECTOR
from messaging.query_call import SparseRow
from search.encoding import EncodedQuery
from search.plan import PlannedVector, SearchPlan
from search.qdrant_query import QueryVector, ScoredPoint, build_stored_vectors
from search.steps import Steps

# By name. A vector of the plan that is missing takes no part.
QueryVectors = Mapping[str, QueryVector]


def choose_text_vectors(plan: SearchPlan, query: EncodedQuery | None) -> dict[str, QueryVector]:
    """A text without a single known word has no lexical vector, one without a known feature no metadata vector."""
    chosen: dict[str, QueryVector] = {}
    if query is None:
        return chosen
    for vector in plan.vectors:
        if vector.name == METADATA_VECTOR:
            if plan.features:
                chosen[vector.name] = encode_features(dict(plan.features))
        elif vector.name != LEXICAL_VECTOR:
            chosen[vector.name] = query.dense
        elif query.lexical is not None and len(query.lexical[0]):
            chosen[vector.name] = query.lexical
    return chosen


def encode_features(features: Mapping[str, float]) -> SparseRow:
    """Named features as indices (ascending) and values. Names that collide are summed."""
    weights: dict[int, float] = {}
    for name, weight in features.items():
        index = feature_index(name)
        weights[index] = weights.get(index, 0.0) + weight
    return _to_row(weights)


def load_reference_vectors(plan: SearchPlan) -> Steps[dict[str, QueryVector]]:
    """For each vector of the plan: the mean of the positive references, moved away from the mean of the negative ones.

    A vector that no positive reference has takes no part.
    """
    ids = [reference.point_id for reference in plan.references]
    stored = (yield [build_stored_vectors(ids, [vector.name for vector in plan.vectors])])[0]
    by_id = {str(point.id): point for point in stored}
    positive = [by_id[one.point_id] for one in plan.references if one.is_positive and one.point_id in by_id]
    negative = [by_id[one.point_id] for one in plan.references if not one.is_positive and one.point_id in by_id]
    combined = {vector.name: _combine(vector, positive, negative) for vector in plan.vectors}
    return {name: vector for name, vector in combined.items() if vector is not None}


def _combine(
    vector: PlannedVector, positive: Sequence[ScoredPoint], negative: Sequence[ScoredPoint]
) -> QueryVector | None:
    return (
        _combine_sparse(vector.name, positive, negative)
        if vector.is_sparse
        else (_combine_dense(vector.name, positive, negative))
    )


def _combine_dense(
    name: str, positive: Sequence[ScoredPoint], negative: Sequence[ScoredPoint]
) -> NDArray[np.float32] | None:
    """2 p - n, of length 1: Qdrant's average_vector, which needs no second look at the points."""
    toward = _get_dense(name, positive)
    if not toward:
        return None
    query = np.mean(toward, axis=0)
    if away := _get_dense(name, negative):
        query = 2 * query - np.mean(away, axis=0)
    length = float(np.linalg.norm(query))
    return (query / length).astype(np.float32) if length > 0 else None


def _combine_sparse(name: str, positive: Sequence[ScoredPoint], negative: Sequence[ScoredPoint]) -> SparseRow | None:
    """The same for features; what the negative ones have more of counts against a title."""
    toward, away = _get_sparse(name, positive), _get_sparse(name, negative)
    if not toward:
        return None
    weights: dict[int, float] = {}
    for rows, sign in ((toward, 2.0 if away else 1.0), (away, -1.0)):
        for row in rows:
            for index, value in zip(row.indices, row.values, strict=True):
                weights[index] = weights.get(index, 0.0) + sign * value / len(rows)
    return _to_row(weights)


def _get_dense(name: str, points: Sequence[ScoredPoint]) -> list[NDArray[np.float64]]:
    held = (point.vector.get(name) for point in points if isinstance(point.vector, dict))
    return [np.asarray(vector, np.float64) for vector in held if isinstance(vector, list)]


def _get_sparse(name: str, points: Sequence[ScoredPoint]) -> list[models.SparseVector]:
    held = (point.vector.get(name) for point in points if isinstance(point.vector, dict))
    return [vector for vector in held if isinstance(vector, models.SparseVector)]


def _to_row(weights: Mapping[int, float]) -> SparseRow:
    indices = np.fromiter(weights.keys(), dtype=np.uint32, count=len(weights))
    values = np.fromiter(weights.values(), dtype=np.float32, count=len(weights))
    order = np.argsort(indices)
    return indices[order], values[order]
