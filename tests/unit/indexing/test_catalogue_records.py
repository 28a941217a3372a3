"""Raw records of any shape become documents, or a reason why not; never an exception."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.document import AnimeDocument, content_hash
from indexing.sources.files import RawRecord
from indexing.sources.records import Refusal, parse_record

# Facts of well-known titles, in the shape of an anime-offline-database release.
_ATTACK_ON_TITAN: dict[str, Any] = {
    "sources": [
        "https://anidb.net/anime/9541",
        "https://anilist.co/anime/16498",
        "https://anime-planet.com/anime/attack-on-titan",
        "https://kitsu.app/anime/7442",
        "https://myanimelist.net/anime/16498",
    ],
    "title": "Shingeki no Kyojin",
    "type": "TV",
    "episodes": 25,
    "status": "FINISHED",
    "animeSeason": {"season": "SPRING", "year": 2013},
    "picture": "https://cdn.example/cover.jpg",
    "thumbnail": "https://cdn.example/thumb.jpg",
    "duration": {"value": 1440, "unit": "SECONDS"},
    "score": {"arithmeticGeometricMean": 8.4, "arithmeticMean": 8.43217777, "median": 8.5},
    "synonyms": ["Attack on Titan", "AoT", "進撃の巨人"],
    "studios": ["wit studio"],
    "producers": ["production i.g", "dentsu"],
    "relatedAnime": ["https://anilist.co/anime/20958", "https://myanimelist.net/anime/25777", "https://x.example/1"],
    "tags": ["action", "military"],
}
_COWBOY_BEBOP = {
    "MAL_ID": "1",
    "Name": "Cowboy Bebop",
    "Score": "8.78",
    "Genres": "Action, Adventure, Comedy, Drama, Sci-Fi, Space",
    "English name": "Cowboy Bebop",
    "Japanese name": "カウボーイビバップ",
    "Type": "TV",
    "Episodes": "26",
    "Aired": "Apr 3, 1998 to Apr 24, 1999",
    "Premiered": "Spring 1998",
    "Producers": "Bandai Visual",
    "Licensors": "Funimation, Bandai Entertainment",
    "Studios": "Sunrise",
    "Source": "Original",
    "Duration": "24 min. per ep.",
    "Rating": "R - 17+ (violence & profanity)",
    "Ranked": "28.0",
    "Popularity": "39",
    "Members": "1251960",
    "Favorites": "61971",
}


def _document(value: dict[str, Any]) -> dict[str, Any]:
    parsed = parse_record(RawRecord(1, value=value))
    assert isinstance(parsed, AnimeDocument), parsed
    return parsed.to_json()


def _refusal(value: dict[str, Any]) -> str:
    parsed = parse_record(RawRecord(7, value=value))
    assert isinstance(parsed, Refusal) and parsed.line == 7, parsed
    return parsed.reason


def test_an_offline_database_record() -> None:
    """Every field of the schema lands where the product wants it; ids come from the page addresses."""
    assert _document(_ATTACK_ON_TITAN) == {
        "title": "Shingeki no Kyojin",
        "type": "TV",
        "episodes": 25,
        "status": "FINISHED",
        "season": "SPRING",
        "year": 2013,
        "duration": 24.0,
        "score": 8.4322,
        "synonyms": ["Attack on Titan", "AoT", "進撃の巨人"],
        "studios": ["wit studio"],
        "producers": ["production i.g", "dentsu"],
        "tags": ["action", "military"],
        "images": {"picture": "https://cdn.example/cover.jpg", "thumbnail": "https://cdn.example/thumb.jpg"},
        "external_ids": {
            "anidb": 9541,
            "anilist": 16498,
            "anime-planet": "attack-on-titan",
            "kitsu": 7442,
            "mal": 16498,
        },
        "related_anime": [{"external_ids": {"anilist": 20958}}, {"external_ids": {"mal": 25777}}],
    }


def test_the_extension_of_the_offline_database() -> None:
    """Synopsis, ratings and the other joined facts of our catalogues are taken over."""
    stored = _document(
        {
            **_ATTACK_ON_TITAN,
            "synopsis": "Titans besiege the walls.",
            "genres": ["Action", "Drama"],
            "demographics": ["Shounen"],
            "age_rating": "R - 17+ (violence & profanity)",
            "source_material": "Manga",
            "broadcast": "Sundays at 01:58 (JST)",
            "members": 4_000_000,
            "popularity": 1,
        }
    )
    assert stored["rating"] == "R" and stored["source"] == "manga" and stored["genres"] == ["action", "drama"]
    assert stored["broadcast"] == "Sundays at 01:58 (JST)" and stored["members"] == 4_000_000


def test_what_the_offline_database_does_not_know_is_absent() -> None:
    """UNDEFINED season, no episodes yet, no score and unknown words are no facts."""
    stored = _document(
        {
            **_ATTACK_ON_TITAN,
            "episodes": 0,
            "animeSeason": {"season": "UNDEFINED", "year": None},
            "duration": None,
            "score": None,
            "source_material": "Unknown",
            "age_rating": "None",
            "relatedAnime": [],
            "broadcast": "Unknown",
        }
    )
    gone = {"episodes", "season", "year", "duration", "score", "source", "rating", "related_anime", "broadcast"}
    assert not gone & set(stored)


def test_the_smallest_of_several_ids_is_kept() -> None:
    """A title with two pages at one provider is known by the smaller id, compared as a number."""
    sources = ["https://myanimelist.net/anime/100", "https://myanimelist.net/anime/99"]
    assert _document({**_ATTACK_ON_TITAN, "sources": sources})["external_ids"] == {"mal": 99}


def test_a_flat_table_row() -> None:
    """A row of a MAL export is read by its column names, in whatever case."""
    assert _document(_COWBOY_BEBOP) == {
        "title": "Cowboy Bebop",
        "title_english": "Cowboy Bebop",
        "title_japanese": "カウボーイビバップ",
        "score": 8.78,
        "genres": ["action", "adventure", "comedy", "drama", "sci-fi", "space"],
        "type": "TV",
        "status": "UNKNOWN",
        "episodes": 26,
        "aired": {"start": "1998-04-03", "end": "1999-04-24"},
        "season": "SPRING",
        "year": 1998,
        "producers": ["Bandai Visual"],
        "licensors": ["Funimation", "Bandai Entertainment"],
        "studios": ["Sunrise"],
        "source": "original",
        "duration": 24.0,
        "rating": "R",
        "rank": 28,
        "popularity": 39,
        "members": 1251960,
        "favorites": 61971,
        "external_ids": {"mal": 1},
    }


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"title": "A", "Score": "87"}, {"score": 8.7}),
        ({"title": "A", "duration": "1 hr. 55 min."}, {"duration": 115.0}),
        ({"title": "A", "duration": "2 hr."}, {"duration": 120.0}),
        ({"title": "A", "genres": "['Action', 'Slice of Life']"}, {"genres": ["action", "slice of life"]}),
        ({"title": "A", "premiered": "Autumn 2011"}, {"season": "FALL", "year": 2011}),
        ({"title": "A", "aired": "2011-10-02"}, {"aired": {"start": "2011-10-02"}}),
        ({"title": "A", "aired": "Oct 2, 2011 to ?"}, {"aired": {"start": "2011-10-02"}}),
        ({"title": "A", "members": "1,251,960"}, {"members": 1251960}),
        ({"title": "A", "ranked": "#28"}, {"rank": 28}),
        ({"title": "A", "link": "https://myanimelist.net/anime/19/Monster"}, {"external_ids": {"mal": 19}}),
        ({"title": "A", "anime_id": "19"}, {"external_ids": {"mal": 19}}),
        ({"title": "A", "anime_id": "7", "mal_id": "19"}, {"external_ids": {"anilist": 7, "mal": 19}}),
        ({"title": "A", "popularity": "9000", "popularity rank": "3"}, {"popularity": 3}),
        ({"title": "A", "score": "Unknown", "episodes": "N/A", "year": "nan", "genres": "None"}, {}),
        ({"title": "A", "members": "inf", "mal_id": "Infinity", "episodes": "-1"}, {}),
        ({"title": "A", "sypnopsis": "Text."}, {"synopsis": "Text."}),
        ({"title": "A", "a column nobody knows": "x"}, {}),
    ],
)
def test_cells_of_flat_tables(row: dict[str, str], expected: dict[str, Any]) -> None:
    """Each way in which tables write a fact; what says nothing is left out."""
    assert _document(row) == {"title": "A", "type": "UNKNOWN", "status": "UNKNOWN", **expected}


def test_our_own_schema_passes_through() -> None:
    """A document of the product's schema is taken as it is."""
    stored = _document({"title": "Monster", "year": 2004, "genres": ["Mystery"], "external_ids": {"mal": 19}})
    assert (stored["year"], stored["genres"], stored["external_ids"]) == (2004, ["mystery"], {"mal": 19})


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({}, "title: Field required"),
        ({"title": ""}, "title: Field required"),
        ({"year": 2004}, "title: Field required"),
        ({"title": "A", "year": "soon", "genres": []}, "year: "),
        ({"title": "A", "colour": ["red"]}, "colour: Extra inputs"),
        ({"title": "A", "colour": 1, "b": 1, "c": 1, "d": 1, "e": 1}, "(and 2 more)"),
        ({**_ATTACK_ON_TITAN, "sources": [1]}, "TypeError"),
        ({**_ATTACK_ON_TITAN, "animeSeason": "SPRING 2013"}, "AttributeError"),
        ({**_ATTACK_ON_TITAN, "score": {"arithmeticMean": "high"}}, "TypeError"),
        ({**_ATTACK_ON_TITAN, "source_material": ["Manga"]}, "TypeError"),
        ({**_ATTACK_ON_TITAN, "type": "SERIES"}, "type: "),
        ({**_ATTACK_ON_TITAN, "sources": ["https://myanimelist.net/anime/" + "9" * 40]}, "external_ids.mal"),
        ({"title": "A", "mal_id": "1e300"}, "external_ids.mal"),
        ({"title": "A", "score": "-3"}, "score: "),
    ],
)
def test_bad_records_are_refused_with_a_reason(value: dict[str, Any], reason: str) -> None:
    """The reason names the field, or the kind of fault where a field has the wrong type."""
    assert reason in _refusal(value)


def test_a_fault_of_the_reader_is_the_reason() -> None:
    """What could not even be read keeps the reader's words."""
    assert parse_record(RawRecord(3, fault="not JSON: x")) == Refusal(3, "not JSON: x")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
_FIELDS = st.sampled_from([*_ATTACK_ON_TITAN, *_COWBOY_BEBOP, *AnimeDocument.model_fields, "age_rating"])


@given(st.dictionaries(_FIELDS, _JSON, max_size=6), st.sampled_from([{}, _ATTACK_ON_TITAN, {"title": "A"}]))
def test_no_record_raises(noise: dict[str, Any], base: dict[str, Any]) -> None:
    """Whatever JSON stands in whichever field, the record ends as a document that can be stored, or as a refusal."""
    parsed = parse_record(RawRecord(1, value={**base, **noise}))
    if isinstance(parsed, AnimeDocument):
        stored = parsed.to_json()
        assert stored["title"] and content_hash(stored)
        assert r"\u0000" not in json.dumps(stored, allow_nan=False)


@given(st.dictionaries(st.sampled_from([*_COWBOY_BEBOP, "year", "link", "score"]), st.text(max_size=20), max_size=8))
def test_no_table_row_raises(row: dict[str, str]) -> None:
    """The same for tables, whose cells hold any text."""
    assert isinstance(parse_record(RawRecord(1, value={"title": "A", **row})), AnimeDocument | Refusal)
