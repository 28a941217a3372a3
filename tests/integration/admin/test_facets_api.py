"""Counts of values: exact, among those that may be seen, in the spelling of the titles."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from flask.testing import FlaskClient


def _facets(client: FlaskClient, **body: Any) -> dict[str, Any]:
    answer = client.post("/api/v1/facets", json=body)
    assert answer.status_code == 200, answer.get_json()
    shown: dict[str, Any] = answer.get_json()
    return shown


def _as_pairs(values: list[dict[str, Any]]) -> list[tuple[Any, int]]:
    return [(one["value"], one["count"]) for one in values]


def test_counts_are_those_of_the_catalogue(client: FlaskClient) -> None:
    """Values come most frequent first, equals by value, with the number of titles that pass."""
    shown = _facets(client, fields=["genres", "year", "year:decade", "adult"], limit=50)
    numbers = range(120)
    genres = Counter(genre for n in numbers for genre in (["action", "drama"] if n % 2 else ["comedy"]))
    assert _as_pairs(shown["facets"]["genres"]) == sorted(genres.items(), key=lambda pair: (-pair[1], pair[0]))
    years = Counter(2000 + n % 20 for n in numbers)
    assert dict(_as_pairs(shown["facets"]["year"])) == dict(years)
    assert _as_pairs(shown["facets"]["year:decade"]) == [(2000, 60), (2010, 60)]
    assert _as_pairs(shown["facets"]["adult"]) == [(False, 120)]
    assert shown["total"] == 120


def test_names_are_shown_as_titles_spell_them(client: FlaskClient) -> None:
    """What is indexed folded is shown in the spelling of a title that was counted."""
    values = _as_pairs(_facets(client, fields=["studios"])["facets"]["studios"])
    assert values == [("Studio 0", 40), ("Studio 1", 40), ("Studio 2", 40)]


def test_filters_narrow_what_is_counted(client: FlaskClient) -> None:
    """Only titles that pass the filters of the request are counted."""
    shown = _facets(client, fields=["genres"], filters={"year": 2001, "studios": "studio 1"})
    assert (shown["total"], _as_pairs(shown["facets"]["genres"])) == (2, [("action", 2), ("drama", 2)])
    assert _facets(client, fields=["genres"], filters={"year": 1901}) == {"facets": {"genres": []}, "total": 0}


def test_adult_titles_are_counted_only_when_asked_for(client: FlaskClient) -> None:
    """Neither their number nor a value that only they have shows without include_adult."""
    fields = ["studios", "genres", "year", "rating", "adult"]
    hidden = _facets(client, fields=fields, limit=200)
    assert "Nightshade" not in str(hidden)
    assert "hentai" not in str(hidden)
    assert 1995 not in dict(_as_pairs(hidden["facets"]["year"]))
    shown = _facets(client, fields=fields, limit=200, include_adult=True)
    assert shown["total"] == hidden["total"] + 1
    assert ("Nightshade", 1) in _as_pairs(shown["facets"]["studios"])
    assert (True, 1) in _as_pairs(shown["facets"]["adult"])


def test_the_limit_cuts_after_the_most_frequent(client: FlaskClient) -> None:
    """With a limit of one the most frequent value stays."""
    assert _as_pairs(_facets(client, fields=["genres"], limit=1)["facets"]["genres"]) == [("action", 60)]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"fields": []}, "fields"),
        ({"fields": ["score"]}, "fields.0"),
        ({"fields": ["genres", "id"]}, "fields.1"),
        ({"fields": ["genres", "genres"]}, "fields"),
        ({"fields": ["colour\u0000"]}, "fields.0"),
        ({"fields": ["genres"], "limit": 0}, "limit"),
        ({"fields": ["genres"], "limit": 201}, "limit"),
        ({"fields": ["genres"], "filters": {"year": {"gte": 3, "lte": 2}}}, "filters.year"),
        ({"fields": ["genres"], "page": 2}, "page"),
    ],
)
def test_what_cannot_be_counted_is_named(client: FlaskClient, body: dict[str, Any], field: str) -> None:
    """The field of the request that is wrong is named in a problem document."""
    answer = client.post("/api/v1/facets", json=body)
    assert (answer.status_code, answer.get_json()["field"]) == (422, field)
