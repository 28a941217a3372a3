"""How well merging finds the truth that it was not given: by field, over all and where sources are at odds."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from core.errors import ConfigurationError
from enrichment.merging import LabelledField, MergeModel, learn, learn_conflicts, learn_labelled
from evaluation.enrichment.held_out import FIELDS, Case, Evidence, TrueList, build_cases, is_for_learning
from evaluation.enrichment.merge_methods import (
    BEST_SINGLE,
    MAJORITY,
    METHODS,
    OURS,
    Outcome,
    SourceOrder,
    decide,
    learn_source_order,
)
from evaluation.enrichment.snapshots import Observation

# Titles are taken apart so, for contradictions to be learned from beside figures that did not see them.
_PARTS: Final = 5
_RESAMPLES: Final = 2_000
_INTERVAL: Final = (2.5, 97.5)
_BINS: Final = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 1.0)
ALL_FIELDS: Final = "all fields"


@dataclass(frozen=True)
class Row:
    """One field under one kind of evidence, over all cases or over those in conflict.

    accuracy   by method
    interval   of ours, 95%, titles drawn again
    p_values   by baseline: two-sided McNemar (exact) of ours against it
    oracle     how often any source says what is true: nobody who only chooses among them can be right more often
    hindsight  how often one is right who is told, of each set of sources that speak of a field, which of them is right
               most often on these very titles: about what can be known from who says it; of rare sets too much
    """

    n: int
    titles: int
    accuracy: Mapping[str, float]
    interval: tuple[float, float]
    p_values: Mapping[str, float]
    oracle: float
    hindsight: float

    def to_json(self) -> dict[str, Any]:
        """Rounded for a report."""
        return {
            "n": self.n,
            "titles": self.titles,
            "accuracy": {method: round(value, 4) for method, value in self.accuracy.items()},
            "interval": [round(value, 4) for value in self.interval],
            "oracle": round(self.oracle, 4),
            "hindsight": round(self.hindsight, 4),
            "mcnemar_p": {method: round(value, 5) for method, value in self.p_values.items()},
        }


@dataclass(frozen=True)
class FieldResult:
    """All cases, and those where sources contradict each other (None where they never do)."""

    field: str
    evidence: str
    overall: Row
    conflicting: Row | None


@dataclass(frozen=True)
class Calibration:
    """Where merging was so sure, how often it was right."""

    low: float
    high: float
    n: int
    mean_confidence: float
    accuracy: float


@dataclass(frozen=True)
class MergeReport:
    """What was measured on the half of the titles that nothing was learned from."""

    learned_from: int
    tested_on: int
    results: tuple[FieldResult, ...]
    calibration: tuple[Calibration, ...]
    single_order: Mapping[str, tuple[str, ...]]

    @property
    def calibration_error(self) -> float:
        """Mean distance of confidence and accuracy over the bins, by their cases."""
        total = sum(one.n for one in self.calibration) or 1
        return sum(one.n * abs(one.mean_confidence - one.accuracy) for one in self.calibration) / total

    def to_json(self) -> dict[str, Any]:
        """Figures only."""
        return {
            "learned_from_titles": self.learned_from,
            "tested_on_titles": self.tested_on,
            "results": [
                {
                    "field": one.field,
                    "evidence": one.evidence,
                    "overall": one.overall.to_json(),
                    "conflicting": one.conflicting.to_json() if one.conflicting else None,
                }
                for one in self.results
            ],
            "calibration_error": round(self.calibration_error, 4),
            "calibration": [
                {
                    "from": one.low,
                    "n": one.n,
                    "confidence": round(one.mean_confidence, 4),
                    "right": round(one.accuracy, 4),
                }
                for one in self.calibration
            ],
            "best_single_order": {field: list(order) for field, order in self.single_order.items()},
        }


def learn_model(observations: Mapping[int, Sequence[Observation]], cases: Iterable[Case]) -> MergeModel:
    """First from the cases, whose truth is known, then from all that is said, at last from contradictions alone."""
    parts: list[list[LabelledField]] = [[] for _ in range(_PARTS)]
    for case in cases:
        parts[case.mal_id % _PARTS].append(_to_labelled(case))
    labelled = learn_labelled(one for part in parts for one in part)
    learned = learn(([one.claims for one in seen] for _, seen in sorted(observations.items())), prior=labelled)
    return MergeModel(learn_conflicts(learned, parts).fields, titles=len(observations))


def evaluate_merging(
    observations: Mapping[int, Sequence[Observation]], *, seed: int, tell: Callable[[int], None] | None = None
) -> MergeReport:
    """Learns from one half of the titles, decides the cases of the other. `tell` hears of decided cases."""
    cases = list(build_cases(observations))
    taught = [case for case in cases if is_for_learning(case.mal_id)]
    model = learn_model({key: seen for key, seen in observations.items() if is_for_learning(key)}, taught)
    order = learn_source_order(taught)
    tested = [case for case in cases if not is_for_learning(case.mal_id)]
    outcomes = _decide_all(tested, model, order, tell)
    return MergeReport(
        learned_from=model.titles,
        tested_on=len({case.mal_id for case in tested}),
        results=tuple(_build_results(outcomes, seed=seed)),
        calibration=_calibrate(
            [one for (evidence, _), found in outcomes.items() if _counts(evidence) for one in found]
        ),
        single_order=order.by_field,
    )


def _to_labelled(case: Case) -> LabelledField:
    if isinstance(case.truth, TrueList):
        doubtful = tuple(sorted(case.truth.doubtful, key=repr))
        return LabelledField(case.inputs, case.field, tuple(sorted(case.truth.true, key=repr)), doubtful)
    return LabelledField(case.inputs, case.field, case.truth)


def _decide_all(
    cases: Sequence[Case], model: MergeModel, order: SourceOrder, tell: Callable[[int], None] | None
) -> dict[tuple[Evidence, str], list[Outcome]]:
    outcomes: dict[tuple[Evidence, str], list[Outcome]] = defaultdict(list)
    for case in cases:
        outcomes[(case.evidence, case.field)] += decide(case, model, order)
        if tell:
            tell(1)
    return outcomes


def _counts(evidence: Evidence) -> bool:
    """Two independent sites agree: what the totals are made of."""
    return evidence is not Evidence.LATER_ALONE


def _build_results(outcomes: Mapping[tuple[Evidence, str], list[Outcome]], *, seed: int) -> Iterable[FieldResult]:
    for evidence in Evidence:
        for field in FIELDS:
            if found := outcomes.get((evidence, field)):
                yield _build_result(field, evidence.value, found, seed=seed)
        if together := [one for (its, _), found in outcomes.items() if its is evidence for one in found]:
            yield _build_result(ALL_FIELDS, evidence.value, together, seed=seed)
    agreed = [one for (evidence, _), found in outcomes.items() if _counts(evidence) for one in found]
    if agreed:
        yield _build_result(ALL_FIELDS, "two sites agree", agreed, seed=seed)


def _build_result(field: str, evidence: str, outcomes: Sequence[Outcome], *, seed: int) -> FieldResult:
    conflicting = [one for one in outcomes if one.conflict]
    return FieldResult(
        field, evidence, _build_row(outcomes, seed=seed), _build_row(conflicting, seed=seed) if conflicting else None
    )


def _build_row(outcomes: Sequence[Outcome], *, seed: int) -> Row:
    right = np.array([one.right for one in outcomes], np.bool_)
    titles = np.array([one.mal_id for one in outcomes])
    ours = METHODS.index(OURS)
    return Row(
        n=len(outcomes),
        titles=len(np.unique(titles)),
        accuracy={method: float(right[:, place].mean()) for place, method in enumerate(METHODS)},
        interval=_bootstrap(titles, right[:, ours], seed=seed),
        p_values={
            method: _mcnemar(right[:, ours], right[:, METHODS.index(method)]) for method in (MAJORITY, BEST_SINGLE)
        },
        oracle=sum(any(one.sources.values()) for one in outcomes) / len(outcomes),
        hindsight=_look_back(outcomes),
    )


def _look_back(outcomes: Sequence[Outcome]) -> float:
    """The share that is right if of each set of sources in a field the best one is followed."""
    right: dict[tuple[str, frozenset[str]], Counter[str]] = defaultdict(Counter)
    for one in outcomes:
        right[(one.field, frozenset(one.sources))].update(
            {name: int(is_right) for name, is_right in one.sources.items()}
        )
    return sum(max(counts.values()) for counts in right.values()) / len(outcomes)


def _bootstrap(titles: NDArray[Any], right: NDArray[np.bool_], *, seed: int) -> tuple[float, float]:
    """Titles are drawn, not decisions: those of one title are alike."""
    _, place = np.unique(titles, return_inverse=True)
    counts, sums = np.bincount(place), np.bincount(place, right)
    # How often each title is drawn is all that matters.
    drawn = np.random.default_rng(seed).multinomial(len(counts), np.full(len(counts), 1 / len(counts)), _RESAMPLES)
    means = (drawn @ sums) / (drawn @ counts)
    low, high = np.percentile(means, _INTERVAL)
    return float(low), float(high)


def _mcnemar(ours: NDArray[np.bool_], theirs: NDArray[np.bool_]) -> float:
    """Exact, on the decisions that only one of the two got right."""
    only_ours, only_theirs = int((ours & ~theirs).sum()), int((~ours & theirs).sum())
    if only_ours + only_theirs == 0:
        return 1.0
    try:
        from scipy.stats import binomtest
    except ImportError as error:
        raise ConfigurationError("scipy is not installed: pip install 'anime-vector-service[evaluation]'") from error
    return float(binomtest(only_ours, only_ours + only_theirs).pvalue)


def _calibrate(outcomes: Sequence[Outcome]) -> tuple[Calibration, ...]:
    sure = np.array([one.sure for one in outcomes])
    right = np.array([one.right[METHODS.index(OURS)] for one in outcomes])
    found = []
    for low, high in pairwise(_BINS):
        inside = (sure >= low) & ((sure < high) | (high == 1.0))
        if inside.any():
            found.append(
                Calibration(low, high, int(inside.sum()), float(sure[inside].mean()), float(right[inside].mean()))
            )
    return tuple(found)
