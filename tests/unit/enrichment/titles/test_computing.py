"""Fields that follow from others: each rule on its own, and never over what a person decided."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest

from enrichment.titles.computing import Computed, Given, compute_fields
from storage.database.merge_inputs import Relative

TODAY = date(2026, 11, 20)


def compute(document: dict[str, Any], **given: Any) -> dict[str, Computed]:
    """The rules over a document of this title."""
    values: dict[str, Any] = {
        "facts": {},
        "slug": "some-title",
        "relatives": {},
        "overridden": frozenset(),
        "today": TODAY,
        **given,
    }
    return compute_fields(Given(document={"title": "Some Title", **document}, **values))


def values(computed: Mapping[str, Computed]) -> dict[str, Any]:
    """Values alone."""
    return {field: one.value for field, one in computed.items()}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"status": "UNKNOWN", "aired": {"start": "2026-12-01"}}, "UPCOMING"),
        ({"status": "UNKNOWN", "aired": {"start": "2020-01-05", "end": "2020-03-29"}}, "FINISHED"),
        ({"status": "ONGOING", "aired": {"start": "2026-07-01", "end": "2026-09-20"}}, "FINISHED"),
        ({"status": "UPCOMING", "aired": {"start": "2026-10-04"}}, "ONGOING"),
        ({"type": "MOVIE", "status": "UPCOMING", "aired": {"start": "2026-10-04"}}, "FINISHED"),
        ({"status": "UNKNOWN", "aired": {"start": "2026-10-04"}}, None),
        ({"status": "ONGOING", "aired": {"start": "2026-10-04"}}, None),
        ({"status": "ONGOING", "aired": {"start": "2026-07-01", "end": "2026-11-19"}}, None),
        ({"status": "FINISHED", "aired": {"start": "2027-01-01"}}, None),
        ({"status": "UPCOMING", "aired": {"start": "2026-11-21"}}, None),
        ({"status": "UNKNOWN"}, None),
        ({"status": "UNKNOWN", "aired": {}}, None),
    ],
)
def test_status_follows_days(document: dict[str, Any], expected: str | None) -> None:
    """Days decide where nobody says it, or what is said can no longer be; a day or two of time zones is no proof."""
    assert values(compute(document)).get("status") == expected


def test_year_and_season_follow_the_first_day() -> None:
    """Only where they are missing; the first of January says no more than the year."""
    assert values(compute({"aired": {"start": "1998-04-03"}})) == {"year": 1998, "season": "SPRING"}
    assert values(compute({"aired": {"start": "1998-01-01"}})) == {"year": 1998}
    assert values(compute({"aired": {"start": "1998-12-03"}, "year": 1999, "season": "WINTER"})) == {}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"status": "FINISHED", "episode_list": [{"number": 2}, {"number": 1}, {"number": 3}]}, 3),
        ({"status": "FINISHED", "episode_list": [{"number": 0}, {"number": 1}]}, 1),
        ({"status": "FINISHED", "episode_list": [{"number": 1}, {"number": 3}]}, None),
        ({"status": "ONGOING", "episode_list": [{"number": 1}]}, None),
        ({"status": "FINISHED", "episodes": 12, "episode_list": [{"number": 1}]}, None),
        ({"status": "FINISHED", "episode_list": []}, None),
    ],
)
def test_episodes_follow_a_whole_list(document: dict[str, Any], expected: int | None) -> None:
    """Of a finished title whose episodes are listed from the first on without a gap."""
    assert values(compute(document)).get("episodes") == expected


def test_main_titles_of_sources_are_synonyms() -> None:
    """Each name once, whatever its case; those that the title has already are left out."""
    facts = {
        "kitsu": {"title": "SOME TITLE"},
        "anilist": {"title": "Aru Taitoru"},
        "jikan": {"title": "aru taitoru"},
        "anidb": {"title": "English"},
    }
    computed = compute({"title_english": "English", "synonyms": ["ST"]}, facts=facts)["synonyms"]
    assert (computed.value, computed.sources) == (["ST", "Aru Taitoru"], ("anilist",))


def test_statistics_stand_side_by_side() -> None:
    """Every provider's counts under its name, beside what the catalogue had; none where nobody counts."""
    facts: dict[str, Any] = {
        "catalogue": {"score": 8.0, "statistics": {"mal": {"watching": 1}}},
        "anilist": {"score": 8.6, "members": 10, "statistics": {"anilist": {"dropped": 3}}},
        "kitsu": {"statistics": {"current": 4}},
        "anidb": {"year": 1998},
    }
    computed = compute({}, facts=facts)["statistics"]
    assert computed.value == {
        "mal": {"watching": 1},
        "anilist": {"score": 8.6, "members": 10, "dropped": 3},
        "kitsu": {"current": 4},
    }
    assert computed.sources == ("anilist", "kitsu")
    assert "statistics" not in compute({}, facts={"catalogue": {"score": 8.0}})


@pytest.mark.parametrize(
    ("title", "relatives", "expected"),
    [
        ("Shingeki no Kyojin Season 2", ["Shingeki no Kyojin", "Shingeki no Kyojin Season 3"], "Shingeki no Kyojin"),
        ("Fullmetal Alchemist: Brotherhood", ["Fullmetal Alchemist"], "Fullmetal Alchemist"),
        ("Fate/stay night", ["Fate/Zero", "Fate/kaleid liner"], "Fate"),
        ("Boruto", ["Naruto"], None),
        ("The End", ["The Beginning"], None),
        ("K-On!", ["K-On!!"], "K-On!"),
        ("One Piece", ["One Punch Man"], None),
        ("Cowboy Bebop", ["Cowboy Bebop: Tengoku no Tobira", "Cowboy Secret"], "Cowboy Bebop"),
        ("Naruto: Shippuuden", ["Naruto", "Naruto: Shippuuden Movie 1", "Naruto: Shippuuden Movie 2"], "Naruto"),
        ("Boruto: Naruto the Movie", ["Boruto: Naruto Next", "Boruto: Naruto Two", "Naruto"], "Boruto: Naruto"),
        (
            "Full Metal Panic? Fumoffu",
            ["Full Metal Panic!", "Full Metal Panic! Invisible Victory"],
            "Full Metal Panic!",
        ),
        ("Gintama'", ["Gintama", "Gintama°", "Gintama' Enchousen"], "Gintama"),
        ("進撃の巨人 第二期", ["進撃の巨人"], "進撃の巨人"),
        ("Alone", [], None),
    ],
)
def test_franchise_is_what_relatives_begin_with(title: str, relatives: list[str], expected: str | None) -> None:
    """The beginning that most of them share, as the title spells it; a filler word or three letters are none."""
    related = [{"title": name, "relation": "sequel"} for name in relatives]
    document = {"title": title, "related_anime": related} if related else {"title": title}
    assert values(compute(document)).get("franchise") == expected


def test_relatives_are_named_by_their_ids_too() -> None:
    """A relation without a name is looked up; one to another work, such as a character's, says nothing."""
    document = {"title": "Gundam Wing", "related_anime": [{"external_ids": {"mal": 80}}]}
    assert values(compute(document, relatives={"mal:80": Relative("gundam", "Gundam", adult=False)})) == {
        "franchise": "Gundam"
    }
    other = {"title": "Gundam Wing", "related_anime": [{"title": "Gundam", "relation": "Character"}]}
    assert values(compute(other)) == {}
    named = {"title": "Gundam Wing", "related_anime": [{"title": "Kidou Senshi", "external_ids": {"mal": 80}}]}
    known = {"mal:80": Relative("gundam", "Gundam", adult=False)}
    assert values(compute(named, relatives=known)) == {"franchise": "Gundam"}
    assert values(compute({**document, "franchise": "G"}, relatives=known)) == {}


def test_entries_of_one_related_title_are_joined() -> None:
    """By our ids; an id that contradicts stays in an entry of its own, unknown titles stay, the title itself goes."""
    bebop = Relative("cowboy-bebop", "Cowboy Bebop", adult=False)
    relatives = dict.fromkeys(("mal:1", "anilist:1", "anidb:23", "anidb:24"), bebop)
    relatives["mal:5"] = Relative("some-title", "Some Title", adult=False)
    related = [
        {"external_ids": {"mal": 1}},
        {"title": "Kauboi Bibappu", "relation": "sequel", "external_ids": {"anilist": 1}},
        {"relation": "prequel", "external_ids": {"anidb": 23}},
        {"external_ids": {"anidb": 24}},
        {"external_ids": {"mal": 5}},
        {"title": "Unknown", "external_ids": {"kitsu": 7}},
    ]
    assert values(compute({"related_anime": related}, relatives=relatives))["related_anime"] == [
        {"title": "Kauboi Bibappu", "relation": "sequel", "external_ids": {"mal": 1, "anilist": 1, "anidb": 23}},
        {"external_ids": {"anidb": 24}},
        {"title": "Unknown", "external_ids": {"kitsu": 7}},
    ]
    assert related[0] == {"external_ids": {"mal": 1}}


def test_a_hidden_relative_gives_no_franchise() -> None:
    """Its name is not there any more, and the source's is not taken in its place."""
    document = {"title": "Gundam Wing", "related_anime": [{"relation": "sequel", "external_ids": {"mal": 80}}]}
    assert "franchise" not in compute(document, relatives={"mal:80": Relative("gundam", "", adult=True)})


def test_what_shall_be_untouched_is_only_computed_where_it_is_empty() -> None:
    """A title of which no source speaks: its status stays though its days say otherwise, its year is new."""
    document = {"status": "ONGOING", "aired": {"start": "2020-01-05", "end": "2020-03-29"}}
    assert values(compute(document, untouched=frozenset(document))) == {"year": 2020, "season": "WINTER"}
    unknown = {**document, "status": "UNKNOWN"}
    assert values(compute(unknown, untouched=frozenset(unknown)))["status"] == "FINISHED"


def test_one_source_makes_a_title_adult() -> None:
    """Its label is added with the sources' names; where the document says so itself nothing is added."""
    facts = {"anilist": {"genres": ["hentai"]}, "jikan": {"rating": "Rx"}, "kitsu": {"genres": ["comedy"]}}
    computed = compute({"tags": ["space"]}, facts=facts)["tags"]
    assert (computed.value, computed.sources) == (["space", "hentai"], ("anilist", "jikan"))
    assert compute({"rating": "Rx"}, facts=facts) == {}


def test_what_a_person_decided_is_not_computed_over() -> None:
    """Also where the decision was that the field is empty."""
    document = {"status": "UNKNOWN", "aired": {"start": "1998-04-03", "end": "1999-04-24"}}
    facts = {"anilist": {"genres": ["hentai"], "title": "Other"}}
    overridden = frozenset({"status", "year", "season", "tags", "synonyms"})
    assert compute(document, facts=facts, overridden=overridden) == {}
