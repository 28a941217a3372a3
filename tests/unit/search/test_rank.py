"""Ranking alone: how many points it looks at, and what it does where a vector is missing."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from qdrant_client import models

from core.settings import Settings
from search.plan import Reference, SearchPlan
from search.planning import build_search_plan, build_similar_plan
from search.qdrant_query import QueryBuilder, QueryRequest, QueryVector, ScoredPoint
from search.rank import Ranking, rank
from search.ranking import CANDIDATE_DEPTHS, DIVERSITY_POOL
from search.request import SearchRequest, SimilarRequest
from search.sources import VectorSource
from search.steps import run_steps

_SETTINGS = Settings(_env_file=None)
_TEXT = {"title_vector": np.ones(4, np.float32)}
_WORDS = {"lexical_sparse": (np.asarray([1], np.uint32), np.asarray([1.0], np.float32))}


class EndlessIndex:
    """More titles than anybody asks for, each less similar than the one before."""

    def __init__(self) -> None:
        self.vectors_read = 0

    def run(self, requests: Sequence[QueryRequest]) -> list[list[ScoredPoint]]:
        """The answers in order."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: QueryRequest) -> list[ScoredPoint]:
        if not request.with_vector:
            return [ScoredPoint(id=place, version=0, score=1 - place / 1e5) for place in range(request.limit or 0)]
        assert request.filter is not None
        assert isinstance(request.filter.must, list)
        [condition] = request.filter.must
        assert isinstance(condition, models.HasIdCondition)
        self.vectors_read += len(condition.has_id)
        return [ScoredPoint(id=one, version=0, score=0.0, vector={"title_vector": [1.0]}) for one in condition.has_id]


def rank_with(plan: SearchPlan, vectors: dict[str, QueryVector], index: EndlessIndex) -> Ranking:
    """The page of the plan."""
    source = VectorSource(plan, vectors, QueryBuilder(plan, vectors, get_ef=lambda _: 64))
    return run_steps(rank(plan, source), index.run)


def build_similar(**options: Any) -> SearchPlan:
    """A plan for titles like one, by a dense and a sparse vector."""
    request = SimilarRequest(
        positive=("a",), vectors={"genre_vector": 1.0, "lexical_sparse": 1.0}, boost=0.0, **options
    )
    references = (Reference("a", "0" * 32),)
    return build_similar_plan(request, _SETTINGS, references=references, relatives=())


def test_diversity_of_the_longest_list_is_bounded() -> None:
    """Only the largest pool is rearranged, whatever the length of the list, and what comes after it keeps its place."""
    index = EndlessIndex()
    request = SearchRequest(query="x", vectors={"title_vector": 1.0}, diversity=0.5, limit=10_000, limit_max=10_000)
    found = rank_with(build_search_plan(request, _SETTINGS), _TEXT, index)
    most = DIVERSITY_POOL[1]
    assert index.vectors_read == most
    places = [int(point.point_id) for point in found.points]
    assert sorted(places) == list(range(10_000)) and places[most:] == list(range(most, 10_000))


@pytest.mark.parametrize(("limit", "pool", "depth"), [(20, 100, 128), (100, 500, 1_024), (1_000, 1_000, 1_024)])
def test_a_diverse_page_is_chosen_from_more_candidates(limit: int, pool: int, depth: int) -> None:
    """Each vector brings as many candidates as the page is chosen from, so that no total claims to be exact."""
    plain = SearchRequest(query="x", vectors={"title_vector": 1.0}, boost=1.0, limit=limit)
    plan = build_search_plan(
        SearchRequest(query="x", vectors={"title_vector": 1.0}, boost=1.0, limit=limit, diversity=0.5), _SETTINGS
    )
    assert (plan.pool, plan.candidates) == (pool, depth)
    assert build_search_plan(plain, _SETTINGS).pool == limit
    assert not rank_with(plan, _TEXT, EndlessIndex()).is_exact


def test_depths_hold_every_pool() -> None:
    """The deepest list of candidates is long enough for the longest page, and depths grow."""
    assert all(first < second for first, second in pairwise(CANDIDATE_DEPTHS))
    assert CANDIDATE_DEPTHS[-1] >= max(10_000, DIVERSITY_POOL[1])


def test_diversity_without_a_dense_vector_keeps_the_order() -> None:
    """A reference may lack the only dense vector that was asked for: there is nothing to tell titles apart by."""
    found = rank_with(build_similar(diversity=0.5, limit=3), dict(_WORDS), EndlessIndex())
    assert [point.point_id for point in found.points] == ["0", "1", "2"]


def test_a_least_similarity_without_a_dense_vector_finds_nothing() -> None:
    """The score of a sparse vector is no cosine, so it is not taken for one."""
    found = rank_with(build_similar(min_score=0.5, limit=3), dict(_WORDS), EndlessIndex())
    assert (found.points, found.total, found.is_exact) == ((), 0, True)
