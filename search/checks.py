"""Checks of single parts of a request. Each returns the value as the plan holds it, or raises an InvalidInputError."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from core.document import AnimeDocument
from core.errors import InvalidInputError
from core.fields import FIELD_BY_NAME, HIDDEN_PAYLOAD, INDEXED_FIELDS, FieldKind, IndexedField
from search.plan import PlannedVector, Sort
from search.request import CURSOR_START, WINDOW_MAX, Order, ResultOptions

PAYLOAD_FIELDS = frozenset(AnimeDocument.model_fields) | {
    root for field in INDEXED_FIELDS if (root := field.path.partition(".")[0]) not in HIDDEN_PAYLOAD
}
_CURSOR = re.compile(r"([A-Za-z0-9_-]{22})\.(\d{1,5})")
_SORTED_KINDS = (FieldKind.INTEGER, FieldKind.FLOAT, FieldKind.DATETIME)


@dataclass(frozen=True, slots=True)
class FieldTable:
    """What the payloads of a collection hold: the entries that may be shown, and the fields that a filter may name."""

    what: str
    payload: frozenset[str]
    by_name: Mapping[str, IndexedField]

    @property
    def sortable(self) -> tuple[str, ...]:
        """The names of the fields of numbers and dates."""
        return tuple(name for name, field in self.by_name.items() if field.kind in _SORTED_KINDS)


TITLES = FieldTable("a title", PAYLOAD_FIELDS, FIELD_BY_NAME)
SORT_FIELDS = TITLES.sortable


def check_page(request: ResultOptions) -> None:
    """Limit, offset and cursor fit together."""
    if not 1 <= request.limit <= request.limit_max:
        raise InvalidInputError("limit", f"must be 1 to {request.limit_max}")
    if request.offset < 0 or request.offset + request.limit > WINDOW_MAX:
        raise InvalidInputError("offset", f"must be at least 0, and offset + limit at most {WINDOW_MAX}")
    if request.cursor is not None and request.offset:
        raise InvalidInputError("offset", f"send none with a cursor, which says where to go on ({CURSOR_START} begins)")
    if request.cursor not in (None, CURSOR_START):
        # Before anything is asked of the index, which may be in a state that forbids the search.
        parse_cursor(request.cursor)


def parse_cursor(token: str) -> tuple[str, int]:
    """The list's name and the place in it. Raises InvalidInputError."""
    match = _CURSOR.fullmatch(token)
    if match is None:
        raise InvalidInputError("cursor", "is not a cursor of this service: send next_cursor as it was given")
    return match.group(1), int(match.group(2))


def check_min_score(min_score: float | None, vectors: Iterable[PlannedVector]) -> float | None:
    """A cosine, which only a dense vector gives."""
    if min_score is None:
        return None
    if not -1.0 <= min_score <= 1.0:
        raise InvalidInputError("min_score", "must be between -1 and 1")
    if all(vector.is_sparse for vector in vectors):
        raise InvalidInputError("min_score", "is a cosine, so it needs a dense vector among `vectors`")
    return min_score


def check_fields(fields: tuple[str, ...] | None, table: FieldTable = TITLES) -> tuple[str, ...] | None:
    """Known names, in one order."""
    if fields is None:
        return None
    for index, name in enumerate(fields):
        if name not in table.payload:
            known = ", ".join(sorted(table.payload))
            raise InvalidInputError(f"fields.{index}", f"is not a field of {table.what}; known are {known}")
    return tuple(sorted(set(fields)))


def check_boost(boost: float | None, *, default: float) -> float:
    """How strongly search_boost_factor counts: 0 (not at all) to 5."""
    if boost is None:
        return default
    if not math.isfinite(boost) or not 0 <= boost <= 5:
        raise InvalidInputError("boost", "must be between 0 and 5")
    return float(boost)


def check_diversity(diversity: float, vectors: Iterable[PlannedVector], *, has_sort: bool) -> float:
    """0 to 1; the difference of two titles is measured on a dense vector, and a sort would undo it."""
    if not 0 <= diversity <= 1:
        raise InvalidInputError("diversity", "must be between 0 and 1")
    if diversity and all(vector.is_sparse for vector in vectors):
        raise InvalidInputError("diversity", "is measured on a dense vector: name one in `vectors`")
    if diversity and has_sort:
        raise InvalidInputError("diversity", "would be undone by `sort`: send one of them")
    return float(diversity)


def check_sort(sort: tuple[str, Order] | None, table: FieldTable = TITLES) -> Sort | None:
    """A field of numbers or dates."""
    if sort is None:
        return None
    name, order = sort
    field = table.by_name.get(name)
    if field is None or field.kind not in _SORTED_KINDS:
        shown = ascii(name)[1:-1][:80]
        raise InvalidInputError("sort.field", f"{shown} cannot be sorted by; known are {', '.join(table.sortable)}")
    return Sort(field.name, field.path, order)
