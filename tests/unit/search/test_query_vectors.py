"""Query vectors on their ways: as a task's result, as cached bytes, and into Qdrant's models."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import DeadlineExceededError
from core.settings import Settings
from messaging.query_call import build_query_result, parse_query_result
from messaging.worker_call import ensure_in_time
from search.cache import build_vector_key, pack_query, unpack_query
from search.encoding import EncodedQuery
from search.planning import build_search_plan
from search.qdrant_query import QueryBuilder
from search.query_vectors import choose_text_vectors
from search.ranking import TEXT_RRF_K, TEXT_WEIGHTS
from search.request import SearchRequest

SETTINGS = Settings(_env_file=None)


def make_query(dimension: int = 5, terms: int | None = 3) -> EncodedQuery:
    """Some vectors."""
    rng = np.random.default_rng(dimension)
    dense = rng.standard_normal(dimension).astype(np.float32)
    lexical = None
    if terms is not None:
        lexical = (rng.integers(0, 2**32, terms, dtype=np.uint32), rng.random(terms, dtype=np.float32))
    return EncodedQuery(recipes="abc", dense=dense, lexical=lexical)


def is_equal(first: EncodedQuery, second: EncodedQuery) -> bool:
    """Bit for bit."""
    if not np.array_equal(first.dense, second.dense) or (first.lexical is None) != (second.lexical is None):
        return False
    return first.lexical is None or all(
        np.array_equal(a, b) for a, b in zip(first.lexical, second.lexical or (), strict=True)
    )


@given(st.integers(1, 40), st.none() | st.integers(0, 20))
def test_cached_bytes_come_back_as_they_went(dimension: int, terms: int | None) -> None:
    """Packing and unpacking keeps every bit, with and without a lexical vector, which may be empty."""
    query = make_query(dimension, terms)
    unpacked = unpack_query(pack_query(query), "abc")
    assert unpacked is not None
    assert is_equal(unpacked, query)


@given(st.binary(max_size=200))
def test_bytes_of_another_form_are_a_miss(data: bytes) -> None:
    """Whatever lies under the key, reading it never raises."""
    assert unpack_query(data, "abc") is None or len(data) >= 8


@pytest.mark.parametrize("with_lexical", [True, False])
def test_a_result_survives_json(with_lexical: bool) -> None:
    """What the worker builds, the client reads, bit for bit."""
    queries = [make_query(7, number) for number in range(4)]
    dense = np.stack([query.dense for query in queries])
    lexical = [query.lexical for query in queries if query.lexical is not None] if with_lexical else None
    result = json.loads(json.dumps(build_query_result(recipes="abc", dense=dense, lexical=lexical)))
    encoded = parse_query_result(result)
    assert encoded.recipes == "abc"
    assert np.array_equal(encoded.dense, dense)
    if lexical is None:
        assert encoded.lexical is None
    else:
        assert encoded.lexical is not None
        for read, given_row in zip(encoded.lexical, lexical, strict=True):
            assert np.array_equal(read[0], given_row[0])
            assert np.array_equal(read[1], given_row[1])


def test_the_worker_skips_what_nobody_waits_for() -> None:
    """A deadline in the past raises, one in the future does not."""
    ensure_in_time(time.time() + 60)
    with pytest.raises(DeadlineExceededError):
        ensure_in_time(time.time() - 1)


def test_a_vector_is_kept_by_recipe_and_text() -> None:
    """Another recipe or another text is another key."""
    key = build_vector_key(recipes_fingerprint="r", text="q")
    assert build_vector_key(recipes_fingerprint="t", text="q") != key
    assert build_vector_key(recipes_fingerprint="r", text="t") != key


def test_a_fused_plan_asks_for_weighted_ranks() -> None:
    """One prefetch a vector, with its weight, enough candidates and the filter inside."""
    plan = build_search_plan(SearchRequest(query="x", limit=100, offset=50, boost=0.0, fusion="rrf"), SETTINGS)
    builder = QueryBuilder(plan, choose_text_vectors(plan, make_query()), get_ef=lambda _: 99)
    request = builder.build_ranking(limit=100, offset=50)
    expected = {"title_vector": TEXT_WEIGHTS["title_vector"], "lexical_sparse": TEXT_WEIGHTS["lexical_sparse"]}
    assert [prefetch.using for prefetch in request.prefetch] == list(expected)
    assert all(prefetch.limit >= 150 and prefetch.filter is not None for prefetch in request.prefetch)
    assert request.prefetch[0].params.hnsw_ef == 99
    assert request.query.rrf.k == TEXT_RRF_K
    assert request.query.rrf.weights == pytest.approx(list(expected.values()), rel=1e-3)


def test_a_query_without_known_words_is_dense_only() -> None:
    """An empty sparse vector is no candidate list: the plan falls to the vector that is left, and to its cosine."""
    plan = build_search_plan(SearchRequest(query="x", min_score=0.3, boost=0.0), SETTINGS)
    builder = QueryBuilder(plan, choose_text_vectors(plan, make_query(terms=0)), get_ef=lambda _: 99)
    request = builder.build_ranking(limit=20, offset=0)
    assert builder.names == ("title_vector",)
    assert (request.prefetch, request.using, request.score_threshold) == (None, "title_vector", 0.3)
