"""The grammar of `filters`, from JSON to frozen conditions.

    {"genres": "action"}                          is action
    {"genres": ["action", "drama"]}               any of them; also {"any": [...]}
    {"genres": {"all": ["action", "drama"]}}      all of them
    {"year": {"gte": 2010, "lt": 2020}}           a range: gt, gte, lt, lte
    {"must": {...}, "should": {...}, "must_not": {...}}

Entries at the top level count as `must`. Names, kinds and folding come from `core.fields`; whatever is wrong is an
InvalidInputError with the dotted path of the place, such as `filters.must.year.gte`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, cast, get_args

from core.document import AgeRating
from core.errors import InvalidInputError
from core.fields import FIELD_BY_NAME, FieldKind, IndexedField
from core.text import clean_text, find_text_fault

Clause = Literal["must", "should", "must_not"]
Scalar = str | int | bool
Bound = float | datetime

CLAUSES: tuple[Clause, ...] = get_args(Clause)
VALUES_MAX = 100
CONDITIONS_MAX = 50
VALUE_MAX_CHARS = 1_000
# Beyond this a JSON number is no longer the integer that its sender meant.
INTEGER_MAX = 2**53
_RATINGS: dict[str, str] = {rating.casefold(): rating for rating in get_args(AgeRating)}
_BOUNDS = ("gt", "gte", "lt", "lte")
_RANGED = (FieldKind.INTEGER, FieldKind.FLOAT, FieldKind.DATETIME)


@dataclass(frozen=True, slots=True)
class Match:
    """The payload at `path` is, or holds, one of the values."""

    path: str
    values: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class Range:
    """The payload at `path` lies between the bounds that are given."""

    path: str
    gt: Bound | None = None
    gte: Bound | None = None
    lt: Bound | None = None
    lte: Bound | None = None


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every one of the conditions holds."""

    conditions: tuple[Match, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one of the conditions holds: catalogues differ in the field that says a thing."""

    conditions: tuple[Match, ...]


# What hides adult titles: added to every request that does not ask for them.
ADULT = Match(FIELD_BY_NAME["adult"].path, (True,))
Condition = Match | Range | AllOf | AnyOf


@dataclass(frozen=True, slots=True)
class FilterSpec:
    """All of `must`, at least one of `should` when there are any, none of `must_not`."""

    must: tuple[Condition, ...] = ()
    should: tuple[Condition, ...] = ()
    must_not: tuple[Condition, ...] = ()

    @property
    def is_empty(self) -> bool:
        """True if every title passes."""
        return not (self.must or self.should or self.must_not)

    @property
    def hides_adult(self) -> bool:
        """True if no adult title passes."""
        return ADULT in self.must_not


def parse_filters(
    filters: Mapping[str, Any] | None, *, include_adult: bool, fields: Mapping[str, IndexedField] = FIELD_BY_NAME
) -> FilterSpec:
    """The conditions of a request. Adult titles are excluded unless it says `include_adult`.

    `fields`: what may be filtered, by name; titles have them all.
    """
    found: dict[Clause, list[Condition]] = {clause: [] for clause in CLAUSES}
    for clause, name, value, where in _walk(filters or {}):
        found[clause].append(_parse_condition(_get_field(name, where, fields), value, where))
    if (count := sum(map(len, found.values()))) > CONDITIONS_MAX:
        raise InvalidInputError("filters", f"{count} conditions, at most {CONDITIONS_MAX} are allowed")
    if not include_adult:
        found["must_not"].append(ADULT)
    return FilterSpec(**{clause: tuple(conditions) for clause, conditions in found.items()})


def _walk(filters: Mapping[str, Any]) -> Iterator[tuple[Clause, str, Any, str]]:
    """(clause, field name, value, dotted path) of every entry."""
    for key, value in filters.items():
        if key not in CLAUSES:
            yield "must", key, value, f"filters.{key}"
            continue
        if not isinstance(value, Mapping):
            raise InvalidInputError(f"filters.{key}", "must be an object of fields and values")
        for name, inner in value.items():
            yield key, name, inner, f"filters.{key}.{name}"


def _get_field(name: str, where: str, fields: Mapping[str, IndexedField]) -> IndexedField:
    field = fields.get(name)
    if field is None:
        # The name itself may hold anything, so it is shown as ASCII and cut.
        place = where[: -len(name)] + ascii(name)[1:-1][:80] if name else where
        raise InvalidInputError(place, f"is not a field that can be filtered; known are {', '.join(fields)}")
    return field


def _parse_condition(field: IndexedField, value: Any, where: str) -> Condition:
    if isinstance(value, Mapping):
        return _parse_operators(field, value, where)
    if isinstance(value, list):
        return _parse_any(field, value, where)
    if field.kind in (FieldKind.FLOAT, FieldKind.DATETIME):
        bound = _parse_bound(field, value, where)
        return Range(field.path, gte=bound, lte=bound)
    return Match(field.path, (_parse_value(field, value, where),))


def _parse_operators(field: IndexedField, value: Mapping[str, Any], where: str) -> Condition:
    if set(value) == {"any"}:
        return _parse_any(field, value["any"], f"{where}.any")
    if set(value) == {"all"}:
        values = _parse_any(field, value["all"], f"{where}.all").values
        return AllOf(tuple(Match(field.path, (one,)) for one in values))
    allowed = _BOUNDS if field.kind in _RANGED else ("any", "all")
    unknown = next((key for key in value if key not in allowed), None)
    if unknown is not None or not value:
        raise InvalidInputError(where, f"a field of kind {field.kind} takes {' or '.join(allowed)}")
    return _parse_range(field, value, where)


def _parse_range(field: IndexedField, value: Mapping[str, Any], where: str) -> Range:
    bounds = {name: _parse_bound(field, bound, f"{where}.{name}") for name, bound in value.items()}
    for lower in ("gt", "gte"):
        for upper in ("lt", "lte"):
            if lower not in bounds or upper not in bounds:
                continue
            low, high = cast(float, bounds[lower]), cast(float, bounds[upper])
            if low > high or (low == high and (lower, upper) != ("gte", "lte")):
                raise InvalidInputError(where, f"the range is empty: {lower} {value[lower]}, {upper} {value[upper]}")
    return Range(field.path, **bounds)


def _parse_any(field: IndexedField, values: Any, where: str) -> Match:
    if field.kind not in (FieldKind.KEYWORD, FieldKind.INTEGER):
        raise InvalidInputError(where, f"a field of kind {field.kind} takes no list of values")
    if not isinstance(values, list) or not 1 <= len(values) <= VALUES_MAX:
        raise InvalidInputError(where, f"must be a list of 1 to {VALUES_MAX} values")
    parsed = (_parse_value(field, value, f"{where}.{index}") for index, value in enumerate(values))
    return Match(field.path, tuple(dict.fromkeys(parsed)))


def _parse_value(field: IndexedField, value: Any, where: str) -> Scalar:
    if field.kind is FieldKind.BOOL:
        if not isinstance(value, bool):
            raise InvalidInputError(where, "must be true or false")
        return value
    if field.kind is FieldKind.INTEGER:
        if not isinstance(value, int) or isinstance(value, bool) or abs(value) > INTEGER_MAX:
            raise InvalidInputError(where, "must be a whole number")
        return value
    if not isinstance(value, str) or not value.strip() or len(value) > VALUE_MAX_CHARS:
        raise InvalidInputError(where, f"must be a text of 1 to {VALUE_MAX_CHARS} characters")
    if fault := find_text_fault(value):
        raise InvalidInputError(where, fault)
    return _fold(field, clean_text(value))


def _fold(field: IndexedField, value: str) -> str:
    """The value as the index holds it; age ratings have a spelling of their own."""
    if field.name == "rating":
        return _RATINGS.get(value.casefold(), value)
    return field.fold(value)


def _parse_bound(field: IndexedField, value: Any, where: str) -> Bound:
    if field.kind is FieldKind.DATETIME:
        return _parse_moment(value, where)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise InvalidInputError(where, "must be a number")
    if not math.isfinite(value) or abs(value) > INTEGER_MAX:
        raise InvalidInputError(where, "is out of range")
    return value


def _parse_moment(value: Any, where: str) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise InvalidInputError(where, "must be a date such as 2013-04-07") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
