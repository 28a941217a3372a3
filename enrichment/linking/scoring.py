"""The probability that a candidate is the title: a logistic model of two steps, and what it came to in truth.

The first step weighs what one candidate says by itself; the second sees the best of the others, too, for a title that
has a near rival is less sure than the same title alone. What comes out is mapped to the share that was right at such a
score among titles that the model had not learned from (isotonic). The parameters are made by `avs eval linking --fit`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from itertools import pairwise
from typing import Any, Final

import orjson

from enrichment.linking.features import Subject, describe, measure
from enrichment.providers.base import Candidate
from storage.database.enrichment_models import LinkState

# A provider that names an id of ours is as good as a table; one that names another is asked about, at best.
_NAMED: Final = 0.998
_NAMED_OTHERWISE: Final = 0.5
# Beyond it a gap says no more.
_GAP_MAX: Final = 8.0
_INTERCEPT: Final = "intercept"


Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Certainty:
    """What scores of one class of candidates came to.

    calibration  (score, share that was right), rising
    accept       the probability from which on candidates are linked
    """

    calibration: Points
    accept: float

    def calibrate(self, score: float) -> float:
        """The share that was right at this score: straight between the points, level beyond them."""
        points = self.calibration
        if score <= points[0][0]:
            return points[0][1]
        for (low, before), (high, after) in pairwise(points):
            if score <= high:
                return before + (after - before) * (score - low) / (high - low)
        return points[-1][1]


@dataclass(frozen=True, slots=True)
class LinkModel:
    """Weights of both steps by feature, and what came of it.

    known, bare  candidates whose year is known, and those of which it is not: among the latter are more mistakes
    review       the probability from which on a person is asked
    """

    alone: Mapping[str, float]
    among: Mapping[str, float]
    known: Certainty
    bare: Certainty
    review: float

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> LinkModel:
        """As `to_json` gave it."""
        return cls(
            alone=dict(value["alone"]),
            among=dict(value["among"]),
            known=_read_certainty(value["known"]),
            bare=_read_certainty(value["bare"]),
            review=float(value["review"]),
        )

    def to_json(self) -> dict[str, Any]:
        """For `model.json`."""
        return {
            "alone": dict(sorted(self.alone.items())),
            "among": dict(sorted(self.among.items())),
            **{
                name: {"accept": one.accept, "calibration": [list(point) for point in one.calibration]}
                for name, one in (("known", self.known), ("bare", self.bare))
            },
            "review": self.review,
        }

    def get_certainty(self, features: Mapping[str, float]) -> Certainty:
        """What holds for a candidate with these features."""
        return self.bare if "year_unknown" in features else self.known


def _read_certainty(value: Mapping[str, Any]) -> Certainty:
    points = tuple((float(score), float(share)) for score, share in value["calibration"])
    return Certainty(points, float(value["accept"]))


@dataclass(frozen=True, slots=True)
class Scored:
    """A candidate with its probability, what that makes of it, and the reasons in words."""

    candidate: Candidate
    probability: float
    state: LinkState
    why: tuple[str, ...]


@lru_cache(maxsize=1)
def load_model() -> LinkModel:
    """The parameters that come with us."""
    return LinkModel.from_json(orjson.loads(files("enrichment.linking").joinpath("model.json").read_bytes()))


def score_candidates(subject: Subject, candidates: Sequence[Candidate], model: LinkModel) -> list[Scored]:
    """All candidates, the most probable first; equal ones by their ids, so that the order is the same everywhere."""
    measured = [measure(subject, candidate) for candidate in candidates]
    alone = [weigh(model.alone, features) for features in measured]
    scored = [
        _score(candidate, features, weigh(model.among, measure_among(alone, place, features)), model)
        for place, (candidate, features) in enumerate(zip(candidates, measured, strict=True))
    ]
    return sorted(scored, key=lambda one: (-one.probability, one.candidate.external_id))


def _score(candidate: Candidate, features: Mapping[str, float], score: float, model: LinkModel) -> Scored:
    certainty = model.get_certainty(features)
    probability = round(_heed_ids(certainty.calibrate(score), features), 4)
    if probability >= certainty.accept and "ids_differ" not in features:
        state = LinkState.LINKED
    else:
        state = LinkState.DOUBTFUL if probability >= model.review else LinkState.NONE
    return Scored(candidate, probability, state, tuple(describe(features)))


def _heed_ids(probability: float, features: Mapping[str, float]) -> float:
    if "ids_differ" in features:
        return min(probability, _NAMED_OTHERWISE)
    return max(probability, _NAMED) if "ids_same" in features else probability


def measure_among(alone: Sequence[float], place: int, features: Mapping[str, float]) -> dict[str, float]:
    """Features of the second step: the score alone, and how far the best other one is away."""
    own = alone[place]
    rival = max((score for other, score in enumerate(alone) if other != place), default=None)
    gap = _GAP_MAX if rival is None else max(-_GAP_MAX, min(_GAP_MAX, own - rival))
    found = {
        "alone": own,
        "gap": gap,
        "behind": float(gap < 0),
        "close": float(0 <= gap < 1),
        "lonely": float(rival is None),
    }
    # With fewer facts the same gap says less.
    unknown = [name for name in ("year_unknown", "type_unknown", "episodes_unknown") if name in features]
    return {**found, **{f"gap_{name}": gap for name in unknown}, **dict.fromkeys(unknown, 1.0)}


def weigh(weights: Mapping[str, float], features: Mapping[str, float]) -> float:
    """Log odds."""
    total = weights.get(_INTERCEPT, 0.0)
    return total + math.fsum(weights.get(name, 0.0) * value for name, value in features.items())
