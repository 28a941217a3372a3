"""A gold query: what somebody asks, and which titles are right. How they are sampled without favour."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest

from evaluation.catalogue import Catalogue, Title

# Half of the titles asked for are among so many best known ones: people look for those, but not for those only.
WELL_KNOWN = 5_000


@dataclass(frozen=True, slots=True)
class GoldQuery:
    """`relevant` are grades by slug, 1 and above. `kind` says how the query was made, `group` what it stands for."""

    id: str
    group: str
    kind: str
    text: str
    relevant: Mapping[str, int]


def sample_titles(catalogue: Catalogue, seed: str) -> Iterator[Title]:
    """Every title once, well-known and other ones by turns, in an order that depends on the seed alone."""
    rng = random.Random(seed)
    known, others = list(catalogue.by_popularity[:WELL_KNOWN]), list(catalogue.by_popularity[WELL_KNOWN:])
    rng.shuffle(known)
    rng.shuffle(others)
    return (title for title in chain.from_iterable(zip_longest(known, others)) if title is not None)


def take_queries(
    titles: Iterator[Title], build: Callable[[Title], GoldQuery | None], *, count: int
) -> Sequence[GoldQuery]:
    """The first `count` queries that can be made, none of them asked twice."""
    taken: dict[str, GoldQuery] = {}
    for title in titles:
        if len(taken) == count:
            break
        query = build(title)
        if query is not None:
            taken.setdefault(query.text, query)
    return tuple(taken.values())


def split_count(total: int, parts: int) -> list[int]:
    """`total` in `parts` nearly equal numbers: [3, 2, 2] for 7 in 3."""
    return [total // parts + (place < total % parts) for place in range(parts)]
