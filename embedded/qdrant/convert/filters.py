"""Filters: every condition of the protocol, by the field that tells it apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import qdrant_edge as edge

from embedded.qdrant.convert.body import (
    Json,
    as_bool,
    as_ids,
    as_int,
    as_list,
    as_number,
    as_object,
    as_string,
    as_strings,
    need,
    only_key,
)
from embedded.qdrant.errors import BadRequestError

CLAUSES = frozenset({"must", "should", "must_not", "min_should"})
BOUNDS = frozenset({"gt", "gte", "lt", "lte"})


def read_filter(value: Any) -> edge.Filter | None:
    """Read a filter; null means none."""
    if value is None:
        return None
    body = as_object(value, CLAUSES, what="filter")
    return edge.Filter(
        must=_conditions(body.get("must")),
        should=_conditions(body.get("should")),
        must_not=_conditions(body.get("must_not")),
        min_should=_min_should(body.get("min_should")),
    )


def excluding(ids: set[Any], filter_: edge.Filter | None) -> edge.Filter | None:
    """Return `filter_` with the points `ids` left out."""
    if not ids:
        return filter_
    return edge.Filter(must=[filter_] if filter_ else None, must_not=[edge.HasIdCondition(ids)])


def read_condition(value: Any) -> Any:
    """Read one condition: a field's, one of `CONDITIONS`, or a filter inside the filter."""
    if not isinstance(value, dict):
        raise BadRequestError("filter condition: expected an object")
    if "key" in value:
        return _field_condition(value)
    for name, read in CONDITIONS.items():
        if name in value:
            return read(as_object(value, {name}, what="filter condition")[name])
    return read_filter(value)


def _conditions(value: Any) -> list[Any] | None:
    if value is None:
        return None
    return [read_condition(item) for item in (value if isinstance(value, list) else [value])]


def _min_should(value: Any) -> edge.MinShould | None:
    if value is None:
        return None
    body = as_object(value, {"conditions", "min_count"}, what="min_should")
    conditions = as_list(need(body, "conditions", what="min_should"), what="min_should.conditions")
    return edge.MinShould(
        [read_condition(item) for item in conditions], as_int(body.get("min_count"), what="min_count")
    )


def _field_condition(value: Json) -> edge.FieldCondition:
    body = as_object(value, FIELD_CONDITIONS.keys() | {"key"}, what="filter condition")
    key = as_string(body["key"], what="filter condition: key")
    tests = {name: item for name, item in body.items() if name != "key" and item is not None}
    if len(tests) != 1:
        # With several tests Qdrant's own reading is not documented, so none is guessed.
        raise BadRequestError(f"filter condition on `{key}`: expected exactly one test, got {sorted(tests)}")
    name, test = tests.popitem()
    return edge.FieldCondition(key, **{name: FIELD_CONDITIONS[name](test)})


def _match(value: Any) -> Any:
    name = only_key(value, MATCHES.keys(), what="match")
    return MATCHES[name](value[name])


def _any_of(value: Any) -> list[str] | list[int]:
    values = as_list(value, what="match")
    if all(isinstance(item, str) for item in values) or all(type(item) is int for item in values):
        return values
    raise BadRequestError("match any/except: expected a list of only strings or only whole numbers")


def _scalar(value: Any) -> Any:
    if isinstance(value, bool):
        # The engine's binding tries int first and reads True as 1; NumPy's bool is no int and arrives as a bool.
        return np.bool_(value)
    if isinstance(value, str | int):
        return value
    raise BadRequestError(f"match value: expected a string, a whole number, true or false, got {value!r}")


def _text(value: Any) -> str:
    return as_string(value, what="match text")


def _range(value: Any) -> edge.RangeFloat | edge.RangeDateTime:
    bounds = {name: bound for name, bound in as_object(value, BOUNDS, what="range").items() if bound is not None}
    if bounds and all(isinstance(bound, str) for bound in bounds.values()):
        return edge.RangeDateTime(**bounds)
    return edge.RangeFloat(**{name: as_number(bound, what=f"range.{name}") for name, bound in bounds.items()})


def _values_count(value: Any) -> edge.ValuesCount:
    body = as_object(value, BOUNDS, what="values_count")
    return edge.ValuesCount(**{k: as_int(v, what=f"values_count.{k}") for k, v in body.items() if v is not None})


def read_geo_point(value: Any) -> edge.GeoPoint:
    """Read a point on the globe, in degrees."""
    body = as_object(value, {"lon", "lat"}, what="geo point")
    lon, lat = (as_number(need(body, axis, what="geo point"), what=axis) for axis in ("lon", "lat"))
    return edge.GeoPoint(lon, lat)


def _geo_box(value: Any) -> edge.GeoBoundingBox:
    body = as_object(value, {"top_left", "bottom_right"}, what="geo_bounding_box")
    return edge.GeoBoundingBox(read_geo_point(body.get("top_left")), read_geo_point(body.get("bottom_right")))


def _geo_radius(value: Any) -> edge.GeoRadius:
    body = as_object(value, {"center", "radius"}, what="geo_radius")
    return edge.GeoRadius(read_geo_point(body.get("center")), as_number(body.get("radius"), what="radius"))


def _geo_polygon(value: Any) -> edge.GeoPolygon:
    body = as_object(value, {"exterior", "interiors"}, what="geo_polygon")
    interiors = body.get("interiors")
    return edge.GeoPolygon(_geo_line(body.get("exterior")), [_geo_line(line) for line in interiors or ()] or None)


def _geo_line(value: Any) -> list[edge.GeoPoint]:
    body = as_object(value, {"points"}, what="geo line")
    return [read_geo_point(point) for point in as_list(body.get("points"), what="geo line")]


def _payload_field(value: Any) -> str:
    return as_string(as_object(value, {"key"}, what="filter condition").get("key"), what="key")


def _nested(value: Any) -> edge.NestedCondition:
    body = as_object(value, {"key", "filter"}, what="nested")
    inner = read_filter(need(body, "filter", what="nested"))
    assert inner is not None
    return edge.NestedCondition(as_string(body.get("key"), what="nested.key"), inner)


def _slice(value: Any) -> Any:
    body = as_object(value, {"total", "index"}, what="slice")
    total, index = (as_int(body.get(name), what=f"slice.{name}") for name in ("total", "index"))
    return edge.SliceCondition(total, index)  # type: ignore[attr-defined]  # missing in the engine's stubs


MATCHES: dict[str, Callable[[Any], Any]] = {
    "value": lambda v: edge.MatchValue(_scalar(v)),
    "any": lambda v: edge.MatchAny(_any_of(v)),
    "except": lambda v: edge.MatchExcept(_any_of(v)),
    "text": lambda v: edge.MatchText(_text(v)),
    "text_any": lambda v: edge.MatchTextAny(_text(v)),
    "phrase": lambda v: edge.MatchPhrase(_text(v)),
    "prefix": lambda v: edge.MatchPrefix(_text(v)),
    "substring": lambda v: edge.MatchSubstring(_text(v)),
}
FIELD_CONDITIONS: dict[str, Callable[[Any], Any]] = {
    "match": _match,
    "range": _range,
    "values_count": _values_count,
    "is_empty": lambda v: as_bool(v, what="is_empty"),
    "is_null": lambda v: as_bool(v, what="is_null"),
    "geo_bounding_box": _geo_box,
    "geo_radius": _geo_radius,
    "geo_polygon": _geo_polygon,
}
CONDITIONS: dict[str, Callable[[Any], Any]] = {
    "is_empty": lambda v: edge.IsEmptyCondition(_payload_field(v)),
    "is_null": lambda v: edge.IsNullCondition(_payload_field(v)),
    "has_id": lambda v: edge.HasIdCondition(set(as_ids(v, what="has_id"))),
    "has_vector": lambda v: edge.HasVectorCondition(as_string(v, what="has_vector")),
    "nested": _nested,
    "slice": _slice,
}


def read_selector(value: Any, *, default: bool) -> Any:
    """Read `with_payload`: true, false, a list of fields, or what to include or exclude."""
    if value is None:
        return default
    if isinstance(value, bool):
        return value
    if isinstance(value, list):
        return as_strings(value, what="with_payload")
    name = only_key(value, {"include", "exclude"}, what="with_payload")
    build = {"include": edge.PayloadSelector.Include, "exclude": edge.PayloadSelector.Exclude}[name]
    return build(as_strings(value[name], what=f"with_payload.{name}"))


def read_vector_selector(value: Any) -> bool | list[str]:
    """Read `with_vector`: true, false or a list of names."""
    if value is None or isinstance(value, bool):
        return bool(value)
    return as_strings(value, what="with_vector")
