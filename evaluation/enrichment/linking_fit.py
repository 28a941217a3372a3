"""Fits the model of linking: two logistic steps and an isotonic calibration, on pairs that the tables have judged."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from sklearn.feature_extraction import DictVectorizer
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from enrichment.linking.features import Subject, measure
from enrichment.linking.index import TitleIndex
from enrichment.linking.scoring import Certainty, LinkModel, Points, measure_among, weigh
from enrichment.providers.base import Candidate
from evaluation.enrichment.linking_data import Target, Truth

FOLDS: Final = 5
# Precision that a threshold must have on the titles that the model has learned from. On others it was as high, within
# two in ten thousand: a little above the aim is enough.
_PRECISION: Final = 0.9955
_REVIEW: Final = 0.25
# Whatever the others come to: a link that is wrong once in five times is none.
_LEAST: Final = 0.8
# Near ones only: what nobody would take for the title teaches nothing.
_CANDIDATES: Final = 6
_DIGITS: Final = 4
_KNOTS: Final = 40


@dataclass(frozen=True, slots=True)
class Example:
    """One candidate of a title: its features, and whether it is the title; None if nobody knows."""

    features: Mapping[str, float]
    is_right: bool | None


@dataclass(frozen=True, slots=True)
class Examples:
    """The candidates of one title at one target, measured."""

    target: str
    mal_id: str
    candidates: tuple[Example, ...]


def get_fold(mal_id: str) -> int:
    """Which fifth of the titles this is: by a hash, so that it is the same at every provider and on every machine."""
    return int.from_bytes(hashlib.blake2b(mal_id.encode(), digest_size=4).digest(), "big") % FOLDS


def collect_examples(
    subjects: Mapping[str, Subject],
    target: Target,
    truth: Truth,
    *,
    titles: Iterable[str],
    index: TitleIndex,
    progress: Callable[[], None] = lambda: None,
) -> list[Examples]:
    """The candidates of these titles."""
    examples = []
    for mal_id in titles:
        found = {one.external_id: one for title in subjects[mal_id].titles[:3] for one in index.search(title)}
        pool = [target.records.get(external_id, candidate) for external_id, candidate in found.items()]
        examples.append(Examples(target.name, mal_id, tuple(_measure_nearest(subjects[mal_id], mal_id, pool, truth))))
        progress()
    return examples


def choose_titles(subjects: Iterable[str], target: Target, truth: Truth, *, limit: int | None = None) -> list[str]:
    """All titles that the provider has by the tables, and as many others: it may have those, or not.

    `limit`: so many of both together, always the same.
    """
    known = {candidate.external_id for candidate in target.candidates}
    has = {mal_id: bool(truth.by_mal.get(mal_id, {}).keys() & known) for mal_id in subjects}
    present = sorted((mal_id for mal_id, is_there in has.items() if is_there), key=_shuffle)
    others = sorted((mal_id for mal_id, is_there in has.items() if not is_there), key=_shuffle)
    share = len(present) if limit is None else min(len(present), limit // 2)
    return [*present[:share], *others[:share]]


def fit_model(examples: Sequence[Examples]) -> LinkModel:
    """Learn from these alone."""
    alone = _fit([(one.features, one.is_right) for group in examples for one in group.candidates])
    second = [_step_two(alone, group) for group in examples]
    among = _fit([pair for group in second for pair in group])
    known: list[tuple[float, bool]] = []
    bare: list[tuple[float, bool]] = []
    for group in filter(None, second):
        score, features, is_right = max(
            ((weigh(among, features), features, is_right) for features, is_right in group), key=lambda one: one[0]
        )
        if is_right is not None:
            (bare if "year_unknown" in features else known).append((score, is_right))
    # A class that no target shows is judged as the other.
    return LinkModel(
        alone=alone, among=among, known=_be_certain(known or bare), bare=_be_certain(bare or known), review=_REVIEW
    )


def _measure_nearest(subject: Subject, mal_id: str, pool: Iterable[Candidate], truth: Truth) -> list[Example]:
    measured = [(measure(subject, candidate), candidate.external_id) for candidate in pool]
    measured.sort(key=lambda one: -_guess(one[0]))
    return [Example(features, _judge(mal_id, external_id, truth)) for features, external_id in measured[:_CANDIDATES]]


def _judge(mal_id: str, external_id: str, truth: Truth) -> bool | None:
    named = truth.by_mal.get(mal_id, {})
    if external_id in named:
        return True if len(named) == 1 else None
    # An entry that no table knows may be the title all the same.
    return False if named or truth.by_id.get(external_id) else None


def _guess(features: Mapping[str, float]) -> float:
    same = sum(features.get(name, 0.0) for name in ("title_exact", "title_folded", "title_core"))
    return 2 * same + features.get("likeness", 0.0) + features.get("mean_likeness", 0.0) / 2


def _shuffle(mal_id: str) -> bytes:
    return hashlib.blake2b(b"absent" + mal_id.encode(), digest_size=8).digest()


def _fit(pairs: Iterable[tuple[Mapping[str, float], bool | None]]) -> dict[str, float]:
    judged = [(features, is_right) for features, is_right in pairs if is_right is not None]
    vectorizer = DictVectorizer(sparse=False, dtype=np.float32)
    table = vectorizer.fit_transform([dict(features) for features, _ in judged])
    fitted = LogisticRegression(C=1.0, max_iter=200, solver="newton-cholesky")
    fitted.fit(table, np.array([is_right for _, is_right in judged]))
    weights = zip(vectorizer.get_feature_names_out(), fitted.coef_[0], strict=True)
    found = {str(name): round(float(weight), _DIGITS) for name, weight in weights}
    return {**found, "intercept": round(float(fitted.intercept_[0]), _DIGITS)}


def _step_two(alone: Mapping[str, float], group: Examples) -> list[tuple[dict[str, float], bool | None]]:
    scores = [weigh(alone, one.features) for one in group.candidates]
    return [(measure_among(scores, place, one.features), one.is_right) for place, one in enumerate(group.candidates)]


def _calibrate(judged: Sequence[tuple[float, bool]]) -> Points:
    """Knots of the isotonic curve, thinned out; strictly rising scores."""
    fitted = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip")
    fitted.fit([score for score, _ in judged], [float(is_right) for _, is_right in judged])
    scores = np.quantile(fitted.X_thresholds_, np.linspace(0, 1, _KNOTS))
    points: list[tuple[float, float]] = []
    for score, share in zip(scores, fitted.predict(scores), strict=True):
        point = (round(float(score), 3), round(float(share), _DIGITS))
        if not points or point[0] > points[-1][0]:
            points.append(point)
    return tuple(points)


def _be_certain(judged: Sequence[tuple[float, bool]]) -> Certainty:
    """The curve of these scores, and the lowest probability from which on the accepted are right often enough."""
    certainty = Certainty(_calibrate(judged), accept=1.0)
    ordered = sorted(((certainty.calibrate(score), is_right) for score, is_right in judged), reverse=True)
    right = wrong = 0
    threshold = 1.0
    for place, (probability, is_right) in enumerate(ordered):
        right, wrong = right + is_right, wrong + (not is_right)
        is_last = place + 1 == len(ordered) or ordered[place + 1][0] < probability
        if is_last and right / (right + wrong) >= _PRECISION:
            threshold = probability
    return Certainty(certainty.calibration, accept=round(max(_LEAST, threshold), _DIGITS))
