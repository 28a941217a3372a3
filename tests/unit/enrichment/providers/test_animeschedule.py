"""AnimeSchedule's records and timetables as facts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from core.enrichment import EnrichStage
from enrichment.providers.animeschedule import AnimeScheduleProvider
from enrichment.providers.base import Answer, Candidate, Parsed, ShapeChangedError

_SCHEDULE = AnimeScheduleProvider()
_NEVER = "0001-01-01T00:00:00Z"
_ROUTE = "hoshi-no-machi"
_RECORD: dict[str, Any] = {
    "id": "abc",
    "title": "Hoshi no Machi",
    "route": _ROUTE,
    "premier": "2026-01-03T15:30:00Z",
    "jpnTime": "2025-12-30T15:30:00Z",
    "dubPremier": _NEVER,
    "year": 2026,
    "season": {"title": "Winter 2026", "year": "2026", "season": "Winter", "route": "winter-2026"},
    "description": "Two people<br>build a town.",
    "genres": [{"name": "Sci-Fi", "route": "sci-fi"}, {"name": "Seinen", "route": "seinen"}],
    "studios": [{"name": "Studio Stern", "route": "studio-stern"}],
    "sources": [{"name": "Light Novel", "route": "light-novel"}],
    "mediaTypes": [{"name": "ONA (Chinese)", "route": "ona-chinese"}],
    "episodes": 12,
    "lengthMin": 24,
    "status": "Ongoing",
    "imageVersionRoute": "anime/jpg/default/hoshi.jpg",
    "stats": {"averageScore": 76.87, "ratingCount": 120, "trackedCount": 900, "trackedRating": 44},
    "names": {
        "romaji": "Hoshi no Machi",
        "english": "Town of Stars",
        "native": "星の町",
        "abbreviation": "HnM",
        "synonyms": ["Star Town"],
    },
    "websites": {
        "official": "hoshi.example",
        "mal": "myanimelist.net/anime/555/Hoshi_no_Machi",
        "aniList": "anilist.co/anime/666",
        "kitsu": "kitsu.app/anime/hoshi-no-machi",
        "streams": [{"platform": "crunchyroll", "url": "www.crunchyroll.com/hoshi", "name": "Crunchyroll"}],
    },
}
_ENTRY = {
    "title": "Hoshi no Machi",
    "route": _ROUTE,
    "english": "Town of Stars",
    "native": "星の町",
    "status": "Ongoing",
    "episodeDate": "2026-01-10T15:30:00Z",
    "episodeNumber": 2,
    "episodes": 12,
    "lengthMin": 24,
    "airType": "raw",
    "mediaTypes": [{"name": "TV Short", "route": "tv-short"}],
    "imageVersionRoute": "anime/jpg/default/hoshi.jpg",
    "streams": {"netflix": "www.netflix.com/title/1"},
    "airingStatus": "unaired",
}


def _answer(key: str, value: object, status: int = 200) -> Answer:
    body = value if isinstance(value, bytes) else orjson.dumps(value)
    return Answer(
        key=key, status=status, body=body, media_type=None, fetched_at=datetime(2026, 1, 8, 12, 0, tzinfo=UTC)
    )


def _parse(stage: EnrichStage, record: object = None, week: object = None) -> Parsed:
    """With what is given; what is not was not found."""
    answers = {}
    for request in _SCHEDULE.plan(stage, _ROUTE):
        value = week if request.key == "timetables/raw" else record
        answers[request.key] = _answer(request.key, value if value is not None else b"", 404 if value is None else 200)
    return _SCHEDULE.parse(stage, _ROUTE, answers)


def _change(record: Mapping[str, Any] = _RECORD, **changes: object) -> dict[str, Any]:
    return {**record, **changes}


def test_metadata() -> None:
    """A record and this week's episode: where and when it airs, in Japanese time as the catalogue has it."""
    parsed = _parse(EnrichStage.METADATA, _RECORD, [_ENTRY])
    assert parsed.faults == ()
    assert parsed.facts == {
        "title": "Hoshi no Machi",
        "title_english": "Town of Stars",
        "title_japanese": "星の町",
        "synonyms": ["HnM", "Star Town"],
        "synopsis": "Two people\nbuild a town.",
        "type": "ONA",
        "status": "ONGOING",
        "episodes": 12,
        "duration": 24.0,
        "season": "WINTER",
        "year": 2026,
        "aired": {"start": "2026-01-04"},
        "broadcast": "Sundays at 00:30 (JST)",
        "genres": ["sci-fi"],
        "demographics": ["seinen"],
        "source": "light novel",
        "studios": ["Studio Stern"],
        "streaming": [{"platform": "Crunchyroll", "url": "https://www.crunchyroll.com/hoshi"}],
        "images": {"picture": "https://img.animeschedule.net/production/assets/public/img/anime/jpg/default/hoshi.jpg"},
        "external_ids": {"animeschedule": _ROUTE, "mal": 555, "anilist": 666},
    }


def test_day_without_a_time_is_taken_as_it_is() -> None:
    """Midnight in UTC is a day, not a moment that falls on another day in Japan; no time of broadcast follows of it."""
    facts = _parse(EnrichStage.METADATA, _change(premier="2026-01-03T00:00:00Z")).facts
    assert facts["aired"] == {"start": "2026-01-03"}
    assert "broadcast" not in facts


def test_year_one_is_no_time() -> None:
    """Go's zero time means that nobody knows."""
    assert "aired" not in _parse(EnrichStage.METADATA, _change(premier=_NEVER)).facts


@pytest.mark.parametrize("premiere", ["soon", "9999-12-31T23:00:00Z", "2026-02-30T00:00:00Z"])
def test_time_that_is_none_is_told(premiere: str) -> None:
    """A day that no calendar has, or has only in one zone, is a fault of the answer's shape."""
    parsed = _parse(EnrichStage.METADATA, _change(premier=premiere))
    assert "aired" not in parsed.facts
    assert [(fault.field, fault.kind) for fault in parsed.faults] == [("$.premier", "shape")]


@pytest.mark.parametrize(
    ("premiere", "status"), [("2026-01-03T15:30:00Z", "ONGOING"), ("2026-02-03T15:30:00Z", "UPCOMING"), (_NEVER, None)]
)
def test_delayed_title(premiere: str, status: str | None) -> None:
    """A delay says whether a title goes on only together with its premiere and the time of the answer."""
    facts = _parse(EnrichStage.METADATA, _change(premier=premiere, status="Delayed")).facts
    assert facts.get("status") == status


def test_timetable_alone() -> None:
    """Without its record a title is known by its entry in the week."""
    facts = _parse(EnrichStage.METADATA, None, [_ENTRY]).facts
    assert facts["title_english"] == "Town of Stars"
    assert facts["type"] == "TV"
    assert facts["streaming"] == [{"platform": "Netflix", "url": "https://www.netflix.com/title/1"}]
    assert facts["broadcast"] == "Sundays at 00:30 (JST)"


def test_subtitles_and_dubs_are_no_broadcast() -> None:
    """Only the Japanese airing says when a title is broadcast, and on which day an episode aired."""
    week = [_change(_ENTRY, airType="sub")]
    assert "broadcast" not in _parse(EnrichStage.METADATA, _RECORD, week).facts
    assert _parse(EnrichStage.EPISODES, week=week) == Parsed({})


def test_episodes_of_the_week() -> None:
    """The week's episodes with their Japanese days; those of other titles are not looked at."""
    week = [_change(_ENTRY, route="other", episodeDate="nonsense"), _ENTRY, 7]
    parsed = _parse(EnrichStage.EPISODES, week=week)
    assert [(one["number"], one["aired"]) for one in parsed.facts["episode_list"]] == [(2, "2026-01-11")]
    assert parsed.faults == ()


def test_statistics() -> None:
    """The score is out of a hundred."""
    own = {"score": 7.687, "scored_by": 120, "members": 900, "popularity": 44}
    assert _parse(EnrichStage.STATISTICS, _RECORD).facts == {**own, "statistics": {"animeschedule": own}}


def test_older_form_of_streams() -> None:
    """A platform a member, as records had it before."""
    record = _change(websites={"crunchyroll": "crunchyroll.com/x", "mal": None, "netflix": None})
    facts = _parse(EnrichStage.METADATA, record).facts
    assert facts["streaming"] == [{"platform": "Crunchyroll", "url": "https://crunchyroll.com/x"}]


def test_null_everywhere_says_nothing() -> None:
    """A record of nulls gives its route and no faults."""
    parsed = _parse(EnrichStage.METADATA, {**dict.fromkeys(_RECORD), "route": _ROUTE})
    assert parsed == Parsed({"external_ids": {"animeschedule": _ROUTE}})


def test_wrong_values_are_faults() -> None:
    """A time that is none, an unknown status and members of other types are told by their places."""
    record = _change(premier="soon", status="Paused", genres={"name": "x"}, lengthMin=-5)
    parsed = _parse(EnrichStage.METADATA, record)
    assert {"status", "duration", "aired"}.isdisjoint(parsed.facts)
    assert {fault.field for fault in parsed.faults} == {"$.premier", "$.genres", "status", "duration"}


@pytest.mark.parametrize(
    ("record", "week", "place"),
    [
        ([], [], "\\$.route: is not there"),
        ({"title": "x"}, [], "\\$.route: is not there"),
        (_change(route="other"), [], "\\$.route: is 'other', not 'hoshi-no-machi'"),
        (_RECORD, {"message": "x"}, "\\$: is no list of episodes"),
        (b"<html>", [], "\\$: is no JSON"),
    ],
)
def test_answer_of_another_form_is_refused(record: object, week: object, place: str) -> None:
    """What is no record of this title, or no timetable, is named with its place."""
    with pytest.raises(ShapeChangedError, match=f"animeschedule: {place}"):
        _parse(EnrichStage.METADATA, record, week)


def test_title_that_is_not_there() -> None:
    """Neither a record nor an entry: there is nothing."""
    for stage in _SCHEDULE.info.stages:
        assert _parse(stage) == Parsed({})
        assert _parse(stage, None, []) == Parsed({})


def test_timetable_is_asked_for_once_for_all_titles() -> None:
    """Its key names no title."""
    (first,), (second,) = (_SCHEDULE.plan(EnrichStage.EPISODES, route) for route in ("a", "b"))
    assert first == second


def test_search() -> None:
    """Candidates carry the ids that AnimeSchedule knows; records without a route are left out."""
    request = _SCHEDULE.plan_search("Hoshi & Machi")
    assert request is not None
    assert request.path == "/anime?q=Hoshi+%26+Machi"
    answer = _answer(request.key, {"page": 1, "totalAmount": 2, "anime": [_RECORD, {"title": "x"}]})
    assert list(_SCHEDULE.parse_search(answer)) == [
        Candidate(
            external_id=_ROUTE,
            titles=("Hoshi no Machi", "Town of Stars", "星の町", "HnM", "Star Town"),
            type="ONA",
            year=2026,
            episodes=12,
            external_ids={"mal": "555", "anilist": "666"},
        )
    ]


@pytest.mark.parametrize(
    ("body", "status"), [(b"Something went wrong", 500), (b"Something went wrong", 200), (b"", 404)]
)
def test_search_that_finds_nothing(body: bytes, status: int) -> None:
    """AnimeSchedule answers such a search as if it had failed; it has not."""
    request = _SCHEDULE.plan_search("x")
    assert request is not None
    assert {404, 500} <= request.absent
    assert list(_SCHEDULE.parse_search(_answer(request.key, body, status))) == []


def test_lookup_by_the_id_at_another_provider() -> None:
    """The ids that it knows are asked for by name; for others there is no request."""
    request = _SCHEDULE.plan_lookup("mal", "555")
    assert request is not None
    assert request.path == "/anime?mal-ids=555"
    assert _SCHEDULE.plan_lookup("kitsu", "1") is None
