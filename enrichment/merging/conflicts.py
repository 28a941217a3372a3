"""What pairs that contradict each other teach of who is right there.

Figures over all titles are made where sources agree, and sources that copy, or err on the hard titles alike, do not
err by chance: so Bayes is too sure of one of two contradicting words, or of the wrong one. Where the truth is known, a
conditional logit (McFadden, 1974) over such pairs says how much the odds of Bayes are worth there, and how much each
source has to be believed beyond them. Both are drawn towards Bayes as it is, so a few pairs move little. The odds that
it learns from are those of models that did not see the title. Where a third source speaks Bayes stays alone: what is
right of a pair would take the weight from those that agree against the one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Final

import numpy as np
import numpy.typing as npt

from enrichment.merging.counting import LabelledField, VotePattern, count_labelled
from enrichment.merging.learning import learn_labelled
from enrichment.merging.model import MergeModel
from enrichment.merging.voting import Voting, is_outright, is_pair

Floats = npt.NDArray[np.float64]
# The spread that is believed of both kinds of figures before anything is seen, as a variance.
_SPREAD: Final = 1.0
_STEPS: Final = 50
_SETTLED: Final = 1e-9


@dataclass(frozen=True, slots=True)
class _Choice:
    """Pairs of a kind: a row for each of the two values, and which of them is true.

    rows    values x (log-odds, then sources by name): what speaks for the value
    true    the row of the true one
    titles  so many are like it
    """

    rows: Floats
    true: int
    titles: int


def learn_conflicts(model: MergeModel, parts: Sequence[Iterable[LabelledField]]) -> MergeModel:
    """The model, with what pairs teach. `parts`: titles of known truth, each wholly in one of two or more."""
    labelled = [list(part) for part in parts]
    seen: dict[str, list[tuple[Voting, VotePattern, int]]] = {}
    for place, part in enumerate(labelled):
        others = learn_labelled(chain.from_iterable(labelled[:place] + labelled[place + 1 :]))
        for name, patterns in sorted(count_labelled(part).votes.items()):
            voting = {airing: Voting(name, others, airing=airing) for airing in (False, True)}
            for pattern, titles in sorted(patterns.items(), key=lambda item: repr(item[0])):
                if conflict := _narrow(pattern):
                    seen.setdefault(name, []).append((voting[conflict.airing], conflict, titles))
    fields = dict(model.fields)
    for name, conflicts in sorted(seen.items()):
        sources = sorted({vote.source for _, pattern, _ in conflicts for vote in pattern.votes})
        weights = _fit(list(_build_choices(conflicts, sources)), len(sources) + 1)
        # Odds never speak for the less probable value.
        fields[name] = replace(
            model.get_field(name),
            odds_weight=max(float(weights[0]), 0.0),
            in_conflict={source: float(weight) for source, weight in zip(sources, weights[1:], strict=True)},
        )
    return MergeModel(fields, titles=model.titles)


def _narrow(pattern: VotePattern) -> VotePattern | None:
    """A pair of which one is right, without what is implied of other values; None where it is none."""
    said = {vote.key for vote in pattern.votes if is_outright(vote.source)}
    votes = tuple(vote for vote in pattern.votes if vote.key in said)
    return replace(pattern, votes=votes) if is_pair(votes) and pattern.truth in said else None


def _build_choices(conflicts: Iterable[tuple[Voting, VotePattern, int]], sources: Sequence[str]) -> Iterator[_Choice]:
    place_of = {source: place for place, source in enumerate(sources, start=1)}
    for voting, pattern, titles in conflicts:
        evidence = voting.build_evidence(pattern.votes)
        rows = np.zeros((len(evidence), len(sources) + 1))
        for row, one in zip(rows, evidence.values(), strict=True):
            row[0] = one.odds
            for source, weight in one.weights.items():
                row[place_of[source]] = weight
        yield _Choice(rows, list(evidence).index(pattern.truth), titles)


def _fit(choices: Sequence[_Choice], width: int) -> Floats:
    """Newton's method; the loss is convex, and where a whole step leads up, half of it is tried."""
    start = np.zeros(width)
    start[0] = 1.0
    weights = start
    loss, gradient, curvature = _measure(weights, start, choices)
    for _ in range(_STEPS):
        step = np.linalg.solve(curvature, gradient)
        while (found := _measure(weights - step, start, choices))[0] > loss and np.abs(step).max() > _SETTLED:
            step = step / 2
        if np.abs(step).max() <= _SETTLED:
            break
        weights = weights - step
        loss, gradient, curvature = found
    return weights


def _measure(weights: Floats, start: Floats, choices: Sequence[_Choice]) -> tuple[float, Floats, Floats]:
    """Loss, gradient and curvature: minus the log-likelihood, and how far the weights are from where they began."""
    away = weights - start
    loss, gradient = float(away @ away) / (2 * _SPREAD), away / _SPREAD
    curvature = np.eye(len(weights)) / _SPREAD
    for one in choices:
        scores = one.rows @ weights
        shares = np.exp(scores - scores.max())
        shares /= shares.sum()
        mean = shares @ one.rows
        loss -= one.titles * float(np.log(max(shares[one.true], np.finfo(float).tiny)))
        gradient = gradient + one.titles * (mean - one.rows[one.true])
        curvature = curvature + one.titles * ((one.rows.T * shares) @ one.rows - np.outer(mean, mean))
    return loss, gradient, curvature
