"""Kitsu's JSON:API answers as facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from core.enrichment import EnrichStage
from enrichment.providers.base import Answer, Candidate, Fault, Parsed, ShapeChangedError
from enrichment.providers.kitsu import KitsuProvider

_KITSU = KitsuProvider()
_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_TITLE = {
    "canonicalTitle": "Hoshi no Machi",
    "titles": {"en": "Town of Stars", "en_jp": "Hoshi no Machi", "ja_jp": "星の町", "zh_cn": "星镇"},
    "abbreviatedTitles": ["HnM", None],
    "synopsis": "Two people build a town.<br>(Source: Somebody)",
    "subtype": "TV",
    "status": "finished",
    "episodeCount": 13,
    "episodeLength": 24,
    "startDate": "2014-04-05",
    "endDate": "2014-06-28",
    "ageRating": "PG",
    "ageRatingGuide": "Teens 13 or older",
    "nsfw": False,
    "averageRating": "76.87",
    "ratingFrequencies": {"2": "5", "20": "15"},
    "userCount": 123,
    "favoritesCount": 4,
    "ratingRank": 77,
    "popularityRank": 88,
    "youtubeVideoId": "abc",
    "posterImage": {"original": "https://media.kitsu.app/a.jpg", "small": "https://media.kitsu.app/s.jpg"},
    "coverImage": None,
}


def _resource(kind: str, key: str, attributes: Mapping[str, Any], **related: Any) -> dict[str, Any]:
    return {
        "type": kind,
        "id": key,
        "attributes": dict(attributes),
        "relationships": {name: {"data": data} for name, data in related.items()},
    }


def _name(kind: str, key: str) -> dict[str, str]:
    return {"type": kind, "id": key}


_INCLUDED = [
    _resource("genres", "1", {"name": "Sci-Fi"}),
    _resource("categories", "2", {"title": "Slice of Life"}),
    _resource("categories", "3", {"title": "Space Travel"}),
    _resource("producers", "4", {"name": "Studio Stern"}),
    _resource("animeProductions", "5", {"role": "studio"}, producer=_name("producers", "4")),
    _resource("animeProductions", "6", {"role": "owner"}, producer=_name("producers", "4")),
    _resource("anime", "70", {"canonicalTitle": "Hoshi no Machi II"}),
    _resource("manga", "71", {"canonicalTitle": "Hoshi no Machi"}),
    _resource("mediaRelationships", "8", {"role": "sequel"}, destination=_name("anime", "70")),
    _resource("mediaRelationships", "9", {"role": "adaptation"}, destination=_name("manga", "71")),
    _resource("mappings", "10", {"externalSite": "myanimelist/anime", "externalId": "555"}),
    _resource("mappings", "11", {"externalSite": "anidb", "externalId": "666"}),
    _resource("mappings", "12", {"externalSite": "anidb", "externalId": "667"}),
    _resource("streamers", "13", {"siteName": "Stream"}),
    _resource("streamingLinks", "14", {"url": "https://stream.example/1"}, streamer=_name("streamers", "13")),
    _resource("streamingLinks", "15", {"url": "https://www.other.example/1"}),
]
_MAPPINGS = [_name("mappings", "10"), _name("mappings", "11"), _name("mappings", "12")]


def _document(*, included: Sequence[object] = (), next_link: str | None = None, data: object = None) -> bytes:
    links = {"next": next_link} if next_link else {}
    return orjson.dumps({"data": data, "included": list(included), "links": links})


def _title(attributes: Mapping[str, Any] = _TITLE) -> bytes:
    return _document(data=_resource("anime", "50", attributes, mappings=_MAPPINGS), included=_INCLUDED)


def _answer(key: str, body: bytes, status: int = 200) -> Answer:
    return Answer(key=key, status=status, body=body, media_type=None, fetched_at=_NOW)


def _parse(stage: EnrichStage, *bodies: bytes) -> Parsed:
    """As the pipeline does it: page after page."""
    answers: dict[str, Answer] = {}
    waiting = list(_KITSU.plan(stage, "50"))
    for body in bodies:
        (request,) = waiting
        answers[request.key] = _answer(request.key, body)
        parsed = _KITSU.parse(stage, "50", answers)
        waiting = list(parsed.more)
    return parsed


def test_metadata() -> None:
    """A title's own facts, in the document's words and units."""
    facts = _parse(EnrichStage.METADATA, _title()).facts
    assert facts == {
        "title": "Hoshi no Machi",
        "title_english": "Town of Stars",
        "title_japanese": "星の町",
        "synonyms": ["星镇", "HnM"],
        "synopsis": "Two people build a town.",
        "type": "TV",
        "status": "FINISHED",
        "episodes": 13,
        "duration": 24.0,
        "year": 2014,
        "aired": {"start": "2014-04-05", "end": "2014-06-28"},
        "rating": "PG-13",
        "genres": ["sci-fi", "slice of life"],
        "tags": ["space travel"],
        "studios": ["Studio Stern"],
        "streaming": [
            {"platform": "Stream", "url": "https://stream.example/1"},
            {"platform": "other.example", "url": "https://www.other.example/1"},
        ],
        "trailers": ["https://www.youtube.com/watch?v=abc"],
        "images": {"picture": "https://media.kitsu.app/a.jpg", "thumbnail": "https://media.kitsu.app/s.jpg"},
        "external_ids": {"mal": 555, "kitsu": 50},
    }


def test_unknown_role_of_a_company_is_told() -> None:
    """A role that nobody knows is a fault, and the company is in none of the fields."""
    faults = _parse(EnrichStage.METADATA, _title()).faults
    assert [fault.problem for fault in faults] == ["'owner' is no role of a company that we know"]


def test_statistics() -> None:
    """The mean is a text out of a hundred; votes are counted over all grades."""
    facts = _parse(EnrichStage.STATISTICS, _title()).facts
    own = {"score": 7.687, "scored_by": 20, "members": 123, "favorites": 4, "rank": 77, "popularity": 88}
    assert facts == {**own, "statistics": {"kitsu": own}}


def test_relations_are_of_anime_only() -> None:
    """Manga have no place among related anime."""
    facts = _parse(EnrichStage.RELATIONS, _title()).facts
    assert facts == {
        "related_anime": [{"title": "Hoshi no Machi II", "relation": "sequel", "external_ids": {"kitsu": 70}}]
    }


def test_one_answer_serves_three_stages() -> None:
    """Metadata, relations and statistics are asked for once."""
    stages = (EnrichStage.METADATA, EnrichStage.RELATIONS, EnrichStage.STATISTICS)
    assert len({request.key for stage in stages for request in _KITSU.plan(stage, "50")}) == 1


@pytest.mark.parametrize(
    ("rating", "guide", "nsfw", "expected"),
    [
        ("PG", None, False, None),
        ("PG", "Children", False, "PG"),
        ("G", "All Ages", False, "G"),
        ("R", "17+ (violence & profanity)", False, "R"),
        ("R", "Mild Nudity", False, "R+"),
        ("R", "", False, "R"),
        ("R18", "Mild Nudity", False, "Rx"),
        ("R", None, True, "Rx"),
        (None, None, False, None),
    ],
)
def test_age_rating(rating: str | None, guide: str | None, nsfw: bool, expected: str | None) -> None:
    """The guide tells what the rating leaves open; adult titles are never missed."""
    body = _title({**_TITLE, "ageRating": rating, "ageRatingGuide": guide, "nsfw": nsfw})
    assert _parse(EnrichStage.METADATA, body).facts.get("rating") == expected


def test_null_everywhere_says_nothing() -> None:
    """A title of which nothing is known gives its id and no faults."""
    parsed = _parse(EnrichStage.METADATA, _document(data=_resource("anime", "50", dict.fromkeys(_TITLE))))
    assert parsed == Parsed({"external_ids": {"kitsu": 50}})


def test_absurd_values_are_faults() -> None:
    """A year in antiquity, no episodes and a mean of over a hundred are never taken."""
    body = _title({**_TITLE, "startDate": "0202-02-03", "episodeCount": -1, "averageRating": "768.7"})
    metadata = _parse(EnrichStage.METADATA, body)
    assert {"year", "episodes"}.isdisjoint(metadata.facts)
    assert {fault.field for fault in metadata.faults} >= {"year", "aired.start", "episodes"}
    assert "score" not in _parse(EnrichStage.STATISTICS, body).facts


def test_unknown_words_are_faults() -> None:
    """A type or status that is in no table is refused by name."""
    parsed = _parse(EnrichStage.METADATA, _title({**_TITLE, "subtype": "hologram", "status": "lost"}))
    assert {"type", "status"}.isdisjoint(parsed.facts)
    assert [fault.field for fault in parsed.faults if fault.kind == "value"] == ["type", "status"]


def test_member_that_is_gone_is_told_by_its_path() -> None:
    """A renamed member is a fault of the shape; the others are still read."""
    attributes = {name: value for name, value in _TITLE.items() if name != "episodeCount"}
    parsed = _parse(EnrichStage.METADATA, _title(attributes))
    assert Fault("$.data.attributes.episodeCount", "is not there", "shape") in parsed.faults
    assert parsed.facts["title"] == "Hoshi no Machi"


@pytest.mark.parametrize("body", [b'{"data": []}', b'{"data": null}'])
def test_empty_data_means_that_the_title_is_not_there(body: bytes) -> None:
    """Kitsu answers 200 without data for a title that was deleted."""
    assert _parse(EnrichStage.METADATA, body) == Parsed({})


def test_list_with_one_title_is_read_like_the_title() -> None:
    """A filter by id answers a list."""
    listed = _document(data=[_resource("anime", "50", _TITLE)])
    assert _parse(EnrichStage.METADATA, listed).facts["episodes"] == 13


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b"[]", "\\$.data: is not there"),
        (b'{"data": 3}', "\\$.data: is neither"),
        (b'{"data": {"type": "anime", "id": "50"}}', "\\$.data.attributes: is not there"),
        (b'{"errors": [{"title": "Oops", "detail": "It broke"}]}', "\\$.data: .*It broke"),
        (b'{"data": {"type": "anime", "id": "51", "attributes": {}}}', "\\$.data.id: is not '50'"),
        (b"<html>", "is no JSON"),
    ],
)
def test_document_of_another_form_is_refused(body: bytes, place: str) -> None:
    """What is no JSON:API document of a title is named with its place."""
    with pytest.raises(ShapeChangedError, match=f"kitsu: .*{place}"):
        _parse(EnrichStage.METADATA, body)


def test_episodes_page_by_page() -> None:
    """Pages are asked for as long as there is a next one, by our own counting and at our own address."""
    episode = {"canonicalTitle": "Stars", "synopsis": None, "airdate": "2014-04-05"}
    first = _document(
        data=[_resource("episodes", "1", {**episode, "number": 1})], next_link="http://10.0.0.1/evil?page[offset]=20"
    )
    second = _document(data=[_resource("episodes", "2", {**episode, "number": 2, "canonicalTitle": None})])
    (begin,) = _KITSU.plan(EnrichStage.EPISODES, "50")
    more = _KITSU.parse(EnrichStage.EPISODES, "50", {begin.key: _answer(begin.key, first)}).more
    assert [request.path for request in more] == [begin.path.replace("offset%5D=0", "offset%5D=20")]
    parsed = _parse(EnrichStage.EPISODES, first, second)
    assert parsed.more == ()
    assert [(one["number"], one.get("title")) for one in parsed.facts["episode_list"]] == [(1, "Stars"), (2, None)]


def test_list_without_an_end_is_cut() -> None:
    """A list that always has a next page ends after 100 of them, and says so."""
    page = _document(data=[_resource("episodes", "1", {"number": 1})], next_link="https://kitsu.app/next")
    parsed = _parse(EnrichStage.EPISODES, *[page] * 100)
    assert parsed.more == ()
    assert any("goes on" in fault.problem for fault in parsed.faults)


def test_announced_page_that_is_not_there_is_told() -> None:
    """A list that breaks off is a fault of the shape: half of it is not all that Kitsu has."""
    page = _document(data=[_resource("episodes", "1", {"number": 1})], next_link="https://kitsu.app/next")
    (first,) = _KITSU.plan(EnrichStage.EPISODES, "50")
    answers = {first.key: _answer(first.key, page)}
    (second,) = _KITSU.parse(EnrichStage.EPISODES, "50", answers).more
    parsed = _KITSU.parse(EnrichStage.EPISODES, "50", {**answers, second.key: _answer(second.key, b"", 404)})
    assert [(fault.field, fault.kind) for fault in parsed.faults] == [("episodes[20]", "shape")]


def test_characters_with_their_voices() -> None:
    """Castings of one character are put together; the featured ones are the main characters."""
    included = [
        _resource("characters", "1", {"canonicalName": "Ai", "description": "A <b>pilot</b>.", "image": None}),
        _resource("people", "2", {"name": "Kana Hanazawa"}),
        _resource("people", "3", {"name": "Mai Nakahara"}),
    ]
    castings = [
        _resource(
            "castings",
            str(number),
            {"role": "Voice Actor", "featured": True},
            character=_name("characters", "1"),
            person=_name("people", str(number)),
        )
        for number in (2, 3)
    ]
    facts = _parse(EnrichStage.CHARACTERS, _document(data=castings, included=included)).facts
    assert facts == {
        "characters": [
            {
                "name": "Ai",
                "role": "Main",
                "description": "A pilot.",
                "voice_actors": ["Kana Hanazawa", "Mai Nakahara"],
            }
        ]
    }


def test_staff_by_role() -> None:
    """Several roles of one person are several entries."""
    person = _resource("people", "2", {"name": "Naoko Yamada"})
    credit = _resource("mediaStaff", "1", {"role": "Director, Storyboard"}, person=_name("people", "2"))
    facts = _parse(EnrichStage.STAFF, _document(data=[credit], included=[person])).facts
    assert facts == {
        "staff": [{"name": "Naoko Yamada", "role": "Director"}, {"name": "Naoko Yamada", "role": "Storyboard"}]
    }


def test_search() -> None:
    """Candidates carry all titles and the ids that Kitsu knows; one without a title is left out."""
    request = _KITSU.plan_search("星の町")
    assert request is not None
    assert "%E6%98%9F" in request.path
    found = [_resource("anime", "50", _TITLE, mappings=_MAPPINGS), _resource("anime", "51", {})]
    answer = _answer(request.key, _document(data=found, included=_INCLUDED))
    assert list(_KITSU.parse_search(answer)) == [
        Candidate(
            external_id="50",
            titles=("Hoshi no Machi", "Town of Stars", "星の町", "星镇", "HnM"),
            type="TV",
            year=2014,
            episodes=13,
            external_ids={"mal": "555"},
        )
    ]
    assert list(_KITSU.parse_search(_answer(request.key, b"", 404))) == []


def test_absent_title_and_absent_list() -> None:
    """A status that says that there is nothing gives no facts and no faults."""
    for stage in EnrichStage:
        (request,) = _KITSU.plan(stage, "50")
        assert _KITSU.parse(stage, "50", {request.key: _answer(request.key, b"gone", 404)}) == Parsed({})
