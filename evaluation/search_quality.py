"""`avs eval search`: what searches by text find, by kind of query, for single vectors, the hybrid and all of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.vectors import LEXICAL_VECTOR
from evaluation.asking import Progress, Searcher, ask_by_method
from evaluation.attributes import build_attribute_queries
from evaluation.catalogue import Catalogue, NothingToEvaluateError
from evaluation.descriptions import build_descriptions
from evaluation.gold import GoldQuery, split_count
from evaluation.known_items import build_known_items
from evaluation.metrics import score_lists
from evaluation.report import Measured, Section, build_section
from search.request import SearchRequest

METRICS = ("success@1", "success@10", "mrr", "ndcg@10")
DECIDED_BY = "ndcg@10"
_LIMIT = 10

# Named in the report. The single ones are what the hybrid has to beat; `expand` is names and facts read from the text.
METHODS: Mapping[str, Mapping[str, Any]] = {
    "dense only": {"vectors": {"title_vector": 1.0}, "boost": 0.0, "expand": False},
    "lexical only": {"vectors": {LEXICAL_VECTOR: 1.0}, "boost": 0.0, "expand": False},
    "hybrid": {"expand": False},
    "default": {"expand": True},
}
SINGLE = frozenset({"dense only", "lexical only"})


@dataclass(frozen=True)
class SearchReport:
    """`sections` by group of queries, `kinds` by kind: success@1 of each method."""

    sections: tuple[Section, ...]
    kinds: Mapping[str, Mapping[str, float]]

    def to_json(self) -> dict[str, Any]:
        """The whole report."""
        return {
            "sections": {section.name: section.to_json() for section in self.sections},
            "success@1_by_kind": {
                kind: {method: round(value, 4) for method, value in methods.items()}
                for kind, methods in self.kinds.items()
            },
        }


def build_gold(
    catalogue: Catalogue, other_synopses: Mapping[int, Sequence[str]], *, count: int, seed: int
) -> tuple[GoldQuery, ...]:
    """About `count` queries, a third of each group. Raises NothingToEvaluateError if there is none."""
    known, told, facts = split_count(count, 3)
    gold = (
        *build_known_items(catalogue, count=known, seed=seed),
        *build_descriptions(catalogue, other_synopses, count=told, seed=seed),
        *build_attribute_queries(catalogue, count=facts, seed=seed),
    )
    if not gold:
        raise NothingToEvaluateError("the catalogue says too little about its titles to make any query")
    return gold


def evaluate_search(searcher: Searcher, gold: Sequence[GoldQuery], *, seed: int, progress: Progress) -> SearchReport:
    """Ask every query by every method."""
    relevant = [query.relevant for query in gold]
    requests = {
        method: [SearchRequest(query=query.text, limit=_LIMIT, fields=("id",), **options) for query in gold]
        for method, options in METHODS.items()
    }
    answers = ask_by_method(searcher, requests, progress=progress)
    values = {
        method: score_lists(relevant, [answer.slugs for answer in ranked], METRICS)
        for method, ranked in answers.items()
    }
    measured = Measured(values, SINGLE)
    groups, kinds = np.array([query.group for query in gold]), np.array([query.kind for query in gold])
    masks = {group: groups == group for group in dict.fromkeys(groups.tolist())} | {"all": groups != ""}
    sections = tuple(
        build_section(measured, name, mask, metrics=METRICS, decided_by=DECIDED_BY, seed=seed)
        for name, mask in masks.items()
    )
    by_kind = {
        kind: {method: float(values[method]["success@1"][kinds == kind].mean()) for method in METHODS}
        for kind in dict.fromkeys(kinds.tolist())
    }
    return SearchReport(sections, by_kind)
