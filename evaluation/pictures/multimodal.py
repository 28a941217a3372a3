"""`avs eval multimodal`: a text and a picture together against the better of the two alone.

The running service answers by text alone, by picture alone and by both. Its way to join the two, and others, are also
tried in memory at every weight: the one weight of a fusion is what is best over all pairs of noise on one half of the
titles, and what is reported comes from the other half.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from evaluation.asking import Progress, Ranked, SingleSearcher, ask_each
from evaluation.metrics import Comparison, Values, compare, score_lists
from evaluation.pictures.joining import FUSIONS, OURS, join_all
from evaluation.pictures.mixed_queries import PICTURES, MixedQuery
from evaluation.pictures.sentences import MEMORIES
from evaluation.report import Measured, Section, build_section
from search.pictures.request import MultimodalRequest, PictureRequest
from search.questions import Request
from search.ranking import CANDIDATE_DEPTHS, SIDE_WEIGHTS
from search.request import SearchRequest

METRICS: Final = ("success@1", "success@10", "mrr", "ndcg@10")
DECIDED_BY: Final = "ndcg@10"
WEIGHTS: Final = tuple(round(step / 10, 1) for step in range(11))
AIM: Final = 0.15
TEXT, PICTURE, BOTH, SERVED = "text alone", "picture alone", "both", "both, as served"
_DEPTH: Final = CANDIDATE_DEPTHS[0]
_LIMIT: Final = 10
# The metrics of every weight of a fusion, for one pair of noises: {weight: {metric: value of each query}}.
Curve = Mapping[float, Mapping[str, Values]]
Pair = tuple[str, str]


@dataclass(frozen=True)
class FusionChoice:
    """`weight` of the picture is the best of the fusion on one half; the means are over all pairs of noise.

    `test` is against the search's own fusion at its own best weight, by titles, on the reported half.
    """

    fusion: str
    weight: float
    chosen_on: float
    reported_on: float
    test: Comparison


@dataclass(frozen=True)
class Condition:
    """One pair of noises on the reported half. `gain` of both over the better single one, by metric, as a share."""

    text: str
    picture: str
    section: Section
    gain: Mapping[str, float]
    curve: Mapping[float, Mapping[str, float]]

    @property
    def name(self) -> str:
        """For reports."""
        return f"{self.text} + {self.picture}"


@dataclass(frozen=True)
class MultimodalReport:
    """`conditions` by pair of noises, the noisier first; `choices` by fusion, the best first."""

    titles: int
    conditions: tuple[Condition, ...]
    choices: tuple[FusionChoice, ...]

    def to_json(self) -> dict[str, Any]:
        """Rounded for a report."""
        return {
            "titles": self.titles,
            "aim": AIM,
            "default_weights": {"text": SIDE_WEIGHTS[0], "picture": SIDE_WEIGHTS[1]},
            "fusions": {
                choice.fusion: {
                    "picture_weight": choice.weight,
                    f"{DECIDED_BY}_chosen_on": round(choice.chosen_on, 4),
                    f"{DECIDED_BY}_reported_on": round(choice.reported_on, 4),
                    "against_ours_on_reported": choice.test.to_json(),
                }
                for choice in self.choices
            },
            "conditions": {condition.name: _describe(condition) for condition in self.conditions},
        }


def evaluate_multimodal(
    searcher: SingleSearcher, queries: Sequence[MixedQuery], *, seed: int, progress: Progress
) -> MultimodalReport:
    """Ask by each text, by each picture and by each pair, and try all weights."""
    answers = {
        method: ask_each(searcher, requests, progress=progress) for method, requests in _build_requests(queries).items()
    }
    halves = np.array([query.half for query in queries])
    relevant = [query.relevant for query in queries]
    curves = {fusion: {pair: _measure(answers, pair, fusion, relevant) for pair in _list_pairs()} for fusion in FUSIONS}
    choices = _choose_all(curves, halves, seed)
    weight = next(choice.weight for choice in choices if choice.fusion == OURS)
    conditions = []
    for pair in _list_pairs():
        served = _score([one.slugs for one in answers[_name_pair(pair)]], relevant)
        conditions.append(_build_condition(pair, curves[OURS][pair], served, weight, halves, seed))
    return MultimodalReport(len(queries), tuple(conditions), tuple(choices))


def count_requests(queries: Sequence[MixedQuery]) -> int:
    """How many answers are asked for."""
    return len(queries) * (len(MEMORIES) + len(PICTURES) + len(_list_pairs()))


def _list_pairs() -> list[Pair]:
    return [(text, picture) for text in MEMORIES for picture in PICTURES]


def _name_pair(pair: Pair) -> str:
    return " + ".join(pair)


def _build_requests(queries: Sequence[MixedQuery]) -> dict[str, list[Request]]:
    requests: dict[str, list[Request]] = {}
    for text in MEMORIES:
        requests[text] = [SearchRequest(query=query.texts[text], limit=_DEPTH, fields=("id",)) for query in queries]
    for picture in PICTURES:
        requests[picture] = [
            PictureRequest(picture=query.pictures[picture], limit=_DEPTH, fields=("id",)) for query in queries
        ]
    for text, picture in _list_pairs():
        requests[_name_pair((text, picture))] = [
            MultimodalRequest(query=query.texts[text], picture=query.pictures[picture], limit=_LIMIT, fields=("id",))
            for query in queries
        ]
    return requests


def _measure(
    answers: Mapping[str, Sequence[Ranked]], pair: Pair, fusion: str, relevant: Sequence[Mapping[str, int]]
) -> Curve:
    text, picture = pair
    return {
        weight: _score(join_all(answers[text], answers[picture], fusion, image_weight=weight, limit=_LIMIT), relevant)
        for weight in WEIGHTS
    }


def _score(lists: Sequence[Sequence[str]], relevant: Sequence[Mapping[str, int]]) -> dict[str, Values]:
    return score_lists(relevant, lists, METRICS)


def _choose_all(curves: Mapping[str, Mapping[Pair, Curve]], halves: NDArray[np.int64], seed: int) -> list[FusionChoice]:
    """One choice a fusion, the best on the reported half first."""
    weights = {fusion: choose_weight(by_pair, halves == 0) for fusion, by_pair in curves.items()}
    values = {fusion: _average(curves[fusion], weight) for fusion, weight in weights.items()}
    ours = values[OURS][halves == 1]
    choices = [
        FusionChoice(
            fusion,
            weight,
            float(values[fusion][halves == 0].mean()),
            float(values[fusion][halves == 1].mean()),
            compare(values[fusion][halves == 1], ours, seed=seed),
        )
        for fusion, weight in weights.items()
    ]
    return sorted(choices, key=lambda choice: -choice.reported_on)


def choose_weight(curves: Mapping[Pair, Curve], mask: NDArray[np.bool_]) -> float:
    """The weight of the picture that is best over all pairs of noise; of equals the nearest to both sides alike."""
    return max(WEIGHTS, key=lambda weight: (round(float(_average(curves, weight)[mask].mean()), 6), -abs(weight - 0.5)))


def _average(curves: Mapping[Pair, Curve], weight: float) -> Values:
    """By title, over all pairs of noise."""
    return np.asarray(np.mean([curve[weight][DECIDED_BY] for curve in curves.values()], axis=0), np.float64)


def _build_condition(
    pair: Pair, curve: Curve, served: Mapping[str, Values], weight: float, halves: NDArray[np.int64], seed: int
) -> Condition:
    measured = Measured(
        {TEXT: curve[0.0], PICTURE: curve[1.0], BOTH: curve[weight], SERVED: served}, frozenset({TEXT, PICTURE})
    )
    section = build_section(measured, _name_pair(pair), halves == 1, metrics=METRICS, decided_by=DECIDED_BY, seed=seed)
    best = {metric: max(section.means[TEXT][metric], section.means[PICTURE][metric]) for metric in METRICS}
    gain = {metric: section.means[SERVED][metric] / best[metric] - 1 if best[metric] else 0.0 for metric in METRICS}
    means = {step: {metric: float(values[metric].mean()) for metric in METRICS} for step, values in curve.items()}
    return Condition(*pair, section, gain, means)


def _describe(condition: Condition) -> dict[str, Any]:
    return {
        **condition.section.to_json(),
        "gain_as_served": {metric: round(value, 4) for metric, value in condition.gain.items()},
        "by_picture_weight": {
            str(weight): {metric: round(value, 4) for metric, value in means.items()}
            for weight, means in condition.curve.items()
        },
    }
