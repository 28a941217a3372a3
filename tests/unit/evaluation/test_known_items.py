"""Known-item queries from a small catalogue."""

from __future__ import annotations

import random
from typing import Any

import pytest

from evaluation.catalogue import Catalogue, Title
from evaluation.known_items import GROUP, build_known_items
from evaluation.spelling import TYPING_ERRORS, find_language, misspell, respell


def make_catalogue(*documents: dict[str, Any]) -> Catalogue:
    """Titles whose slugs are their numbers."""
    return Catalogue(Title(f"title-{number}", document) for number, document in enumerate(documents))


def test_right_are_all_titles_that_bear_the_name() -> None:
    """Two titles of one name are both right, whichever of them the query was made from."""
    catalogue = make_catalogue({"title": "Hellsing"}, {"title": "Other Tale", "synonyms": ["HELLSING!"]})
    queries = [query for query in build_known_items(catalogue, count=50, seed=1) if query.text == "Hellsing"]
    assert queries
    assert all(query.relevant == {"title-0": 1, "title-1": 1} for query in queries)


def test_a_name_that_many_bear_is_not_asked_for() -> None:
    """'Pilot' names nothing in particular when four titles have it."""
    catalogue = make_catalogue(*({"title": "Pilot Film"} for _ in range(4)))
    assert build_known_items(catalogue, count=50, seed=1) == ()


def test_adult_titles_are_neither_asked_for_nor_right() -> None:
    """No query leads to a title that the search would not show."""
    catalogue = make_catalogue({"title": "Midnight Garden", "adult": True}, {"title": "Morning Garden"})
    queries = build_known_items(catalogue, count=50, seed=1)
    assert {slug for query in queries for slug in query.relevant} == {"title-1"}


def test_an_error_that_gives_another_name_is_no_query() -> None:
    """Whoever types the name of one title wants that one, even if it is a slip away from another."""
    documents = [{"title": "Marina"}, *({"title": f"M{letter}rina"} for letter in "bcdefghijklmnopqrstuvwxyz")]
    catalogue = make_catalogue(*documents)
    wrong = [query for query in build_known_items(catalogue, count=400, seed=3) if query.kind == "wrong letter"]
    for query in wrong:
        assert query.text.casefold() not in catalogue.by_name


def test_the_same_seed_gives_the_same_queries_whatever_the_order() -> None:
    """The sample depends on the seed and the titles, not on the order that the index gives them in."""
    titles = [Title(f"t{number}", {"title": f"Tale of Wonder {number}"}) for number in range(30)]
    first, second = Catalogue(titles), Catalogue(reversed(titles))
    assert build_known_items(first, count=20, seed=5) == build_known_items(second, count=20, seed=5)
    assert build_known_items(first, count=20, seed=5) != build_known_items(first, count=20, seed=6)


def test_every_kind_is_made_where_the_names_allow_it() -> None:
    """A title with names in all scripts gives a query of each kind."""
    document = {
        "title": "Shoujo Kakumei",
        "title_english": "Revolutionary Maiden",
        "synonyms": ["Another Name", "少女革命", "しょうじょ革命", "소녀혁명", "Юная революционерка", "การปฏิวัติ"],
    }
    queries = build_known_items(make_catalogue(document), count=120, seed=1)
    assert {query.kind for query in queries} == {
        "title", "synonym", "romanised", *TYPING_ERRORS, "ja", "zh", "ko", "ru", "other",
    }  # fmt: skip
    assert {query.group for query in queries} == {GROUP}


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("進撃の巨人", "ja"),
        ("进击的巨人", "zh"),
        ("진격의 거인", "ko"),
        ("Атака титанов", "ru"),
        ("ผ่าพิภพไททัน", "other"),
        ("Attack on Titan", None),
        ("Ado: 新時代", "zh"),
    ],
)
def test_language_is_known_by_the_script(name: str, language: str | None) -> None:
    """Kana before ideographs; Latin letters say nothing."""
    assert find_language(name) == language


@pytest.mark.parametrize("kind", TYPING_ERRORS)
def test_an_error_changes_one_place_and_not_the_first_letter(kind: str) -> None:
    """The longest word has one error, all else is as it was."""
    lengths = {"missing letter": -1, "extra letter": 1, "wrong letter": 0, "swapped letters": 0}
    for seed in range(30):
        changed = misspell("My Romance", kind, random.Random(seed))
        if changed is None:
            assert kind == "swapped letters"
            continue
        assert changed.startswith("My R")
        assert changed != "My Romance"
        assert len(changed) == len("My Romance") + lengths[kind]


def test_a_name_without_a_long_latin_word_is_not_misspelt() -> None:
    """One error in four letters may be any other name."""
    assert misspell("進撃の巨人", "missing letter", random.Random(1)) is None
    assert misspell("Nana 2", "missing letter", random.Random(1)) is None


def test_an_unknown_error_is_refused() -> None:
    """A kind that nobody defined is a fault of ours."""
    with pytest.raises(ValueError, match="no such typing error"):
        misspell("Romance", "sticky key", random.Random(1))


def test_respelling_is_another_romanisation() -> None:
    """Short vowels as heard, or Kunrei; None where nothing differs."""
    assert {respell("Shoujo Tsubasa", random.Random(seed)) for seed in range(20)} == {"shojo tsubasa", "syoujo tubasa"}
    assert respell("Naruto", random.Random(1)) is None
