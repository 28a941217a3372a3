"""A person's word on a field: checked as a document's, refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from core.document import AnimeDocument
from core.errors import InvalidInputError
from core.explaining import explain_fields
from core.overrides import OVERRIDABLE_FIELDS, check_field, check_value


@pytest.mark.parametrize(
    ("field", "value", "kept"),
    [
        ("episodes", 26, 26),
        ("genres", ["Action", "action"], ["action"]),
        ("aired", {"start": "1998-04-03"}, {"start": "1998-04-03"}),
        ("title", "  Name ", "Name"),
        ("status", "UNKNOWN", "UNKNOWN"),
        ("episodes", 0, 0),
        ("synopsis", None, None),
    ],
)
def test_values_come_back_as_a_document_holds_them(field: str, value: Any, kept: Any) -> None:
    """Cleaned, in lower case, without repetitions; null stays null."""
    assert check_value(field, value) == kept


@pytest.mark.parametrize(
    ("field", "value", "named", "word"),
    [
        ("episodes", -1, "value", "episodes"),
        ("characters", [{"name": "A"}, {"nam": "B"}], "value", "characters.1"),
        ("genres", [], "value", "blank"),
        ("synopsis", "\x00 ", "value", "blank"),
        ("synopsis", "\ud800", "value", "synopsis"),
        ("title", None, "value", "title"),
        ("external_ids", {"mal": 1}, "field", "link"),
        ("slug", "x", "field", "slug"),
        ("x" * 1_000, "x", "field", "xxx"),
        ("statistics", {"x": object()}, "value", "statistics"),
    ],
)
def test_what_no_field_can_say_is_refused(field: str, value: Any, named: str, word: str) -> None:
    """With the field at fault and the reason."""
    with pytest.raises(InvalidInputError) as caught:
        check_value(field, value)
    assert caught.value.field == named and word in caught.value.reason


def test_all_fields_but_the_ids_may_be_decided() -> None:
    """Ids say which title it is: they are linked."""
    assert {*OVERRIDABLE_FIELDS, "external_ids"} == set(AnimeDocument.model_fields)
    assert [check_field(field) for field in OVERRIDABLE_FIELDS] == list(OVERRIDABLE_FIELDS)


def test_every_field_of_a_document_has_reasons() -> None:
    """Those of merging where there are any, the catalogue's elsewhere; a field that was left out has no value."""
    explained = explain_fields(
        {"title": "A", "year": 1998}, {"year": {"sources": ["anilist"], "method": "vote"}, "rank": {"note": "left out"}}
    )
    assert list(explained) == ["rank", "title", "year"]
    assert (explained["year"]["value"], explained["year"]["sources"]) == (1998, ["anilist"])
    assert explained["title"]["sources"] == ["catalogue"] and explained["title"]["method"] == "import"
    assert (explained["rank"]["value"], explained["rank"]["note"]) == (None, "left out")
