"""Words of providers in ours."""

from __future__ import annotations

from typing import get_args

import pytest

from core.document import AgeRating, Season, TitleStatus, TitleType
from enrichment.providers import vocabulary as words


@pytest.mark.parametrize(
    ("table", "allowed"),
    [
        (words.TYPES, get_args(TitleType)),
        (words.STATUSES, get_args(TitleStatus)),
        (words.SEASONS, get_args(Season)),
        (words.RATINGS, get_args(AgeRating)),
        (words.SOURCES, words.SOURCE_MATERIALS),
        (words.RELATION_WORDS, words.RELATIONS),
        (words.CHARACTER_ROLE_WORDS, words.CHARACTER_ROLES),
    ],
)
def test_every_word_leads_to_one_of_ours(table: words.Words, allowed: tuple[str, ...]) -> None:
    """No table promises what validation refuses, and every key is written as words are looked up."""
    assert {ours for ours in table.values() if ours} <= set(allowed)
    for key in table:
        assert words.translate(table, key.upper()) == table[key]


@pytest.mark.parametrize(
    ("table", "word", "expected"),
    [
        (words.TYPES, "TV_SHORT", "TV"), (words.TYPES, "TV Special", "SPECIAL"), (words.TYPES, "Unknown", None),
        (words.STATUSES, "Finished Airing", "FINISHED"), (words.STATUSES, "NOT_YET_RELEASED", "UPCOMING"),
        (words.STATUSES, "CANCELLED", None), (words.SEASONS, "fall", "FALL"),
        (words.SOURCES, "4-koma manga", "4-koma manga"),
        (words.SOURCES, "LIGHT_NOVEL", "light novel"), (words.RELATION_WORDS, "Spin-Off", "spin-off"),
        (words.RELATION_WORDS, "SIDE_STORY", "side story"), (words.TYPES, "HOLOGRAM", "HOLOGRAM"),
        (words.TYPES, None, None), (words.TYPES, " ", None),
    ],
)  # fmt: skip
def test_words_are_found_however_they_are_written(table: words.Words, word: str | None, expected: str | None) -> None:
    """Case, underscores and hyphens do not matter; a word that no table knows comes back as it was."""
    assert words.translate(table, word) == expected


@pytest.mark.parametrize(
    ("rating", "expected"),
    [("PG-13 - Teens 13 or older", "PG-13"), ("R+ - Mild Nudity", "R+"), ("Rx - Hentai", "Rx"), ("G - All Ages", "G"),
     (None, None), ("18+", "18+")],
)  # fmt: skip
def test_ratings_lose_their_explanation(rating: str | None, expected: str | None) -> None:
    """MyAnimeList writes both in one."""
    assert words.translate_rating(rating) == expected


@pytest.mark.parametrize(
    ("role", "expected"),
    [("Director (eps 1-3)", "Director"), ("Original Work", "Original Creator"), ("key animation", "Key Animation"),
     ("(ED)", None), (None, None)],
)  # fmt: skip
def test_staff_roles_are_the_works_own_name(role: str | None, expected: str | None) -> None:
    """Without the episodes; one name for what is one work."""
    assert words.translate_staff_role(role) == expected


def test_labels_go_where_the_catalogue_has_them() -> None:
    """AniList's genre Mecha is a theme here, and Thriller is Suspense; what is no label of the catalogue is a tag."""
    labels = words.sort_labels(["Action", "Mecha", "Thriller", "Shounen", "Tanned Skin", "action", "Science Fiction"])
    assert labels == words.SortedLabels(
        genres=["action", "suspense", "sci-fi"], themes=["mecha"], demographics=["shounen"], others=["tanned skin"]
    )
