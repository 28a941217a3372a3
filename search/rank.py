"""Which titles a plan finds, in which order: ids and scores, no payloads yet.

Plain plans take one round trip. A least similarity is a condition on the cosine, which no fusion knows, so the best
candidates are looked at until the page is full. Diversity and a sort rearrange candidates of which there are more than
the page holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from search.diversity import rearrange
from search.plan import SearchPlan, Sort
from search.qdrant_query import QueryBuilder, ScoredPoint, build_stored_vectors
from search.ranking import DIVERSITY_POOL
from search.request import WINDOW_MAX
from search.steps import Steps

if TYPE_CHECKING:
    from search.sources import Source

# Points whose cosines are asked for in one request: its cost grows with them times the dense vectors.
_COSINES_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Ranked:
    """One point of a list."""

    point_id: str
    score: float


@dataclass(frozen=True, slots=True)
class Ranking:
    """A page of points. `total` is how many there are, at least, and exactly if `is_exact`.

    `cosines`: the best cosine of each point where ranking had to look at them; None where it had not.
    """

    points: tuple[Ranked, ...]
    total: int
    is_exact: bool
    cosines: Mapping[str, float] | None = None


def rank(plan: SearchPlan, source: Source) -> Steps[Ranking]:
    """The page of the plan."""
    if plan.is_listing:
        return (yield from _list(plan, source.builder))
    # A least similarity is a cosine, and references may lack every dense vector of the plan.
    if not source.used or (plan.min_score is not None and not source.dense):
        return Ranking((), 0, is_exact=True)
    if plan.min_score is not None and not source.is_plain:
        return (yield from _rank_similar_enough(plan, source, plan.min_score))
    if plan.sort is not None:
        return (yield from _rank_sorted(plan, source, plan.sort))
    if plan.diversity:
        return (yield from _rank_diverse(plan, source))
    found = yield from source.fetch(limit=plan.limit, offset=plan.offset)
    if found or not plan.offset:
        total, is_exact = plan.offset + len(found), len(found) < plan.limit
    else:
        # Beyond the end: how far does it go?
        before = yield from source.fetch(limit=plan.offset, offset=0)
        total, is_exact = len(before), True
    return Ranking(_take(found), total, is_exact)


def _list(plan: SearchPlan, builder: QueryBuilder) -> Steps[Ranking]:
    """Those that have the field first, then those that lack it. The place is no score, so all scores are 0."""
    found = list((yield [builder.build_listing(limit=plan.limit, offset=plan.offset)])[0])
    have = plan.offset + len(found)
    if len(found) < plan.limit:
        if not found and plan.offset:
            have = len((yield [builder.build_listing(limit=plan.offset, offset=0)])[0])
        wanted, skipped = plan.limit - len(found), max(0, plan.offset - have)
        found += (yield [builder.build_unsorted(limit=wanted, offset=skipped)])[0]
    points = tuple(Ranked(str(point.id), 0.0) for point in found)
    is_last = len(points) < plan.limit and (bool(points) or not plan.offset)
    return Ranking(points, plan.offset + len(points), is_exact=is_last)


def _rank_similar_enough(plan: SearchPlan, source: Source, min_score: float) -> Steps[Ranking]:
    # All of them: none brought more than `plan.candidates`. Beyond the window no page reaches.
    everything = min(plan.candidates * len(source.used) + len(plan.pins), WINDOW_MAX)
    candidates = yield from _ask_for(plan, source, everything)
    needed = len(candidates) if plan.sort or plan.diversity else plan.reaches
    passing: list[ScoredPoint] = []
    cosines = dict(source.known_cosines)
    seen = 0
    while seen < len(candidates) and len(passing) < needed:
        some = candidates[seen : seen + _COSINES_AT_ONCE]
        if requests := source.build_cosines([point.id for point in some]):
            cosines = take_best((yield requests), known=cosines)
        passing += [point for point in some if cosines.get(str(point.id), -2.0) >= min_score]
        seen += len(some)
    is_exact = seen == len(candidates) < plan.candidates
    total = len(passing)
    if plan.sort is not None:
        passing = _sort(passing, plan.sort)
    elif plan.diversity:
        passing = yield from _rearrange(plan, source, passing)
    return Ranking(_take(passing[plan.offset : plan.reaches]), total, is_exact, cosines)


def _rank_sorted(plan: SearchPlan, source: Source, sort: Sort) -> Steps[Ranking]:
    """The candidates, which are what the text is about, in the order of the sort."""
    candidates = yield from _ask_for(plan, source, plan.candidates)
    page = _sort(candidates, sort)[plan.offset : plan.reaches]
    return Ranking(_take(page), len(candidates), is_exact=len(candidates) < plan.candidates)


def _rank_diverse(plan: SearchPlan, source: Source) -> Steps[Ranking]:
    candidates = yield from _ask_for(plan, source, plan.pool)
    page = (yield from _rearrange(plan, source, candidates))[plan.offset : plan.reaches]
    return Ranking(_take(page), len(candidates), is_exact=len(candidates) < plan.pool)


def _rearrange(plan: SearchPlan, source: Source, points: Sequence[ScoredPoint]) -> Steps[list[ScoredPoint]]:
    """Pinned titles stay where they are: they were asked for by name. So does what comes after the largest pool, since
    the work grows with its square.

    References may lack every dense vector of the plan: then there is no measure, and the order stays.
    """
    if not points or not source.dense:
        return list(points)
    measure = source.dense[0].name
    most = DIVERSITY_POOL[1]
    best, others = points[:most], points[most:]
    stored = (yield [build_stored_vectors([point.id for point in best], [measure])])[0]
    vectors = {str(point.id): np.asarray(_get_vector(point, measure), np.float32) for point in stored if point.vector}
    pinned = {pin.point_id for pin in plan.pins}
    fixed = [point for point in best if str(point.id) in pinned]
    free = [point for point in best if str(point.id) not in pinned]
    order = rearrange(
        [point.score for point in free],
        [vectors.get(str(point.id)) for point in free],
        diversity=plan.diversity,
        count=plan.reaches,
    )
    return [*fixed, *(free[place] for place in order), *others]


def take_best(
    answers: Sequence[Sequence[ScoredPoint]], *, known: Mapping[str, float] | None = None
) -> dict[str, float]:
    """The best cosine of each point over the answers of all dense vectors, and what is known already."""
    best = dict(known or {})
    for answer in answers:
        for point in answer:
            best[str(point.id)] = max(point.score, best.get(str(point.id), -2.0))
    return best


def _ask_for(plan: SearchPlan, source: Source, count: int) -> Steps[Sequence[ScoredPoint]]:
    return (yield from source.fetch(limit=count, offset=0, payload=[plan.sort.path] if plan.sort else []))


def _sort(points: Sequence[ScoredPoint], sort: Sort) -> list[ScoredPoint]:
    """By the field; equals by relevance; those without it last."""
    having = [(value, point) for point in points if (value := _get_value(point, sort.path)) is not None]
    lacking = [point for point in points if _get_value(point, sort.path) is None]
    having.sort(key=lambda pair: pair[0], reverse=sort.order == "desc")
    return [*(point for _, point in having), *lacking]


def _get_value(point: ScoredPoint, path: str) -> Any:
    value: Any = point.payload or {}
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _get_vector(point: ScoredPoint, name: str) -> Any:
    return point.vector[name] if isinstance(point.vector, dict) else point.vector


def _take(points: Sequence[ScoredPoint]) -> tuple[Ranked, ...]:
    return tuple(Ranked(str(point.id), point.score) for point in points)
