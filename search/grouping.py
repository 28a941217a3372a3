"""Titles by the best of their pictures: the pictures that were found, grouped by title (TITLE_PICTURES=group).

The pictures come from another collection than the titles, so they are found first; here they are a list of titles with
a cosine each, of which the filter of the search leaves some.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from search.plan import PlannedVector, SearchPlan
from search.qdrant_query import BOOST_FIELD, PointId, QueryBuilder, QueryRequest, ScoredPoint
from search.rank import Ranked
from search.steps import Steps

_DIGITS = 6


@dataclass(frozen=True, slots=True)
class BestPicture:
    """The picture of a title that is most like the query, the vector that stands for its kind, and the cosine."""

    picture_id: str
    vector: str
    cosine: float


# By the point id of the title.
GroupedHits = Mapping[str, BestPicture]


class GroupedSource:
    """Ranks titles by their best picture; a popularity counts as it does for vectors."""

    def __init__(self, plan: SearchPlan, hits: GroupedHits, builder: QueryBuilder) -> None:
        self._plan = plan
        self._hits = hits
        self._weights = {vector.name: vector.weight for vector in plan.vectors}
        self.builder = builder

    @property
    def used(self) -> Sequence[PlannedVector]:
        """What the kinds of pictures are called among the vectors of titles."""
        return self._plan.vectors

    @property
    def dense(self) -> Sequence[PlannedVector]:
        """All of them."""
        return self._plan.vectors

    @property
    def is_plain(self) -> bool:
        """Cosines are known, so a least similarity is judged in `search.rank` without asking anybody."""
        return False

    @property
    def known_cosines(self) -> Mapping[str, float]:
        """The cosine of each title's best picture."""
        return {point_id: hit.cosine for point_id, hit in self._hits.items()}

    def fetch(self, *, limit: int, offset: int, payload: Sequence[str] = ()) -> Steps[Sequence[ScoredPoint]]:
        """Those that pass the filter, the best first; equals by id, so that pages join."""
        if not self._hits:
            return []
        wanted = [*payload, BOOST_FIELD] if self._plan.popularity else payload
        answers = yield [self.builder.build_passing(list(self._hits), payload=wanted)]
        passing = [point.model_copy(update={"score": self._score(point)}) for point in answers[0]]
        passing.sort(key=lambda point: (-point.score, str(point.id)))
        return passing[offset : offset + limit]

    def build_cosines(self, ids: Sequence[PointId]) -> list[QueryRequest]:
        """None: they are known."""
        return []

    def explain(self, points: Sequence[Ranked]) -> Steps[dict[str, dict[str, Any]]]:
        """Which picture it was."""
        yield []
        return {point.point_id: self._explain(point) for point in points}

    def _score(self, point: ScoredPoint) -> float:
        base = self._get_base(str(point.id))
        if not self._plan.popularity:
            return base
        factor = (point.payload or {}).get(BOOST_FIELD, 1.0)
        return float(base * (1 + self._plan.popularity * (factor - 1.0)))

    def _get_base(self, point_id: str) -> float:
        hit = self._hits[point_id]
        return self._weights[hit.vector] * hit.cosine

    def _explain(self, point: Ranked) -> dict[str, Any]:
        if (hit := self._hits.get(point.point_id)) is None:
            return {"score": 0.0, "confidence": 0.0, "vectors": {}, "boosts": [], "named": []}
        base = self._get_base(point.point_id)
        shown = {
            "weight": self._weights[hit.vector],
            "similarity": round(hit.cosine, _DIGITS),
            "picture": hit.picture_id,
            "contribution": round(base, _DIGITS),
            "share": round(base / point.score, _DIGITS) if point.score else 0.0,
        }
        gained = point.score - base
        boost = {"what": BOOST_FIELD, "value": self._plan.popularity, "contribution": round(gained, _DIGITS)}
        boost["share"] = round(gained / point.score, _DIGITS) if point.score else 0.0
        return {
            "score": round(point.score, _DIGITS),
            "confidence": 1.0,
            "vectors": {hit.vector: shown},
            "boosts": [boost] if self._plan.popularity else [],
            "named": [],
        }
