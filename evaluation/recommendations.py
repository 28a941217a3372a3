"""Which titles viewers find alike: their votes as grades, without franchises, split in halves that share none."""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from evaluation.catalogue import Catalogue
from evaluation.shared_data import Recommendation

_VOTES_MIN = 3

# Slugs of the sequels, prequels and other relatives of a title: what a search for similar titles leaves out.
FindRelatives = Callable[[str], frozenset[str]]


@dataclass(frozen=True, slots=True)
class Anchor:
    """A title with what viewers recommend to those who liked it: grades by slug, none of them a relative.

    `half` is 0 or 1: weights are chosen on one half and reported on the other.
    """

    slug: str
    relevant: Mapping[str, int]
    relatives: frozenset[str]
    half: int


def grade_votes(votes: int) -> int:
    """1 for 3 to 5 votes, and one more for each doubling: 634 votes are not two hundred times better than 3."""
    return 1 + int(math.log2(max(votes, _VOTES_MIN) / _VOTES_MIN))


def build_anchors(
    catalogue: Catalogue, pairs: Iterable[Recommendation], find_relatives: FindRelatives, *, seed: int
) -> tuple[Anchor, ...]:
    """Every title of the catalogue that has a recommendation, in the order of slugs. A pair counts both ways."""
    votes: dict[str, dict[str, int]] = defaultdict(dict)
    for pair in pairs:
        first, second = catalogue.by_mal_id.get(pair.first), catalogue.by_mal_id.get(pair.second)
        if first and second and first != second:
            votes[first][second] = votes[second][first] = pair.votes
    relatives = {slug: find_relatives(slug) for slug in sorted(votes)}
    franchises = _join_franchises(relatives)
    anchors = []
    for slug in sorted(votes):
        relevant = {other: grade_votes(count) for other, count in votes[slug].items() if other not in relatives[slug]}
        if relevant:
            anchors.append(Anchor(slug, relevant, relatives[slug], _choose_half(franchises[slug], seed)))
    return tuple(anchors)


def _join_franchises(relatives: Mapping[str, frozenset[str]]) -> dict[str, str]:
    """{slug: the first slug of its franchise}: titles are together if one is the relative of the other."""
    roots = {slug: slug for slug in relatives}

    def find(slug: str) -> str:
        while roots[slug] != slug:
            roots[slug] = roots[roots[slug]]
            slug = roots[slug]
        return slug

    for slug, others in relatives.items():
        for other in others & roots.keys():
            first, last = sorted((find(slug), find(other)))
            roots[last] = first
    return {slug: find(slug) for slug in roots}


def _choose_half(franchise: str, seed: int) -> int:
    return hashlib.blake2b(f"{seed}:{franchise}".encode(), digest_size=1).digest()[0] % 2
