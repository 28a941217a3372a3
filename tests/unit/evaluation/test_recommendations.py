"""Viewers' recommendations as gold, and what can be done without vectors."""

from __future__ import annotations

from typing import Any

from evaluation.baselines import Baselines
from evaluation.catalogue import Catalogue, Title
from evaluation.recommendations import build_anchors, grade_votes
from evaluation.shared_data import Recommendation

NOBODY: frozenset[str] = frozenset()


def make_title(slug: str, mal: int, **more: Any) -> Title:
    """A title known to MyAnimeList."""
    return Title(slug, {"title": slug, "external_ids": {"mal": mal}, **more})


def test_a_pair_counts_both_ways_and_relatives_do_not_count() -> None:
    """A sequel is no recommendation, and an id that the index does not have is passed over."""
    catalogue = Catalogue([make_title("a", 1), make_title("a-2", 2), make_title("b", 3)])
    relatives = {"a": frozenset({"a-2"}), "a-2": frozenset({"a"})}
    pairs = [Recommendation(1, 2, 50), Recommendation(1, 3, 6), Recommendation(3, 99, 9)]
    anchors = build_anchors(catalogue, pairs, lambda slug: relatives.get(slug, NOBODY), seed=1)
    assert [(anchor.slug, anchor.relevant) for anchor in anchors] == [("a", {"b": 2}), ("b", {"a": 2})]
    assert anchors[0].relatives == {"a-2"}


def test_a_franchise_is_in_one_half() -> None:
    """Titles that are relatives, even over a third one, are never on both sides of the split."""
    titles = [make_title(f"t{number:02}", number + 1) for number in range(40)]
    chain = {f"t{number:02}": frozenset({f"t{number + 1:02}"}) for number in range(9)}
    pairs = [Recommendation(number, number + 20, 5) for number in range(1, 21)]
    for seed in range(5):
        anchors = build_anchors(Catalogue(titles), pairs, lambda slug: chain.get(slug, NOBODY), seed=seed)
        halves = {anchor.slug: anchor.half for anchor in anchors}
        assert len({halves[f"t{number:02}"] for number in range(10)}) == 1
        assert set(halves.values()) == {0, 1}


def test_grades_grow_with_each_doubling() -> None:
    """Few votes are told from many, and very many do not drown the rest."""
    assert [grade_votes(votes) for votes in (3, 5, 6, 11, 12, 634)] == [1, 1, 2, 2, 3, 8]


def test_baselines_rank_as_they_say() -> None:
    """Popularity, shared genres and rare tags each have their own first title; those left out never come."""
    titles = [
        make_title("anchor", 1, genres=["action", "drama"], tags=["chess"]),
        make_title("popular", 2, popularity_score=0.9, genres=["comedy"]),
        make_title("alike", 3, popularity_score=0.1, genres=["action", "drama"]),
        make_title("chess", 4, popularity_score=0.2, genres=["action"], tags=["chess"]),
        make_title("sequel", 5, popularity_score=0.8, genres=["action", "drama"], tags=["chess"]),
    ]
    baselines, without = Baselines(Catalogue(titles)), frozenset({"anchor", "sequel"})
    assert baselines.rank_by_popularity(without, 2) == ("popular", "chess")
    assert baselines.rank_by_genres("anchor", without, 5) == ("alike", "chess")
    assert baselines.rank_by_tags("anchor", without, 5)[0] == "chess"
