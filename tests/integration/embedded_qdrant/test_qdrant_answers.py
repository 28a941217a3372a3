"""What the server answers equals what NumPy and plain Python compute over the same points."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from qdrant_client import QdrantClient
from qdrant_client import models as m

Payload = dict[str, Any]
Predicate = Callable[[int, Payload], bool]
SIZE, COUNT, TERMS = 32, 1500, 60
NAME = "answers"
WORDS = ["dark", "light", "wall", "city", "notebook", "giant", "sea", "pirate", "school", "robot"]
INDEXES: dict[str, Any] = {
    "n": "integer",
    "f": "float",
    "k": "keyword",
    "tags": "keyword",
    "when": "datetime",
    "flag": "bool",
    "text": m.TextIndexParams(type="text", tokenizer="word", lowercase=True),
    "cast[].age": "integer",
}


@dataclass
class World:
    """The points, as the server got them, and a client."""

    client: QdrantClient
    dense: dict[str, np.ndarray]
    sparse: list[dict[int, float]]
    payloads: list[Payload]

    def matching(self, predicate: Predicate) -> set[int]:
        return {i for i, payload in enumerate(self.payloads) if predicate(i, payload)}


def _payload(rng: random.Random) -> Payload:
    full: Payload = {
        "n": rng.randint(-20, 20),
        "f": round(rng.uniform(-1, 1), 6),  # Qdrant keeps 16 digits: the 17th may differ
        "k": rng.choice("abcde"),
        "tags": rng.sample("uvwxyz", rng.randint(0, 4)),
        "when": (datetime(2000, 1, 1, tzinfo=UTC) + timedelta(days=rng.randint(0, 9000))).isoformat(),
        "flag": rng.random() < 0.5,
        "text": " ".join(rng.choices(WORDS, k=4)).title(),
        "cast": [{"age": rng.randint(1, 9), "role": rng.choice("xy")} for _ in range(rng.randint(0, 3))],
    }
    kept = {key: value for key, value in full.items() if rng.random() > 0.1}
    return {key: None if rng.random() < 0.05 else value for key, value in kept.items()}


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


@pytest.fixture(scope="module")
def world(client: QdrantClient) -> World:
    """1,500 points with two dense vectors, a sparse one and a payload full of holes, not indexed yet."""
    rng, np_rng = random.Random(7), np.random.default_rng(7)
    dense = {"a": np_rng.standard_normal((COUNT, SIZE)), "b": np_rng.standard_normal((COUNT, SIZE))}
    sparse = [{t: rng.uniform(0.1, 2) for t in rng.sample(range(TERMS), 6)} for _ in range(COUNT)]
    payloads = [_payload(rng) for _ in range(COUNT)]
    quantized = m.ScalarQuantization(scalar=m.ScalarQuantizationConfig(type=m.ScalarType.INT8, always_ram=True))
    client.create_collection(
        NAME,
        vectors_config={
            "a": m.VectorParams(size=SIZE, distance=m.Distance.COSINE, quantization_config=quantized, on_disk=True),
            "b": m.VectorParams(size=SIZE, distance=m.Distance.DOT),
        },
        sparse_vectors_config={"s": m.SparseVectorParams()},
        hnsw_config=m.HnswConfigDiff(m=24, ef_construct=128, full_scan_threshold=10),
        optimizers_config=m.OptimizersConfigDiff(indexing_threshold=0),
    )
    for field, schema in INDEXES.items():
        client.create_payload_index(NAME, field, schema)
    points = [
        m.PointStruct(
            id=i,
            vector={
                "a": dense["a"][i].tolist(),
                "b": dense["b"][i].tolist(),
                "s": m.SparseVector(indices=list(sparse[i]), values=list(sparse[i].values())),
            },
            payload=payloads[i],
        )
        for i in range(COUNT)
    ]
    for start in range(0, COUNT, 300):
        client.upsert(NAME, points[start : start + 300])
    dense["a"] = _unit(dense["a"])
    return World(client, dense, sparse, payloads)


# Filters: each as the protocol's model and as a predicate


def _values(payload: Payload, key: str) -> list[Any]:
    value = payload.get(key)
    return [item for item in (value if isinstance(value, list) else [value]) if item is not None]


def _any(key: str, test: Callable[[Any], bool]) -> Predicate:
    return lambda _i, payload: any(test(value) for value in _values(payload, key))


def _leaf(rng: random.Random) -> tuple[Any, Predicate]:
    return rng.choice(LEAVES)(rng)


def _match_value(rng: random.Random) -> tuple[Any, Predicate]:
    key, value = rng.choice([("k", rng.choice("abcdef")), ("tags", rng.choice("uvw")), ("n", rng.randint(-5, 5))])
    return m.FieldCondition(key=key, match=m.MatchValue(value=value)), _any(key, lambda v: v == value)


def _match_bool(rng: random.Random) -> tuple[Any, Predicate]:
    value = rng.random() < 0.5
    return m.FieldCondition(key="flag", match=m.MatchValue(value=value)), _any("flag", lambda v: v is value)


def _match_any(rng: random.Random) -> tuple[Any, Predicate]:
    key, values = rng.choice([("tags", rng.sample("uvwxyz", 2)), ("n", [rng.randint(-20, 20) for _ in range(6)])])
    return m.FieldCondition(key=key, match=m.MatchAny(any=values)), _any(key, lambda v: v in values)


def _match_except(rng: random.Random) -> tuple[Any, Predicate]:
    key, values = rng.choice([("tags", rng.sample("uvwxyz", 3)), ("k", rng.sample("abcde", 2))])
    condition = m.FieldCondition(key=key, match=m.MatchExcept(**{"except": values}))
    return condition, _any(key, lambda v: v not in values)


def _match_text(rng: random.Random) -> tuple[Any, Predicate]:
    words = rng.sample(WORDS, 2)
    condition = m.FieldCondition(key="text", match=m.MatchText(text=" ".join(words).upper()))
    return condition, _any("text", lambda v: set(words) <= set(v.lower().split()))


def _range(rng: random.Random) -> tuple[Any, Predicate]:
    low, high = sorted((rng.randint(-20, 20), rng.randint(-20, 20)))
    return m.FieldCondition(key="n", range=m.Range(gte=low, lt=high)), _any("n", lambda v: low <= v < high)


def _float_range(rng: random.Random) -> tuple[Any, Predicate]:
    low = rng.uniform(-1, 1)
    return m.FieldCondition(key="f", range=m.Range(gt=low)), _any("f", lambda v: v > low)


def _datetime_range(rng: random.Random) -> tuple[Any, Predicate]:
    end = datetime(2000, 1, 1, tzinfo=UTC) + timedelta(days=rng.randint(0, 9000))
    condition = m.FieldCondition(key="when", range=m.DatetimeRange(lte=end))
    return condition, _any("when", lambda v: datetime.fromisoformat(v) <= end)


def _values_count(rng: random.Random) -> tuple[Any, Predicate]:
    least = rng.randint(1, 3)
    condition = m.FieldCondition(key="tags", values_count=m.ValuesCount(gte=least))
    return condition, lambda _i, payload: len(_values(payload, "tags")) >= least


def _is_empty(rng: random.Random) -> tuple[Any, Predicate]:
    key = rng.choice(["tags", "k", "n"])
    return m.IsEmptyCondition(is_empty=m.PayloadField(key=key)), lambda _i, payload: not _values(payload, key)


def _is_null(rng: random.Random) -> tuple[Any, Predicate]:
    key = rng.choice(["tags", "k"])
    return (
        m.IsNullCondition(is_null=m.PayloadField(key=key)),
        lambda _i, payload: key in payload and payload[key] is None,
    )


def _has_id(rng: random.Random) -> tuple[Any, Predicate]:
    ids = rng.sample(range(COUNT + 50), 200)
    chosen = set(ids)
    return m.HasIdCondition(has_id=ids), lambda i, _payload: i in chosen


def _nested(rng: random.Random) -> tuple[Any, Predicate]:
    role, age = rng.choice("xy"), rng.randint(2, 8)
    inner = m.Filter(
        must=[
            m.FieldCondition(key="role", match=m.MatchValue(value=role)),
            m.FieldCondition(key="age", range=m.Range(gte=age)),
        ]
    )
    return (
        m.NestedCondition(nested=m.Nested(key="cast", filter=inner)),
        _any("cast", lambda one: one["role"] == role and one["age"] >= age),
    )


LEAVES = [
    _match_value,
    _match_bool,
    _match_any,
    _match_except,
    _match_text,
    _range,
    _float_range,
    _datetime_range,
    _values_count,
    _is_empty,
    _is_null,
    _has_id,
    _nested,
]


def _filter(rng: random.Random, depth: int = 2) -> tuple[m.Filter, Predicate]:
    """A random filter of one to four conditions over every clause, and its meaning."""
    clauses: dict[str, list[tuple[Any, Predicate]]] = {"must": [], "should": [], "must_not": [], "min_should": []}
    for _ in range(rng.randint(1, 4)):
        nested = depth > 0 and rng.random() < 0.2
        clauses[rng.choice(list(clauses))].append(_filter(rng, depth - 1) if nested else _leaf(rng))
    parts = {name: [condition for condition, _ in pairs] for name, pairs in clauses.items() if pairs}
    least = rng.randint(1, max(1, len(clauses["min_should"])))
    if "min_should" in parts:
        parts["min_should"] = m.MinShould(conditions=parts["min_should"], min_count=least)

    def meaning(i: int, payload: Payload) -> bool:
        true = {name: [test(i, payload) for _, test in pairs] for name, pairs in clauses.items()}
        return (
            all(true["must"])
            and (not true["should"] or any(true["should"]))
            and not any(true["must_not"])
            and (not true["min_should"] or sum(true["min_should"]) >= least)
        )

    return m.Filter(**parts), meaning


# Scores


def _scores(world: World, name: str, query: np.ndarray | dict[int, float]) -> dict[int, float]:
    """Exact score of every point that has one."""
    if isinstance(query, dict):
        both = {i: [query[t] * w for t, w in terms.items() if t in query] for i, terms in enumerate(world.sparse)}
        return {i: sum(parts) for i, parts in both.items() if parts}
    query = _unit(query) if name == "a" else query
    return dict(enumerate((world.dense[name] @ query).tolist()))


def _best(scores: dict[int, float], allowed: set[int], limit: int) -> list[tuple[int, float]]:
    ranked = sorted(((i, s) for i, s in scores.items() if i in allowed), key=lambda pair: -pair[1])
    return ranked[:limit]


def _assert_ranked(hits: Sequence[m.ScoredPoint], expected: dict[int, float], limit: int) -> None:
    """The hits have the expected scores, and the best of them, in order; equal scores may come in any order."""
    best = sorted(expected.values(), reverse=True)[:limit]
    assert [hit.score for hit in hits] == pytest.approx(best, abs=2e-4)
    assert [hit.score for hit in hits] == pytest.approx([expected[int(hit.id)] for hit in hits], abs=2e-4)


def _draw(rng: random.Random, name: str) -> Any:
    if name == "s":
        return {t: rng.uniform(0.1, 2) for t in rng.sample(range(TERMS), 4)}
    return np.array([rng.gauss(0, 1) for _ in range(SIZE)])


def _wire(query: Any) -> Any:
    return (
        m.SparseVector(indices=list(query), values=list(query.values())) if isinstance(query, dict) else query.tolist()
    )


EXACT = m.SearchParams(exact=True)
SEEDS = range(25)


@pytest.fixture(params=["before the build", "after the build"], scope="module")
def state(request: pytest.FixtureRequest, world: World) -> World:
    """The same world without an index, then with HNSW and quantization."""
    if request.param == "after the build":
        _build(world.client)
    return world


def _build(client: QdrantClient) -> None:
    client.update_collection(NAME, optimizers_config=m.OptimizersConfigDiff(indexing_threshold=1))
    assert client.get_collection(NAME).status in {m.CollectionStatus.YELLOW, m.CollectionStatus.GREEN}
    deadline = time.monotonic() + 60
    while client.get_collection(NAME).status != m.CollectionStatus.GREEN:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert client.get_collection(NAME).indexed_vectors_count == 3 * COUNT


@pytest.mark.parametrize("seed", SEEDS)
def test_search_with_filter_equals_numpy(state: World, seed: int) -> None:
    """A filtered search over any vector returns the exact best points, with exact scores."""
    rng = random.Random(seed)
    name, limit, offset = rng.choice("abs"), rng.randint(1, 40), rng.choice([0, 0, 3])
    query = _draw(rng, name)
    filter_, meaning = _filter(rng)
    found = state.client.query_points(
        NAME, query=_wire(query), using=name, query_filter=filter_, limit=limit, offset=offset, search_params=EXACT
    ).points
    best = _best(_scores(state, name, query), state.matching(meaning), limit + offset)[offset:]
    assert len(found) == len(best)
    scores = _scores(state, name, query)
    assert [hit.score for hit in found] == pytest.approx([score for _, score in best], abs=2e-4)
    assert [hit.score for hit in found] == pytest.approx([scores[int(hit.id)] for hit in found], abs=2e-4)
    assert {int(hit.id) for hit in found} <= state.matching(meaning)


def _sorted(payload: Payload | None) -> str:
    return json.dumps(payload, sort_keys=True)


@pytest.mark.parametrize("seed", SEEDS)
def test_count_and_scroll_agree_with_the_filter(state: World, seed: int) -> None:
    """Count and a paged scroll see exactly the points the filter means, each once, in order of id."""
    rng = random.Random(100 + seed)
    filter_, meaning = _filter(rng)
    expected = state.matching(meaning)
    assert state.client.count(NAME, count_filter=filter_).count == len(expected)
    seen: list[int] = []
    offset: Any = None
    while True:
        page, offset = state.client.scroll(NAME, scroll_filter=filter_, limit=rng.choice([7, 97, 1200]), offset=offset)
        seen.extend(int(record.id) for record in page)
        # As text, because True == 1 in Python.
        assert all(_sorted(record.payload) == _sorted(state.payloads[int(record.id)]) for record in page)
        if offset is None:
            break
    assert seen == sorted(expected)


def _rrf(rankings: list[list[int]], k: int, weights: list[float]) -> dict[int, float]:
    """Qdrant's weighted rank fusion: 1 / ((position + 1) / weight + k - 1)."""
    fused: dict[int, float] = {}
    for ranking, weight in zip(rankings, weights, strict=True):
        for position, i in enumerate(ranking):
            fused[i] = fused.get(i, 0.0) + 1 / ((position + 1) / weight + k - 1)
    return fused


def _dbsf(rankings: list[list[tuple[int, float]]]) -> dict[int, float]:
    """Distribution-based fusion: scores scaled so that mean - 3 sd is 0 and mean + 3 sd is 1, then summed."""
    fused: dict[int, float] = {}
    for ranking in rankings:
        scores = np.array([score for _, score in ranking])
        low, high = scores.mean() - 3 * scores.std(ddof=1), scores.mean() + 3 * scores.std(ddof=1)
        for i, score in ranking:
            fused[i] = fused.get(i, 0.0) + (score - low) / (high - low)
    return fused


def _fusion_case(state: World, rng: random.Random) -> tuple[list[m.Prefetch], list[list[tuple[int, float]]]]:
    names = rng.sample("abs", rng.randint(2, 3))
    prefetches, rankings = [], []
    for name in names:
        query, limit = _draw(rng, name), rng.randint(30, 60)
        filter_, meaning = _filter(rng, depth=0) if rng.random() < 0.3 else (None, lambda _i, _p: True)
        prefetches.append(m.Prefetch(query=_wire(query), using=name, limit=limit, filter=filter_, params=EXACT))
        rankings.append(_best(_scores(state, name, query), state.matching(meaning), limit))
    return prefetches, rankings


@pytest.mark.parametrize("seed", SEEDS)
def test_rank_fusion_equals_the_formula(state: World, seed: int) -> None:
    """Weighted and plain reciprocal rank fusion give the scores of Qdrant's formula."""
    rng = random.Random(200 + seed)
    prefetches, rankings = _fusion_case(state, rng)
    k, weights = rng.choice([2, 10, 60]), [rng.uniform(0.2, 3) for _ in prefetches]
    query: Any = m.RrfQuery(rrf=m.Rrf(k=k, weights=weights))
    if seed % 5 == 0:
        k, weights, query = 2, [1.0] * len(prefetches), m.FusionQuery(fusion=m.Fusion.RRF)
    found = state.client.query_points(NAME, prefetch=prefetches, query=query, limit=25).points
    expected = _rrf([[i for i, _ in ranking] for ranking in rankings], k, weights)
    assert len(found) == min(25, len(expected))
    _assert_ranked(found, expected, 25)


@pytest.mark.parametrize("seed", range(10))
def test_distribution_fusion_equals_the_formula(state: World, seed: int) -> None:
    """Distribution-based fusion gives sums of the scores scaled by mean and deviation."""
    rng = random.Random(300 + seed)
    prefetches, rankings = _fusion_case(state, rng)
    while any(len(ranking) < 3 for ranking in rankings):  # a deviation needs points
        prefetches, rankings = _fusion_case(state, rng)
    found = state.client.query_points(NAME, prefetch=prefetches, query=m.FusionQuery(fusion=m.Fusion.DBSF), limit=20)
    _assert_ranked(found.points, _dbsf(rankings), 20)


def test_nested_prefetch_rescores_only_candidates(state: World) -> None:
    """A search over the candidates of a fusion ranks those candidates by its own vector."""
    rng = random.Random(1)
    prefetches, rankings = _fusion_case(state, rng)
    rrf = _rrf([[i for i, _ in ranking] for ranking in rankings], 2, [1.0] * len(rankings))
    outer = m.Prefetch(prefetch=prefetches, query=m.FusionQuery(fusion=m.Fusion.RRF), limit=500)
    query = _draw(rng, "b")
    found = state.client.query_points(NAME, prefetch=outer, query=query.tolist(), using="b", limit=15).points
    scores = _scores(state, "b", query)
    _assert_ranked(found, {i: scores[i] for i in rrf}, 15)


def test_score_threshold_cuts(state: World) -> None:
    """No hit lies below `score_threshold`, and none above it is left out."""
    query = _draw(random.Random(2), "a")
    scores = _scores(state, "a", query)
    threshold = sorted(scores.values())[-17] - 1e-6
    found = state.client.query_points(
        NAME, query=query.tolist(), using="a", limit=100, score_threshold=threshold, search_params=EXACT
    ).points
    assert len(found) == 17


@pytest.mark.parametrize("direction", ["asc", "desc"])
def test_order_by_sorts_by_payload(state: World, direction: str) -> None:
    """`order_by` returns points by their payload value, in scroll and in query."""
    expected = sorted((p["n"] for p in state.payloads if p.get("n") is not None), reverse=direction == "desc")
    order = m.OrderBy(key="n", direction=m.Direction(direction))
    records, _ = state.client.scroll(NAME, order_by=order, limit=800)
    assert [record.payload["n"] for record in records if record.payload] == expected[:800]
    found = state.client.query_points(NAME, query=m.OrderByQuery(order_by=order), limit=50, with_payload=True).points
    assert [hit.payload["n"] for hit in found if hit.payload] == expected[:50]


@pytest.mark.parametrize("key", ["k", "tags"])
def test_facets_count_values(state: World, key: str) -> None:
    """Facets count, exactly, the points that have each value and pass the filter."""
    filter_ = m.Filter(must=[m.FieldCondition(key="n", range=m.Range(gte=0))])
    expected: dict[str, int] = {}
    for payload in state.payloads:
        if payload.get("n") is not None and payload["n"] >= 0:
            for value in set(_values(payload, key)):
                expected[value] = expected.get(value, 0) + 1
    hits = state.client.facet(NAME, key, facet_filter=filter_, exact=True, limit=50).hits
    assert {hit.value: hit.count for hit in hits} == expected


def test_recommend_by_ids_is_the_averaged_vector_without_its_examples(state: World) -> None:
    """Recommending by average searches p + (p - n) and leaves the examples out."""
    positive, negative = [3, 4], [5]
    p, n = (state.dense["a"][ids].mean(axis=0) for ids in (positive, negative))
    scores = _scores(state, "a", p + (p - n))
    recommend = m.RecommendQuery(recommend=m.RecommendInput(positive=positive, negative=negative))
    found = state.client.query_points(NAME, query=recommend, using="a", limit=10, search_params=EXACT).points
    _assert_ranked(found, {i: s for i, s in scores.items() if i not in {3, 4, 5}}, 10)


def test_search_by_id_leaves_the_point_out(state: World) -> None:
    """A point id stands for its vector, and the point itself is not returned."""
    found = state.client.query_points(NAME, query=8, using="b", limit=5, search_params=EXACT).points
    scores = _scores(state, "b", state.dense["b"][8])
    _assert_ranked(found, {i: s for i, s in scores.items() if i != 8}, 5)


def test_mmr_starts_with_the_best_and_spreads(state: World) -> None:
    """MMR keeps the nearest point first and picks the others, each once, among the candidates."""
    query = _draw(random.Random(4), "a")
    mmr = m.NearestQuery(nearest=query.tolist(), mmr=m.Mmr(diversity=0.7, candidates_limit=50))
    found = [int(hit.id) for hit in state.client.query_points(NAME, query=mmr, using="a", limit=10).points]
    nearest = [i for i, _ in _best(_scores(state, "a", query), set(range(COUNT)), 60)]
    assert found[0] == nearest[0]
    assert len(set(found)) == 10
    assert found != nearest[:10]


def test_formula_rescores(state: World) -> None:
    """A formula over score and payload gives its own arithmetic."""
    query = _draw(random.Random(5), "b")
    formula = m.SumExpression(sum=["$score", m.MultExpression(mult=[0.5, "n"])])
    candidates = m.Prefetch(query=query.tolist(), using="b", limit=40, params=EXACT)
    found = state.client.query_points(
        NAME, prefetch=candidates, query=m.FormulaQuery(formula=formula, defaults={"n": 3}), limit=20
    ).points
    best = _best(_scores(state, "b", query), set(range(COUNT)), 40)
    values = {i: state.payloads[i].get("n") for i, _ in best}
    _assert_ranked(found, {i: s + 0.5 * (3 if values[i] is None else values[i]) for i, s in best}, 20)


def test_batch_query_equals_single_queries(state: World) -> None:
    """`query/batch` answers each query as if it came alone."""
    rng = random.Random(6)
    requests = []
    for _ in range(8):
        name = rng.choice("abs")
        query = _wire(_draw(rng, name))
        requests.append(m.QueryRequest(query=query, using=name, filter=_filter(rng)[0], limit=9, params=EXACT))
    batch = state.client.query_batch_points(NAME, requests)
    for request, answer in zip(requests, batch, strict=True):
        alone = state.client.query_points(
            NAME,
            query=request.query,
            using=request.using,
            query_filter=request.filter,
            limit=9,
            search_params=EXACT,
            with_payload=False,
        )
        assert [hit.score for hit in answer.points] == pytest.approx([hit.score for hit in alone.points], abs=1e-5)


def test_payload_and_vector_selection(state: World) -> None:
    """`with_payload` includes and excludes fields; `with_vectors` returns the vectors named."""
    i = next(i for i, p in enumerate(state.payloads) if {"n", "k"} <= p.keys())
    included = state.client.retrieve(NAME, [i], with_payload=["n"], with_vectors=["a"])[0]
    assert included.payload == {"n": state.payloads[i]["n"]}
    assert included.vector["a"] == pytest.approx(state.dense["a"][i].tolist(), abs=1e-5)
    excluded = state.client.retrieve(NAME, [i], with_payload=m.PayloadSelectorExclude(exclude=["n"]), with_vectors=True)
    assert excluded[0].payload == {key: v for key, v in state.payloads[i].items() if key != "n"}
    sparse = excluded[0].vector["s"]
    assert dict(zip(sparse.indices, sparse.values, strict=True)) == pytest.approx(state.sparse[i])


def test_graph_search_finds_the_neighbours(state: World) -> None:
    """Without `exact`, at least 95 of 100 true neighbours are found (all of them before the build)."""
    rng = random.Random(9)
    hits = 0
    for _ in range(40):
        query = _draw(rng, "a")
        params = m.SearchParams(hnsw_ef=128, quantization=m.QuantizationSearchParams(rescore=True, oversampling=2.0))
        found = state.client.query_points(NAME, query=query.tolist(), using="a", limit=10, search_params=params).points
        truth = {i for i, _ in _best(_scores(state, "a", query), set(range(COUNT)), 10)}
        hits += len(truth & {int(hit.id) for hit in found})
    assert hits >= 0.95 * 400


@pytest.fixture(scope="module", autouse=True)
def _cleanup(client: QdrantClient) -> Iterator[None]:
    yield
    client.delete_collection(NAME)
    assert not client.collection_exists(NAME)
