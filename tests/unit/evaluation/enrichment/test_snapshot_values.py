"""Values as snapshots write them."""

from __future__ import annotations

from typing import Any

import pytest

from evaluation.enrichment import snapshot_values as values


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("Apr 6, 2005 to Mar 19, 2008", {"start": "2005-04-06", "end": "2008-03-19"}),
        ("Apr, 2005 to ?", {"start": "2005-04-01"}),
        ("2005", {"start": "2005-01-01"}),
        ("Unknown", None),
        ("Not available", None),
        ("soon", None),
    ],
)
def test_days(text: str, days: dict[str, str] | None) -> None:
    """A month or a year stands for its first day, as the sites' interfaces give it."""
    assert values.read_days(text) == days


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("23 min. per ep.", 23), ("1 hr. 31 min.", 91), ("1 hr 31 min per ep", 91), ("30 sec", 0.5), ("Unknown", None)],
)
def test_minutes(text: str, minutes: float | None) -> None:
    """Hours, minutes and seconds add up."""
    assert values.read_minutes(text) == minutes


@pytest.mark.parametrize(
    ("text", "aired", "season"),
    [
        ("Spring 2012", None, {"season": "SPRING", "year": 2012}),
        ("spring", {"start": "2012-04-07"}, {"season": "SPRING", "year": 2012}),
        ("winter", {"start": "2012-12-30"}, {"season": "WINTER", "year": 2013}),
        ("spring", None, {"season": "SPRING"}),
        ("OVA ONA SPECIAL", None, {}),
        ("None 2012", None, {}),
    ],
)
def test_seasons(text: str, aired: dict[str, str] | None, season: dict[str, Any]) -> None:
    """The year comes from the text or from the first day; a winter may begin in December."""
    assert values.read_season(text, aired) == season


def test_words() -> None:
    """What is in no table says nothing."""
    assert values.read_type("Movie") == "MOVIE"
    assert values.read_type("Play") is None
    assert values.read_rating("R+ - Mild Nudity") == "R+"
    assert values.read_source("4-koma manga") == "4-koma manga"
    assert values.read_based_on([" Action ", "Based on a Light Novel"]) == "light novel"
    assert values.read_based_on(["Original Work"]) == "original"
    assert values.read_based_on(["Action"]) is None
    assert values.read_count("12.0") == 12
    assert values.read_count("Unknown") is values.read_count("0") is None
    assert values.read_names("A, Unknown, B") == ["A", "B"]


def test_a_time_of_the_world_is_a_day_in_japan() -> None:
    """What begins at 15:30 in UTC begins after midnight there."""
    assert values.read_time_in_japan("2012-04-06T15:30:00.000Z") == "2012-04-07"
