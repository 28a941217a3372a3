"""Hashes of many names and of one, and texts packed into bytes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from search.names.folding import fold_names
from search.names.pieces import hash_name, hash_names, hash_words, pack_texts

NAMES = st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), min_size=1, max_size=20)


@given(NAMES)
def test_a_name_has_the_hash_that_it_has_among_others(names: list[str]) -> None:
    """Names are hashed thousands at a time and looked up one at a time."""
    folded = fold_names(names)
    assert hash_names(folded).tolist() == [hash_name(folded.get(index)) for index in range(len(names))]


@given(NAMES)
def test_a_word_has_the_hash_of_the_name_that_it_is(names: list[str]) -> None:
    """Words of names are recognised in texts."""
    folded = fold_names(names)
    hashes, owners = hash_words(folded)
    expected = [
        (hash_name(word), index) for index in range(len(names)) for word in folded.get(index).split(" ") if word
    ]
    assert list(zip(hashes.tolist(), owners.tolist(), strict=True)) == expected


def test_names_that_differ_have_different_hashes() -> None:
    """Letters that change places, and a name that begins as another."""
    names = ["naruto", "naurto", "narut", "narutoo", "na", "an", "進撃", "撃進"]
    assert len({hash_name(name) for name in names}) == len(names)


def test_a_name_longer_than_the_weights() -> None:
    """Weights are used again, so that no text is too long."""
    folded = fold_names(["ab" * 5_000])
    assert hash_names(folded).tolist() == [hash_name("ab" * 5_000)]


@given(NAMES)
def test_packed_texts_come_back(names: list[str]) -> None:
    """Every text, whatever it holds."""
    packed = pack_texts(names)
    assert [packed[index] for index in range(len(packed))] == names
