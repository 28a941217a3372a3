"""What a search with a least similarity may cost Qdrant."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from qdrant_client import models

from core.recipe import EmbeddingRecipe, RecipeSet
from core.settings import Settings
from core.vectors import TEXT_VECTORS
from search.encoding import EncodedQuery
from search.live import LiveIndex
from search.planning import build_search_plan
from search.qdrant_query import QueryRequest, ScoredPoint
from search.query_vectors import choose_text_vectors
from search.request import WINDOW_MAX, SearchRequest
from search.retrieve import Page, QuerySide, Retriever, build_payload_memory
from search.steps import run_steps

_RECIPE = EmbeddingRecipe("fake", "1", 4, 1)
_LIVE = LiveIndex("titles_1", RecipeSet(_RECIPE, _RECIPE, _RECIPE), "state")
_QUERY = EncodedQuery("r", np.ones(4, np.float32), None)


class EndlessIndex:
    """More titles than anybody asks for; those with an even number are similar."""

    def __init__(self) -> None:
        self.searched: list[int] = []
        self.looked_up: list[int] = []

    def run(self, requests: Sequence[QueryRequest]) -> list[list[ScoredPoint]]:
        """The answers in order."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: QueryRequest) -> list[ScoredPoint]:
        if request.prefetch:
            self.searched.append(request.limit or 0)
            return [ScoredPoint(id=number, version=0, score=1.0) for number in range(request.limit or 0)]
        assert request.filter is not None
        assert isinstance(request.filter.must, list)
        [condition] = request.filter.must
        assert isinstance(condition, models.HasIdCondition)
        ids = [int(one) for one in condition.has_id]
        if request.query is not None:
            self.looked_up.append(len(ids))
        return [ScoredPoint(id=one, version=0, score=1.0 - one % 2, payload={"id": str(one)}) for one in ids]


def search(index: EndlessIndex, *, limit: int, offset: int = 0) -> Page:
    """A fused search over all dense vectors, for similar titles only."""
    retriever = Retriever(get_ef=lambda _: 64, payloads=build_payload_memory(ttl_s=0))
    request = SearchRequest(
        query="x", limit=limit, offset=offset, min_score=0.5, vectors=dict.fromkeys(TEXT_VECTORS, 1.0), boost=0.0
    )
    plan = build_search_plan(request, Settings(_env_file=None))
    return run_steps(retriever.retrieve(_LIVE, plan, QuerySide(choose_text_vectors(plan, _QUERY))), index.run)


def test_the_deepest_page_is_bounded() -> None:
    """However many vectors take part, a search looks at no more candidates than a page can reach, some at a time."""
    index = EndlessIndex()
    page = search(index, limit=1_000, offset=9_000)
    assert index.searched == [WINDOW_MAX]
    assert max(index.looked_up) <= 1_000
    assert sum(index.looked_up) == WINDOW_MAX * len(TEXT_VECTORS)
    assert (page.hits, page.total_found, page.total_is_exact) == ([], WINDOW_MAX // 2, False)


def test_a_full_page_ends_the_search() -> None:
    """The best candidates are looked at first, and none once the page is full."""
    index = EndlessIndex()
    page = search(index, limit=300)
    assert [hit.id for hit in page.hits] == [str(number) for number in range(0, 600, 2)]
    assert sum(index.looked_up) == 1_000 * len(TEXT_VECTORS)
    assert not page.total_is_exact
