"""Plans are decided purely: same request, same plan, same fingerprint."""

from __future__ import annotations

from typing import Any

import pytest

from core.errors import InvalidInputError
from core.settings import Settings
from search.plan import SearchPlan
from search.planning import build_search_plan
from search.ranking import CANDIDATE_DEPTHS, DBSF_WEIGHTS, TEXT_WEIGHTS
from search.request import SearchRequest

SETTINGS = Settings(_env_file=None)


def plan(query: str = "robot", **more: Any) -> SearchPlan:
    """The plan of a request under the default settings."""
    return build_search_plan(SearchRequest(query=query, **more), SETTINGS)


def test_the_default_plan_is_the_table() -> None:
    """A request that names no vectors gets those of the table, with their weights."""
    assert {vector.name: vector.weight for vector in plan().vectors} == TEXT_WEIGHTS


def test_without_sparse_vectors_the_default_plan_is_dense() -> None:
    """What is turned off is left out of the default and refused when it is named."""
    dense_only = SETTINGS.model_copy(update={"enable_sparse_vectors": False})
    assert [v.name for v in build_search_plan(SearchRequest(query="x"), dense_only).vectors] == ["title_vector"]
    with pytest.raises(InvalidInputError, match="ENABLE_SPARSE_VECTORS"):
        build_search_plan(SearchRequest(query="x", vectors={"lexical_sparse": 1.0}), dense_only)


def test_equal_requests_have_equal_fingerprints() -> None:
    """White space, the order of vectors and of fields make no difference."""
    first = plan(" a  robot\n", vectors={"title_vector": 1.0, "genre_vector": 2.0}, fields=("year", "title"))
    second = plan("a robot", vectors={"genre_vector": 2.0, "title_vector": 1.0}, fields=("title", "year", "title"))
    assert first == second
    assert first.fingerprint == second.fingerprint


def test_whatever_changes_the_answer_changes_the_fingerprint() -> None:
    """No two plans that may answer differently share a cache entry."""
    plans = [
        plan(),
        plan("robots"),
        plan(limit=10),
        plan(offset=5),
        plan(min_score=0.2),
        plan(include_adult=True),
        plan(fields=()),
        plan(fields=("title",)),
        plan(vectors={"title_vector": 1.0}),
        plan(vectors={"title_vector": 2.0}),
        plan(filters={"genres": "a"}),
        plan(filters={"genres": ["a", "b"]}),
        plan(filters={"genres": {"all": ["a", "b"]}}),
        plan(filters={"must_not": {"genres": "a"}}),
        plan(filters={"year": {"gte": 2000}}),
        plan(filters={"year": {"gt": 2000}}),
        plan(filters={"aired_start": {"gt": "2000-01-01"}}),
    ]
    assert len({one.fingerprint for one in plans}) == len(plans)


@pytest.mark.parametrize(("limit", "offset"), [(1, 0), (20, 0), (20, 500), (1_000, 9_000)])
def test_candidates_reach_down_to_the_page(limit: int, offset: int) -> None:
    """Qdrant needs prefetch limits of at least limit + offset; near pages share one depth, so that they join."""
    candidates = plan(limit=limit, offset=offset).candidates
    assert candidates >= limit + offset
    assert candidates in CANDIDATE_DEPTHS
    assert plan(limit=limit, offset=offset, min_score=0.1).candidates == candidates
    assert plan(limit=20).candidates == plan(limit=20, offset=100).candidates


def test_default_weights_fit_the_fusion_that_is_named() -> None:
    """Distribution-based fusion takes whole weights, so the defaults become whole; the caller's own are refused."""
    assert all(vector.weight in DBSF_WEIGHTS for vector in plan(fusion="dbsf").vectors)
    with pytest.raises(InvalidInputError, match="whole weights"):
        plan(fusion="dbsf", vectors={"title_vector": 1.0, "genre_vector": 0.5})


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf"), 101.0])
def test_only_positive_weights_reach_qdrant(weight: float) -> None:
    """Qdrant takes negative weights in silence and keeps the candidates of a zero weight: neither is ever asked for."""
    with pytest.raises(InvalidInputError, match="weight"):
        plan(vectors={"title_vector": weight})
