"""A search by text and one by picture as one list: the scores of both sides made comparable, weighed and added.

A side's candidates are compared with each other first: a score counts as 0 where it is three deviations below the mean
of the candidates, as one half at the mean, and as 1 three deviations above it, and beyond for what stands out further.
So a title that both sides find comes before those that one side likes somewhat better, and a picture that is plainly
there goes to the top by itself. A title that a side does not find gets nothing from it.
How this was chosen: docs/decisions/0013-picture-search.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from search.plan import PictureSide, PlannedVector, SearchPlan
from search.qdrant_query import PointId, QueryBuilder, QueryRequest, ScoredPoint
from search.rank import Ranked
from search.sources import Source
from search.steps import Steps, join_steps

_DIGITS = 6
_DEVIATIONS = 3.0
# Sums of equal numbers are not always equal themselves.
_FLAT = 1e-9


@dataclass(frozen=True, slots=True)
class Side:
    """One side's candidates: what each of them gets from it, before its weight, and the scores that it was made of."""

    weight: float
    shares: Mapping[str, float]
    scores: Mapping[str, float]


def normalise(scores: Mapping[str, float], *, pinned: Mapping[str, float] | None = None) -> dict[str, float]:
    """Scores of candidates by their distribution: the mean is one half, six deviations are 1, and nothing is below 0.

    `pinned` says how much a title gained because the text names it: that is no measure for the others, so it is taken
    off, and a named title is as good as the best of the side and no less than 1.
    """
    pinned = pinned or {}
    plain = {point_id: score - pinned.get(point_id, 0.0) for point_id, score in scores.items()}
    if not plain:
        return {}
    values = np.fromiter(plain.values(), np.float64, len(plain))
    mean, span = float(values.mean()), 2 * _DEVIATIONS * float(values.std())
    # One candidate, or all alike: found, and no more is to be said.
    found = {key: max(0.0, 0.5 + (score - mean) / span) if span > _FLAT else 0.5 for key, score in plain.items()}
    best = max(1.0, *found.values())
    return {key: best if key in pinned else share for key, share in found.items()}


def add_sides(sides: Sequence[Side]) -> list[tuple[str, float]]:
    """Point ids with the sum of what the sides give them, the best first; equals by id, so that pages join."""
    totals: dict[str, float] = {}
    for side in sides:
        for point_id, share in side.shares.items():
            totals[point_id] = totals.get(point_id, 0.0) + side.weight * share
    return sorted(totals.items(), key=lambda pair: (-pair[1], pair[0]))


class TwoSides:
    """The source of a plan that has another one beside it."""

    is_plain = False

    def __init__(self, plan: SearchPlan, beside: PictureSide, *, text: Source, picture: Source) -> None:
        self._plan = plan
        self._beside = beside
        self._text = text
        self._picture = picture

    @property
    def builder(self) -> QueryBuilder:
        """Both sides show the same payloads."""
        return self._text.builder

    @property
    def used(self) -> Sequence[PlannedVector]:
        """The vectors of both sides."""
        return [*self._text.used, *self._picture.used]

    @property
    def dense(self) -> Sequence[PlannedVector]:
        """Those that give a cosine."""
        return [*self._text.dense, *self._picture.dense]

    @property
    def known_cosines(self) -> Mapping[str, float]:
        """What either side knows."""
        return {**self._text.known_cosines, **self._picture.known_cosines}

    def fetch(self, *, limit: int, offset: int, payload: Sequence[str] = ()) -> Steps[Sequence[ScoredPoint]]:
        """The candidates of both sides, whatever part is wanted: what a score is worth depends on all of them."""
        answers = yield from join_steps([self._fetch_side(side, payload) for side in (self._text, self._picture)])
        points = {str(point.id): point for answer in answers for point in answer}
        totals = add_sides(self._weigh(*answers))
        return [
            points[point_id].model_copy(update={"score": total}) for point_id, total in totals[offset : offset + limit]
        ]

    def build_cosines(self, ids: Sequence[PointId]) -> list[QueryRequest]:
        """Requests of both sides."""
        return [*self._text.build_cosines(ids), *self._picture.build_cosines(ids)]

    def explain(self, points: Sequence[Ranked]) -> Steps[dict[str, dict[str, Any]]]:
        """The explanations of both sides, each scaled to what its side gave; the shares of both add up to 1."""
        answers = yield from join_steps([self._fetch_side(side, ()) for side in (self._text, self._picture)])
        sides = self._weigh(*answers)
        asked = [[Ranked(one.point_id, side.scores.get(one.point_id, 0.0)) for one in points] for side in sides]
        explained = yield from join_steps([self._text.explain(asked[0]), self._picture.explain(asked[1])])
        return {
            point.point_id: _join_explanations(
                point.point_id, sides, [found.get(point.point_id, {}) for found in explained]
            )
            for point in points
        }

    def _fetch_side(self, side: Source, payload: Sequence[str]) -> Steps[Sequence[ScoredPoint]]:
        if not side.used:
            return []
        return (yield from side.fetch(limit=self._plan.candidates, offset=0, payload=payload))

    def _weigh(self, text: Sequence[ScoredPoint], picture: Sequence[ScoredPoint]) -> tuple[Side, Side]:
        pinned = {pin.point_id: pin.score for pin in self._plan.pins}
        scores = {str(point.id): point.score for point in text}
        seen = {str(point.id): point.score for point in picture}
        return (
            Side(self._beside.text_weight, normalise(scores, pinned=pinned), scores),
            Side(self._beside.image_weight, normalise(seen), seen),
        )


def _join_explanations(point_id: str, sides: Sequence[Side], explained: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    given = [side.weight * side.shares.get(point_id, 0.0) for side in sides]
    total = sum(given)
    # From a side's own scores to what the side counts here.
    factors = [_divide(part, float(one.get("score", 0.0))) for part, one in zip(given, explained, strict=True)]
    parts = list(zip(factors, explained, strict=True))
    agreeing = sum(side.weight * (one.get("confidence") or 0.0) for side, one in zip(sides, explained, strict=True))
    return {
        "score": round(total, _DIGITS),
        "confidence": round(agreeing, 4),
        "sides": {
            name: {
                "weight": round(side.weight, 4),
                "score": round(side.scores[point_id], _DIGITS) if point_id in side.scores else None,
                "normalised": round(side.shares.get(point_id, 0.0), _DIGITS),
                "contribution": round(part, _DIGITS),
                "share": round(_divide(part, total), _DIGITS),
            }
            for name, side, part in zip(("text", "picture"), sides, given, strict=True)
        },
        "vectors": {
            name: _scale(shown, factor, total)
            for factor, one in parts
            for name, shown in one.get("vectors", {}).items()
        },
        **{
            kind: [_scale(shown, factor, total) for factor, one in parts for shown in one.get(kind, [])]
            for kind in ("boosts", "named")
        },
    }


def _scale(part: Mapping[str, Any], factor: float, total: float) -> dict[str, Any]:
    contribution = part["contribution"] * factor
    return {**part, "contribution": round(contribution, _DIGITS), "share": round(_divide(contribution, total), _DIGITS)}


def _divide(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
