"""Queries: every kind the protocol knows, by the field that tells it apart, and their prefetches.

The engine takes vectors only. Where the protocol allows a point id as an example, its vector is
looked up here and, as in Qdrant, the point itself is left out of the answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import qdrant_edge as edge

from embedded.qdrant.convert.body import (
    Id,
    Json,
    as_bool,
    as_id,
    as_int,
    as_list,
    as_number,
    as_object,
    as_string,
    choose,
    need,
)
from embedded.qdrant.convert.filters import excluding, read_filter, read_selector, read_vector_selector
from embedded.qdrant.convert.formula import read_expression
from embedded.qdrant.convert.vectors import read_raw_vector
from embedded.qdrant.errors import BadRequestError, NotServedError

Lookup = Callable[[Id, str], Any]
"""Returns the vector of that name of a point; raises NotFoundError."""

UNSERVED = frozenset({"shard_key", "lookup_from"})
PREFETCH_FIELDS = frozenset({"prefetch", "query", "using", "filter", "params", "score_threshold", "limit"})
REQUEST_FIELDS = PREFETCH_FIELDS | {"offset", "with_vector", "with_payload"}
PARAMS_FIELDS = frozenset({"hnsw_ef", "exact", "quantization", "indexed_only", "acorn", "idf"})
DEFAULT_LIMIT = 10
DEFAULT_RRF_K = 2
DIRECTIONS = {"asc": edge.Direction.Asc, "desc": edge.Direction.Desc}


@dataclass
class _Scope:
    """What a query's parts share: the vector they use, and the point ids named as examples."""

    lookup: Lookup
    using: str | None
    limit: int
    used: set[Id] = field(default_factory=set)

    def vector(self, value: Any) -> Any:
        """Read a vector given by value or by the id of a point that has it."""
        if isinstance(value, str | int):
            self.used.add(as_id(value))
            return self.lookup(value, self.using or "")
        return read_raw_vector(value)


def read_request(value: Any, lookup: Lookup) -> edge.QueryRequest:
    """Read the body of `points/query`."""
    body = as_object(value, REQUEST_FIELDS, what="query request", unserved=UNSERVED)
    get = body.get
    limit = as_int(get("limit"), what="limit", default=DEFAULT_LIMIT, least=1)
    query, filter_ = _query_and_filter(body, lookup, limit)
    return edge.QueryRequest(
        limit=limit,
        offset=as_int(get("offset"), what="offset", default=0),
        query=query,
        prefetches=_prefetches(get("prefetch"), lookup),
        with_vector=read_vector_selector(get("with_vector")),
        with_payload=read_selector(get("with_payload"), default=False),
        filter=filter_,
        score_threshold=_threshold(get("score_threshold")),
        params=_read_params(get("params")),
    )


def _prefetches(value: Any, lookup: Lookup) -> list[edge.Prefetch] | None:
    if value is None:
        return None
    return [_prefetch(item, lookup) for item in (value if isinstance(value, list) else [value])]


def _prefetch(value: Any, lookup: Lookup) -> edge.Prefetch:
    body = as_object(value, PREFETCH_FIELDS, what="prefetch", unserved=UNSERVED)
    limit = as_int(body.get("limit"), what="prefetch limit", default=DEFAULT_LIMIT, least=1)
    query, filter_ = _query_and_filter(body, lookup, limit)
    return edge.Prefetch(
        limit=limit,
        query=query,
        prefetches=_prefetches(body.get("prefetch"), lookup),
        params=_read_params(body.get("params")),
        filter=filter_,
        score_threshold=_threshold(body.get("score_threshold")),
    )


def _query_and_filter(body: Json, lookup: Lookup, limit: int) -> tuple[Any, edge.Filter | None]:
    using = body.get("using")
    scope = _Scope(lookup, None if using is None else as_string(using, what="using"), limit)
    query = _read_query(body.get("query"), scope)
    return query, excluding(scope.used, read_filter(body.get("filter")))


def _threshold(value: Any) -> float | None:
    return None if value is None else as_number(value, what="score_threshold")


def _read_params(value: Any) -> edge.SearchParams | None:
    if value is None:
        return None
    body = as_object(value, PARAMS_FIELDS, what="params")
    hnsw_ef = body.get("hnsw_ef")
    return edge.SearchParams(
        hnsw_ef=None if hnsw_ef is None else as_int(hnsw_ef, what="hnsw_ef"),
        exact=as_bool(body.get("exact") or False, what="exact"),
        quantization=_read_quantization(body.get("quantization")),
        indexed_only=as_bool(body.get("indexed_only") or False, what="indexed_only"),
        acorn=_read_acorn(body.get("acorn")),
        idf=_read_idf(body.get("idf")),
    )


def _read_quantization(value: Any) -> edge.QuantizationSearchParams | None:
    if value is None:
        return None
    body = as_object(value, {"ignore", "rescore", "oversampling"}, what="params.quantization")
    return edge.QuantizationSearchParams(
        ignore=as_bool(body.get("ignore") or False, what="ignore"),
        rescore=body.get("rescore"),
        oversampling=body.get("oversampling"),
    )


def _read_acorn(value: Any) -> edge.AcornSearchParams | None:
    if value is None:
        return None
    body = as_object(value, {"enable", "max_selectivity"}, what="params.acorn")
    enable = as_bool(body.get("enable") or False, what="enable")
    return edge.AcornSearchParams(enable=enable, max_selectivity=body.get("max_selectivity"))


def _read_idf(value: Any) -> edge.IdfParams | None:
    if value is None or value == "global":
        return None
    return edge.IdfParams(corpus=read_filter(as_object(value, {"corpus"}, what="params.idf").get("corpus")))


def _read_query(value: Any, scope: _Scope) -> Any:
    if value is None:
        return None
    if isinstance(value, dict) and "indices" not in value:
        return _read_kind(value, scope)
    return edge.Query.Nearest(scope.vector(value), scope.using)


def _read_kind(body: Json, scope: _Scope) -> Any:
    if body.get("model") is not None:
        raise NotServedError("inference: send vectors, not texts or pictures")
    kinds = [name for name in body if name in QUERIES]
    if len(kinds) != 1:
        raise BadRequestError(f"query: expected exactly one of {', '.join(QUERIES)}, got {sorted(body)}")
    return QUERIES[kinds[0]](body, scope)


def _nearest(body: Json, scope: _Scope) -> Any:
    as_object(body, {"nearest", "mmr"}, what="query")
    vector = scope.vector(body["nearest"])
    if body.get("mmr") is None:
        return edge.Query.Nearest(vector, scope.using)
    mmr = as_object(body["mmr"], {"diversity", "candidates_limit"}, what="mmr")
    diversity = mmr.get("diversity")
    diversity = 0.5 if diversity is None else as_number(diversity, what="mmr.diversity")
    if not 0 <= diversity <= 1:
        raise BadRequestError(f"mmr.diversity: expected 0 to 1, got {diversity}")
    candidates = as_int(mmr.get("candidates_limit"), what="mmr.candidates_limit", default=scope.limit)
    return edge.Mmr(vector, 1.0 - diversity, candidates, scope.using)


def _recommend(body: Json, scope: _Scope) -> Any:
    inner = _inner(body, "recommend", {"positive", "negative", "strategy"})
    positive, negative = ([scope.vector(v) for v in inner.get(side) or ()] for side in ("positive", "negative"))
    strategy = inner.get("strategy") or "average_vector"
    if strategy == "average_vector":
        return edge.Query.Nearest(_average(positive, negative), scope.using)
    build = choose(strategy, RECOMMEND, what="recommend.strategy")
    if not positive and not negative:
        raise BadRequestError("recommend: expected at least one example")
    return build(edge.RecommendQuery(positive, negative), scope.using)


def _average(positive: list[Any], negative: list[Any]) -> Any:
    """Mean of the positives, moved away from the negatives: p + (p - n), as Qdrant does."""
    if not positive:
        raise BadRequestError("recommend by average_vector: expected at least one positive example")
    toward = _mean(positive)
    if not negative:
        return _from_weights(toward, positive[0])
    away = _mean(negative)
    weights = {key: 2 * toward.get(key, 0.0) - away.get(key, 0.0) for key in toward | away}
    return _from_weights(weights, positive[0])


def _mean(vectors: list[Any]) -> dict[int, float]:
    total: dict[int, float] = {}
    for vector in vectors:
        if isinstance(vector, list) and isinstance(vector[0], list):
            raise NotServedError("recommend by average_vector over multi-vectors")
        sparse = isinstance(vector, edge.SparseVector)
        for key, weight in zip(vector.indices, vector.values, strict=True) if sparse else enumerate(vector):
            total[key] = total.get(key, 0.0) + weight / len(vectors)
    return total


def _from_weights(weights: dict[int, float], like: Any) -> Any:
    if isinstance(like, edge.SparseVector):
        return edge.SparseVector(list(weights), list(weights.values()))
    return [weights[index] for index in range(len(weights))]


def _discover(body: Json, scope: _Scope) -> Any:
    inner = _inner(body, "discover", {"target", "context"})
    target = scope.vector(need(inner, "target", what="discover"))
    return edge.Query.Discover(edge.DiscoverQuery(target, _pairs(inner.get("context"), scope)), scope.using)


def _context(body: Json, scope: _Scope) -> Any:
    pairs = _pairs(as_object(body, {"context"}, what="query")["context"], scope)
    return edge.Query.Context(edge.ContextQuery(pairs), scope.using)


def _pairs(value: Any, scope: _Scope) -> list[edge.ContextPair]:
    pairs = []
    for item in value if isinstance(value, list) else [value]:
        body = as_object(item, {"positive", "negative"}, what="context pair")
        sides = (scope.vector(need(body, side, what="context pair")) for side in ("positive", "negative"))
        pairs.append(edge.ContextPair(*sides))
    return pairs


def _feedback(body: Json, scope: _Scope) -> Any:
    inner = _inner(body, "relevance_feedback", {"target", "feedback", "strategy"})
    items = []
    for item in as_list(inner.get("feedback"), what="feedback"):
        one = as_object(item, {"example", "score"}, what="feedback")
        items.append(edge.FeedbackItem(scope.vector(one.get("example")), as_number(one.get("score"), what="score")))
    naive = _inner(inner.get("strategy"), "naive", {"a", "b", "c"})
    strategy = edge.NaiveFeedbackStrategy(*(as_number(naive.get(name), what=f"naive.{name}") for name in "abc"))
    target = scope.vector(need(inner, "target", what="relevance_feedback"))
    return edge.Query.FeedbackNaive(edge.FeedbackNaiveQuery(target, items, strategy), scope.using)


def _inner(body: Any, name: str, allowed: set[str]) -> Json:
    return as_object(as_object(body, {name}, what="query").get(name), allowed, what=name)


def read_order_by(value: Any) -> edge.OrderBy:
    """Read `order_by`: a field, or a field with direction and where to start."""
    if isinstance(value, str):
        return edge.OrderBy(value)
    body = as_object(value, {"key", "direction", "start_from"}, what="order_by")
    direction = choose(body.get("direction") or "asc", DIRECTIONS, what="order_by.direction")
    return edge.OrderBy(as_string(body.get("key"), what="order_by.key"), direction, body.get("start_from"))


def _fusion(body: Json, _scope: _Scope) -> Any:
    return choose(as_object(body, {"fusion"}, what="query")["fusion"], FUSIONS, what="fusion")


def _rrf(body: Json, _scope: _Scope) -> Any:
    inner = _inner(body, "rrf", {"k", "weights"})
    weights = inner.get("weights")
    if weights is not None:
        weights = [as_number(weight, what="rrf.weights") for weight in as_list(weights, what="rrf.weights")]
        if any(weight < 0 for weight in weights):
            raise BadRequestError("rrf.weights: negative weights are refused")
    return edge.Fusion.Rrf(as_int(inner.get("k"), what="rrf.k", default=DEFAULT_RRF_K, least=1), weights)


def _formula(body: Json, _scope: _Scope) -> Any:
    as_object(body, {"formula", "defaults"}, what="query")
    return edge.Formula(read_expression(body["formula"]), body.get("defaults") or {})


def _order_by(body: Json, _scope: _Scope) -> Any:
    return read_order_by(as_object(body, {"order_by"}, what="query")["order_by"])


def _sample(body: Json, _scope: _Scope) -> Any:
    sample = as_object(body, {"sample"}, what="query")["sample"]
    return choose(sample, {"random": edge.Sample.Random}, what="sample")


def _text(body: Json, scope: _Scope) -> Any:
    inner = as_object(body, {"text"}, what="query")["text"]
    inner = inner if isinstance(inner, dict) else {"query": inner}
    as_object(inner, {"query", "scoring"}, what="text")
    scoring = inner.get("scoring")
    if scoring is not None:
        bm25 = as_object(as_object(scoring, {"bm25"}, what="scoring").get("bm25"), {"k", "b"}, what="bm25")
        scoring = edge.Bm25Params(**bm25)
    if scope.using is None:
        raise BadRequestError("text query: `using` names the payload field to search")
    return edge.TextQuery(scope.using, as_string(inner.get("query"), what="text.query"), scoring)


RECOMMEND = {"best_score": edge.Query.RecommendBestScore, "sum_scores": edge.Query.RecommendSumScores}
FUSIONS: dict[str, Any] = {"rrf": edge.Fusion.Rrf(DEFAULT_RRF_K), "dbsf": edge.Fusion.Dbsf()}
QUERIES: dict[str, Callable[[Json, _Scope], Any]] = {
    "nearest": _nearest,
    "recommend": _recommend,
    "discover": _discover,
    "context": _context,
    "relevance_feedback": _feedback,
    "order_by": _order_by,
    "fusion": _fusion,
    "rrf": _rrf,
    "formula": _formula,
    "sample": _sample,
    "text": _text,
}
