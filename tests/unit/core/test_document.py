"""The document of a title: what is taken in, what is refused, and when it counts as changed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from core.document import AnimeDocument, content_hash, is_adult, merge_documents


def _json(**fields: Any) -> dict[str, Any]:
    return AnimeDocument.model_validate({"title": "Monster", **fields}).to_json()


def _fault_at(**fields: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        AnimeDocument.model_validate({"title": "Monster", **fields})
    return ".".join(str(part) for part in caught.value.errors()[0]["loc"])


def test_only_what_says_something_is_stored() -> None:
    """Empty lists, blanks and nulls leave no trace in the stored document."""
    assert _json(synopsis="  ", genres=[], staff=None, year=None, external_ids=None, images=None) == {
        "title": "Monster",
        "type": "UNKNOWN",
        "status": "UNKNOWN",
    }


def test_numbers_that_are_zero_are_kept() -> None:
    """Zero members is a fact; it is not the same as unknown."""
    assert _json(members=0)["members"] == 0


def test_labels_are_lower_case_and_unique_while_names_keep_their_spelling() -> None:
    """Genres compare without case; a studio is shown as its source writes it."""
    stored = _json(genres=["Action", " action ", "ACTION", ""], studios=["MAPPA", "MAPPA", "Wit Studio"])
    assert stored["genres"] == ["action"]
    assert stored["studios"] == ["MAPPA", "Wit Studio"]


def test_text_is_normalised() -> None:
    """Text is NFC, without control characters and outer white space; NUL, which Postgres refuses, goes."""
    assert _json(synopsis=" Pok\u0065\u0301mon\x00\x07 ")["synopsis"] == "Pok\u00e9mon"


@pytest.mark.parametrize("title", ["", "  ", "\x00", "\u0007\n"])
def test_a_title_without_content_is_refused(title: str) -> None:
    """A title that is blank once cleaned names nothing."""
    assert _fault_at(title=title) == "title"


@pytest.mark.parametrize(
    ("field", "value", "at"),
    [
        ("synopsis", "a lone \ud800 surrogate", "synopsis"),
        ("year", 1492, "year"),
        ("score", 11, "score"),
        ("score", float("nan"), "score"),
        ("duration", float("inf"), "duration"),
        ("episodes", -1, "episodes"),
        ("members", 3_000_000_000, "members"),
        ("type", "tv", "type"),
        ("season", "AUTUMN", "season"),
        ("rating", "18+", "rating"),
        ("genres", "action", "genres"),
        ("genres", [1], "genres.0"),
        ("synopsis", "x" * 60_001, "synopsis"),
        ("synonyms", [str(number) for number in range(2_001)], "synonyms"),
        ("characters", [{"role": "Main"}], "characters.0.name"),
        ("aired", {"start": "last spring"}, "aired.start"),
        ("unheard_of", 1, "unheard_of"),
        ("statistics", {"note": "a\x00b"}, "statistics"),
        ("statistics", {"note": "\udfff"}, "statistics"),
        ("statistics", {"big": 10**30}, "statistics"),
    ],
)
def test_a_wrong_value_is_refused_at_its_place(field: str, value: Any, at: str) -> None:
    """The fault names the field, down to the position in a list."""
    assert _fault_at(**{field: value}) == at


def test_an_id_beyond_any_database_is_refused() -> None:
    """An id must fit into what Postgres and JSON readers hold."""
    assert _fault_at(external_ids={"mal": 10**30}).startswith("external_ids.mal")


def test_unknown_ids_are_absent() -> None:
    """A blank id would make one title of all that share it, so it is dropped."""
    assert _json(external_ids={"mal": None, "anilist": "", "kitsu": 0, "anidb": 7})["external_ids"] == {"anidb": 7}


def test_statistics_hold_only_what_json_holds() -> None:
    """NaN has no place in JSONB: it becomes null on the way in."""
    assert _json(statistics={"mean": float("nan"), "votes": [1, 2]})["statistics"] == {"mean": None, "votes": [1, 2]}


@pytest.mark.parametrize(
    ("fields", "adult"),
    [
        ({"rating": "Rx"}, True),
        ({"tags": ["Hentai"]}, True),
        ({"genres": ["hentai"]}, True),
        ({"rating": "R+"}, False),
        ({"genres": ["ecchi"]}, False),
    ],
)
def test_adult_titles_are_told_by_rating_or_label(fields: dict[str, Any], *, adult: bool) -> None:
    """Rx or the label `hentai`, in any case, makes a title adult; nothing else does."""
    document = AnimeDocument.model_validate({"title": "X", **fields})
    assert document.is_adult is is_adult(document.to_json()) is adult


def test_the_hash_does_not_depend_on_the_order_of_keys() -> None:
    """Postgres gives keys back in another order; that is no change."""
    document = _json(year=2004, studios=["Madhouse"], external_ids={"mal": 19, "anilist": 19})
    shuffled = dict(reversed(document.items()))
    shuffled["external_ids"] = dict(reversed(document["external_ids"].items()))
    assert content_hash(shuffled) == content_hash(document)
    assert len(content_hash(document)) == 32


def test_the_hash_is_the_same_in_every_release() -> None:
    """A change of this value would mark every stored title as changed."""
    assert content_hash({"title": "Monster", "year": 2004}) == "81de1f66c1a2f4689f2e5b5f3bfee4be"


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "synopsis": st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=50),
            "genres": st.lists(st.sampled_from(["Action", "drama", "DRAMA", ""])),
            "score": st.floats(0, 10),
            "year": st.integers(1900, 2100),
            "members": st.integers(0, 2_000_000_000),
            "aired": st.just({"start": "2004-04-07"}),
        },
    )
)
def test_what_is_stored_reads_back_the_same(fields: dict[str, Any]) -> None:
    """Reading a stored document again, through JSON, changes neither it nor its hash."""
    stored = _json(**fields)
    again = AnimeDocument.model_validate(json.loads(json.dumps(stored))).to_json()
    assert again == stored
    assert content_hash(again) == content_hash(stored)


def test_a_merge_keeps_what_the_incoming_document_does_not_say() -> None:
    """An absent field, or one that is only UNKNOWN, leaves the stored value; a stated one replaces it."""
    stored = _json(year=2004, type="TV", genres=["drama"], external_ids={"mal": 19})
    incoming = _json(score=8.9, genres=["mystery"], external_ids={"anilist": 19})
    merged = merge_documents(stored, incoming)
    assert merged["year"] == 2004 and merged["type"] == "TV" and merged["score"] == 8.9
    assert merged["genres"] == ["mystery"]
    assert merged["external_ids"] == {"mal": 19, "anilist": 19}


def test_merging_a_document_with_itself_changes_nothing() -> None:
    """Importing the same record again leaves the hash as it was."""
    stored = _json(year=2004, type="TV", genres=["drama"], external_ids={"mal": 19})
    assert content_hash(merge_documents(stored, stored)) == content_hash(stored)
    assert "external_ids" not in merge_documents(_json(), _json())


@pytest.mark.parametrize("number", [1e22, -1e22, 2**53 + 2, -(2**60)])
def test_numbers_that_come_back_as_others_are_refused(number: float) -> None:
    """Postgres gives 1e22 back as an integer that cannot be written as JSON again: no such number gets in."""
    with pytest.raises(ValidationError, match="number beyond"):
        AnimeDocument.model_validate({"title": "X", "statistics": {"a": [{"b": number}]}})


def test_numbers_that_can_be_kept_are_kept() -> None:
    """The largest whole number of a double, fractions and truth values pass as they are."""
    statistics = {"a": 2**53, "b": -0.5, "c": [True, 1e15], "d": 1e-7}
    assert AnimeDocument.model_validate({"title": "X", "statistics": statistics}).statistics == statistics


def test_a_title_is_recognised_by_its_ids_or_else_by_its_facts() -> None:
    """Ids of providers in their order; without any, a key of title, form and year that equal documents share."""
    with_ids = AnimeDocument.model_validate({"title": "Monster", "external_ids": {"mal": 19, "anilist": "30"}})
    assert with_ids.identity_keys == [("anilist", "30"), ("mal", "19")]
    plain = AnimeDocument.model_validate({"title": "Monster", "type": "TV", "year": 2004})
    ((provider, key),) = plain.identity_keys
    assert (provider, len(key)) == ("local", 20)
    same = AnimeDocument.model_validate({"title": "Monster", "type": "TV", "year": 2004, "genres": ["drama"]})
    other = AnimeDocument.model_validate({"title": "Monster", "type": "TV", "year": 2005})
    assert same.identity_keys == plain.identity_keys != other.identity_keys
