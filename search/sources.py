"""Where ranked points come from: the vectors of one plan. `search.sides` and `search.grouping` have the other sources.

What is done with the points afterwards (least similarities, sorts, diversity, pages) is the same for all of them, and
does not ask where they came from: see `search.rank`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from search.explain import explain
from search.plan import PlannedVector, SearchPlan
from search.qdrant_query import PointId, QueryBuilder, QueryRequest, ScoredPoint
from search.query_vectors import QueryVectors
from search.rank import Ranked
from search.steps import Steps


class Source(Protocol):
    """Finds the points of a plan. Every method that asks is made of steps."""

    @property
    def builder(self) -> QueryBuilder:
        """What asks for listings and payloads."""

    @property
    def used(self) -> Sequence[PlannedVector]:
        """The vectors that take part."""

    @property
    def dense(self) -> Sequence[PlannedVector]:
        """Those that give a cosine."""

    @property
    def is_plain(self) -> bool:
        """True if a point's score is its cosine, or the score of the one sparse vector."""

    @property
    def known_cosines(self) -> Mapping[str, float]:
        """Best cosines that need not be asked for, by point id."""

    def fetch(self, *, limit: int, offset: int, payload: Sequence[str] = ()) -> Steps[Sequence[ScoredPoint]]:
        """A part of the ranked list, the best first, with the named payload entries."""

    def build_cosines(self, ids: Sequence[PointId]) -> list[QueryRequest]:
        """Requests for the exact cosines of these points; a point without such a vector is missing in the answer."""

    def explain(self, points: Sequence[Ranked]) -> Steps[dict[str, dict[str, Any]]]:
        """Explanations by point id."""


class VectorSource:
    """The ranked list of one plan, as Qdrant makes it."""

    known_cosines: Mapping[str, float] = {}

    def __init__(self, plan: SearchPlan, vectors: QueryVectors, builder: QueryBuilder) -> None:
        self._plan = plan
        self._vectors = vectors
        self.builder = builder

    @property
    def used(self) -> Sequence[PlannedVector]:
        """Planned vectors that have a query side."""
        return self.builder.used

    @property
    def dense(self) -> Sequence[PlannedVector]:
        """Those that give a cosine."""
        return self.builder.dense

    @property
    def is_plain(self) -> bool:
        """True if the score is what the one vector gives."""
        return self.builder.is_plain

    def fetch(self, *, limit: int, offset: int, payload: Sequence[str] = ()) -> Steps[Sequence[ScoredPoint]]:
        """One request, whatever the plan says."""
        answers = yield [self.builder.build_ranking(limit=limit, offset=offset, payload=payload)]
        return answers[0]

    def build_cosines(self, ids: Sequence[PointId]) -> list[QueryRequest]:
        """A request for each dense vector."""
        return self.builder.build_cosines(ids)

    def explain(self, points: Sequence[Ranked]) -> Steps[dict[str, dict[str, Any]]]:
        """What each vector, boost and pin added."""
        return (yield from explain(self._plan, self.builder, self._vectors, points))
