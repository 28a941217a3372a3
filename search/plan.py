"""A plan: everything that decides an answer but the query's vectors and the state of the index. Values only.

A plan is read top down: vectors find candidates, fusion ranks them together, boosts and pins move them, diversity or a
sort rearranges them, a page is cut out.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from importlib.metadata import version

import orjson

from core.vectors import Priority
from search.filters import Condition, FilterSpec
from search.ranking import (
    CANDIDATE_DEPTHS,
    DIVERSITY_POOL,
    DIVERSITY_POOL_FACTOR,
    GROUPED_DEPTH_FACTOR,
    SIDE_RULES,
    SPARSE_HALF,
)
from search.request import Order

# What decides an answer beside the plan: one that another release, or other tables, have made is asked for no more.
_RULES = (
    version("anime-vector-service"),
    CANDIDATE_DEPTHS,
    DIVERSITY_POOL,
    DIVERSITY_POOL_FACTOR,
    GROUPED_DEPTH_FACTOR,
    SIDE_RULES,
    SPARSE_HALF,
)


class Fusion(StrEnum):
    """How the lists of several vectors become one."""

    RRF = "rrf"  # by ranks, with weights
    DBSF = "dbsf"  # by scores, each list normalised by its own mean and deviation; takes no weights
    LINEAR = "linear"  # by scores: the weighted sum
    MAX = "max"  # by scores: the best of the weighted ones


@dataclass(frozen=True, slots=True)
class PlannedVector:
    """One named vector of a plan. `priority` is None for a sparse one."""

    name: str
    weight: float
    priority: Priority | None

    @property
    def is_sparse(self) -> bool:
        """True if the query side is indices and values."""
        return self.priority is None


@dataclass(frozen=True, slots=True)
class Reference:
    """A title whose own vectors are the query."""

    slug: str
    point_id: str
    is_positive: bool = True


@dataclass(frozen=True, slots=True)
class Pin:
    """A title that the text names: it goes to the top by `score`. `similarity` of the names, 1 when they are equal."""

    slug: str
    point_id: str
    name: str
    similarity: float
    score: float


@dataclass(frozen=True, slots=True)
class Boost:
    """Titles that fulfil the condition gain `weight` times what the vectors gave them. `label` is what is shown."""

    condition: Condition
    weight: float
    label: str


@dataclass(frozen=True, slots=True)
class Sort:
    """Order by a payload field. Titles that lack it come last."""

    field: str
    path: str
    order: Order


@dataclass(frozen=True, slots=True)
class PictureQuery:
    """What picture vectors are compared with, one of these: a picture that was sent, by the SHA-256 of its content; a
    text in the space of the pictures; a picture of the pictures collection, by its id; all of a title's, by its slug.
    """

    sha256: str | None = None
    text: str | None = None
    picture_id: str | None = None
    slug: str | None = None


@dataclass(frozen=True, slots=True)
class PictureSide:
    """A search by picture beside one by text. The weights are above 0 and add up to 1."""

    plan: SearchPlan
    text_weight: float
    image_weight: float


@dataclass(frozen=True)
class SearchPlan:
    """What to do.

    `text` is embedded for the text vectors and the lexical one, `features` are the query side of metadata_sparse (names
    with weights), `references` replace both by vectors of titles. Without any of them the plan lists what passes the
    filter. `without` are point ids that never come back. `popularity` is the strength of `search_boost_factor`.
    `picture` is what picture vectors are compared with instead, `is_grouped` says that each picture of a title counts
    for itself and not their mean, and `beside` is a search by picture whose list is joined with the one of the text.
    """

    text: str | None
    references: tuple[Reference, ...]
    vectors: tuple[PlannedVector, ...]
    features: tuple[tuple[str, float], ...]
    filter: FilterSpec
    without: tuple[str, ...]
    fusion: Fusion
    rrf_k: int
    pins: tuple[Pin, ...]
    boosts: tuple[Boost, ...]
    popularity: float
    diversity: float
    sort: Sort | None
    limit: int
    offset: int
    min_score: float | None
    fields: tuple[str, ...] | None
    explain: bool
    picture: PictureQuery | None = None
    is_grouped: bool = False
    beside: PictureSide | None = None

    @property
    def is_listing(self) -> bool:
        """True if nothing is compared: the filter decides what comes and the sort in which order."""
        return self.text is None and not self.references and self.picture is None

    @property
    def by_picture(self) -> SearchPlan | None:
        """The plan, or the part of it, that compares with `picture`: as deep as the whole, whatever page that shows."""
        if self.beside is None:
            return None if self.picture is None else self
        return replace(self.beside.plan, limit=self.limit, offset=self.offset, diversity=self.diversity)

    @property
    def all_vectors(self) -> tuple[PlannedVector, ...]:
        """Those of the plan and of the one beside it."""
        return self.vectors + (self.beside.plan.vectors if self.beside else ())

    @property
    def dense(self) -> tuple[PlannedVector, ...]:
        """The vectors that give a cosine."""
        return tuple(vector for vector in self.vectors if not vector.is_sparse)

    @property
    def reaches(self) -> int:
        """How far down the list the page ends."""
        return self.offset + self.limit

    @property
    def pool(self) -> int:
        """Titles that the page is chosen from: with diversity more than it shows."""
        if not self.diversity:
            return self.reaches
        least, most = DIVERSITY_POOL
        return max(self.reaches, min(max(least, DIVERSITY_POOL_FACTOR * self.reaches), most))

    @property
    def candidates(self) -> int:
        """Candidates to take from each vector: never fewer than the page is chosen from."""
        return next(depth for depth in CANDIDATE_DEPTHS if depth >= self.pool)

    @property
    def is_rescored(self) -> bool:
        """True if what the vectors say is not the last word on a title's score."""
        return bool(self.pins or self.boosts or self.popularity)

    @cached_property
    def fingerprint(self) -> str:
        """32 hex digits: equal for plans that ask for the same."""
        # orjson writes dataclasses field by field, so equal plans give equal bytes.
        encoded = orjson.dumps([_RULES, self])
        return hashlib.blake2b(encoded, digest_size=16).hexdigest()
