"""Recipe fingerprints, the faults of texts, and the fields that filters name."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.fields import FIELD_BY_NAME, INDEXED_FIELDS, build_keys
from core.recipe import EmbeddingRecipe, RecipeSet
from core.text import clean_text, find_text_fault, normalise_query
from core.vectors import BY_NAME, TEXT_VECTORS, TITLE_VECTORS, Priority

_RECIPE = EmbeddingRecipe("BAAI/bge-m3", "main", 1024, 1)


def test_a_fingerprint_is_the_same_in_every_process() -> None:
    """Collections and ledger rows are named by it, so it must never depend on the run."""
    assert _RECIPE.fingerprint == "1fe56e1908be"
    assert replace(_RECIPE).fingerprint == _RECIPE.fingerprint


@pytest.mark.parametrize("change", [{"encoder": "x"}, {"revision": "v2"}, {"dimension": 384}, {"template_version": 2}])
def test_every_part_of_a_recipe_counts(change: dict[str, object]) -> None:
    """Another encoder, revision, dimension or template makes vectors that must not be mixed with ours."""
    assert replace(_RECIPE, **change).fingerprint != _RECIPE.fingerprint


def test_a_set_changes_with_each_member_and_with_their_places() -> None:
    """The collection's fingerprint covers all three recipes and which is which."""
    other = replace(_RECIPE, encoder="bm25", dimension=0)
    whole = RecipeSet(text=_RECIPE, lexical=other, metadata=other)
    assert RecipeSet(text=other, lexical=_RECIPE, metadata=other).fingerprint != whole.fingerprint
    assert RecipeSet(text=_RECIPE, lexical=_RECIPE, metadata=other).fingerprint != whole.fingerprint
    assert len(whole.fingerprint) == 12


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("plain text, with tab\tand line\nfeeds\r\n", None),
        ("進撃の巨人 😀", None),
        ("a\x00b", "control character U+0000 at position 1"),
        ("\x85", "control character U+0085 at position 0"),
        ("ok \ud83d", "lone surrogate U+D83D at position 3"),
    ],
)
def test_the_fault_of_a_text_is_named(text: str, fault: str | None) -> None:
    """Control characters and lone surrogates are told with their place; everything else is fine."""
    assert find_text_fault(text) == fault


@given(st.text())
def test_cleaned_text_has_no_fault(text: str) -> None:
    """What clean_text lets through, find_text_fault accepts; a second cleaning changes nothing."""
    cleaned = clean_text(text)
    assert find_text_fault(cleaned) is None
    assert clean_text(cleaned) == cleaned


def test_cleaning_refuses_a_lone_surrogate() -> None:
    """Half a character can be neither stored nor encoded, and nobody knows what it meant."""
    with pytest.raises(ValueError, match="U\\+DC00 at position 2"):
        clean_text("ab\udc00")


def test_queries_that_look_alike_are_one_query() -> None:
    """Runs of white space and the form of accents do not make another query."""
    assert normalise_query("  dark \n  thriller ") == "dark thriller"
    assert normalise_query("Pok\u0065\u0301mon") == normalise_query("Pok\u00e9mon")


def test_folding_makes_case_irrelevant() -> None:
    """A filter value is folded as the payload is: names and labels down, enumerations up, ids not at all."""
    assert FIELD_BY_NAME["studios"].fold("Wit STUDIO") == "wit studio"
    assert FIELD_BY_NAME["genres"].fold("Slice of Life") == "slice of life"
    assert FIELD_BY_NAME["type"].fold("tv") == "TV"
    assert FIELD_BY_NAME["rating"].fold("Rx") == "Rx"
    assert FIELD_BY_NAME["id"].fold("K-on") == "K-on"


def test_keys_are_folded_copies_of_names() -> None:
    """The payload carries each name folded and once; fields without names are left out."""
    document = {
        "studios": ["MAPPA", "Mappa"],
        "staff": [{"name": "Naoko Yamada", "role": "Director"}],
        "characters": [{"name": "Yui"}],
        "streaming": [{"platform": "Crunchyroll"}],
        "franchise": "K-On!",
        "source": "Manga",
        "licensors": [],
    }
    assert build_keys(document) == {
        "studios": ["mappa"],
        "staff": ["naoko yamada"],
        "characters": ["yui"],
        "streaming": ["crunchyroll"],
        "franchise": ["k-on!"],
        "source": ["manga"],
    }
    assert build_keys({}) == {}


def test_every_folded_name_has_its_key() -> None:
    """A field whose path lies under `keys` is one that build_keys fills, and no other."""
    full = {
        **{name: ["A"] for name in ("studios", "producers", "licensors", "awards")},
        **{name: [{"name": "A"}] for name in ("staff", "characters")},
        "streaming": [{"platform": "A"}],
        "franchise": "A",
        "source": "A",
    }
    paths = {field.path.removeprefix("keys.") for field in INDEXED_FIELDS if field.path.startswith("keys.")}
    assert set(build_keys(full)) == paths


def test_field_names_and_paths_are_unique() -> None:
    """No two names lead to one path."""
    assert len({field.path for field in INDEXED_FIELDS}) == len(FIELD_BY_NAME) == len(INDEXED_FIELDS)


def test_the_vectors_are_those_of_the_product() -> None:
    """Ten text vectors, two image vectors, three sparse ones, with the priorities of the product's table."""
    assert len(TEXT_VECTORS) == 10 and len(TITLE_VECTORS) == len(BY_NAME) == 15
    assert [spec.name for spec in TITLE_VECTORS if spec.is_sparse] == [
        "lexical_sparse",
        "metadata_sparse",
        "behavioral_sparse",
    ]
    assert BY_NAME["review_vector"].priority is Priority.HIGH
    assert BY_NAME["staff_vector"].priority is Priority.MEDIUM
    assert BY_NAME["episode_vector"].priority is Priority.LOW
