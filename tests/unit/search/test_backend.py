"""How large questions are cut into parts, so that others get their turn beside them."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from qdrant_client import models

from core.recipe import EmbeddingRecipe, RecipeSet
from core.settings import Settings
from search.backend import SearchBackend, split_requests
from search.dispatcher import Dispatcher
from search.encoding import EncodedQuery
from search.live import LiveIndex

_RECIPE = EmbeddingRecipe("fake", "1", 4, 1)
_LIVE = LiveIndex("titles_1", RecipeSet(_RECIPE, _RECIPE, _RECIPE), "state")


def build_request(*, limit: int, lists: int = 0) -> models.QueryRequest:
    """A query, or the fusion of so many lists of 10,000."""
    prefetch = [models.Prefetch(query=[1.0], limit=10_000) for _ in range(lists)]
    return models.QueryRequest(prefetch=[models.Prefetch(prefetch=prefetch, limit=0)] if lists else None, limit=limit)


def test_deep_queries_travel_in_smaller_parts() -> None:
    """A part holds 64 queries, or as many points as Qdrant finds in good time, and the order stays."""
    shallow = [build_request(limit=10) for _ in range(130)]
    assert [len(part) for part in split_requests(shallow)] == [64, 64, 2]
    deep = [build_request(limit=10_000, lists=3) for _ in range(5)]
    parts = list(split_requests(deep))
    assert [len(part) for part in parts] == [2, 2, 1]
    assert [request for part in parts for request in part] == deep
    assert [len(part) for part in split_requests([build_request(limit=1, lists=50), *shallow[:2]])] == [1, 2]
    assert list(split_requests([])) == []


def test_a_large_batch_of_texts_lets_others_in_between() -> None:
    """Its texts are asked for part by part: whoever comes meanwhile is in the next call, not behind all of them."""
    settings = Settings(_env_file=None, query_batch_max=4, query_queue_max=8)
    calls: list[list[str]] = []

    def encode(texts: list[str], timeout_s: float) -> list[EncodedQuery]:
        calls.append(texts)
        return [EncodedQuery(_LIVE.recipes.fingerprint, np.ones(4, np.float32), None) for _ in texts]

    embedding = Dispatcher(encode, batch_max=4, queue_max=8, name="embedding")
    unused = cast(Any, None)
    backend = SearchBackend(settings, live=unused, store=unused, embedding=embedding, retrieval=())
    try:
        texts = [f"text {number}" for number in range(10)]
        assert list(backend.embed([*texts, texts[0]], _LIVE)) == texts
    finally:
        backend.close()
    assert [len(call) for call in calls] == [4, 4, 2]
    assert [text for call in calls for text in call] == texts
