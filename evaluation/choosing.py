"""Weights by measurement: each parameter in turn takes the value that is best on one half, as long as that helps.

What was chosen is reported on the other half. The steps are coarse and a gain has to be worth naming, for a finer
choice would follow the noise of the half.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.fusing import CandidateLists, Recipe
from evaluation.metrics import Comparison, compare
from search.plan import Fusion
from search.ranking import DBSF_WEIGHTS

_WEIGHTS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)
_RRF_KS = (2, 5, 20, 60)
_POPULARITIES = (0.0, 0.5, 1.0, 2.5, 5.0)
# The best of several lists is for pictures; what texts and titles find adds up.
_FUSIONS = (Fusion.RRF, Fusion.DBSF, Fusion.LINEAR)
_ROUNDS = 3
_GAIN_MIN = 5e-4

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Choice:
    """A recipe with its NDCG@10 on the half that it was chosen on and on the other; `test` against the present one."""

    recipe: Recipe
    chosen_on: float
    reported_on: float
    test: Comparison

    def to_json(self) -> dict[str, Any]:
        """Rounded for a report."""
        recipe = self.recipe
        return {
            "fusion": recipe.fusion.value,
            **({"rrf_k": recipe.rrf_k} if recipe.fusion is Fusion.RRF else {}),
            "weights": {name: weight for name, weight in recipe.weights.items() if weight > 0},
            "popularity": recipe.popularity,
            "ndcg@10_chosen_on": round(self.chosen_on, 4),
            "ndcg@10_reported_on": round(self.reported_on, 4),
            "against_present_on_reported": self.test.to_json(),
        }


def choose_recipes(lists: CandidateLists, present: Recipe, *, is_reported: Mask, seed: int) -> dict[str, Choice]:
    """The best recipe of each fusion, and the present one, by name."""
    recipes = {"present": present}
    for fusion in _FUSIONS:
        recipes[fusion.value] = _climb(lists, _start(present, fusion, lists.vectors), ~is_reported)
    now = lists.measure(present)[is_reported]
    choices = {}
    for name, recipe in recipes.items():
        values = lists.measure(recipe)
        test = compare(values[is_reported], now, seed=seed)
        choices[name] = Choice(recipe, float(values[~is_reported].mean()), float(values[is_reported].mean()), test)
    return choices


def _start(present: Recipe, fusion: Fusion, vectors: tuple[str, ...]) -> Recipe:
    weights: Mapping[str, float] = {name: present.weights.get(name, 0.0) for name in vectors}
    if fusion is Fusion.DBSF:
        weights = {name: min(DBSF_WEIGHTS, key=lambda step: abs(step - weight)) if weight else 0.0
                   for name, weight in weights.items()}  # fmt: skip
    return replace(present, fusion=fusion, weights=weights)


def _climb(lists: CandidateLists, recipe: Recipe, mask: Mask) -> Recipe:
    best = lists.measure(recipe)[mask].mean()
    for _ in range(_ROUNDS):
        before = recipe
        for step in _get_steps(recipe):
            # Each step names one parameter: the others are as the last one left them.
            changed = replace(recipe, **step) if "weights" not in step else _with_weight(recipe, step["weights"])
            if changed is None:
                continue
            value = lists.measure(changed)[mask].mean()
            if value > best + _GAIN_MIN:
                best, recipe = value, changed
        if recipe == before:
            break
    return recipe


def _get_steps(recipe: Recipe) -> Iterator[dict[str, Any]]:
    weights = (0.0, *DBSF_WEIGHTS) if recipe.fusion is Fusion.DBSF else _WEIGHTS
    for name in recipe.weights:
        yield from ({"weights": (name, weight)} for weight in weights)
    if recipe.fusion is Fusion.RRF:
        yield from ({"rrf_k": k} for k in _RRF_KS)
    yield from ({"popularity": strength} for strength in _POPULARITIES)


def _with_weight(recipe: Recipe, change: tuple[str, float]) -> Recipe | None:
    weights = {**recipe.weights, change[0]: change[1]}
    return replace(recipe, weights=weights) if any(weights.values()) else None
