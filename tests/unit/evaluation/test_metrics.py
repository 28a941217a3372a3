"""Metrics and tests of significance on lists small enough to reckon by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from evaluation.metrics import METRICS, compare, score_lists


def test_metrics_by_hand() -> None:
    """The first query finds its better title second, the other one nothing."""
    values = score_lists([{"a": 1, "b": 3}, {"c": 1}], [["x", "b"], ["y"]], list(METRICS))
    assert values["success@1"].tolist() == [0.0, 0.0]
    assert values["success@10"].tolist() == [1.0, 0.0]
    assert values["mrr"].tolist() == [0.5, 0.0]
    assert values["recall@20"].tolist() == [0.5, 0.0]
    ideal = 3 + 1 / math.log2(3)
    assert values["ndcg@10"].tolist() == pytest.approx([3 / math.log2(3) / ideal, 0.0])


def test_a_method_that_finds_nothing_at_all_scores_zero() -> None:
    """Empty lists are answers too."""
    values = score_lists([{"a": 1}, {"b": 1}], [[], []], ["ndcg@10"])
    assert values["ndcg@10"].tolist() == [0.0, 0.0]


def test_a_clear_difference_is_significant_and_no_difference_is_not() -> None:
    """Forty better queries of forty are no chance; equal values are."""
    better, worse = np.linspace(0.5, 0.9, 40), np.linspace(0.1, 0.3, 40)
    clear = compare(better, worse, seed=1)
    assert clear.difference == pytest.approx(0.5)
    assert clear.p_randomisation < 0.001
    assert clear.p_paired_t < 0.001
    assert compare(worse, worse, seed=1).p_randomisation == 1.0


def test_small_differences_both_ways_are_chance() -> None:
    """What one query gains another loses."""
    ours = np.array([0.5, 0.6] * 20)
    theirs = np.array([0.6, 0.5] * 20)
    test = compare(ours, theirs, seed=1)
    assert test.p_randomisation > 0.5
    assert test.p_paired_t > 0.5


def test_the_same_seed_gives_the_same_p() -> None:
    """A second run prints the same figures."""
    rng = np.random.default_rng(3)
    ours, theirs = rng.random(50), rng.random(50)
    assert compare(ours, theirs, seed=9) == compare(ours, theirs, seed=9)


def test_one_query_proves_nothing() -> None:
    """There is no variance to compare with."""
    assert compare(np.array([1.0]), np.array([0.0]), seed=1).p_randomisation == 1.0


def test_equal_gains_everywhere_are_told_by_the_randomisation() -> None:
    """Without variance t has no value, and is no error."""
    test = compare(np.full(20, 0.75), np.full(20, 0.5), seed=1)
    assert test.p_paired_t == 0.0
    assert test.p_randomisation < 0.001
