"""Ways to make one list of a text's and a picture's: that of the search itself, and the others that were weighed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from evaluation.asking import Ranked
from search.sides import Side, add_sides, normalise

# {slug: what it counts}, from one side's candidates.
Shares = Mapping[str, float]
_RRF_K: Final = 60
_DEVIATIONS: Final = 3.0


def share_as_the_search(side: Ranked) -> Shares:
    """By the very function of the search, `search.sides.normalise`."""
    return normalise(dict(zip(side.slugs, side.scores, strict=True)))


def share_above_mean(side: Ranked) -> Shares:
    """Deviations above the mean of the candidates; those below it are as good as not found."""
    return {slug: max(0.0, share) for slug, share in _deviate(side, np.mean).items()}


def share_above_worst(side: Ranked) -> Shares:
    """Deviations above the worst candidate."""
    return _deviate(side, np.min)


def share_by_range(side: Ranked) -> Shares:
    """From 0, the worst candidate, to 1, the best."""
    if not side.slugs:
        return {}
    scores = np.asarray(side.scores)
    span = float(scores.max() - scores.min())
    shares = (scores - scores.min()) / span if span else np.ones_like(scores)
    return dict(zip(side.slugs, shares.tolist(), strict=True))


def share_by_rank(side: Ranked) -> Shares:
    """Reciprocal ranks with the usual k of 60."""
    return {slug: 1 / (_RRF_K + place) for place, slug in enumerate(side.slugs, start=1)}


def share_by_score(side: Ranked) -> Shares:
    """The scores as they are."""
    return dict(zip(side.slugs, side.scores, strict=True))


def _deviate(side: Ranked, from_what: Callable[[NDArray[np.float64]], Any]) -> Shares:
    if not side.slugs:
        return {}
    scores = np.asarray(side.scores, np.float64)
    span = _DEVIATIONS * float(scores.std())
    shares = (scores - from_what(scores)) / span if span else np.ones_like(scores)
    return dict(zip(side.slugs, shares.tolist(), strict=True))


OURS: Final = "distribution"
FUSIONS: Final[Mapping[str, Callable[[Ranked], Shares]]] = {
    OURS: share_as_the_search,
    "deviations above the mean": share_above_mean,
    "deviations above the worst": share_above_worst,
    "range": share_by_range,
    "ranks (k 60)": share_by_rank,
    "scores": share_by_score,
}


def join(text: Shares, picture: Shares, *, image_weight: float, limit: int) -> tuple[str, ...]:
    """Slugs, best first. At a weight of 0 or 1 one side alone counts, as in the search."""
    sides = (Side(1 - image_weight, text, {}), Side(image_weight, picture, {}))
    return tuple(slug for slug, _ in add_sides([side for side in sides if side.weight > 0])[:limit])


def join_all(
    texts: Sequence[Ranked], pictures: Sequence[Ranked], fusion: str, *, image_weight: float, limit: int
) -> list[tuple[str, ...]]:
    """The joined list of every query."""
    share = FUSIONS[fusion]
    pairs = zip(texts, pictures, strict=True)
    return [join(share(text), share(picture), image_weight=image_weight, limit=limit) for text, picture in pairs]
