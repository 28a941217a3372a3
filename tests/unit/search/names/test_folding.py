"""Which spellings are one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.names.folding import fold, fold_loosely, fold_names, has_cjk


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("K-On!!", "k on"),
        ("Pokémon", "pokemon"),
        ("Ｆａｔｅ／Ｚｅｒｏ", "fate zero"),
        ("ガンダム", "がんだむ"),
        ("ｼﾝｹﾞｷ", "しんげき"),
        ("Frieren’s  Journey", "frierens journey"),
        ("Spice & Wolf", "spice and wolf"),
        ("SPY×FAMILY", "spyxfamily"),
        ("ハイキュー!!", "ハイキュ"),
        ("하이큐!!", "하이큐"),
        ("Łódź", "lodz"),
    ],
)
def test_spellings_of_one_name_are_equal(one: str, other: str) -> None:
    """Case, accents, width, signs, kana and spaces make no difference."""
    assert fold(one) == fold(other)


@pytest.mark.parametrize(
    ("one", "other"), [("Shōnen", "shounen"), ("Shoonen", "shonen"), ("Yuuki", "yūki"), ("Kimi wo Koe", "kimi o koe")]
)
def test_long_vowels_are_loosely_equal(one: str, other: str) -> None:
    """Romanisations differ in how they write long vowels and particles."""
    assert fold_loosely(one) == fold_loosely(other)


@pytest.mark.parametrize(
    ("one", "other"), [("進撃の巨人", "進撃の巨入"), ("Bleach", "Beach"), ("が", "か"), ("2", "3")]
)
def test_other_names_stay_apart(one: str, other: str) -> None:
    """Folding does not join what differs in a letter that is read."""
    assert fold_loosely(one) != fold_loosely(other)


@pytest.mark.parametrize("sign", ["!!!", "☆", "???"])
def test_a_name_of_signs_only_is_compared_by_its_signs(sign: str) -> None:
    """There are titles without a single letter."""
    assert fold(sign) == sign


def test_white_space_folds_to_nothing() -> None:
    """Nothing is left to compare."""
    assert fold("  \t ") == ""


def test_characters_beyond_the_basic_plane_are_kept_apart() -> None:
    """Rare ideographs fold to codes of their own, emoji to nothing."""
    assert fold("𠮷野家") != fold("野家")
    assert fold("love 😀") == "love"


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), max_size=20))
def test_many_names_fold_as_single_ones(names: list[str]) -> None:
    """A name folds to the same whatever stands around it, and to what folds to itself."""
    together = fold_names(names)
    assert len(together.starts) == len(names) + 1
    for index, name in enumerate(names):
        assert together.get(index) == fold(name)
        assert not together.get(index).startswith(" ")
        assert not together.get(index).endswith(" ")


@pytest.mark.parametrize(("text", "expected"), [("巨人", True), ("きょじん", True), ("거인", True), ("giant", False)])
def test_writings_without_spaces_are_recognised(text: str, expected: bool) -> None:
    """They are cut into characters instead of words."""
    assert has_cjk(fold(text)) is expected
