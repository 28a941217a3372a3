"""Providers and ids as a person names them."""

from __future__ import annotations

import pytest

from core.errors import InvalidInputError
from core.links import check_external_id, check_provider


@pytest.mark.parametrize(
    ("provider", "text"),
    [
        ("anilist", "16498"),
        ("jikan", "1"),
        ("anime-planet", "attack-on-titan"),
        ("animeschedule", "86"),
        ("kitsu", "7442"),
    ],
)
def test_ids_of_the_right_form(provider: str, text: str) -> None:
    """Numbers, and at two providers the name in the address."""
    assert check_external_id(check_provider(provider), text) == text


@pytest.mark.parametrize(
    ("provider", "text"),
    [("anilist", ""), ("anilist", "0"), ("anilist", "01"), ("anilist", "1 "), ("anilist", "1१"), ("anilist", "1" * 13),
     ("anidb", "a23"), ("anime-planet", "Attack"), ("anime-planet", "-x"), ("anime-planet", "a/b"),
     ("anime-planet", "x" * 201), ("animeschedule", "x\n")],
)  # fmt: skip
def test_ids_of_another_form_are_refused(provider: str, text: str) -> None:
    """The field is named, and what it should be."""
    with pytest.raises(InvalidInputError, match=r"^external_id: must be"):
        check_external_id(provider, text)


def test_an_unknown_provider_is_refused() -> None:
    """With those that there are."""
    with pytest.raises(InvalidInputError, match=r"^provider: 'imdb' is none of jikan"):
        check_provider("imdb")
