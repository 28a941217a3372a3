"""Reading JSON of unknown form."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from enrichment.providers.base import Answer, Fault, ShapeChangedError
from enrichment.providers.json_reader import JsonReader, load_json


def _answer(body: bytes) -> Answer:
    return Answer(key="k", status=200, body=body, media_type=None, fetched_at=datetime(2026, 1, 1, tzinfo=UTC))


def test_members_below_what_is_not_there_read_as_nothing() -> None:
    """A path through missing and null members ends in nothing, without a fault."""
    reader = JsonReader({"a": {"b": None}})
    assert reader.get("a", "b", "c", "d").value is None
    assert reader.get("x", "y").items() == []
    assert reader.faults == []


def test_member_of_another_type_is_a_fault_of_the_shape() -> None:
    """Where an object, list or text was known and something else stands, the path is named and nothing is read."""
    reader = JsonReader({"a": [1], "b": {"c": 1}, "d": True})
    assert reader.get("a", "x").value is None
    assert reader.get("b").items() == []
    assert reader.get("d").text() is None
    assert reader.faults == [
        Fault("$.a", "is not an object", "shape"),
        Fault("$.b", "is not a list", "shape"),
        Fault("$.d", "is not a text", "shape"),
    ]


def test_needed_member_that_is_gone_is_a_fault() -> None:
    """Null says nothing and is fine; a name that is not there any more is a change of the shape, told once."""
    reader = JsonReader({"a": None})
    assert reader.need("a").value is None
    assert reader.faults == []
    assert reader.need("b").value is None
    assert reader.need("b").value is None
    assert reader.faults == [Fault("$.b", "is not there", "shape")]


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("76.87", 76.87),
        ("12", 12),
        (7, 7),
        (7.5, 7.5),
        (None, None),
        ("", None),
        (" ", None),
        ("x", None),
        (True, None),
    ],
)
def test_number(value: object, number: float | None) -> None:
    """Numbers are also read out of texts; what is none reads as nothing."""
    assert JsonReader(value).number() == number


def test_integer_refuses_fractions() -> None:
    """A count with a fraction is a fault, not a rounded number."""
    reader = JsonReader([2.0, 2.5, "inf"])
    assert [item.integer() for item in reader.items()] == [2, None, None]
    assert [fault.field for fault in reader.faults] == ["$[1]", "$[2]"]


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"NaN", b"[" * 5_000, "é".encode("latin-1")])
def test_no_json_is_a_changed_shape(body: bytes) -> None:
    """What cannot be parsed is refused by name, whatever is wrong with it."""
    with pytest.raises(ShapeChangedError, match="somebody: \\$: is no JSON"):
        load_json("somebody", _answer(body))
