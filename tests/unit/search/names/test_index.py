"""Names found as they are, with a typing error, and while they are typed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from search.names.hits import LiveSegment
from search.names.index import NameIndex
from search.names.segment import build_segment
from storage.database.names import TitleNames


def match(index: NameIndex, text: str, **options: bool) -> list[str]:
    """The slugs that a text names."""
    return [found.slug for found in index.match(text, **options)]


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ("Attack on Titan", "attack-on-titan"),
        ("shingeki NO kyojin", "attack-on-titan"),
        ("進撃の巨人", "attack-on-titan"),
        ("진격의거인", "attack-on-titan"),
        ("进击的巨人", "attack-on-titan"),
        ("steins gate", "steins-gate"),
        ("シュタインズゲート", "steins-gate"),
        ("kidou shounen", "shounen"),
        ("!!!", "exclaim"),
    ],
)
def test_an_equal_name_is_found_first(index: NameIndex, text: str, slug: str) -> None:
    """In every language, however it is spaced and written."""
    assert match(index, text)[0] == slug


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ("Atack on Titan", "attack-on-titan"),
        ("Attack on Titna", "attack-on-titan"),
        ("Shingeki no Kyojjin", "attack-on-titan"),
        ("進撃の巨入", "attack-on-titan"),
        ("진격의 거잉", "attack-on-titan"),
        ("blaech", "bleach"),
        ("stiens;gate", "steins-gate"),
    ],
)
def test_a_name_with_an_error_is_found_first(index: NameIndex, text: str, slug: str) -> None:
    """One letter missing, too many, wrong, or two that changed places."""
    found = index.match(text)
    assert found[0].slug == slug
    assert found[0].kind == "fuzzy"
    assert 0.5 < found[0].similarity < 1


def test_equal_names_have_similarity_one(index: NameIndex) -> None:
    """Folded spellings count as equal, and the stored name is what is shown."""
    found = index.match("STEINS GATE")[0]
    assert (found.name, found.similarity, found.kind, found.is_synonym) == ("Steins;Gate", 1.0, "exact", False)


def test_a_title_comes_before_synonyms_and_sequels(index: NameIndex) -> None:
    """A bare name that sequels bear too is that of the first season; a title's own name beats a synonym."""
    assert match(index, "attack on titan") == ["attack-on-titan", "attack-on-titan-3"]
    assert match(index, "naruto") == ["naruto", "naruto-new"]
    assert index.match("naruto")[1].is_synonym


def test_signs_decide_between_names_that_fold_alike(index: NameIndex) -> None:
    """Two exclamation marks are the second season."""
    assert match(index, "k-on!!") == ["k-on-2", "k-on"]
    assert match(index, "K-On!") == ["k-on", "k-on-2"]


def test_known_words_are_no_typing_errors(index: NameIndex) -> None:
    """A text of words that the catalogue knows is a description, although a title differs by a letter."""
    assert match(index, "dark gardem") == ["dark-garden"]
    assert match(index, "dark") == []


@pytest.mark.parametrize("text", ["nar", "xyz", "a story about giants that eat people", "", " ", "x" * 500])
def test_other_texts_name_nothing(index: NameIndex, text: str) -> None:
    """Too short for an error, too far from every name, or no name at all."""
    assert match(index, text) == []


def test_adult_titles_are_found_on_request_only(index: NameIndex) -> None:
    """Neither by their name nor with an error in it, nor while typing."""
    assert match(index, "midnight orchid") == match(index, "midnight orchd") == []
    assert match(index, "midnight orchid", include_adult=True) == ["night"]
    assert index.match("midnight orchid", include_adult=True)[0].adult
    assert index.suggest("midn", limit=5, include_adult=False) == []
    assert [one.slug for one in index.suggest("midn", limit=5, include_adult=True)] == ["night"]


@pytest.mark.parametrize(
    ("prefix", "slug", "kind"),
    [
        ("Naruto", "naruto", "exact"),
        ("shin", "attack-on-titan", "prefix"),
        ("titan", "attack-on-titan", "word"),
        ("巨人", "attack-on-titan", "word"),
        ("진격", "attack-on-titan", "prefix"),
        ("shigeki no", "attack-on-titan", "fuzzy"),
        ("s", "attack-on-titan", "prefix"),
        ("kidou shou", "shounen", "prefix"),
    ],
)
def test_suggestions_while_typing(index: NameIndex, prefix: str, slug: str, kind: str) -> None:
    """The beginning of a name, of a word in it, and one with an error."""
    first = index.suggest(prefix, limit=5, include_adult=False)[0]
    assert (first.slug, first.kind) == (slug, kind)


def test_a_suggestion_shows_the_title_and_the_name_that_fits(index: NameIndex) -> None:
    """Somebody who types a synonym sees why the title is there."""
    first = index.suggest("attack o", limit=1, include_adult=False)[0]
    assert (first.title, first.matched, first.type, first.year) == ("Shingeki no Kyojin", "Attack on Titan", "TV", 2000)


def test_a_title_is_suggested_once(index: NameIndex) -> None:
    """However many of its names begin so; a year that nobody knows is None."""
    found = index.suggest("nar", limit=10, include_adult=False)
    assert [one.slug for one in found] == ["naruto", "naruto-new"]
    assert [one.year for one in found] == [2002, None]


def test_hidden_titles_do_not_take_the_places_of_others(
    title: Callable[..., TitleNames], build_index: Callable[..., NameIndex]
) -> None:
    """A thousand adult titles of a beginning do not keep the one that may be shown from being suggested."""
    adult = [title(f"x-{number}", f"Xenon {number}", adult=True, popularity=0.9) for number in range(1_000)]
    index = build_index(*adult, title("xenia", "Xenia", popularity=0.1))
    assert [one.slug for one in index.suggest("xen", limit=1, include_adult=False)] == ["xenia"]


def test_a_later_segment_replaces_a_title(title: Callable[..., TitleNames]) -> None:
    """A renamed title is found by its new name only, a new one at once."""
    base = build_segment([[title("a", "Old Name"), title("b", "Other Thing")]])
    news = build_segment([[title("a", "Fresh Start"), title("c", "Third Wheel")]])
    index = NameIndex([LiveSegment(base, np.array([True, False])), LiveSegment(news, np.zeros(2, bool))])
    assert match(index, "old name") == []
    assert match(index, "fresh start") == match(index, "frsh start") == ["a"]
    assert match(index, "other thing") == ["b"]
    assert [one.slug for one in index.suggest("thi", limit=3, include_adult=False)] == ["c", "b"]


def test_an_empty_catalogue_has_no_names(build_index: Callable[..., NameIndex]) -> None:
    """Before the first import everything is unknown, and nothing fails."""
    index = build_index()
    assert index.match("naruto") == ()
    assert index.match("進撃の巨人") == ()
    assert index.suggest("n", limit=5, include_adult=True) == []
