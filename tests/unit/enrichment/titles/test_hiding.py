"""Names that no source may bring into a document: those of adult and of excluded relatives."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from enrichment.titles.hiding import hide_relatives
from storage.database.bases import Override
from storage.database.merge_inputs import ClaimRow, MergeInputs, Relative

NOW = datetime(2026, 11, 20, tzinfo=UTC)
ADULT = Relative("secret", "Secret", adult=True)
EXCLUDED = Relative("gone", "Gone", adult=False, excluded=True)
KNOWN = Relative("sequel", "Sequel", adult=False)


def build(*claims: dict[str, Any], base: dict[str, Any] | None = None, **given: Any) -> MergeInputs:
    """A title of which each of the sources says these facts."""
    document = {"title": "Some Title", **(base or {})}
    rows = tuple(ClaimRow(f"source-{place}", "relations", facts, NOW) for place, facts in enumerate(claims))
    values: dict[str, Any] = {"overrides": {}, "links": {}, **given}
    return MergeInputs("some-title", document=document, base=document, base_at=NOW, claims=rows, **values)


def relate(*entries: dict[str, Any]) -> dict[str, Any]:
    """Facts with these related titles."""
    return {"related_anime": list(entries)}


@pytest.mark.parametrize("hidden", [ADULT, EXCLUDED])
def test_hidden_relatives_keep_ids_and_relation_but_no_name(hidden: Relative) -> None:
    """Neither what a source calls them nor what we do is left; the others stay as they are."""
    entry = {"title": "Himitsu", "relation": "sequel", "external_ids": {"mal": 9}}
    other = {"title": "Sequel", "external_ids": {"mal": 2}}
    given = build(relate(entry, other), base=relate(entry), relatives={"mal:9": hidden, "mal:2": KNOWN})
    shown = hide_relatives(given)
    bare = {"relation": "sequel", "external_ids": {"mal": 9}}
    assert shown.claims[0].facts == relate(bare, other)
    assert shown.base["related_anime"] == [bare]
    assert {key: one.name for key, one in shown.relatives.items()} == {"mal:9": "", "mal:2": "Sequel"}
    assert given.claims[0].facts == relate(entry, other)


def test_an_entry_without_a_known_id_is_known_by_its_name() -> None:
    """Ours, or what another source says beside an id; of an entry without any id nothing is left."""
    given = build(
        relate({"title": "Himitsu", "external_ids": {"mal": 9}}),
        relate({"title": "HIMITSU", "relation": "sequel"}, {"title": "Gone", "external_ids": {"kitsu": 7}}),
        relate({"title": "Secret"}, {"title": "Another"}),
        relatives={"mal:9": ADULT},
        hidden_names={"gone": EXCLUDED},
    )
    facts = [claim.facts["related_anime"] for claim in hide_relatives(given).claims]
    assert facts == [[{"external_ids": {"mal": 9}}], [{"external_ids": {"kitsu": 7}}], [{"title": "Another"}]]


def test_a_known_title_of_the_same_name_is_named() -> None:
    """An id of ours says more than a name that another title has, too."""
    same = {"title": "Gone", "external_ids": {"mal": 2}}
    given = build(relate(same), relatives={"mal:2": KNOWN}, hidden_names={"gone": EXCLUDED})
    assert hide_relatives(given).claims[0].facts == relate(same)


def test_an_adult_title_names_adult_relatives_and_no_excluded_one() -> None:
    """Whoever sees it sees adult titles; what is excluded nobody sees."""
    entries = ({"title": "Secret", "external_ids": {"mal": 9}}, {"title": "Gone", "external_ids": {"mal": 7}})
    given = build({"rating": "Rx"}, relate(*entries), relatives={"mal:9": ADULT, "mal:7": EXCLUDED})
    assert hide_relatives(given).claims[1].facts == relate(entries[0], {"external_ids": {"mal": 7}})


def test_a_title_that_a_person_shows_names_no_adult_relative() -> None:
    """The sources call it adult, a person says that it is not: its document is for everybody."""
    entry = {"title": "Secret", "external_ids": {"mal": 9}}
    overrides = {"rating": Override("R", by="editor", at=NOW)}
    given = build({"rating": "Rx"}, relate(entry), relatives={"mal:9": ADULT}, overrides=overrides)
    assert hide_relatives(given).claims[1].facts == relate({"external_ids": {"mal": 9}})
