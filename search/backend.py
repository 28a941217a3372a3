"""What a search asks: the query worker and Qdrant through their dispatchers, and which collection is live."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Protocol

from qdrant_client import models

from core.settings import Settings
from search.dispatcher import Dispatcher, DispatcherStats
from search.encoding import EncodedQuery, RecipeMismatchError
from search.live import LiveIndex, LiveIndexReader, NothingIndexedError
from search.plan import SearchPlan
from search.qdrant_query import QueryRequest, ScoredPoint, build_filter
from search.steps import Answers, Ask
from storage.vectors.store import PointsMissingError, VectorStore

# Queries of one search, or batch, in one round trip, and the points that they look for together: Qdrant takes 0.1 s for
# 10,000 of a list, and has to answer within its timeout.
_REQUESTS_AT_ONCE = 64
_POINTS_AT_ONCE = 100_000
# What each further text of a batch may add to the wait for its vectors.
_TEXT_EXTRA_S = 0.05


class LiveCollection(Protocol):
    """A collection that searches are answered from."""

    @property
    def collection(self) -> str:
        """Its name in Qdrant."""


@dataclass(frozen=True, slots=True, eq=False)
class QdrantCall:
    """The queries of one search on one collection. Compared by identity: no two are dropped as equal."""

    collection: str
    requests: Sequence[QueryRequest]


def run_calls(store: VectorStore, calls: list[QdrantCall]) -> list[list[list[ScoredPoint]]]:
    """The answers of many searches, one round trip a collection: what the retrieval dispatcher calls."""
    answers: list[list[list[ScoredPoint]]] = [[] for _ in calls]
    for collection in dict.fromkeys(call.collection for call in calls):
        members = [index for index, call in enumerate(calls) if call.collection == collection]
        requests = [request for index in members for request in calls[index].requests]
        found = iter(store.query_batch(collection, requests))
        for index in members:
            answers[index] = [next(found) for _ in calls[index].requests]
    return answers


def split_requests(requests: Sequence[QueryRequest]) -> Iterator[list[QueryRequest]]:
    """The requests in their order, in parts that are one round trip each. A request is never split."""
    part: list[QueryRequest] = []
    points = 0
    for request in requests:
        wanted = _count_points(request)
        if part and (len(part) == _REQUESTS_AT_ONCE or points + wanted > _POINTS_AT_ONCE):
            yield part
            part, points = [], 0
        part.append(request)
        points += wanted
    if part:
        yield part


def _count_points(stage: QueryRequest | models.Prefetch) -> int:
    """Points that a request looks for, over all of its stages."""
    inner = stage.prefetch or []
    return (stage.limit or 0) + sum(map(_count_points, inner if isinstance(inner, list) else [inner]))


class SearchBackend:
    """The servers behind a search. Safe to use from many threads."""

    def __init__(
        self,
        settings: Settings,
        *,
        live: LiveIndexReader,
        store: VectorStore,
        embedding: Dispatcher[str, EncodedQuery],
        retrieval: Sequence[Dispatcher[QdrantCall, list[list[ScoredPoint]]]],
    ) -> None:
        self._settings = settings
        self._live = live
        self._store = store
        self._embedding = embedding
        self._retrieval = tuple(retrieval)
        # next() on an itertools.count is atomic, so taking turns needs no lock.
        self._turns = count()

    def get_live(self) -> LiveIndex:
        """The live index. Raises NothingIndexedError, DependencyUnavailableError."""
        return self._live.get()

    def peek_live(self) -> LiveIndex | None:
        """The live index if it is known and fresh, without asking anybody."""
        return self._live.peek()

    def embed(self, texts: Sequence[str], live: LiveIndex) -> dict[str, EncodedQuery]:
        """The vectors of the texts by text. Raises RecipeMismatchError if they do not fit the live index."""
        distinct = list(dict.fromkeys(texts))
        timeout_s = self._settings.query_deadline_s + _TEXT_EXTRA_S * max(0, len(distinct) - 1)
        until, at_once = time.monotonic() + timeout_s, self._settings.query_batch_max
        encoded: list[EncodedQuery] = []
        # One call after the other: others wait for one part of a large batch, never for all of it.
        for start in range(0, len(distinct), at_once):
            part, left_s = distinct[start : start + at_once], max(until - time.monotonic(), 0.0)
            encoded += self._embedding.get_many(part, timeout_s=left_s)
        for query in encoded:
            if query.recipes != live.recipes.text_fingerprint:
                raise RecipeMismatchError(
                    f"the query worker makes vectors by recipe {query.recipes}, but the index was made by "
                    f"{live.recipes.text_fingerprint}: run the worker with the model of the index, or re-index"
                )
        return dict(zip(distinct, encoded, strict=True))

    def build_ask(self, live: LiveCollection, *, forget: Callable[[], None] | None = None) -> Ask:
        """What drives steps on a live collection. `forget` is called if it is gone: that of the titles by default."""

        def ask(requests: Sequence[QueryRequest]) -> Answers:
            answers: list[list[ScoredPoint]] = []
            # Part by part, so that others get their turn beside a large batch.
            for part in split_requests(requests):
                answers += self._run(QdrantCall(live.collection, part), forget or self._live.forget)
            return answers

        return ask

    def _run(self, call: QdrantCall, forget: Callable[[], None]) -> list[list[ScoredPoint]]:
        try:
            return self._get_lane().get(call, timeout_s=2 * self._settings.qdrant_timeout_s)
        except PointsMissingError as error:
            # Another generation went live and this one was dropped: the next search reads the new name.
            forget()
            raise NothingIndexedError(f"the collection {call.collection} does not exist any more") from error

    def count(self, live: LiveIndex, plan: SearchPlan) -> int:
        """How many titles pass the filter of a plan, exactly."""
        return self._store.count(live.collection, build_filter(plan.filter, without=plan.without))

    @property
    def is_idle(self) -> bool:
        """True if nobody waits for a vector or for Qdrant."""
        return self._embedding.is_idle and all(lane.is_idle for lane in self._retrieval)

    def get_stats(self) -> dict[str, DispatcherStats]:
        """What the dispatchers have done."""
        lanes = {f"retrieval-{number}": lane.get_stats() for number, lane in enumerate(self._retrieval, start=1)}
        return {"embedding": self._embedding.get_stats(), **lanes}

    def close(self) -> None:
        """Let waiting threads go and end the dispatchers."""
        self._embedding.close()
        for lane in self._retrieval:
            lane.close()

    def _get_lane(self) -> Dispatcher[QdrantCall, list[list[ScoredPoint]]]:
        """The lanes take turns: while one waits for Qdrant, what the other has brought is worked on."""
        return self._retrieval[next(self._turns) % len(self._retrieval)]
