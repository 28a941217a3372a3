"""The conversion tables: every word of the protocol has an engine object, and nothing unknown passes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import qdrant_edge as edge
from hypothesis import given, settings
from hypothesis import strategies as st
from qdrant_client import models as m

from embedded.qdrant.convert import filters, formula, queries, schema, updates
from embedded.qdrant.convert.vectors import VectorSpace, read_sparse, write_vector
from embedded.qdrant.errors import ApiError, BadRequestError, NotFoundError, NotServedError, engine_errors

SPACE = VectorSpace(dense={"d": 2}, multi={"mv": 2}, sparse=frozenset({"s"}))
V = [0.5, 1.0]


def _no_lookup(_id: Any, _name: str) -> Any:
    raise AssertionError("no point is looked up here")


CONDITIONS: list[tuple[dict[str, Any], type]] = [
    ({"key": "k", "match": {"value": "x"}}, edge.FieldCondition),
    ({"key": "k", "match": {"value": True}}, edge.FieldCondition),
    ({"key": "k", "match": {"any": [1, 2]}}, edge.FieldCondition),
    ({"key": "k", "match": {"except": ["a"]}}, edge.FieldCondition),
    ({"key": "k", "match": {"text": "a b"}}, edge.FieldCondition),
    ({"key": "k", "match": {"text_any": "a b"}}, edge.FieldCondition),
    ({"key": "k", "match": {"phrase": "a b"}}, edge.FieldCondition),
    ({"key": "k", "match": {"prefix": "a"}}, edge.FieldCondition),
    ({"key": "k", "match": {"substring": "a"}}, edge.FieldCondition),
    ({"key": "k", "range": {"gte": 1, "lt": 2.5}}, edge.FieldCondition),
    ({"key": "k", "range": {"gt": "2020-01-01T00:00:00Z"}}, edge.FieldCondition),
    ({"key": "k", "values_count": {"gte": 1}}, edge.FieldCondition),
    ({"key": "k", "is_empty": True}, edge.FieldCondition),
    ({"key": "k", "is_null": False}, edge.FieldCondition),
    ({"key": "k", "geo_radius": {"center": {"lon": 1, "lat": 2}, "radius": 3}}, edge.FieldCondition),
    (
        {"key": "k", "geo_bounding_box": {"top_left": {"lon": 1, "lat": 2}, "bottom_right": {"lon": 2, "lat": 1}}},
        edge.FieldCondition,
    ),
    ({"is_empty": {"key": "k"}}, edge.IsEmptyCondition),
    ({"is_null": {"key": "k"}}, edge.IsNullCondition),
    ({"has_id": [1, "6f1c1f8e-0a3c-4c39-8a52-3a1f6d0f7a11"]}, edge.HasIdCondition),
    ({"has_vector": "d"}, edge.HasVectorCondition),
    ({"nested": {"key": "k", "filter": {"must": []}}}, edge.NestedCondition),
    ({"slice": {"total": 4, "index": 1}}, edge.SliceCondition),
    ({"should": [{"has_id": [1]}], "min_should": {"conditions": [], "min_count": 0}}, edge.Filter),
]


@pytest.mark.parametrize(("condition", "kind"), CONDITIONS)
def test_every_condition_is_read(condition: dict[str, Any], kind: type) -> None:
    """Each condition of the protocol becomes the engine's object for it."""
    assert isinstance(filters.read_condition(condition), kind)


def test_every_condition_of_the_client_is_in_a_table() -> None:
    """The tables name every match and field test that the installed client can send, so an upgrade shows here."""
    fields = {name for name in m.FieldCondition.model_fields if name != "key"}
    assert fields == filters.FIELD_CONDITIONS.keys()
    matches = [m.MatchValue, m.MatchText, m.MatchTextAny, m.MatchPhrase, m.MatchPrefix, m.MatchSubstring, m.MatchAny]
    names = {field.alias or name for match in matches for name, field in match.model_fields.items()}
    assert names | {"except"} == filters.MATCHES.keys()


def test_requests_know_every_field_of_the_client() -> None:
    """Each field the client can send in a query is served or refused by name."""
    assert set(m.QueryRequest.model_fields) == queries.REQUEST_FIELDS | queries.UNSERVED
    assert queries.PREFETCH_FIELDS | {"lookup_from"} == set(m.Prefetch.model_fields)
    assert set(m.SearchParams.model_fields) == queries.PARAMS_FIELDS
    assert set(m.CreateCollection.model_fields) <= schema.CREATE_FIELDS | schema.CREATE_UNSERVED
    assert set(m.VectorParams.model_fields) == schema.VECTOR_FIELDS
    assert set(m.HnswConfig.model_fields) == schema.HNSW_FIELDS
    assert schema.OPTIMIZER_DEFAULTS.keys() == set(m.OptimizersConfig.model_fields)


def test_true_is_not_one() -> None:
    """A boolean reaches the engine as a boolean: its binding would read Python's True as the number 1."""
    condition = filters.read_condition({"key": "k", "match": {"value": True}})
    assert condition.match.value is True


QUERIES: list[tuple[Any, str]] = [
    (V, "Query.Nearest"),
    ({"nearest": V}, "Query.Nearest"),
    ({"indices": [1], "values": [0.5]}, "Query.Nearest"),
    ({"nearest": V, "mmr": {"diversity": 0.3}}, "Mmr"),
    ({"recommend": {"positive": [V], "negative": [V]}}, "Query.Nearest"),
    ({"recommend": {"positive": [V], "strategy": "best_score"}}, "Query.RecommendBestScore"),
    ({"recommend": {"negative": [V], "strategy": "sum_scores"}}, "Query.RecommendSumScores"),
    ({"discover": {"target": V, "context": {"positive": V, "negative": V}}}, "Query.Discover"),
    ({"context": [{"positive": V, "negative": V}]}, "Query.Context"),
    ({"order_by": "year"}, "OrderBy"),
    ({"order_by": {"key": "year", "direction": "desc", "start_from": 3}}, "OrderBy"),
    ({"fusion": "rrf"}, "Fusion.Rrf"),
    ({"fusion": "dbsf"}, "Fusion.Dbsf"),
    ({"rrf": {"k": 60, "weights": [3, 1.0]}}, "Fusion.Rrf"),
    ({"formula": {"sum": ["$score", 1, {"mult": [2, "n"]}]}, "defaults": {"n": 1}}, "Formula"),
    ({"sample": "random"}, "Sample"),
    ({"text": "dark hero"}, "TextQuery"),
    (
        {
            "relevance_feedback": {
                "target": V,
                "feedback": [{"example": V, "score": 1}],
                "strategy": {"naive": {"a": 1, "b": 2, "c": 3}},
            }
        },
        "Query.FeedbackNaive",
    ),
]


@pytest.mark.parametrize(("query", "kind"), QUERIES)
def test_every_query_is_read(query: Any, kind: str) -> None:
    """Each kind of query becomes the engine's object for it, alone and as a prefetch."""
    request = queries.read_request(
        {"query": query, "using": "d", "prefetch": {"query": query, "using": "d"}}, _no_lookup
    )
    assert repr(request.query).startswith(kind)
    assert request.prefetches is not None
    assert repr(request.prefetches[0].query).startswith(kind)


def test_examples_by_id_are_looked_up_and_left_out() -> None:
    """A point id stands for its vector under `using`, and joins the filter as an exclusion."""
    seen = []

    def lookup(point_id: Any, name: str) -> Any:
        seen.append((point_id, name))
        return V

    request = queries.read_request(
        {"query": {"recommend": {"positive": [7], "negative": [8]}}, "using": "d", "filter": {"must": []}}, lookup
    )
    assert seen == [(7, "d"), (8, "d")]
    assert request.filter is not None
    assert request.filter.must_not is not None
    assert set(request.filter.must_not[0].point_ids) == {7, 8}


def test_defaults_are_qdrants() -> None:
    """Without limits a query and a prefetch take 10; plain rank fusion takes k = 2."""
    request = queries.read_request({"query": {"fusion": "rrf"}, "prefetch": [{"query": V}]}, _no_lookup)
    assert (request.limit, request.prefetches[0].limit, request.query.k) == (10, 10, 2)
    assert request.with_payload is False


EXPRESSIONS: list[Any] = [
    1.5,
    "$score",
    {"key": "k", "match": {"value": "x"}},
    {"div": {"left": 1, "right": "n", "by_zero_default": 0}},
    {"pow": {"base": 2, "exponent": 3}},
    {"gauss_decay": {"x": "n", "target": 3, "scale": 2, "midpoint": 0.5}},
    {"geo_distance": {"origin": {"lon": 1, "lat": 2}, "to": "place"}},
    {"exp_decay": {"x": {"datetime_key": "aired"}, "target": {"datetime": "2020-01-01T00:00:00Z"}}},
    *({name: 2} for name in ("neg", "abs", "sqrt", "exp", "ln", "log10", "acosh")),
    *({name: [1, 2]} for name in ("sum", "mult", "max", "min")),
]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_expression_is_read(expression: Any) -> None:
    """Each expression of a formula becomes the engine's."""
    assert isinstance(formula.read_expression(expression), edge.Expression)


UPDATES: list[tuple[str, Any, int, int | None]] = [
    ("upsert", {"points": [{"id": i, "vector": {"d": V}} for i in range(600)]}, 3, 600),
    ("upsert", {"batch": {"ids": [1, 2], "vectors": {"d": [V, V]}, "payloads": [None, {"a": 1}]}}, 1, 2),
    ("delete", {"points": list(range(257))}, 2, 0),
    ("delete", {"filter": {}}, 1, 0),
    ("update_vectors", {"points": [{"id": 1, "vector": {"s": {"indices": [1], "values": [1.0]}}}]}, 1, 1),
    ("delete_vectors", {"points": [1], "vector": ["d"]}, 1, 0),
    ("set_payload", {"points": [1], "payload": {"a": 1}, "key": "b"}, 1, 1),
    ("set_payload", {"filter": {"must": []}, "payload": {"a": 1}}, 1, None),
    ("overwrite_payload", {"points": [1], "payload": {}}, 1, 1),
    ("delete_payload", {"points": [1], "keys": ["a"]}, 1, 1),
    ("clear_payload", {"points": [1]}, 1, 1),
    ("create_index", {"field_name": "k", "field_schema": "keyword"}, 1, 0),
    ("delete_index", {"field_name": "k"}, 1, 0),
]


@pytest.mark.parametrize(("name", "body", "steps", "touched"), UPDATES)
def test_updates_come_in_steps(name: str, body: Any, steps: int, touched: int | None) -> None:
    """Each write becomes engine operations of at most 256 points, and says how many points leave the index."""
    update = updates.read_update(name, body, SPACE)
    assert (len(update.steps), update.touched) == (steps, touched)


@pytest.mark.parametrize(
    "body",
    [
        {"points": [{"id": 1, "vector": {"d": [1.0]}}]},
        {"points": [{"id": 1, "vector": V}]},
        {"points": [{"id": 1, "vector": {"mv": [[1.0]]}}]},
        {"points": [{"id": 1, "vector": {"s": [1.0]}}]},
        {"points": [{"id": 1, "vector": {"s": {"indices": [1, 1], "values": [1.0, 1.0]}}}]},
        {"points": [{"id": True, "vector": {}}]},
        {"points": [{"id": 1.5, "vector": {}}]},
        {"points": {"id": 1}},
        {"points": [{"id": 1, "vector": {}, "shard": 1}]},
    ],
)
def test_bad_points_are_refused(body: Any) -> None:
    """A vector of the wrong kind or size, a bad id or an unknown field is a 400."""
    with pytest.raises(BadRequestError):
        updates.read_update("upsert", body, SPACE)


@pytest.mark.parametrize("value", [{"model": "bm25", "text": "dark"}, {"model": "clip", "image": "x"}])
def test_inference_is_not_served(value: Any) -> None:
    """A text or picture where a vector belongs is a 501 that says so."""
    with pytest.raises(NotServedError, match="inference"):
        queries.read_request({"query": value}, _no_lookup)
    with pytest.raises(NotServedError, match="inference"):
        updates.read_update("upsert", {"points": [{"id": 1, "vector": value}]}, VectorSpace({}, {}, frozenset()))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(
        {"must", "should", "key", "match", "value", "any", "range", "gte", "query", "nearest", "rrf", "k", "weights",
         "prefetch", "limit", "filter", "indices", "values", "fusion", "order_by", "formula", "sum", "has_id",
         "vectors", "d", "size", "distance", "hnsw_config", "m", "quantization_config", "scalar", "type", "params",
         "sparse_vectors", "index", "modifier", "points", "id", "vector", "payload", "keys", "operations", "upsert",
         "recommend", "positive", "mmr", "field_schema", "field_name", "stemmer", "language", "min_should"}
    )), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(JSON)
def test_any_json_is_read_or_refused(body: Any) -> None:
    """Whatever JSON comes as a query, a filter or a write, it is read or refused, never a crash."""
    for read in (
        lambda: queries.read_request(body, _no_lookup_found),
        lambda: filters.read_filter(body),
        lambda: updates.read_update("upsert", body, SPACE),
        lambda: updates.read_batch(body),
        lambda: schema.read_create(body),
        lambda: schema.read_create({"vectors": body}),
        lambda: schema.read_update(body, {"vectors": {"d": {"size": 2, "distance": "Dot"}}}),
        lambda: schema.read_index_schema(body),
        *(lambda name=name: updates.read_update(name, body, SPACE) for name in sorted(updates.BATCH_UPDATES)),
    ):
        try:
            with engine_errors:
                read()
        except ApiError as error:
            assert 400 <= error.status < 500 or error.status == 501


def _no_lookup_found(point_id: Any, _name: str) -> Any:
    raise NotFoundError(f"no point {point_id}")


def test_vectors_are_written_as_json() -> None:
    """Named, sparse and plain vectors come back in the protocol's form."""
    sparse = read_sparse({"indices": [3, 1], "values": [0.5, 0.25]})
    assert write_vector({"d": V, "s": sparse}) == {"d": V, "s": {"indices": [3, 1], "values": [0.5, 0.25]}}
    assert write_vector(V) == V


def test_recommendation_moves_away_from_the_negatives() -> None:
    """The averaged vector is p + (p - n), for dense and for sparse examples."""
    dense = queries._average([[1.0, 0.0], [3.0, 0.0]], [[0.0, 1.0]])
    assert np.allclose(dense, [4.0, -1.0])
    one, two = edge.SparseVector([1], [1.0]), edge.SparseVector([2], [1.0])
    sparse = queries._average([one], [two])
    assert dict(zip(sparse.indices, sparse.values, strict=True)) == {1: 2.0, 2: -1.0}


def test_update_merges_into_the_configuration() -> None:
    """A collection's update changes what it names and keeps the rest; `Disabled` removes quantization."""
    scalar = {"scalar": {"type": "int8"}}
    vectors = {"d": {"size": 2, "distance": "Dot", "quantization_config": scalar, "hnsw_config": {"m": 8}}}
    config = schema.read_create({"vectors": vectors, "optimizers_config": {"indexing_threshold": 0}})
    diff = {"quantization_config": "Disabled", "hnsw_config": {"ef_construct": 64}}
    changed = schema.read_update({"vectors": {"d": diff}, "optimizers_config": {"deleted_threshold": 0.5}}, config)
    assert changed["vectors"]["d"]["hnsw_config"] == {"m": 8, "ef_construct": 64}
    assert changed["vectors"]["d"]["quantization_config"] is None
    assert changed["optimizers_config"] == {"indexing_threshold": 0, "deleted_threshold": 0.5}
    assert config["vectors"]["d"]["quantization_config"] == scalar
