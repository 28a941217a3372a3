"""How many titles have each value of a field: exact counts by Qdrant, shown in the spelling that titles use.

Names of people and companies are indexed folded; what is shown is the spelling of one title that has the value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from qdrant_client import models

from core.errors import InvalidInputError
from core.fields import FIELD_BY_NAME, INDEXED_FIELDS, FieldKind, IndexedField
from search.filters import FilterSpec, Match, parse_filters
from search.live import LiveIndexReader, NothingIndexedError
from search.memory import Memory
from search.qdrant_query import build_filter
from storage.vectors.store import PointsMissingError, VectorStore

LIMIT_MAX = 200
FIELDS_MAX = 20
_DECADES = "year:decade"
# More years than there are anime of: all of them are summed up to decades.
_YEARS_MAX = 1_000
_BATCH = 64
_MEMORY_BYTES, _MEMORY_TTL_S = 8_000_000, 60.0
_COUNTED_KINDS = (FieldKind.KEYWORD, FieldKind.INTEGER, FieldKind.BOOL)
# Each value of these belongs to one title: there is nothing to count.
_NAMES_OF_TITLES = ("id", "external_ids")
FACET_FIELDS = (
    *(field.name for field in INDEXED_FIELDS if field.kind in _COUNTED_KINDS and field.name not in _NAMES_OF_TITLES),
    _DECADES,
)
_FOLDED_ROOT = "keys."
# Where the payload has the spelled names of a folded field; elsewhere they are a text or a list of texts.
_INNER_NAMES = {"staff": "name", "characters": "name", "streaming": "platform"}


@dataclass(frozen=True, slots=True)
class FacetRequest:
    """What is to be counted, among the titles that pass the filters."""

    fields: tuple[str, ...]
    filters: Mapping[str, Any] | None = None
    limit: int = 20
    include_adult: bool = False


@dataclass(frozen=True, slots=True)
class _Among:
    """The titles that are counted: those that pass a filter, without those that were hidden since they were written."""

    spec: FilterSpec
    hidden: tuple[str, ...]

    def build_filter(self, *more: Match) -> models.Filter | None:
        """Qdrant's filter, with `more` that must be so."""
        spec = FilterSpec((*self.spec.must, *more), self.spec.should, self.spec.must_not)
        return build_filter(spec, without=self.hidden)


class FacetService:
    """Counts values on the live index. Safe to use from many threads."""

    def __init__(self, *, live: LiveIndexReader, store: VectorStore) -> None:
        self._live = live
        self._store = store
        self._memory: Memory[tuple[str, bytes], bytes] = Memory(
            max_bytes=_MEMORY_BYTES, ttl_s=_MEMORY_TTL_S, size_of=lambda key, body: len(key[1]) + len(body)
        )

    def count(self, request: FacetRequest) -> bytes:
        """JSON: {"facets": {field: [{"value", "count"}]}, "total"}. Raises InvalidInputError, NothingIndexedError."""
        spec = _check(request)
        live = self._live.get()
        among = _Among(spec, live.hidden.select(include_adult=request.include_adult))
        key = (live.state, orjson.dumps([request.fields, request.filters, request.limit, request.include_adult]))
        if (known := self._memory.get(key)) is not None:
            return known
        try:
            body = orjson.dumps(
                {
                    "facets": {
                        name: self._count_field(live.collection, name, request, among) for name in request.fields
                    },
                    "total": self._store.count(live.collection, among.build_filter()),
                }
            )
        except PointsMissingError as error:
            self._live.forget()
            raise NothingIndexedError(f"the collection {live.collection} does not exist any more") from error
        self._memory.put_many({key: body})
        return body

    def _count_field(self, collection: str, name: str, request: FacetRequest, among: _Among) -> list[dict[str, Any]]:
        if name == _DECADES:
            years = self._ask(collection, FIELD_BY_NAME["year"], among, limit=_YEARS_MAX)
            return _show(_sum_decades(years), request.limit)
        field = FIELD_BY_NAME[name]
        counts = self._ask(collection, field, among, limit=request.limit)
        if field.path.startswith(_FOLDED_ROOT):
            spelled = self._find_spellings(collection, field, list(counts), among)
            counts = {spelled.get(value, value): count for value, count in counts.items()}
        return _show(counts, request.limit)

    def _ask(self, collection: str, field: IndexedField, among: _Among, *, limit: int) -> dict[Any, int]:
        condition = among.build_filter()
        answer = self._store.call(
            lambda client: client.facet(collection, field.path, facet_filter=condition, limit=limit, exact=True)
        )
        return {hit.value: hit.count for hit in answer.hits}

    def _find_spellings(
        self, collection: str, field: IndexedField, values: Sequence[str], among: _Among
    ) -> dict[str, str]:
        """Each folded value as one of the titles that were counted spells it."""
        requests = [self._build_example(field, value, among) for value in values]
        found: list[list[models.ScoredPoint]] = []
        for start in range(0, len(requests), _BATCH):
            found += self._store.query_batch(collection, requests[start : start + _BATCH])
        spellings: dict[str, str] = {}
        for value, points in zip(values, found, strict=True):
            names = read_names(points[0].payload or {}, field.name) if points else []
            spellings[value] = next((name for name in names if field.fold(name) == value), value)
        return spellings

    @staticmethod
    def _build_example(field: IndexedField, value: str, among: _Among) -> models.QueryRequest:
        selector = models.PayloadSelectorInclude(include=[field.name])
        condition = among.build_filter(Match(field.path, (value,)))
        return models.QueryRequest(filter=condition, limit=1, with_payload=selector)


def read_names(payload: Mapping[str, Any], field: str) -> list[str]:
    """The names that a title's payload has in a field whose index is folded."""
    value = payload.get(field) or []
    if isinstance(value, str):
        return [value]
    inner = _INNER_NAMES.get(field)
    return [item[inner] if inner else item for item in value]


def _check(request: FacetRequest) -> FilterSpec:
    if not request.fields:
        raise InvalidInputError("fields", "names nothing to count")
    for place, name in enumerate(request.fields):
        if name not in FACET_FIELDS:
            shown = ascii(name)[1:-1][:80]
            raise InvalidInputError(
                f"fields.{place}", f"{shown} cannot be counted; known are {', '.join(FACET_FIELDS)}"
            )
    if len(set(request.fields)) < len(request.fields):
        raise InvalidInputError("fields", "names a field twice")
    return parse_filters(request.filters, include_adult=request.include_adult)


def _sum_decades(years: Mapping[Any, int]) -> dict[Any, int]:
    decades: dict[Any, int] = {}
    for year, count in years.items():
        decades[year // 10 * 10] = decades.get(year // 10 * 10, 0) + count
    return decades


def _show(counts: Mapping[Any, int], limit: int) -> list[dict[str, Any]]:
    """The most frequent first, equals by value."""
    order: Callable[[tuple[Any, int]], tuple[int, Any]] = lambda pair: (-pair[1], pair[0])  # noqa: E731
    ranked = sorted(counts.items(), key=order)
    return [{"value": value, "count": count} for value, count in ranked[:limit]]
