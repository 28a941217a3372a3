"""Titles taken apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrichment.linking.forms import read_title


@pytest.mark.parametrize(
    "title",
    ["Kumo no Uta 2nd Season", "Kumo no Uta Season 2", "Kumo no Uta S2", "Kumo no Uta II", "Kumo no Uta 2",
     "Kumo no Uta: Second Season", "KUMO NO UTA (2nd Season)"],
)  # fmt: skip
def test_marks_of_a_second_season_are_one(title: str) -> None:
    """However a second season is written, the name is the same and the season is 2."""
    form = read_title(title)
    assert (form.core, form.season) == (read_title("Kumo no Uta").core, 2)


@pytest.mark.parametrize(
    ("title", "season"),
    [
        ("雲の歌 第2期", 2),
        ("雲の歌 第二期", 2),
        ("雲の歌 2期", 2),
        ("雲の歌 セカンドシーズン", 2),
        ("雲の歌 シーズン3", 3),
        ("雲の歌", None),
    ],
)
def test_marks_of_seasons_in_japanese(title: str, season: int | None) -> None:
    """Japanese seasons are read, and leave the name behind."""
    form = read_title(title)
    assert (form.core, form.season, form.is_cjk) == ("雲の歌", season, True)


@pytest.mark.parametrize(
    ("title", "kind"),
    [("Kumo no Uta OVA", "ova"), ("Gekijouban Kumo no Uta", "movie"), ("Kumo no Uta Movie", "movie"),
     ("劇場版 雲の歌", "movie"), ("Kumo no Uta Specials", "special"), ("Kumo no Uta Recap", "recap"),
     ("Kumo no Uta Picture Drama", "picture drama")],
)  # fmt: skip
def test_kinds_are_marks(title: str, kind: str) -> None:
    """What a title says that it is stands apart from its name."""
    form = read_title(title)
    assert kind in form.kinds
    assert form.core in (read_title("Kumo no Uta").core, "雲の歌")


def test_parts_and_years_are_marks() -> None:
    """Parts and a year in parentheses are told apart from seasons."""
    form = read_title("Kumo no Uta (2011) Part 2")
    assert (form.core, form.season, form.part, form.year) == (read_title("Kumo no Uta").core, None, 2, 2011)


@pytest.mark.parametrize(
    ("one", "other"), [("Shōnen no Umi", "Shounen no Umi"), ("Yūki", "Yuuki"), ("Hoshi wo Miru", "Hoshi o Miru"),
                       ("Hikari no Machi", "Hikari-no-machi!"), ("Ｋｕｍｏ", "kumo"), ("Café", "Cafe")],
)  # fmt: skip
def test_spellings_of_one_name(one: str, other: str) -> None:
    """Romanisation, width, accents, signs and spaces make no other name."""
    assert read_title(one).core == read_title(other).core


def test_signs_may_be_all_that_differs() -> None:
    """Two titles that differ in a sign only have the same folded form and different exact ones."""
    one, other = read_title("Kumo'"), read_title("Kumo°")
    assert one.folded == other.folded
    assert one.exact != other.exact


def test_a_dakuten_is_no_accent() -> None:
    """Kana with and without voicing marks stay different."""
    assert read_title("カキ").folded != read_title("ガギ").folded


@pytest.mark.parametrize("title", ["86", "!!!", "Movie 2", "II", "OVA", "V", "2nd Season"])
def test_a_title_of_marks_alone_keeps_a_name(title: str) -> None:
    """A title that is nothing but a mark is compared by it."""
    form = read_title(title)
    assert form.core
    assert form.folded


@given(st.text(min_size=1, max_size=60))
def test_any_text_can_be_read(title: str) -> None:
    """No text is fatal, and reading folded text again changes nothing."""
    form = read_title(title)
    assert read_title(form.folded).folded == form.folded
