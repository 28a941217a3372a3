"""Maximal marginal relevance: each next title is relevant and unlike those that are chosen already.

Carbonell and Goldstein 1998. Relevance is the fused score, so that it means what the whole plan means, rather than the
one vector that Qdrant's own MMR compares; unlikeness is measured on a dense vector.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def rearrange(
    scores: Sequence[float], vectors: Sequence[NDArray[np.float32] | None], *, diversity: float, count: int
) -> list[int]:
    """Places of the best `count` candidates in the order in which they are shown, then those of all others.

    `scores` are any numbers, the best first; `vectors` have length 1, and a candidate without one is unlike all others.
    `diversity` 0 leaves the order as it is, 1 looks at nothing but unlikeness.
    """
    if not scores:
        return []
    relevance = _scale(np.asarray(scores, np.float64))
    matrix = _stack(vectors)
    nearest = np.full(len(scores), -1.0)  # to any that is chosen; cosines are never below
    left = np.ones(len(scores), bool)
    chosen: list[int] = []
    for _ in range(min(count, len(scores))):
        penalty = np.maximum(nearest, 0.0) if chosen else np.zeros(len(scores))
        gain = np.where(left, (1.0 - diversity) * relevance - diversity * penalty, -np.inf)
        best = int(np.argmax(gain))
        chosen.append(best)
        left[best] = False
        nearest = np.maximum(nearest, matrix @ matrix[best])
    return [*chosen, *np.flatnonzero(left).tolist()]


def _scale(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Between 0 and 1, since fused scores have no unit."""
    low, high = scores.min(), scores.max()
    return (scores - low) / (high - low) if high > low else np.ones_like(scores)


def _stack(vectors: Sequence[NDArray[np.float32] | None]) -> NDArray[np.float32]:
    dimension = next((len(vector) for vector in vectors if vector is not None), 1)
    nothing = np.zeros(dimension, np.float32)
    return np.stack([nothing if vector is None else vector for vector in vectors])
