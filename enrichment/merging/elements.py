"""Lists: every element is a claim of its own, with two kinds of error (Zhao et al., 2012, the latent truth model).

A source that lists something may leave a true element out and may add one that is not true. So its silence speaks
against an element as much as it usually is complete: a site that has a third of the labels says next to nothing by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, log
from typing import Final

from enrichment.merging.model import MergeModel, SourceQuality, clip
from enrichment.merging.rules import get_rule

# Above it an element is kept.
KEEP_FROM: Final = 0.5


@dataclass(frozen=True, slots=True)
class Listing:
    """Whether a source that lists something has this element."""

    source: str
    has: bool


def judge_element(name: str, model: MergeModel, listings: Sequence[Listing], *, label: str | None = None) -> float:
    """The probability that the element is true."""
    if not get_rule(name).silence:
        listings = [one for one in listings if one.has]
    qualities = [model.get_quality(name, one.source) for one in listings]
    weights = weigh_listings(name, model, listings, qualities)
    truth = clip(model.get_field(name).truth)
    score = log(truth / (1 - truth))
    for one, quality, weight in zip(listings, qualities, weights, strict=True):
        score += weight * _get_evidence(one, quality, label)
    return 1 / (1 + exp(-score)) if score > -500 else 0.0


def weigh_listings(
    name: str, model: MergeModel, listings: Sequence[Listing], qualities: Sequence[SourceQuality]
) -> list[float]:
    """How much of each word is its own: what agrees with an earlier source that it is made from is said once."""
    order = sorted(range(len(listings)), key=lambda place: (qualities[place].added, listings[place].source))
    weights = [1.0] * len(listings)
    for rank, place in enumerate(order):
        for earlier in order[:rank]:
            if listings[earlier].has == listings[place].has:
                weights[place] *= 1 - model.get_copied(name, listings[place].source, listings[earlier].source)
    return weights


def _get_evidence(one: Listing, quality: SourceQuality, label: str | None) -> float:
    left_out = clip(_get_left_out(quality.label_left_out, quality.left_out, label))
    added = clip(quality.added)
    return log((1 - left_out) / added) if one.has else log(left_out / (1 - added))


def _get_left_out(labels: Mapping[str, float], otherwise: float, label: str | None) -> float:
    return otherwise if label is None else labels.get(label, otherwise)
