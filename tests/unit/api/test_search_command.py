"""`avs search`: how its options become a request, and problems become errors."""

from __future__ import annotations

from typing import Any

import click
import pytest

from cli.exits import Exit, get_exit_code
from cli.searching import build_error, parse_filters, parse_vectors


@pytest.mark.parametrize(
    ("given", "filters"),
    [
        (["genres=action"], {"genres": "action"}),
        (["genres=action", "genres=drama"], {"genres": ["action", "drama"]}),
        (["year=2010..2019"], {"year": {"gte": 2010, "lte": 2019}}),
        (["score=7.5.."], {"score": {"gte": 7.5}}),
        (["year=..2000"], {"year": {"lte": 2000}}),
        (["year=2010"], {"year": 2010}),
        (["id=86"], {"id": "86"}),
        (["studios=A..B"], {"studios": "A..B"}),
        (["adult=false"], {"adult": False}),
        (["aired_start=2013-04-01.."], {"aired_start": {"gte": "2013-04-01"}}),
        (["colour=a=b"], {"colour": "a=b"}),
        (["year=soon"], {"year": "soon"}),
    ],
)
def test_filters_take_the_kind_of_their_field(given: list[str], filters: dict[str, Any]) -> None:
    """Numbers for numeric fields, text for all others; what makes no sense goes to the API, which says so."""
    assert parse_filters(given) == filters


@pytest.mark.parametrize("given", [["genres"], ["=x"], ["genres="], ["year=2000..2010", "year=1990"]])
def test_a_filter_of_another_form_is_wrong_usage(given: list[str]) -> None:
    """FIELD=VALUE, and a range stands alone."""
    with pytest.raises(click.BadParameter):
        parse_filters(given)


def test_vectors_have_a_weight_of_one_by_default() -> None:
    """NAME or NAME=WEIGHT."""
    assert parse_vectors(["title_vector", "lexical_sparse=0.5"]) == {"title_vector": 1.0, "lexical_sparse": 0.5}
    with pytest.raises(click.BadParameter):
        parse_vectors(["title_vector=much"])


@pytest.mark.parametrize(
    ("problem", "code"),
    [
        ({"status": 503, "dependency": "qdrant", "detail": "x"}, Exit.UNAVAILABLE),
        ({"status": 503, "detail": "late"}, Exit.UNAVAILABLE),
        ({"status": 422, "field": "filters.colour", "reason": "no"}, Exit.USAGE),
        ({"status": 404, "detail": "x"}, Exit.NOT_FOUND),
        ({"status": 409, "detail": "nothing is indexed yet"}, Exit.FAILED),
        ({"status": 500}, Exit.FAILED),
    ],
)
def test_a_problem_gives_the_exit_code_of_its_error(problem: dict[str, Any], code: Exit) -> None:
    """A script can tell wrong usage from a server that is away."""
    assert get_exit_code(build_error(problem)) == code
