"""The grammar of filters. The table of refusals is in tests/integration/api/test_bad_input.py as well."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidInputError
from core.fields import FIELD_BY_NAME
from search.filters import CONDITIONS_MAX, AllOf, FilterSpec, Match, Range, parse_filters

NOT_ADULT = Match("adult", (True,))


def parse(filters: Any) -> FilterSpec:
    """The filter of a request that may see adult titles."""
    return parse_filters(filters, include_adult=True)


@pytest.mark.parametrize(
    ("filters", "condition"),
    [
        ({"genres": "Action"}, Match("genres", ("action",))),
        ({"genres": ["Action", "drama", "action"]}, Match("genres", ("action", "drama"))),
        ({"genres": {"any": ["drama"]}}, Match("genres", ("drama",))),
        ({"genres": {"all": ["a", "B"]}}, AllOf((Match("genres", ("a",)), Match("genres", ("b",))))),
        ({"type": "tv"}, Match("type", ("TV",))),
        ({"rating": "Rx"}, Match("rating", ("Rx",))),
        ({"rating": ["pg-13", "RX", "r+"]}, Match("rating", ("PG-13", "Rx", "R+"))),
        ({"studios": "Cafe\u0301 "}, Match("keys.studios", ("caf\u00e9",))),
        ({"id": "e\u0301"}, Match("id", ("\u00e9",))),
        ({"studios": "Straße"}, Match("keys.studios", ("strasse",))),
        ({"studios": "WIT Studio"}, Match("keys.studios", ("wit studio",))),
        ({"external_ids": "mal:1"}, Match("external_keys", ("mal:1",))),
        ({"year": 2010}, Match("year", (2010,))),
        ({"year": [2010, 2011]}, Match("year", (2010, 2011))),
        ({"year": {"gte": 2010, "lt": 2012.5}}, Range("year", gte=2010, lt=2012.5)),
        ({"score": 8}, Range("score", gte=8, lte=8)),
        ({"score": {"gt": 7.5}}, Range("score", gt=7.5)),
        ({"adult": False}, Match("adult", (False,))),
        ({"aired_start": {"gte": "2013-04-07"}}, Range("aired.start", gte=datetime(2013, 4, 7, tzinfo=UTC))),
    ],
)
def test_one_condition(filters: Any, condition: Any) -> None:
    """Each form of a value becomes one condition on the payload's path, folded as the index is."""
    assert parse(filters) == FilterSpec(must=(condition,))


def test_clauses_go_where_they_say() -> None:
    """Top-level entries count as must; the three clauses keep their own."""
    spec = parse(
        {"year": 2010, "must": {"type": "tv"}, "should": {"genres": "a", "tags": "b"}, "must_not": {"id": "x"}}
    )
    assert spec.must == (Match("year", (2010,)), Match("type", ("TV",)))
    assert spec.should == (Match("genres", ("a",)), Match("tags", ("b",)))
    assert spec.must_not == (Match("id", ("x",)),)


def test_adult_titles_are_excluded_unless_asked_for() -> None:
    """Every search without include_adult carries the exclusion, whatever its own filters say."""
    assert parse_filters(None, include_adult=False) == FilterSpec(must_not=(NOT_ADULT,))
    assert NOT_ADULT in parse_filters({"must_not": {"adult": False}}, include_adult=False).must_not
    assert parse_filters({}, include_adult=True).is_empty


def test_too_many_conditions_are_refused() -> None:
    """One request cannot make Qdrant look at thousands of conditions."""
    words = {name: "x" for name, field in FIELD_BY_NAME.items() if field.kind == "keyword"}
    assert 4 * len(words) > CONDITIONS_MAX
    with pytest.raises(InvalidInputError, match="at most"):
        parse({**words, "must": words, "should": words, "must_not": words})


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)
_names = st.sampled_from([*FIELD_BY_NAME, "must", "should", "must_not", "colour"])


@given(st.dictionaries(_names, _json | st.dictionaries(_names, _json, max_size=3), max_size=4))
def test_any_json_is_parsed_or_refused(filters: dict[str, Any]) -> None:
    """No JSON whatsoever makes the parser raise anything but InvalidInputError with a path under filters."""
    try:
        assert isinstance(parse(filters), FilterSpec)
    except InvalidInputError as error:
        assert error.field.startswith("filters")
        assert error.reason
