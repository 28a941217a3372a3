"""The executor of a plan: asks Qdrant, and says for each hit its score and its similarity.

One vector: one query, whose score is the cosine. Several: the fused page in one round trip, then the exact cosines of
its few points in another. A least similarity is a condition on the cosine, so a fused search with one looks at
candidates, the best first, until its page is full.

Payloads are most of what a search would carry, and popular titles come back again and again: they are asked for
by themselves, kept encoded in this process, and spliced into the answer. Measured at 5,000 titles of 1.6 KB, a page of
20 costs 1.2 CPU-ms less (web and Qdrant together) once its titles are known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from core.vectors import LEXICAL_VECTOR, Priority
from search.encoding import EncodedQuery
from search.live import LiveIndex
from search.memory import Memory
from search.plan import SearchPlan
from search.qdrant_query import QueryBuilder, QueryRequest, QueryVector, ScoredPoint
from search.request import WINDOW_MAX

# Answers several queries on one collection in one round trip, in their order.
RunQueries = Callable[[str, Sequence[QueryRequest]], Sequence[list[ScoredPoint]]]
_DIGITS = 6
# Points whose cosines are asked for in one request: its cost grows with them times the dense vectors.
_COSINES_AT_ONCE = 1_000
_PAYLOADS_MAX_BYTES = 128_000_000


@dataclass(frozen=True, slots=True)
class StoredPayload:
    """A payload as JSON, with the slug taken out of it."""

    slug: str
    encoded: bytes


# Keyed by (state of the index, point id).
PayloadMemory = Memory[tuple[str, str], StoredPayload]


def build_payload_memory(*, ttl_s: float) -> PayloadMemory:
    """Room for the payloads of some 50,000 titles."""
    return Memory(max_bytes=_PAYLOADS_MAX_BYTES, ttl_s=ttl_s, size_of=lambda _, payload: len(payload.encoded))


@dataclass(frozen=True, slots=True)
class Hit:
    """One title found. `similarity` is None when no dense vector took part or the title has none of them."""

    id: str
    score: float
    similarity: float | None
    payload: bytes

    def to_json(self) -> dict[str, Any]:
        """As the API shows it, for orjson; `payload` is JSON already."""
        return {
            "id": self.id,
            "score": self.score,
            "similarity": self.similarity,
            "payload": orjson.Fragment(self.payload),
        }


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

    def __init__(self, run_queries: RunQueries, *, get_ef: Callable[[Priority], int], payloads: PayloadMemory) -> None:
        self._run_queries = run_queries
        self._get_ef = get_ef
        self._payloads = payloads

    def retrieve(self, live: LiveIndex, plan: SearchPlan, query: EncodedQuery) -> Page:
        """The page that the plan asks for. Raises DependencyUnavailableError for `qdrant`."""
        vectors = choose_vectors(plan, query)
        if not vectors:
            return Page([], 0, total_is_exact=True, vectors=())
        builder = QueryBuilder(plan, vectors, get_ef=self._get_ef)
        search = _Search(self._run_queries, live, plan, builder, self._payloads)
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
    live: LiveIndex
    plan: SearchPlan
    builder: QueryBuilder
    payloads: PayloadMemory

    def find_page(self) -> Page:
        plan, builder = self.plan, self.builder
        points = self._run(builder.build_search(limit=plan.limit, offset=plan.offset))[0]
        if builder.is_fused:
            cosines, payloads = self._look_up(points)
        else:
            cosines = {str(point.id): point.score for point in points} if builder.dense else {}
            payloads = self._look_up_payloads(points)
        total, is_exact = self._count(points)
        return Page(_join(points, cosines, payloads), total, is_exact, builder.names)

    def find_similar_enough(self, min_score: float) -> Page:
        plan, builder = self.plan, self.builder
        # All of them: none brought more than `plan.candidates`. Beyond the window no page reaches.
        everything = min(plan.candidates * len(builder.names), WINDOW_MAX)
        candidates = self._run(builder.build_search(limit=everything, offset=0))[0]
        cosines: dict[str, float] = {}
        passing: list[ScoredPoint] = []
        seen = 0
        while seen < len(candidates) and len(passing) < plan.offset + plan.limit:
            some = candidates[seen : seen + _COSINES_AT_ONCE]
            cosines |= self._look_up_cosines(some)
            passing += [point for point in some if cosines.get(str(point.id), -2.0) >= min_score]
            seen += len(some)
        page = passing[plan.offset : plan.offset + plan.limit]
        is_exact = seen == len(candidates) < plan.candidates
        return Page(_join(page, cosines, self._look_up_payloads(page)), len(passing), is_exact, builder.names)

    def _look_up(self, points: Sequence[ScoredPoint]) -> tuple[dict[str, float], dict[str, StoredPayload]]:
        """Cosines, and the payloads that are not known yet, in one round trip."""
        if not points:
            return {}, {}
        known, missing = self._recall(points)
        requests = self.builder.build_cosines([point.id for point in points])
        cosine_count = len(requests)
        if missing:
            requests.append(self.builder.build_payloads(missing))
        answers = self._run(*requests) if requests else []
        for answer in answers[cosine_count:]:
            known |= self._remember(answer)
        return _take_best(answers[:cosine_count]), known

    def _look_up_cosines(self, points: Sequence[ScoredPoint]) -> dict[str, float]:
        requests = self.builder.build_cosines([point.id for point in points]) if points else []
        return _take_best(self._run(*requests)) if requests else {}

    def _look_up_payloads(self, points: Sequence[ScoredPoint]) -> dict[str, StoredPayload]:
        known, missing = self._recall(points)
        if missing:
            known |= self._remember(self._run(self.builder.build_payloads(missing))[0])
        return known

    def _recall(self, points: Sequence[ScoredPoint]) -> tuple[dict[str, StoredPayload], list[str]]:
        """The payloads that are known by point id, and the ids of the others. Parts of payloads are not kept."""
        ids = [str(point.id) for point in points]
        if self.plan.fields is not None:
            return {}, ids
        found = self.payloads.get_many((self.live.state, point_id) for point_id in ids)
        known = {point_id: payload for (_, point_id), payload in found.items()}
        return known, [point_id for point_id in ids if point_id not in known]

    def _remember(self, points: Sequence[ScoredPoint]) -> dict[str, StoredPayload]:
        encoded = {str(point.id): _encode(point) for point in points}
        if self.plan.fields is None:
            self.payloads.put_many({(self.live.state, point_id): item for point_id, item in encoded.items()})
        return encoded

    def _count(self, points: Sequence[ScoredPoint]) -> tuple[int, bool]:
        """How many titles match, as far as this page shows: a page that is not full is the last one."""
        plan = self.plan
        if points or plan.offset == 0:
            return plan.offset + len(points), len(points) < plan.limit
        # Beyond the end: how far does it go?
        before = self._run(self.builder.build_search(limit=plan.offset, offset=0))[0]
        return len(before), True

    def _run(self, *requests: QueryRequest) -> Sequence[list[ScoredPoint]]:
        return self.run_queries(self.live.collection, requests)


def _take_best(answers: Sequence[Sequence[ScoredPoint]]) -> dict[str, float]:
    """The best cosine of each point over the answers of all dense vectors."""
    best: dict[str, float] = {}
    for answer in answers:
        for point in answer:
            best[str(point.id)] = max(point.score, best.get(str(point.id), -2.0))
    return best


def _encode(point: ScoredPoint) -> StoredPayload:
    payload = point.payload or {}
    return StoredPayload(str(payload.get("id", point.id)), orjson.dumps(payload))


def _join(
    points: Sequence[ScoredPoint], cosines: Mapping[str, float], payloads: Mapping[str, StoredPayload]
) -> list[Hit]:
    """The hits in order. A title that was deleted between two steps has no payload any more and is left out."""
    hits: list[Hit] = []
    for point in points:
        point_id = str(point.id)
        if (payload := payloads.get(point_id)) is None:
            continue
        cosine = cosines.get(point_id)
        similarity = None if cosine is None else round(cosine, _DIGITS)
        hits.append(Hit(payload.slug, round(point.score, _DIGITS), similarity, payload.encoded))
    return hits
