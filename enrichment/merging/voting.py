"""One value of several that are said: Bayes over sources that err, grow old and copy from each other.

Every source has an accuracy A in a field. Where the truth is t it says t with probability A, a value that is easily
taken for t (`Rule.near`) with half of the rest, and any of the other wrong values with what is left; of labels, it
says what it was seen to say where t is the truth (Dawid and Skene, 1979). A word of some age was overtaken by a change
with probability 1 - exp(-change · age), and then says nothing. The log-probabilities of sources that say the same are
added, less what one has from another (Dong, Berti-Equille and Srivastava, 2009). Where only
two speak and contradict each other, the shares are then set right by what such pairs taught (`conflicts`).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from math import exp, log
from typing import Final

from enrichment.merging.model import FieldModel, MergeModel, SourceQuality, clip
from enrichment.merging.rules import Kind, Rule, get_rule

# Of the wrong words, those that are near the truth, and how many values are near one.
_NEAR_SHARE: Final = 0.5
_NEAR_VALUES: Final = 2.0
_LEAST: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Vote:
    """A source's word, as its key. `age_years`: how much older than the newest word on the title.

    `unsettled_years`: the part of it in which the title was not out yet, or not over, and the fact could change.
    """

    source: str
    key: Hashable
    age_years: float = 0.0
    unsettled_years: float = 0.0


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for a value: the log of its probability, and by source how much of the word is its own, 0 to 1."""

    odds: float
    weights: Mapping[str, float]


class Voting:
    """The votes of one field of one title, under a model. Votes are of different sources each."""

    def __init__(self, name: str, model: MergeModel, *, airing: bool = False) -> None:
        self._name = name
        self._model = model
        self._rule: Rule = get_rule(name)
        self._field: FieldModel = model.get_field(name)
        self._airing = airing

    def decide(self, votes: Sequence[Vote]) -> dict[Hashable, float]:
        """{key: probability that it is the true one}, the best first. The sum is 1 or less: all may be wrong."""
        chances = self.judge(votes)
        if not is_pair(votes) or not self._field.in_conflict:
            return chances
        scores = {
            key: self._field.odds_weight * one.odds
            + sum(weight * self._field.in_conflict.get(source, 0.0) for source, weight in one.weights.items())
            for key, one in self.build_evidence(votes).items()
        }
        highest = max(scores.values())
        masses = {key: exp(score - highest) for key, score in scores.items()}
        # That none of them is true is as probable as before.
        share = sum(chances.values()) / sum(masses.values())
        return {key: masses[key] * share for key in sorted(masses, key=lambda key: (-masses[key], repr(key)))}

    def build_evidence(self, votes: Sequence[Vote]) -> dict[Hashable, Evidence]:
        """{key: what speaks for it}, the more probable first."""
        weights = self.weigh(votes, [self._model.get_quality(self._name, vote.source) for vote in votes])
        chances = self.judge(votes)
        own: dict[Hashable, dict[str, float]] = {key: {} for key in chances}
        for vote, weight in zip(votes, weights, strict=True):
            own[vote.key][vote.source] = weight
        return {key: Evidence(log(max(chance, _LEAST)), own[key]) for key, chance in chances.items()}

    def judge(self, votes: Sequence[Vote]) -> dict[Hashable, float]:
        """The same by Bayes alone, as if sources erred by chance also where two contradict each other."""
        qualities = [self._model.get_quality(self._name, vote.source) for vote in votes]
        weights = self.weigh(votes, qualities)
        said = sorted({vote.key for vote in votes}, key=repr)
        rest = self._build_rest(said)
        scores: dict[Hashable, float] = {}
        for truth, share in [*((key, self._get_prior(key)) for key in said), *rest]:
            scores[truth] = log(max(share, _LEAST)) + sum(
                weight * log(max(self._get_likelihood(vote, truth, quality), _LEAST))
                for vote, quality, weight in zip(votes, qualities, weights, strict=True)
            )
        highest = max(scores.values())
        masses = {key: exp(score - highest) for key, score in scores.items()}
        total = sum(masses.values())
        return {key: masses[key] / total for key in sorted(said, key=lambda key: (-masses[key], repr(key)))}

    def weigh(self, votes: Sequence[Vote], qualities: Sequence[SourceQuality]) -> list[float]:
        """How much of each vote is its own, 0 to 1: the better source is asked first, copies of it add less."""
        order = sorted(range(len(votes)), key=lambda place: (-qualities[place].accuracy, votes[place].source))
        weights = [1.0] * len(votes)
        for rank, place in enumerate(order):
            for earlier in order[:rank]:
                if votes[earlier].key == votes[place].key:
                    copied = self._model.get_copied(self._name, votes[place].source, votes[earlier].source)
                    weights[place] *= 1 - copied
        return weights

    def get_freshness(self, vote: Vote, truth: Hashable) -> float:
        """The probability that the word was not overtaken by a change, seeing what it says and what is true."""
        stale = self.get_staleness(vote.age_years, unsettled_years=vote.unsettled_years)
        if not stale:
            return 1.0
        quality = self._model.get_quality(self._name, vote.source)
        fresh = (1 - stale) * self._get_fresh_likelihood(vote.key, truth, quality)
        return fresh / (fresh + stale * self._get_prior(vote.key))

    def get_staleness(self, age_years: float, *, unsettled_years: float = 0.0) -> float:
        """The probability that a word of this age was overtaken."""
        unsettled = age_years if self._airing else min(unsettled_years, age_years)
        changes = self._field.change_airing * unsettled + self._field.change * (age_years - unsettled)
        return 1 - exp(-changes)

    def _get_prior(self, key: Hashable) -> float:
        if self._rule.kind is Kind.LABEL:
            return self._field.labels.get(str(key), 1 / (len(self._field.labels) + 1))
        return 1 / (self._rule.wrongs + 1)

    def _build_rest(self, said: Sequence[Hashable]) -> list[tuple[Hashable, float]]:
        """What may be true though nobody says it."""
        if self._rule.kind is Kind.LABEL and self._field.labels:
            return [(label, share) for label, share in self._field.labels.items() if label not in said]
        left = max(self._rule.wrongs + 1 - len(said), 1.0)
        return [(_NOBODY, left / (self._rule.wrongs + 1))]

    def _get_likelihood(self, vote: Vote, truth: Hashable, quality: SourceQuality) -> float:
        """How probable it is that this source says this where that is true."""
        stale = self.get_staleness(vote.age_years, unsettled_years=vote.unsettled_years)
        return (1 - stale) * self._get_fresh_likelihood(vote.key, truth, quality) + stale * self._get_prior(vote.key)

    def _get_fresh_likelihood(self, said: Hashable, truth: Hashable, quality: SourceQuality) -> float:
        if self._rule.kind is Kind.LABEL and (row := quality.confusion.get(str(truth))):
            return row.get(str(said), _LEAST)
        accuracy = clip(quality.accuracy)
        if said == truth:
            return accuracy
        others = max(len(self._field.labels) - 1, 1.0) if self._field.labels else self._rule.wrongs
        if self._rule.near is None or truth is _NOBODY:
            return (1 - accuracy) / others
        if self._rule.near(said, truth):
            return (1 - accuracy) * _NEAR_SHARE / _NEAR_VALUES
        return (1 - accuracy) * (1 - _NEAR_SHARE) / others


class _Nobody:
    """The truth that nobody says."""

    def __repr__(self) -> str:
        return "nobody"


_NOBODY: Final = _Nobody()


def is_pair(votes: Sequence[Vote]) -> bool:
    """Two words that contradict each other: nobody else tells which of them is right."""
    return len(votes) == 2 and votes[0].key != votes[1].key


def is_outright(source: str) -> bool:
    """Not what another field of the source implies: 'jikan:aired'."""
    return ":" not in source


def rank_sources(name: str, model: MergeModel, sources: Sequence[str]) -> tuple[str, ...]:
    """The most trusted first."""
    return tuple(sorted(set(sources), key=lambda source: (-model.get_quality(name, source).accuracy, source)))
