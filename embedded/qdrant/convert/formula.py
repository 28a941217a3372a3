"""Formulas that rescore candidates: every expression of the protocol, by its field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qdrant_edge as edge

from embedded.qdrant.convert.body import as_list, as_number, as_object, as_string, need
from embedded.qdrant.convert.filters import read_condition, read_geo_point


def read_expression(value: Any) -> edge.Expression:
    """Read a number, a variable (`$score`, a payload field), an operation or a filter condition."""
    if isinstance(value, str):
        return edge.Expression.Variable(value)
    if not isinstance(value, dict):
        return edge.Expression.Constant(as_number(value, what="formula"))
    for name, read in EXPRESSIONS.items():
        if name in value:
            return read(as_object(value, {name}, what="formula")[name])
    return edge.Expression.Condition(read_condition(value))


def _several(value: Any) -> list[edge.Expression]:
    return [read_expression(item) for item in as_list(value, what="formula")]


def _divide(value: Any) -> edge.Expression:
    body = as_object(value, {"left", "right", "by_zero_default"}, what="div")
    left, right = (read_expression(need(body, side, what="div")) for side in ("left", "right"))
    return edge.Expression.Div(left, right, body.get("by_zero_default"))


def _power(value: Any) -> edge.Expression:
    body = as_object(value, {"base", "exponent"}, what="pow")
    base, exponent = (read_expression(need(body, part, what="pow")) for part in ("base", "exponent"))
    return edge.Expression.Pow(base, exponent)


def _geo_distance(value: Any) -> edge.Expression:
    body = as_object(value, {"origin", "to"}, what="geo_distance")
    return edge.Expression.GeoDistance(read_geo_point(body.get("origin")), as_string(body.get("to"), what="to"))


def _decay(kind: edge.DecayKind) -> Callable[[Any], edge.Expression]:
    def read(value: Any) -> edge.Expression:
        body = as_object(value, {"x", "target", "midpoint", "scale"}, what="decay")
        target = body.get("target")
        return edge.Expression.Decay(
            kind,
            read_expression(need(body, "x", what="decay")),
            None if target is None else read_expression(target),
            body.get("midpoint"),
            body.get("scale"),
        )

    return read


EXPRESSIONS: dict[str, Callable[[Any], edge.Expression]] = {
    "sum": lambda v: edge.Expression.Sum(_several(v)),
    "mult": lambda v: edge.Expression.Mult(_several(v)),
    "max": lambda v: edge.Expression.Max(_several(v)),
    "min": lambda v: edge.Expression.Min(_several(v)),
    "neg": lambda v: edge.Expression.Neg(read_expression(v)),
    "abs": lambda v: edge.Expression.Abs(read_expression(v)),
    "sqrt": lambda v: edge.Expression.Sqrt(read_expression(v)),
    "exp": lambda v: edge.Expression.Exp(read_expression(v)),
    "ln": lambda v: edge.Expression.Ln(read_expression(v)),
    "log10": lambda v: edge.Expression.Log10(read_expression(v)),
    "acosh": lambda v: edge.Expression.Acosh(read_expression(v)),
    "div": _divide,
    "pow": _power,
    "geo_distance": _geo_distance,
    "datetime": lambda v: edge.Expression.Datetime(as_string(v, what="datetime")),
    "datetime_key": lambda v: edge.Expression.DatetimeKey(as_string(v, what="datetime_key")),
    "lin_decay": _decay(edge.DecayKind.Lin),
    "gauss_decay": _decay(edge.DecayKind.Gauss),
    "exp_decay": _decay(edge.DecayKind.Exp),
}
