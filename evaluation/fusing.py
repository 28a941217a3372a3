"""The fusions of the search, computed here: lists are asked for once, and then any weights can be tried on them.

An imitation, tested against the engine itself: rank fusion, distribution-based fusion, the weighted sum and the best
score as `search.qdrant_query` asks for them, with the factor of boosts and popularity around them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.vectors import BY_NAME
from evaluation.asking import Ranked
from search.plan import Fusion
from search.ranking import SPARSE_HALF

Matrix = NDArray[np.float64]
_CUT = 10
_DISCOUNTS = 1 / np.log2(np.arange(2, _CUT + 2))


@dataclass(frozen=True)
class Recipe:
    """What is chosen: a fusion with the weight of each vector (0: it takes no part), and the strength of popularity."""

    fusion: Fusion
    weights: Mapping[str, float]
    rrf_k: int
    popularity: float


class CandidateLists:
    """The candidates of all queries as matrices of shape (queries, most candidates of any of them).

    `lists` are by vector and query; `boosts` gives for each query and slug what conditions add to the factor, and
    `popularity` search_boost_factor by slug.
    """

    def __init__(
        self,
        lists: Mapping[str, Sequence[Ranked]],
        relevant: Sequence[Mapping[str, int]],
        *,
        popularity: Mapping[str, float],
        boosts: Sequence[Mapping[str, float]] | None = None,
    ) -> None:
        self.vectors = tuple(lists)
        self._candidates = [_join([lists[name][query] for name in lists]) for query in range(len(relevant))]
        shape = (len(self._candidates), max(map(len, self._candidates), default=0))
        self._present = np.zeros(shape, bool)
        self._positions = {name: np.full(shape, np.inf) for name in lists}
        self._scores = {name: np.zeros(shape) for name in lists}
        self._popularity, self._boosts, self._grades = np.ones(shape), np.zeros(shape), np.zeros(shape)
        for query, found in enumerate(self._candidates):
            places = {slug: place for place, slug in enumerate(found)}
            self._present[query, : len(found)] = True
            self._popularity[query, : len(found)] = [popularity.get(slug, 1.0) for slug in found]
            self._grades[query, : len(found)] = [relevant[query].get(slug, 0) for slug in found]
            if boosts is not None:
                self._boosts[query, : len(found)] = [boosts[query].get(slug, 0.0) for slug in found]
            for name in lists:
                columns = [places[slug] for slug in lists[name][query].slugs]
                self._positions[name][query, columns] = np.arange(len(columns))
                self._scores[name][query, columns] = lists[name][query].scores
        self._ideal = np.array([_get_ideal(grades) for grades in relevant])

    def measure(self, recipe: Recipe) -> NDArray[np.float64]:
        """NDCG@10 of every query."""
        grades = np.take_along_axis(self._grades, self._order(recipe), axis=1)
        gains = grades @ _DISCOUNTS[: grades.shape[1]]
        return np.asarray(gains / self._ideal, np.float64)

    def rank(self, recipe: Recipe) -> list[tuple[str, ...]]:
        """Slugs of the best ten candidates of every query, best first."""
        order = self._order(recipe).tolist()
        return [
            tuple(found[column] for column in columns if column < len(found))
            for columns, found in zip(order, self._candidates, strict=True)
        ]

    def _order(self, recipe: Recipe) -> NDArray[np.int64]:
        factor = 1 + recipe.popularity * (self._popularity - 1) + self._boosts
        scores = np.where(self._present, self._fuse(recipe) * factor, -np.inf)
        return np.argsort(-scores, axis=1, kind="stable")[:, :_CUT]

    def _fuse(self, recipe: Recipe) -> Matrix:
        used = {name: weight for name, weight in recipe.weights.items() if weight > 0}
        parts = [weight * self._normalise(name, recipe, weight) for name, weight in used.items()]
        join = np.max if recipe.fusion is Fusion.MAX else np.sum
        return np.asarray(join(parts, axis=0), np.float64)

    def _normalise(self, name: str, recipe: Recipe, weight: float) -> Matrix:
        """What a list adds at weight 1; nothing for those that are not in it."""
        present = np.isfinite(self._positions[name])
        if recipe.fusion is Fusion.RRF:
            # The weight stretches the rank, so it is taken out again here.
            return np.where(present, 1 / ((self._positions[name] + 1) / weight + recipe.rrf_k - 1) / weight, 0.0)
        scores: Matrix = self._scores[name]
        if recipe.fusion is Fusion.DBSF:
            return _normalise_by_distribution(scores, present)
        return scores / (scores + SPARSE_HALF[name]) if BY_NAME[name].is_sparse else scores


def _normalise_by_distribution(scores: Matrix, present: NDArray[np.bool_]) -> Matrix:
    """Mean less three deviations is 0, mean plus three is 1; a list of equal scores counts as one half."""
    counts = present.sum(axis=1, keepdims=True)
    mean = scores.sum(axis=1, keepdims=True) / np.maximum(counts, 1)
    squares = np.where(present, (scores - mean) ** 2, 0.0).sum(axis=1, keepdims=True)
    deviation = np.sqrt(squares / np.maximum(counts - 1, 1))
    # Sums of equal numbers are not always equal themselves.
    spread = np.where(deviation > 1e-9, 6 * deviation, 1.0)
    normalised = np.where(deviation > 1e-9, (scores - mean + 3 * deviation) / spread, 0.5)
    return np.where(present, normalised, 0.0)


def _join(lists: Sequence[Ranked]) -> list[str]:
    return sorted({slug for found in lists for slug in found.slugs})


def _get_ideal(grades: Mapping[str, int]) -> float:
    best = sorted(grades.values(), reverse=True)[:_CUT]
    return float(np.dot(best, _DISCOUNTS[: len(best)]))
