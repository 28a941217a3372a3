"""The executor of a plan: asks Qdrant, and says for each hit its score, its similarity and, where asked, why.

The ranked page is one round trip; the exact cosines of its few points, their payloads and what an explanation needs are
another. Payloads are most of what a search would carry, and popular titles come back again and again: they are asked
for by themselves, kept encoded in this process, and spliced into the answer. Measured at 5,000 titles of 1.6 KB, a page
of 20 costs 1.2 CPU-ms less (web and Qdrant together) once its titles are known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import orjson

from core.vectors import Priority
from search.grouping import GroupedHits, GroupedSource
from search.memory import Memory
from search.plan import SearchPlan
from search.qdrant_query import QueryBuilder, ScoredPoint
from search.query_vectors import QueryVectors, load_reference_vectors
from search.rank import Ranked, Ranking, rank, take_best
from search.sides import TwoSides
from search.sources import Source, VectorSource
from search.steps import Steps

_DIGITS = 6
_PAYLOADS_MAX_BYTES = 128_000_000


@dataclass(frozen=True, slots=True)
class StoredPayload:
    """A payload as JSON, with what has to be known of it taken out."""

    slug: str
    adult: bool
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
    explanation: Mapping[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """As the API shows it, for orjson; `payload` is JSON already."""
        shown = {
            "id": self.id,
            "score": self.score,
            "similarity": self.similarity,
            "payload": orjson.Fragment(self.payload),
        }
        return shown if self.explanation is None else {**shown, "explanation": self.explanation}


@dataclass(frozen=True, slots=True)
class Page:
    """The hits of a page, and the names of the vectors that took part.

    `total_found` is a lower bound unless `total_is_exact`.
    """

    hits: list[Hit]
    total_found: int
    total_is_exact: bool
    vectors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class QuerySide:
    """What a plan is compared with: vectors by name, and for a grouped plan the pictures that were found."""

    vectors: QueryVectors
    hits: GroupedHits | None = None


class Content(Protocol):
    """A collection whose content changes; `state` names the present one."""

    @property
    def state(self) -> str:
        """Changes whenever the content may have changed."""


class Retriever:
    """Turns a plan into steps. Each method's steps raise whatever the one who drives them raises."""

    def __init__(self, *, get_ef: Callable[[Priority], int], payloads: PayloadMemory) -> None:
        self._get_ef = get_ef
        self._payloads = payloads

    def retrieve(self, live: Content, plan: SearchPlan, query: QuerySide) -> Steps[Page]:
        """The page that the plan asks for. The vectors of references are looked up here."""
        source = yield from self._build(plan, query)
        ranking = yield from rank(plan, source)
        hits = yield from self._describe(live, plan, source, ranking.points, cosines=ranking.cosines)
        return Page(hits, ranking.total, ranking.is_exact, _name(source))

    def rank(self, plan: SearchPlan, query: QuerySide) -> Steps[tuple[Ranking, tuple[str, ...]]]:
        """The ranked points alone, and the names of the vectors that took part."""
        source = yield from self._build(plan, query)
        ranking = yield from rank(plan, source)
        return ranking, _name(source)

    def describe(self, live: Content, plan: SearchPlan, query: QuerySide, points: Sequence[Ranked]) -> Steps[list[Hit]]:
        """The hits of points that were ranked before, in their order, without those that are gone or hidden now."""
        source = yield from self._build(plan, query)
        return (yield from self._describe(live, plan, source, points))

    def _build(self, plan: SearchPlan, query: QuerySide) -> Steps[Source]:
        vectors = query.vectors
        if plan.references:
            vectors = yield from load_reference_vectors(plan)
        if plan.beside is None or plan.by_picture is None:
            return self._build_side(plan, vectors, query.hits)
        # A least similarity is judged over both sides: a title may fail it by its words and pass it by its pictures.
        text = self._build_side(replace(plan, min_score=None), vectors, query.hits)
        picture = self._build_side(plan.by_picture, vectors, query.hits)
        return TwoSides(plan, plan.beside, text=text, picture=picture)

    def _build_side(self, plan: SearchPlan, vectors: QueryVectors, hits: GroupedHits | None) -> Source:
        builder = QueryBuilder(plan, vectors, get_ef=self._get_ef)
        if plan.is_grouped:
            return GroupedSource(plan, hits or {}, vectors, builder)
        return VectorSource(plan, vectors, builder)

    def _describe(
        self,
        live: Content,
        plan: SearchPlan,
        source: Source,
        points: Sequence[Ranked],
        *,
        cosines: Mapping[str, float] | None = None,
    ) -> Steps[list[Hit]]:
        if not points:
            return []
        ids = [point.point_id for point in points]
        known, missing = self._recall(live, plan, ids)
        if source.is_plain:
            cosines = {point.point_id: point.score for point in points} if source.dense else {}
        requests = source.build_cosines(ids) if cosines is None else []
        if missing:
            requests.append(source.builder.build_payloads(missing))
        answers = (yield requests) if requests else []
        if missing:
            known |= self._remember(live, plan, answers[-1])
            answers = answers[:-1]
        explanations = (yield from source.explain(points)) if plan.explain else {}
        if cosines is None:
            cosines = take_best(answers, known=source.known_cosines)
        return _join(points, cosines, known, explanations)

    def _recall(
        self, live: Content, plan: SearchPlan, ids: Sequence[str]
    ) -> tuple[dict[str, StoredPayload], list[str]]:
        """The payloads that are known by point id, and the ids of the others. Parts of payloads are not kept.

        A ranked list may be older than a title's age rating: what is hidden now is not shown from memory either.
        """
        if plan.fields is not None:
            return {}, list(ids)
        found = self._payloads.get_many((live.state, point_id) for point_id in ids)
        hides = plan.filter.hides_adult
        known = {point_id: payload for (_, point_id), payload in found.items() if not (hides and payload.adult)}
        return known, [point_id for point_id in ids if point_id not in known]

    def _remember(self, live: Content, plan: SearchPlan, points: Sequence[ScoredPoint]) -> dict[str, StoredPayload]:
        encoded = {str(point.id): _encode(point) for point in points}
        if plan.fields is None:
            self._payloads.put_many({(live.state, point_id): item for point_id, item in encoded.items()})
        return encoded


def _name(source: Source) -> tuple[str, ...]:
    return tuple(vector.name for vector in source.used)


def _encode(point: ScoredPoint) -> StoredPayload:
    payload = point.payload or {}
    return StoredPayload(str(payload.get("id", point.id)), bool(payload.get("adult")), orjson.dumps(payload))


def _join(
    points: Sequence[Ranked],
    cosines: Mapping[str, float],
    payloads: Mapping[str, StoredPayload],
    explanations: Mapping[str, Mapping[str, Any]],
) -> list[Hit]:
    """The hits in order. A title that was deleted or hidden between two steps has no payload and is left out."""
    hits: list[Hit] = []
    for point in points:
        if (payload := payloads.get(point.point_id)) is None:
            continue
        cosine = cosines.get(point.point_id)
        similarity = None if cosine is None else round(cosine, _DIGITS)
        explanation = explanations.get(point.point_id)
        hits.append(Hit(payload.slug, round(point.score, _DIGITS), similarity, payload.encoded, explanation))
    return hits
