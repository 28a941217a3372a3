"""The executor of a plan: asks Qdrant, and says for each hit its score and its similarity.

One vector: one query, whose score is the cosine. Several: the fused page in one round trip, then the exact cosines of
its few points in another. A least similarity is a condition on the cosine, so a fused search with one looks at all
candidates first and fetches payloads for its page alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.vectors import LEXICAL_VECTOR, Priority
from search.encoding import EncodedQuery
from search.plan import SearchPlan
from search.qdrant_query import QueryBuilder, QueryRequest, QueryVector, ScoredPoint

# Answers several queries on one collection in one round trip, in their order.
RunQueries = Callable[[str, Sequence[QueryRequest]], Sequence[list[ScoredPoint]]]
_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Hit:
    """One title found. `similarity` is None when no dense vector took part or the title has none of them."""

    id: str
    score: float
    similarity: float | None
    payload: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """As the API shows it."""
        return {"id": self.id, "score": self.score, "similarity": self.similarity, "payload": self.payload}


@dataclass(frozen=True, slots=True)
class Page:
    """The hits of a page, and the names of the vectors that took part.

    `total_found` is a lower bound unless `total_is_exact`.
    """

    hits: list[Hit]
    total_found: int
    total_is_exact: bool
    vectors: tuple[str, ...]


class Retriever:
    """Runs plans against one Qdrant."""

    def __init__(self, run_queries: RunQueries, *, get_ef: Callable[[Priority], int]) -> None:
        self._run_queries = run_queries
        self._get_ef = get_ef

    def retrieve(self, collection: str, plan: SearchPlan, query: EncodedQuery) -> Page:
        """The page that the plan asks for. Raises DependencyUnavailableError for `qdrant`."""
        vectors = choose_vectors(plan, query)
        if not vectors:
            return Page([], 0, total_is_exact=True, vectors=())
        builder = QueryBuilder(plan, vectors, get_ef=self._get_ef)
        search = _Search(self._run_queries, collection, plan, builder)
        if builder.is_fused and plan.min_score is not None:
            return search.find_similar_enough(plan.min_score)
        return search.find_page()


def choose_vectors(plan: SearchPlan, query: EncodedQuery) -> dict[str, QueryVector]:
    """The query side of each planned vector. A text without a single known word has no lexical one."""
    chosen: dict[str, QueryVector] = {}
    for vector in plan.vectors:
        if vector.name != LEXICAL_VECTOR:
            chosen[vector.name] = query.dense
        elif query.lexical is not None and len(query.lexical[0]):
            chosen[vector.name] = query.lexical
    return chosen


@dataclass(frozen=True, slots=True)
class _Search:
    """One search under way."""

    run_queries: RunQueries
    collection: str
    plan: SearchPlan
    builder: QueryBuilder

    def find_page(self) -> Page:
        plan, builder = self.plan, self.builder
        points = self._run(builder.build_search(limit=plan.limit, offset=plan.offset, with_payload=True))[0]
        if builder.is_fused:
            cosines = self._find_cosines(points)
        else:
            cosines = {str(point.id): point.score for point in points} if builder.dense else {}
        total, is_exact = self._count(points)
        return Page([_to_hit(point, cosines, point.payload) for point in points], total, is_exact, builder.names)

    def find_similar_enough(self, min_score: float) -> Page:
        plan, builder = self.plan, self.builder
        reach = plan.candidates
        candidates = self._run(builder.build_search(limit=reach, offset=0, with_payload=False))[0]
        cosines = self._find_cosines(candidates)
        passing = [point for point in candidates if cosines.get(str(point.id), -2.0) >= min_score]
        page = passing[plan.offset : plan.offset + plan.limit]
        payloads: dict[str, Any] = {}
        if page:
            found = self._run(builder.build_payloads([point.id for point in page]))[0]
            payloads = {str(point.id): point.payload for point in found}
        # A title that was deleted between the two steps has no payload any more.
        hits = [_to_hit(point, cosines, payloads[str(point.id)]) for point in page if str(point.id) in payloads]
        return Page(hits, len(passing), len(candidates) < reach, builder.names)

    def _find_cosines(self, points: Sequence[ScoredPoint]) -> dict[str, float]:
        """The best cosine of each point among the dense vectors used."""
        if not points or not self.builder.dense:
            return {}
        best: dict[str, float] = {}
        for answer in self._run(*self.builder.build_cosines([point.id for point in points])):
            for point in answer:
                best[str(point.id)] = max(point.score, best.get(str(point.id), -2.0))
        return best

    def _count(self, points: Sequence[ScoredPoint]) -> tuple[int, bool]:
        """How many titles match, as far as this page shows: a page that is not full is the last one."""
        plan = self.plan
        if points or plan.offset == 0:
            return plan.offset + len(points), len(points) < plan.limit
        # Beyond the end: how far does it go?
        before = self._run(self.builder.build_search(limit=plan.offset, offset=0, with_payload=False))[0]
        return len(before), True

    def _run(self, *requests: QueryRequest) -> Sequence[list[ScoredPoint]]:
        return self.run_queries(self.collection, requests)


def _to_hit(point: ScoredPoint, cosines: Mapping[str, float], payload: Mapping[str, Any] | None) -> Hit:
    payload = payload or {}
    similarity = cosines.get(str(point.id))
    return Hit(
        id=str(payload.get("id", point.id)),
        score=round(point.score, _DIGITS),
        similarity=None if similarity is None else round(similarity, _DIGITS),
        payload=payload,
    )
