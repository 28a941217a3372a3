"""Two sides as one list: what a score of each is worth, what names do, and how explanations are joined."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import pytest
from qdrant_client import models

from core.query_picture import QueryPicture
from core.settings import Settings
from search.pictures.planning import build_multimodal_plan
from search.pictures.request import MultimodalRequest
from search.plan import SearchPlan
from search.qdrant_query import QueryBuilder, QueryRequest, ScoredPoint
from search.rank import Ranked
from search.sides import Side, TwoSides, add_sides, normalise
from search.steps import Steps, run_steps

_PICTURE = QueryPicture("a" * 64, b"", 1, 1)


def test_candidates_are_measured_by_their_own_spread() -> None:
    """The mean counts one half, three deviations above it 1, nothing below 0, in whatever units the scores are."""
    scores = {"a": 1.0, "b": 1.0, "c": 1.0, "d": 5.0}
    shares = normalise(scores)
    deviation = 3**0.5
    assert shares["a"] == pytest.approx(0.5 - 1.0 / (6 * deviation))
    assert shares["d"] == pytest.approx(0.5 + 3.0 / (6 * deviation))
    assert normalise({**{str(n): 1.0 for n in range(99)}, "far": -50.0})["far"] == 0.0
    scaled = normalise({key: 100.0 * score - 7.0 for key, score in scores.items()})
    assert scaled == pytest.approx(shares)


def test_an_outlier_says_more_than_the_best_of_many_alike() -> None:
    """A picture that is plainly there goes further up than the first of a side that finds everything alike."""
    plain = normalise({**{str(n): 0.5 + n / 1_000 for n in range(50)}, "copy": 0.99})
    alike = normalise({str(n): 0.5 + n / 1_000 for n in range(51)})
    assert plain["copy"] > 1.5 and max(alike.values()) < 0.8


def test_few_or_equal_candidates_are_simply_found() -> None:
    """Nothing is known of their spread: each counts as the mean does."""
    assert normalise({}) == {}
    assert normalise({"a": 0.2}) == {"a": 0.5}
    assert normalise({"a": 0.1 + 0.2, "b": 0.3}) == {"a": 0.5, "b": 0.5}


def test_a_named_title_is_the_best_of_its_side() -> None:
    """What it gained by its name is no measure for the others, and it is never below any of them."""
    scores = {"a": 1.0, "b": 2.0, "c": 6.0, "named": 1_001.0, "lost": 950.0}
    shares = normalise(scores, pinned={"named": 1_000.0, "lost": 950.0})
    without = normalise({"a": 1.0, "b": 2.0, "c": 6.0, "named": 1.0, "lost": 0.0})
    assert shares["named"] == shares["lost"] == max(1.0, *without.values())
    assert shares["c"] == pytest.approx(without["c"])


def test_sides_add_up_and_ties_have_an_order() -> None:
    """A title that one side does not find gets nothing from it; equals come by id, so that pages join."""
    sides = [Side(0.75, {"a": 1.0, "b": 0.4}, {}), Side(0.25, {"b": 1.0, "c": 3.0}, {})]
    assert add_sides(sides) == [("a", 0.75), ("c", 0.75), ("b", pytest.approx(0.55))]


class Fixed:
    """A source with a fixed list."""

    is_plain = False
    known_cosines: ClassVar[dict[str, float]] = {}

    def __init__(self, plan: SearchPlan, scores: dict[str, float]) -> None:
        self.builder = QueryBuilder(plan, {}, get_ef=lambda _: 64)
        self.used = plan.vectors
        self.dense = plan.dense
        self._scores = scores
        self.asked: list[int] = []

    def fetch(self, *, limit: int, offset: int, payload: Sequence[str] = ()) -> Steps[Sequence[ScoredPoint]]:
        """The list, after one round trip."""
        self.asked.append(limit)
        yield [models.QueryRequest(limit=limit)]
        return [ScoredPoint(id=key, version=0, score=score) for key, score in self._scores.items()]

    def build_cosines(self, ids: Sequence[Any]) -> list[QueryRequest]:
        """None."""
        return []

    def explain(self, points: Sequence[Ranked]) -> Steps[dict[str, dict[str, Any]]]:
        """All of a score by one vector."""
        yield []
        name = self.used[0].name
        return {
            one.point_id: {
                "score": one.score,
                "confidence": 1.0 if one.score else 0.0,
                "vectors": {name: {"weight": 1.0, "contribution": one.score, "share": 1.0}},
                "boosts": [],
                "named": [],
            }
            for one in points
        }


def build_plan(**more: Any) -> SearchPlan:
    """A plan for both."""
    request = MultimodalRequest(query="robots", picture=_PICTURE, **more)
    return build_multimodal_plan(request, Settings(_env_file=None))


def join(plan: SearchPlan, text: dict[str, float], picture: dict[str, float]) -> tuple[TwoSides, list[int]]:
    """The source of both lists, and how many round trips are made."""
    assert plan.beside is not None
    sides = [Fixed(plan, text), Fixed(plan.beside.plan, picture)]
    return TwoSides(plan, plan.beside, text=sides[0], picture=sides[1]), sides[0].asked


def test_pages_are_cut_from_one_list() -> None:
    """Both sides are asked in one round trip, equally deep for every page of a depth, and pages join."""
    text = {f"t{n}": 10.0 - n for n in range(8)}
    picture = {f"p{n}": 0.9 - n / 10 for n in range(4)} | {"t3": 0.95}
    plan = build_plan(limit=3)
    source, asked = join(plan, text, picture)
    trips: list[int] = []

    def ask(requests: Sequence[QueryRequest]) -> list[list[ScoredPoint]]:
        trips.append(len(requests))
        return [[] for _ in requests]

    pages = [run_steps(source.fetch(limit=4, offset=start), ask) for start in (0, 4, 8)]
    whole = run_steps(source.fetch(limit=12, offset=0), ask)
    assert [point.id for page in pages for point in page] == [point.id for point in whole]
    assert len(whole) == 12 and trips == [2, 2, 2, 2]
    assert set(asked) == {plan.candidates}


def test_explanations_add_up_to_the_score() -> None:
    """What each side gave is shared among its parts; a title that one side lacks has nothing from it."""
    source, _ = join(build_plan(text_weight=1, image_weight=3), {"a": 4.0, "b": 1.0, "c": 1.0}, {"a": 0.9, "d": 0.1})

    def ask(requests: Sequence[QueryRequest]) -> list[list[ScoredPoint]]:
        return [[] for _ in requests]

    points = [Ranked(str(one.id), one.score) for one in run_steps(source.fetch(limit=9, offset=0), ask)]
    explained = run_steps(source.explain(points), ask)
    for point in points:
        shown = explained[point.point_id]
        assert shown["score"] == pytest.approx(point.score, abs=1e-5)
        parts = sum(one["contribution"] for one in shown["vectors"].values())
        assert parts == pytest.approx(point.score, abs=1e-5)
    assert explained["a"]["sides"]["picture"]["weight"] == 0.75
    assert explained["b"]["sides"]["picture"]["score"] is None
    assert explained["d"]["sides"]["text"]["contribution"] == 0.0
