"""The imitated fusions, and the choice of weights, on lists small enough to reckon by hand."""

from __future__ import annotations

import numpy as np
import pytest

from evaluation.asking import Ranked
from evaluation.catalogue import Title
from evaluation.choosing import choose_recipes
from evaluation.fusing import CandidateLists, Recipe
from evaluation.trying import get_boosts, holds
from search.filters import AllOf, Match, Range
from search.plan import Fusion
from search.ranking import SPARSE_HALF

TITLE, LEXICAL = "title_vector", "lexical_sparse"


def make_lists(relevant: str = "c", **popularity: float) -> CandidateLists:
    """One query: the dense list is a, b, c and the lexical one c, a."""
    lists = {
        TITLE: [Ranked(("a", "b", "c"), (0.9, 0.8, 0.4))],
        LEXICAL: [Ranked(("c", "a"), (30.0, 10.0))],
    }
    return CandidateLists(lists, [{relevant: 1}], popularity=popularity)


def make_recipe(fusion: Fusion, lexical: float = 1.0, *, k: int = 2, popularity: float = 0.0) -> Recipe:
    """The dense vector at weight 1."""
    return Recipe(fusion, {TITLE: 1.0, LEXICAL: lexical}, k, popularity)


def get_order(lists: CandidateLists, recipe: Recipe) -> str:
    """The candidates a, b, c in their order."""
    return "".join(lists.rank(recipe)[0])


def test_rank_fusion_stretches_ranks_by_the_weight() -> None:
    """a: 1/2 + 1/3, c: 1/4 + 1/2, b: 1/3; with the weight 4 the second of the lexical list gains, and a stays ahead."""
    assert get_order(make_lists(), make_recipe(Fusion.RRF)) == "acb"
    assert get_order(make_lists(), make_recipe(Fusion.RRF, lexical=0.0)) == "abc"


def test_distribution_fusion_adds_normalised_scores() -> None:
    """Of two scores the mean less and plus a deviation of 1/sqrt(2) parts: .618 and .382 of the lexical list."""
    dense = np.array([0.9, 0.8, 0.4])
    normalised = (dense - dense.mean() + 3 * dense.std(ddof=1)) / (6 * dense.std(ddof=1))
    deviation = np.std([30.0, 10.0], ddof=1)
    lexical = {"c": (10 + 3 * deviation) / (6 * deviation), "a": (-10 + 3 * deviation) / (6 * deviation), "b": 0.0}
    expected = {"a": normalised[0] + lexical["a"], "b": normalised[1], "c": normalised[2] + lexical["c"]}
    order = get_order(make_lists(), make_recipe(Fusion.DBSF))
    assert order == "".join(sorted(expected, key=lambda slug: -expected[slug]))


def test_the_weighted_sum_brings_sparse_scores_below_one() -> None:
    """With a large lexical weight its first title leads, with a small one the dense list decides."""
    assert SPARSE_HALF[LEXICAL] == pytest.approx(10.0)
    assert get_order(make_lists(), make_recipe(Fusion.LINEAR, lexical=4.0)) == "cab"
    assert get_order(make_lists(), make_recipe(Fusion.LINEAR, lexical=0.25)) == "abc"


def test_popularity_multiplies() -> None:
    """A title twice as strong overtakes."""
    assert get_order(make_lists(b=2.0), make_recipe(Fusion.LINEAR, lexical=0.0, popularity=1.0)) == "bac"


def test_ndcg_is_one_where_the_right_title_leads() -> None:
    """The measure that weights are chosen by."""
    assert make_lists("a").measure(make_recipe(Fusion.RRF)).tolist() == [1.0]
    assert make_lists("b").measure(make_recipe(Fusion.RRF)).tolist() == [0.5]


def test_a_query_without_candidates_scores_zero() -> None:
    """Nothing found is nothing gained, and no error."""
    lists = {TITLE: [Ranked((), ()), Ranked(("a",), (0.5,))]}
    measured = CandidateLists(lists, [{"a": 1}, {"a": 1}], popularity={}).measure(
        Recipe(Fusion.DBSF, {TITLE: 1.0}, 60, 0.0)
    )
    assert measured.tolist() == [0.0, 1.0]


def test_weights_are_chosen_on_one_half_and_reported_on_the_other() -> None:
    """The lexical list is always right, so every fusion turns to it; the other half says by how much."""
    right, wrong = Ranked(("r", "w"), (20.0, 10.0)), Ranked(("w", "v", "u", "r"), (0.9, 0.8, 0.7, 0.1))
    lists = CandidateLists({TITLE: [wrong] * 20, LEXICAL: [right] * 20}, [{"r": 1}] * 20, popularity={})
    present = Recipe(Fusion.RRF, {TITLE: 4.0, LEXICAL: 0.25}, 2, 0.0)
    is_reported = np.arange(20) % 2 == 1
    choices = choose_recipes(lists, present, is_reported=is_reported, seed=1)
    assert set(choices) == {"present", "rrf", "dbsf", "linear"}
    assert choices["present"].recipe == present
    assert choices["present"].reported_on < 1.0
    assert all(choices[name].reported_on == 1.0 for name in ("rrf", "linear"))
    assert choices["rrf"].test.difference > 0


def test_boosts_are_those_of_the_search() -> None:
    """A title of the same form and year with a good score gains all there is, another one nothing."""
    reference = Title("a", {"title": "A", "type": "TV", "year": 2010})
    same = Title("b", {"title": "B", "type": "TV", "year": 2011, "score": 8.5})
    other = Title("c", {"title": "C", "type": "MOVIE", "year": 1980, "score": 5.0})
    gained = get_boosts(reference, [same, other])
    assert gained["b"] > 1.0
    assert gained["c"] == 0


def test_conditions_hold_as_the_engine_has_it() -> None:
    """Lists hold what is among them, ranges have their bounds, and what is not known fulfils nothing."""
    document = {"genres": ["action", "drama"], "year": 2010}
    assert holds(Match("genres", ("drama",)), document)
    assert not holds(Match("type", ("TV",)), document)
    assert holds(Range("year", gte=2010, lt=2011), document)
    assert not holds(Range("year", gt=2010), document)
    assert not holds(Range("score", gte=1), document)
    with pytest.raises(TypeError, match="AllOf"):
        holds(AllOf(()), document)
