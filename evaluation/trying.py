"""Asking once for what each vector finds by itself, so that fusions and weights can be tried without asking again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import ge, gt, le, lt
from typing import Any

import numpy as np

from core.vectors import LEXICAL_VECTOR, METADATA_VECTOR, TEXT_VECTORS
from evaluation.asking import Progress, Ranked, Searcher, ask_by_method
from evaluation.catalogue import Catalogue, Title
from evaluation.choosing import Choice, choose_recipes
from evaluation.fusing import CandidateLists, Recipe
from evaluation.gold import GoldQuery
from evaluation.recommendations import Anchor
from search import ranking
from search.filters import Condition, Match, Range
from search.plan import Fusion
from search.questions import Request
from search.reference_boosts import build_reference_boosts
from search.request import SearchRequest, SimilarRequest

# The metadata of a text is what the rules read in it; they are tried with all the rest by the default itself.
TEXT_VECTORS_TRIED = (*TEXT_VECTORS, LEXICAL_VECTOR)
SIMILAR_VECTORS_TRIED = (*TEXT_VECTORS, LEXICAL_VECTOR, METADATA_VECTOR)
DEPTH = ranking.CANDIDATE_DEPTHS[0]


def choose_for_search(
    searcher: Searcher, catalogue: Catalogue, gold: Sequence[GoldQuery], *, seed: int, progress: Progress
) -> dict[str, Choice]:
    """Recipes for searches by text, without names and facts read from it."""

    def ask(vector: str) -> list[Request]:
        return [SearchRequest(query=query.text, expand=False, **_alone(vector)) for query in gold]

    lists = CandidateLists(
        _fetch_lists(searcher, TEXT_VECTORS_TRIED, ask, progress),
        [query.relevant for query in gold],
        popularity=_get_factors(catalogue),
    )
    present = Recipe(Fusion(ranking.TEXT_FUSION), ranking.TEXT_WEIGHTS, ranking.TEXT_RRF_K, ranking.TEXT_POPULARITY)
    is_reported = np.array([_is_reported(query.id, seed) for query in gold])
    return choose_recipes(lists, _only(present, lists.vectors), is_reported=is_reported, seed=seed)


def choose_for_similar(
    searcher: Searcher, catalogue: Catalogue, anchors: Sequence[Anchor], *, seed: int, progress: Progress
) -> dict[str, Choice]:
    """Recipes for similar titles; form, time and liking count as they do at present."""

    def ask(vector: str) -> list[Request]:
        return [SimilarRequest(positive=(anchor.slug,), **_alone(vector)) for anchor in anchors]

    found = _fetch_lists(searcher, SIMILAR_VECTORS_TRIED, ask, progress)
    candidates = [{slug for name in found for slug in found[name][query].slugs} for query in range(len(anchors))]
    boosts = [
        get_boosts(catalogue.by_slug[anchor.slug], (catalogue.by_slug[slug] for slug in slugs))
        for anchor, slugs in zip(anchors, candidates, strict=True)
    ]
    lists = CandidateLists(
        found, [anchor.relevant for anchor in anchors], popularity=_get_factors(catalogue), boosts=boosts
    )
    present = Recipe(
        Fusion(ranking.SIMILAR_FUSION), ranking.SIMILAR_WEIGHTS, ranking.SIMILAR_RRF_K, ranking.SIMILAR_POPULARITY
    )
    is_reported = np.array([anchor.half == 1 for anchor in anchors])
    return choose_recipes(lists, _only(present, lists.vectors), is_reported=is_reported, seed=seed)


def get_boosts(reference: Title, candidates: Iterable[Title]) -> dict[str, float]:
    """{slug: what the boosts of a search for titles like the reference add to the factor}."""
    boosts = build_reference_boosts([reference.document])
    return {
        title.slug: sum(boost.weight for boost in boosts if holds(boost.condition, title.document))
        for title in candidates
    }


def holds(condition: Condition, document: Mapping[str, Any]) -> bool:
    """True if the document fulfils a match or a range over one of its own entries, which is all that boosts use."""
    if isinstance(condition, Match):
        value = document.get(condition.path)
        return bool(set(value if isinstance(value, list) else [value]) & set(condition.values))
    if isinstance(condition, Range):
        value = document.get(condition.path)
        if value is None:
            return False
        tests = ((condition.gt, gt), (condition.gte, ge), (condition.lt, lt), (condition.lte, le))
        return all(bound is None or test(value, bound) for bound, test in tests)
    raise TypeError(f"boosts of references have no {type(condition).__name__}")


def _fetch_lists(
    searcher: Searcher, vectors: Iterable[str], ask: Callable[[str], list[Request]], progress: Progress
) -> dict[str, list[Ranked]]:
    """By vector; those that nobody has are left out."""
    lists = ask_by_method(searcher, {name: ask(name) for name in vectors}, progress=progress)
    return {name: found for name, found in lists.items() if any(one.slugs for one in found)}


def _alone(vector: str) -> dict[str, Any]:
    return {"vectors": {vector: 1.0}, "boost": 0.0, "limit": DEPTH, "fields": ("id",)}


def _only(present: Recipe, vectors: Iterable[str]) -> Recipe:
    weights = {name: weight for name, weight in present.weights.items() if name in vectors}
    return Recipe(present.fusion, weights, present.rrf_k, present.popularity)


def _get_factors(catalogue: Catalogue) -> dict[str, float]:
    return {title.slug: float(title.document.get("search_boost_factor") or 1.0) for title in catalogue.titles}


def _is_reported(name: str, seed: int) -> bool:
    return hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=1).digest()[0] % 2 == 1
