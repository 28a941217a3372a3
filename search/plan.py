"""From a request to a plan: a pure decision, taken before anything is sent anywhere.

The tables below are the only place that says which vectors a text query uses and how they are fused. Fusion is
reciprocal rank fusion as Qdrant computes it: a title at position p (from 0) of a list with weight w adds
1 / ((p + 1) / w + k - 1). So a weight stretches ranks, it does not scale shares, and `RRF_K` and the weights are one
choice. Chosen on the 70 sample queries over the sample catalogue with MiniLM and BM25: success@3 .93 and MRR .82,
against .77 / .74 for the dense vector alone and .77 / .72 for the lexical one (`benchmarks/sample_queries.py`). A gold
set on real titles is to replace that.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import orjson

from core.document import AnimeDocument
from core.errors import InvalidInputError
from core.fields import HIDDEN_PAYLOAD, INDEXED_FIELDS
from core.settings import Settings
from core.text import find_text_fault, normalise_query
from core.vectors import BY_NAME, LEXICAL_VECTOR, TEXT_VECTORS, Priority
from search.filters import FilterSpec, parse_filters
from search.request import LIMIT_MAX, WINDOW_MAX, SearchRequest

RRF_K = 5
# What a query uses when it names no vectors: meaning first, exact words beside it.
DEFAULT_WEIGHTS: dict[str, float] = {"title_vector": 1.0, LEXICAL_VECTOR: 1.5}
# A vector that is named without a weight.
NAMED_WEIGHT = 1.0
WEIGHT_MAX = 100.0
# Candidates that each vector brings into the fusion: a title far down one list may lead the other. Few steps, since
# ranks depend on the depth: pages of one depth join without gap or overlap.
CANDIDATE_DEPTHS = (128, 1_024, WINDOW_MAX)

# A text query makes vectors for these; the others need a picture, a title or a history.
SEARCHABLE_VECTORS = (*TEXT_VECTORS, LEXICAL_VECTOR)
PAYLOAD_FIELDS = frozenset(AnimeDocument.model_fields) | {
    root for field in INDEXED_FIELDS if (root := field.path.partition(".")[0]) not in HIDDEN_PAYLOAD
}


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


@dataclass(frozen=True)
class SearchPlan:
    """Everything that decides the answer to a query but the query's vectors and the state of the index."""

    query: str
    vectors: tuple[PlannedVector, ...]
    filter: FilterSpec
    limit: int
    offset: int
    min_score: float | None
    fields: tuple[str, ...] | None

    @property
    def dense(self) -> tuple[PlannedVector, ...]:
        """The vectors that give a cosine."""
        return tuple(vector for vector in self.vectors if not vector.is_sparse)

    @property
    def candidates(self) -> int:
        """Candidates to take from each vector: never fewer than the page reaches down to."""
        return next(depth for depth in CANDIDATE_DEPTHS if depth >= self.offset + self.limit)

    @cached_property
    def fingerprint(self) -> str:
        """32 hex digits: equal for plans that ask for the same."""
        decided = [
            RRF_K,
            CANDIDATE_DEPTHS,
            self.query,
            self.vectors,
            self.filter,
            self.limit,
            self.offset,
            self.min_score,
            self.fields,
        ]
        # orjson writes dataclasses field by field, so equal plans give equal bytes.
        encoded = orjson.dumps(decided)
        return hashlib.blake2b(encoded, digest_size=16).hexdigest()


def build_plan(request: SearchRequest, settings: Settings) -> SearchPlan:
    """Decide. Raises InvalidInputError that names the field of the request."""
    _check_page(request)
    vectors = _choose_vectors(request.vectors, settings)
    if request.min_score is not None and all(vector.is_sparse for vector in vectors):
        raise InvalidInputError("min_score", "is a cosine, so it needs a dense vector among `vectors`")
    return SearchPlan(
        query=_check_query(request.query, settings.query_max_chars),
        vectors=vectors,
        filter=parse_filters(request.filters, include_adult=request.include_adult),
        limit=request.limit,
        offset=request.offset,
        min_score=_check_min_score(request.min_score),
        fields=_check_fields(request.fields),
    )


def _check_query(query: str, max_chars: int) -> str:
    if len(query) > max_chars:
        raise InvalidInputError("query", f"{len(query)} characters, at most {max_chars} are allowed")
    if fault := find_text_fault(query):
        raise InvalidInputError("query", fault)
    normalised = normalise_query(query)
    if not normalised:
        raise InvalidInputError("query", "is empty")
    return normalised


def _check_page(request: SearchRequest) -> None:
    if not 1 <= request.limit <= LIMIT_MAX:
        raise InvalidInputError("limit", f"must be 1 to {LIMIT_MAX}")
    if request.offset < 0 or request.offset + request.limit > WINDOW_MAX:
        raise InvalidInputError("offset", f"must be at least 0, and offset + limit at most {WINDOW_MAX}")


def _check_min_score(min_score: float | None) -> float | None:
    if min_score is not None and not -1.0 <= min_score <= 1.0:
        raise InvalidInputError("min_score", "must be between -1 and 1")
    return min_score


def _check_fields(fields: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if fields is None:
        return None
    for index, name in enumerate(fields):
        if name not in PAYLOAD_FIELDS:
            raise InvalidInputError(
                f"fields.{index}", f"is not a field of a title; known are {_listed(PAYLOAD_FIELDS)}"
            )
    return tuple(sorted(set(fields)))


def _choose_vectors(wanted: Mapping[str, float] | None, settings: Settings) -> tuple[PlannedVector, ...]:
    if wanted is None:
        wanted = {name: weight for name, weight in DEFAULT_WEIGHTS.items() if _is_served(name, settings)}
    elif not wanted:
        raise InvalidInputError("vectors", "names no vector")
    chosen = [_plan_vector(name, weight, settings) for name, weight in wanted.items()]
    # One order for all, so that plans that ask for the same are equal.
    return tuple(sorted(chosen, key=lambda vector: SEARCHABLE_VECTORS.index(vector.name)))


def _plan_vector(name: str, weight: float, settings: Settings) -> PlannedVector:
    if name not in BY_NAME:
        known = _listed(SEARCHABLE_VECTORS)
        raise InvalidInputError(f"vectors.{ascii(name)[1:-1][:80]}", f"is not a vector; known are {known}")
    if name not in SEARCHABLE_VECTORS:
        raise InvalidInputError(f"vectors.{name}", "cannot be searched by text")
    if not _is_served(name, settings):
        raise InvalidInputError(f"vectors.{name}", "sparse vectors are turned off (ENABLE_SPARSE_VECTORS)")
    if not math.isfinite(weight) or not 0 < weight <= WEIGHT_MAX:
        raise InvalidInputError(f"vectors.{name}", f"the weight must be above 0 and at most {WEIGHT_MAX:g}")
    return PlannedVector(name, float(weight), BY_NAME[name].priority)


def _is_served(name: str, settings: Settings) -> bool:
    return settings.enable_sparse_vectors or not BY_NAME[name].is_sparse


def _listed(names: Any) -> str:
    return ", ".join(sorted(names))
