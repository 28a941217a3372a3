"""The score of a title: bounded, explained by its parts, and growing with what it counts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.document import AnimeDocument
from enrichment.quality import FIELD_WEIGHTS, SHARES, rate_title

NOW = datetime(2026, 11, 20, tzinfo=UTC)
WHOLE: dict[str, Any] = {
    **{name: ["x"] for name in ("genres", "studios", "tags", "synonyms")},
    "synopsis": "x" * 200,
    "type": "TV",
    "status": "FINISHED",
    "episodes": 2,
    "year": 1998,
    "aired": {"start": "1998-04-03"},
    "season": "SPRING",
    "duration": 24.0,
    "source": "manga",
    "rating": "R",
    "score": 8.0,
    "title_english": "x",
    "title_japanese": "x",
    "external_ids": {"mal": 1},
    "images": {"picture": "p", "thumbnail": "t", "banner": "b"},
    "episode_list": [{"number": 1}, {"number": 2}],
    "characters": [{"name": str(number)} for number in range(10)],
    "staff": [{"name": str(number)} for number in range(8)],
    "related_anime": [{"title": "y"}],
}


def rate(document: dict[str, Any], *, confidence: float | None = 1.0, age: timedelta = timedelta()) -> Any:
    """With every field as sure and every stage as old as said."""
    confidences = dict.fromkeys(document, confidence)
    return rate_title(document, confidences=confidences, spoken_at={"metadata": NOW - age}, now=NOW)


def test_a_whole_fresh_and_sure_title_has_100() -> None:
    """And one of which nothing is known has 0."""
    quality = rate(WHOLE)
    assert quality.score == 100.0 and set(quality.parts.values()) == {1.0} and set(quality.parts) == set(SHARES)
    assert rate_title({}, confidences={}, spoken_at={}, now=NOW).score == 0.0
    assert sum(SHARES.values()) == 100.0 and set(FIELD_WEIGHTS) <= set(AnimeDocument.model_fields)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"synopsis": "short"}, "completeness"),
        ({"type": "UNKNOWN"}, "completeness"),
        ({"images": {"picture": "p"}}, "pictures"),
        ({"images": None}, "pictures"),
        ({"episode_list": []}, "depth"),
        ({"characters": []}, "depth"),
    ],
)
def test_each_lack_shows_in_its_part(change: dict[str, Any], part: str) -> None:
    """And in no other."""
    parts = rate({**WHOLE, **change}).parts
    assert parts[part] < 1.0 and all(value == 1.0 for name, value in parts.items() if name != part)


def test_age_counts_by_status() -> None:
    """Half as fresh after a week of airing, and after half a year of a finished title; the future is no better."""
    assert rate(WHOLE, age=timedelta(days=182)).parts["freshness"] == pytest.approx(0.5)
    assert rate({**WHOLE, "status": "ONGOING"}, age=timedelta(days=7)).parts["freshness"] == pytest.approx(0.5)
    assert rate(WHOLE, age=timedelta(days=-3)).parts["freshness"] == 1.0


def test_doubt_and_ignorance_lower_agreement() -> None:
    """A field that nobody is sure of counts less; where nothing is known, there is no agreement."""
    assert rate(WHOLE, confidence=0.6).parts["agreement"] == pytest.approx(0.6)
    assert rate(WHOLE, confidence=None).parts["agreement"] == 0.0


def test_what_cannot_be_known_yet_is_not_missed() -> None:
    """A title that has not begun has no score, no length, and no number of episodes."""
    coming = {name: value for name, value in WHOLE.items() if name not in ("episodes", "duration", "score")}
    assert rate({**coming, "status": "UPCOMING"}).parts["completeness"] == 1.0


@given(st.sets(st.sampled_from(sorted(WHOLE))), st.floats(0, 1), st.integers(0, 5_000))
def test_the_score_is_bounded_and_grows_with_fields(names: set[str], confidence: float, days: int) -> None:
    """Between 0 and 100 for any part of a document, and never lower with one field more."""
    document = {name: WHOLE[name] for name in names}
    quality = rate(document, confidence=confidence, age=timedelta(days=days))
    assert 0.0 <= quality.score <= 100.0 and all(0.0 <= value <= 1.0 for value in quality.parts.values())
    more = rate_title(
        {**WHOLE, **document}, confidences=dict.fromkeys(WHOLE, confidence), spoken_at={"metadata": NOW}, now=NOW
    )
    assert more.parts["completeness"] >= quality.parts["completeness"]
