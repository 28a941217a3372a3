"""Descriptive queries: other people's words for the same story."""

from __future__ import annotations

from evaluation.catalogue import Catalogue, Title
from evaluation.descriptions import build_descriptions, is_other_text, tell_without_names

STORED = "A boy finds a black notebook and kills criminals by writing down their names while a detective hunts him."
OTHER = (
    "Light Yagami, bored student, picks up Death Note in the street. Soon he plays judge over the whole world! "
    "Nobody knows how this ends. (Source: Some Site)"
)


def make_title() -> Title:
    """A title with a synopsis and an id at MyAnimeList."""
    return Title("death-note", {"title": "Death Note", "synopsis": STORED, "external_ids": {"mal": 1535}})


def test_a_copy_of_the_indexed_text_is_no_query() -> None:
    """Finding the same words again would show nothing."""
    assert not is_other_text(STORED, make_title())
    assert not is_other_text(STORED.upper() + " It is a classic.", make_title())
    assert is_other_text(OTHER, make_title())


def test_a_title_without_a_synopsis_has_no_other_one() -> None:
    """There is nothing in the index that a description could find."""
    assert not is_other_text(OTHER, Title("x", {"title": "X"}))


def test_names_markup_and_later_sentences_are_left_out() -> None:
    """Two sentences stay, without the name that would give the title away."""
    told = tell_without_names(OTHER, make_title())
    assert told == "Light Yagami, bored student, picks up in the street. Soon he plays judge over the whole world!"


def test_too_little_text_tells_nothing() -> None:
    """A line that is mostly the name is no description."""
    assert tell_without_names("The second season of Death Note.", make_title()) is None


def test_descriptions_lead_to_their_title_alone() -> None:
    """One right answer; texts of titles that are not in the index are passed over."""
    catalogue = Catalogue([make_title()])
    (query,) = build_descriptions(catalogue, {1535: (STORED, OTHER), 99: (OTHER,)}, count=10, seed=1)
    assert query.relevant == {"death-note": 1}
    assert "Death Note" not in query.text
