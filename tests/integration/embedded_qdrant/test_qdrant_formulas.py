"""Formulas over fused and nested candidates: what the search plan builds boosts, pins and linear fusion from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from qdrant_client import QdrantClient
from qdrant_client import models as m

NAME, SIZE, COUNT = "formulas", 8, 200
EXACT = m.SearchParams(exact=True)


@pytest.fixture(scope="module")
def points(client: QdrantClient) -> list[np.ndarray]:
    """200 points with two dense vectors; every third has a genre, every fifth lacks its number."""
    rng = np.random.default_rng(3)
    vectors = [rng.standard_normal((COUNT, SIZE)).astype(np.float32) for _ in "ab"]
    client.create_collection(
        NAME, vectors_config={name: m.VectorParams(size=SIZE, distance=m.Distance.DOT) for name in "ab"}
    )
    client.create_payload_index(NAME, "genre", "keyword")
    client.create_payload_index(NAME, "year", "integer")
    client.upsert(
        NAME,
        [
            m.PointStruct(id=i, vector={"a": vectors[0][i].tolist(), "b": vectors[1][i].tolist()}, payload=_payload(i))
            for i in range(COUNT)
        ],
    )
    return vectors


def _payload(i: int) -> dict[str, Any]:
    numbers = {} if i % 5 == 0 else {"factor": 0.9 + i / 1000}
    return {"genre": ["action"] if i % 3 == 0 else ["drama"], "year": 1990 + i % 30, **numbers}


def _query(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(SIZE).astype(np.float32)


def _top(scores: Iterable[float], count: int) -> dict[int, float]:
    ranked = sorted(enumerate(scores), key=lambda pair: -pair[1])[:count]
    return {place: float(score) for place, score in ranked}


def _prefetch(name: str, query: np.ndarray, limit: int) -> m.Prefetch:
    return m.Prefetch(query=query.tolist(), using=name, limit=limit, params=EXACT)


def _rrf(lists: list[dict[int, float]], k: int, weights: list[float]) -> dict[int, float]:
    fused: dict[int, float] = {}
    for ranking, weight in zip(lists, weights, strict=True):
        for place, i in enumerate(ranking):
            fused[i] = fused.get(i, 0.0) + 1 / ((place + 1) / weight + k - 1)
    return fused


def _assert_scores(found: list[m.ScoredPoint], expected: dict[int, float]) -> None:
    best = sorted(expected.values(), reverse=True)[: len(found)]
    assert found
    assert [hit.score for hit in found] == pytest.approx(best, rel=1e-4)
    for hit in found:
        assert hit.score == pytest.approx(expected[int(hit.id)], rel=1e-4)


def test_each_prefetch_is_a_score_of_its_own_and_its_default_stands_where_it_lacks_the_point(
    client: QdrantClient, points: list[np.ndarray]
) -> None:
    """`$score[0]` and `$score[1]` are the scores by prefetch; a point that one of them lacks has its default."""
    queries = [_query(1), _query(2)]
    formula = m.SumExpression(sum=[m.MultExpression(mult=[2.0, "$score[0]"]), "$score[1]"])
    found = client.query_points(
        NAME,
        prefetch=[_prefetch("a", queries[0], 20), _prefetch("b", queries[1], 20)],
        query=m.FormulaQuery(formula=formula, defaults={"$score[0]": -1.0, "$score[1]": -3.0}),
        limit=40,
    ).points
    a, b = (_top(points[n] @ queries[n], 20) for n in (0, 1))
    assert a.keys() != b.keys()
    _assert_scores(found, {i: 2 * a.get(i, -1.0) + b.get(i, -3.0) for i in {*a, *b}})
    assert len(found) == len({*a, *b})


def test_a_formula_rescores_the_fusion_of_nested_prefetches_by_conditions(
    client: QdrantClient, points: list[np.ndarray]
) -> None:
    """A match, a range and an id are 1 where they hold and 0 elsewhere, over candidates that RRF with weights made."""
    queries, weights = [_query(3), _query(4)], [1.0, 2.5]
    fused = m.Prefetch(
        prefetch=[_prefetch("a", queries[0], 60), _prefetch("b", queries[1], 60)],
        query=m.RrfQuery(rrf=m.Rrf(k=10, weights=weights)),
        limit=COUNT,
    )
    conditions = [
        m.FieldCondition(key="genre", match=m.MatchValue(value="action")),
        m.FieldCondition(key="year", range=m.Range(gte=2000, lt=2010)),
        m.HasIdCondition(has_id=[7, 9, 11]),
    ]
    terms = [m.MultExpression(mult=[w, c]) for w, c in zip((0.5, 0.25, 4.0), conditions, strict=True)]
    formula = m.MultExpression(mult=["$score[0]", m.SumExpression(sum=[1.0, *terms])])
    found = client.query_points(NAME, prefetch=[fused], query=m.FormulaQuery(formula=formula), limit=50).points
    lists = [_top(points[n] @ queries[n], 60) for n in (0, 1)]
    expected = {}
    for i, score in _rrf(lists, 10, weights).items():
        held = 0.5 * (i % 3 == 0) + 0.25 * (2000 <= 1990 + i % 30 < 2010) + 4.0 * (i in {7, 9, 11})
        expected[i] = score * (1 + held)
    _assert_scores(found, expected)


def test_a_whole_filter_and_an_empty_field_are_conditions_of_a_formula(
    client: QdrantClient, points: list[np.ndarray]
) -> None:
    """A filter with must and must_not, and `is_empty`, count as one condition each."""
    query = _query(5)
    both = m.Filter(
        must=[m.FieldCondition(key="genre", match=m.MatchAny(any=["action", "horror"]))],
        must_not=[m.FieldCondition(key="year", range=m.Range(lt=2005))],
    )
    empty = m.IsEmptyCondition(is_empty=m.PayloadField(key="factor"))
    formula = m.SumExpression(
        sum=["$score", m.MultExpression(mult=[10.0, both]), m.MultExpression(mult=[100.0, empty])]
    )
    found = client.query_points(
        NAME, prefetch=_prefetch("a", query, COUNT), query=m.FormulaQuery(formula=formula), limit=COUNT
    ).points
    scores = points[0] @ query
    expected = {
        i: float(scores[i]) + 10 * (i % 3 == 0 and 1990 + i % 30 >= 2005) + 100 * (i % 5 == 0) for i in range(COUNT)
    }
    _assert_scores(found, expected)


def test_a_payload_field_has_its_default_where_it_is_missing(client: QdrantClient, points: list[np.ndarray]) -> None:
    """A factor read from the payload is replaced by its default in points that lack it, nested or not."""
    query = _query(6)
    formula = m.MultExpression(mult=["$score[0]", "factor"])
    outer = m.Prefetch(prefetch=_prefetch("a", query, 100), query=m.FusionQuery(fusion=m.Fusion.DBSF), limit=100)
    found = client.query_points(
        NAME, prefetch=[outer], query=m.FormulaQuery(formula=formula, defaults={"factor": 2.0}), limit=30
    ).points
    ranking = _top(points[0] @ query, 100)
    values = np.array(list(ranking.values()))
    low, high = values.mean() - 3 * values.std(ddof=1), values.mean() + 3 * values.std(ddof=1)
    expected = {
        i: (score - low) / (high - low) * (2.0 if i % 5 == 0 else 0.9 + i / 1000) for i, score in ranking.items()
    }
    _assert_scores(found, expected)


def test_a_prefetch_by_filter_alone_joins_points_that_no_vector_found(
    client: QdrantClient, points: list[np.ndarray]
) -> None:
    """A pinned point joins the candidates by a prefetch with a filter and no query, and comes first by its pin."""
    query = _query(7)
    last = int(np.argmin(points[0] @ query))
    pin = m.HasIdCondition(has_id=[last])
    formula = m.SumExpression(sum=["$score[0]", m.MultExpression(mult=[1000.0, pin])])
    found = client.query_points(
        NAME,
        prefetch=[_prefetch("a", query, 10), m.Prefetch(filter=m.Filter(must=[pin]), limit=1)],
        query=m.FormulaQuery(formula=formula, defaults={"$score[0]": 0.0}),
        limit=11,
    ).points
    assert [int(hit.id) for hit in found] == [last, *_top(points[0] @ query, 10)]
    assert found[0].score == pytest.approx(1000.0)


def test_a_score_of_a_prefetch_that_lacks_the_point_is_nought_without_a_default(
    client: QdrantClient, points: list[np.ndarray]
) -> None:
    """Without a default, a point that a prefetch did not find has 0 there, as in Qdrant."""
    query = _query(8)
    formula = m.SumExpression(sum=["$score[0]", m.MultExpression(mult=[5.0, "$score[1]"])])
    found = client.query_points(
        NAME,
        prefetch=[_prefetch("a", query, 30), _prefetch("b", query, 3)],
        query=m.FormulaQuery(formula=formula),
        limit=40,
    ).points
    a, b = _top(points[0] @ query, 30), _top(points[1] @ query, 3)
    _assert_scores(found, {i: a.get(i, 0.0) + 5 * b.get(i, 0.0) for i in {*a, *b}})
