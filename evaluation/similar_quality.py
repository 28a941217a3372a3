"""`avs eval similar`: what viewers recommend, and how much of it a search for similar titles finds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.vectors import LEXICAL_VECTOR
from evaluation.asking import Progress, Searcher, ask_by_method
from evaluation.baselines import Baselines
from evaluation.catalogue import Catalogue, NothingToEvaluateError
from evaluation.metrics import score_lists
from evaluation.recommendations import Anchor
from evaluation.report import Measured, Section, build_section
from search.ranking import SEARCHABLE_VECTORS
from search.request import SimilarRequest

METRICS = ("ndcg@10", "recall@20", "mrr")
DECIDED_BY = "ndcg@10"
_LIMIT = 20
# Half 0 is what weights may be chosen on, half 1 what is reported.
HALVES = ("chosen on", "reported on")

_EQUAL = dict.fromkeys(SEARCHABLE_VECTORS, 1.0)
_PLAIN: Mapping[str, Any] = {"boost": 0.0}
ASKED: Mapping[str, Mapping[str, Any]] = {
    "title_vector": {**_PLAIN, "vectors": {"title_vector": 1.0}},
    "lexical_sparse": {**_PLAIN, "vectors": {LEXICAL_VECTOR: 1.0}},
    "equal weights, rrf": {**_PLAIN, "vectors": _EQUAL, "fusion": "rrf"},
    "equal weights, dbsf": {**_PLAIN, "vectors": _EQUAL, "fusion": "dbsf"},
    "default": {},
}
OURS = "default"


@dataclass(frozen=True)
class SimilarReport:
    """`gain` is how much better ours is than the best of the others, as a share of it, on the reported half."""

    sections: tuple[Section, ...]
    gain: float

    def to_json(self) -> dict[str, Any]:
        """The whole report."""
        return {
            "sections": {section.name: section.to_json() for section in self.sections},
            f"gain_in_{DECIDED_BY}_on_{HALVES[1].replace(' ', '_')}": round(self.gain, 4),
        }


def evaluate_similar(
    searcher: Searcher, catalogue: Catalogue, anchors: Sequence[Anchor], *, seed: int, progress: Progress
) -> SimilarReport:
    """Rank for every anchor by every method; relatives of the anchor are left out of all of them."""
    halves = np.array([anchor.half for anchor in anchors])
    if len(set(halves.tolist())) < len(HALVES):
        raise NothingToEvaluateError("too few titles of the index have recommendations to be split in halves")
    lists = _rank_without_vectors(catalogue, anchors)
    requests = {
        method: [SimilarRequest(positive=(anchor.slug,), limit=_LIMIT, fields=("id",), **options) for anchor in anchors]
        for method, options in ASKED.items()
    }
    answers = ask_by_method(searcher, requests, progress=progress)
    lists |= {method: [answer.slugs for answer in ranked] for method, ranked in answers.items()}
    relevant = [anchor.relevant for anchor in anchors]
    values = {method: score_lists(relevant, ranked, METRICS) for method, ranked in lists.items()}
    measured = Measured(values, frozenset(values) - {OURS})
    sections = tuple(
        build_section(measured, name, halves == half, metrics=METRICS, decided_by=DECIDED_BY, seed=seed)
        for half, name in enumerate(HALVES)
    )
    return SimilarReport(sections, _get_gain(sections[1]))


def _rank_without_vectors(catalogue: Catalogue, anchors: Sequence[Anchor]) -> dict[str, list[tuple[str, ...]]]:
    baselines = Baselines(catalogue)
    left_out = [anchor.relatives | {anchor.slug} for anchor in anchors]
    pairs = list(zip(anchors, left_out, strict=True))
    return {
        "popularity": [baselines.rank_by_popularity(without, _LIMIT) for without in left_out],
        "genre overlap": [baselines.rank_by_genres(anchor.slug, without, _LIMIT) for anchor, without in pairs],
        "tag overlap": [baselines.rank_by_tags(anchor.slug, without, _LIMIT) for anchor, without in pairs],
    }


def _get_gain(section: Section) -> float:
    best = section.means[section.best_single][DECIDED_BY]
    return section.means[OURS][DECIDED_BY] / best - 1 if best else float("inf")
