"""Titles by the best of their pictures: the pictures that were found, grouped by title (TITLE_PICTURES=group).

The pictures come from another collection than the titles, so they are found first; here they are a list of titles with
a cosine each, of which the filter of the search leaves some. Titles of which no picture is among those found, such as
all that a narrow filter leaves, are ranked by the mean of their pictures: a title counts for the better of both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from search.explain import explain
from search.plan import PlannedVector, SearchPlan
from search.qdrant_query import BOOST_FIELD, PointId, QueryBuilder, QueryRequest, ScoredPoint
from search.query_vectors import QueryVectors
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
    """Ranks titles by their best picture, else by the mean of them; a popularity counts for both alike."""

    # A title's score may be the cosine of a picture or of a mean: least similarities are judged in `search.rank`.
    is_plain = False

    def __init__(self, plan: SearchPlan, hits: GroupedHits, vectors: QueryVectors, builder: QueryBuilder) -> None:
        self._plan = plan
        self._hits = hits
        self._vectors = vectors
        self._weights = {vector.name: vector.weight for vector in plan.vectors}
        self.builder = builder

    @property
    def used(self) -> Sequence[PlannedVector]:
        """The picture vectors of titles; each stands for the pictures of its kind, too."""
        return self.builder.used

    @property
    def dense(self) -> Sequence[PlannedVector]:
        """All of them."""
        return self.builder.dense

    @property
    def known_cosines(self) -> Mapping[str, float]:
        """The cosine of each title's best picture."""
        return {point_id: hit.cosine for point_id, hit in self._hits.items()}

    def fetch(self, *, limit: int, offset: int, payload: Sequence[str] = ()) -> Steps[Sequence[ScoredPoint]]:
        """Those that pass the filter, the best first; equals by id, so that pages join."""
        wanted = [*payload, BOOST_FIELD] if self._plan.popularity else list(payload)
        requests = [self.builder.build_ranking(limit=self._plan.candidates, offset=0, payload=payload)]
        if self._hits:
            requests.append(self.builder.build_passing(list(self._hits), payload=wanted))
        means, *passing = yield requests
        best = {str(point.id): point for point in means}
        for point in passing[0] if passing else ():
            score, known = self._score(point), best.get(str(point.id))
            if known is None or score > known.score:
                best[str(point.id)] = point.model_copy(update={"score": score})
        ranked = sorted(best.values(), key=lambda point: (-point.score, str(point.id)))
        return ranked[offset : offset + limit]

    def build_cosines(self, ids: Sequence[PointId]) -> list[QueryRequest]:
        """Those of the means; those of the pictures are known."""
        return self.builder.build_cosines(ids)

    def explain(self, points: Sequence[Ranked]) -> Steps[dict[str, dict[str, Any]]]:
        """By the mean, or by which picture it was."""
        explained = yield from explain(self._plan, self.builder, self._vectors, points)
        for point in points:
            hit, by_mean = self._hits.get(point.point_id), explained[point.point_id]["score"]
            if hit is not None and point.score > by_mean - 10**-_DIGITS:
                explained[point.point_id] = self._explain(hit, point)
        return explained

    def _score(self, point: ScoredPoint) -> float:
        base = self._get_base(self._hits[str(point.id)])
        if not self._plan.popularity:
            return base
        factor = (point.payload or {}).get(BOOST_FIELD, 1.0)
        return float(base * (1 + self._plan.popularity * (factor - 1.0)))

    def _get_base(self, hit: BestPicture) -> float:
        return self._weights[hit.vector] * hit.cosine

    def _explain(self, hit: BestPicture, point: Ranked) -> dict[str, Any]:
        base = self._get_base(hit)
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
