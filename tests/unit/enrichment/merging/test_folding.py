"""Forms for comparing: what is written differently and is the same, and what only looks alike."""

from __future__ import annotations

import pytest

from enrichment.merging import folding


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Sunrise", "sunrise inc."),
        ("J.C.STAFF", "J.C. Staff"),
        ("Studio Deen", "DEEN"),
        ("A-1 Pictures", "A-1 Pictures Inc."),
        ("Dōga Kōbō", "Doga Kobo"),
        ("Toei Douga", "Toei Animation"),
        ("Production I.G", "production i.g"),
    ],
)
def test_spellings_of_a_company_are_one(first: str, second: str) -> None:
    """Case, legal forms, accents, punctuation and former names do not count."""
    assert folding.fold_company(first) == folding.fold_company(second)


@pytest.mark.parametrize(
    ("first", "second"),
    [("Bandai Visual", "Bandai Namco Pictures"), ("Toei Animation", "Toei"), ("Studio 4", "Studio 5"), ("A-1", "B-1")],
)
def test_companies_that_share_words_are_two(first: str, second: str) -> None:
    """What is left out is never what tells two companies apart."""
    assert folding.fold_company(first) != folding.fold_company(second)


def test_names_of_punctuation_stay_apart() -> None:
    """A title that folds to nothing is compared as it is."""
    assert folding.fold_name("!!!") == "!!!"
    assert folding.fold_name("K-ON!") == folding.fold_name("k on") == "kon"
    assert folding.fold_name("ＡＢＣ") == "abc"


def test_names_of_people_are_turned_round() -> None:
    """Family name first or last, with a comma or without."""
    assert folding.fold_person("Spiegel, Spike") == folding.fold_person("Spike Spiegel")


def test_durations_near_each_other_are_one() -> None:
    """A minute more or less, or 5%, is the same episode; half the length is not."""
    keys = folding.fold_numbers_near([24, 23.5, 12, 100, 104])
    assert keys[0] == keys[1]
    assert keys[3] == keys[4]
    assert len(set(keys)) == 3


@pytest.mark.parametrize(
    ("claimed", "near"),
    [("2012-04-06", True), ("2012-04-08", True), ("2012-04-01", True), ("2012-01-01", True), ("2012-05-01", False)],
)
def test_dates_are_near_by_a_day_or_by_their_precision(claimed: str, near: bool) -> None:
    """The first of the right month or year is how sites write that they do not know the day."""
    assert folding.is_near_date(claimed, "2012-04-07") is near


@pytest.mark.parametrize(
    ("day", "implied"),
    [
        ("2012-04-07", ("SPRING", 2012)),
        ("2012-03-07", (None, 2012)),
        ("2012-12-28", (None, None)),
        ("2013-01-05", ("WINTER", 2013)),
    ],
)
def test_a_first_day_implies_what_all_sites_agree_on(day: str, implied: tuple[str | None, int | None]) -> None:
    """At the edges of quarters sites count differently, and December may be of the next year's winter."""
    assert folding.imply_season(day) == implied


def test_a_trailer_is_known_by_its_video() -> None:
    """All forms of an address at YouTube are one; other sites' addresses are as they are."""
    forms = ("https://youtu.be/abcdefghijk", "https://www.youtube.com/watch?v=abcdefghijk&t=1")
    assert {folding.fold_trailer(form) for form in forms} == {"abcdefghijk"}
    assert folding.fold_trailer("https://example.org/v") == "https://example.org/v"
