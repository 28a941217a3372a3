"""Jikan's answers as facts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.document import AnimeDocument
from core.enrichment import EnrichStage
from core.errors import ServiceError
from enrichment.providers.base import Answer, Parsed, ProviderUnavailableError, ShapeChangedError
from enrichment.providers.jikan import JikanProvider
from tests.broken_json import ANY_JSON, break_one

NOW = datetime(2026, 11, 21, tzinfo=UTC)
JIKAN = JikanProvider()
FULL: dict[str, Any] = {
    "mal_id": 7,
    "url": "https://myanimelist.net/anime/7/A_Title",
    "images": {
        "jpg": {"image_url": "https://cdn.example.org/7.jpg", "small_image_url": "https://cdn.example.org/7t.jpg"}
    },
    "trailer": {"youtube_id": None, "url": None, "embed_url": "https://www.youtube-nocookie.com/embed/abcdefghijk?x=1"},
    "titles": [
        {"type": "Default", "title": "A Title"},
        {"type": "Synonym", "title": "AT"},
        {"type": "German", "title": "Ein Titel"},
    ],
    "title": "A Title",
    "title_english": "A Title!",
    "title_japanese": "題",
    "title_synonyms": ["AT"],
    "type": "TV",
    "source": "Light novel",
    "episodes": 12,
    "status": "Finished Airing",
    "aired": {
        "from": "2012-07-08T00:00:00+00:00",
        "to": "2012-09-23T00:00:00+00:00",
        "prop": {"from": {"day": 8, "month": 7, "year": 2012}, "to": {"day": 23, "month": 9, "year": 2012}},
        "string": "Jul 8, 2012 to Sep 23, 2012",
    },
    "duration": "23 min per ep",
    "rating": "PG-13 - Teens 13 or older",
    "score": 7.2,
    "scored_by": 1000,
    "rank": 20,
    "popularity": 5,
    "members": 2000,
    "favorites": 30,
    "synopsis": "A story.\n\n[Written by MAL Rewrite]",
    "background": None,
    "season": "summer",
    "year": 2012,
    "broadcast": {"day": "Sundays", "time": "00:00", "timezone": "Asia/Tokyo", "string": "Sundays at 00:00 (JST)"},
    "producers": [{"mal_id": 17, "type": "anime", "name": "Some Music"}],
    "licensors": [],
    "studios": [{"mal_id": 56, "type": "anime", "name": "Some Studio"}],
    "genres": [{"mal_id": 1, "name": "Action"}],
    "explicit_genres": [{"mal_id": 49, "name": "Erotica"}],
    "themes": [{"mal_id": 64, "name": "Love Polygon"}],
    "demographics": [{"mal_id": 27, "name": "Shounen"}],
    "relations": [
        {"relation": "Sequel", "entry": [{"mal_id": 8, "type": "anime", "name": "A Title 2"}]},
        {"relation": "Adaptation", "entry": [{"mal_id": 9, "type": "manga", "name": "A Title"}]},
        {"relation": "Cousin", "entry": [{"mal_id": 10, "type": "anime", "name": "Odd"}]},
    ],
    "external": [
        {"name": "AniDB", "url": "https://anidb.net/perl-bin/animedb.pl?show=anime&aid=77"},
        {"name": "ANN", "url": "https://www.animenewsnetwork.com/encyclopedia/anime.php?id=88"},
        {"name": "Official Site", "url": "https://example.org/"},
    ],
    "streaming": [{"name": "Some Site", "url": "https://stream.example.org/7"}],
}
COUNTS = {
    "watching": 1, "completed": 2, "on_hold": 3, "dropped": 4, "plan_to_watch": 5, "total": 15,
    "scores": [{"score": 1, "votes": 10, "percentage": 1.0}, {"score": 10, "votes": 90, "percentage": 9.0}],
}  # fmt: skip


def answer(key: str, value: Any, status: int = 200) -> Answer:
    """As if fetched today."""
    body = value if isinstance(value, bytes) else orjson.dumps(value)
    return Answer(key=key, status=status, body=body, media_type="application/json", fetched_at=NOW)


def parse(stage: EnrichStage, *values: Any, external_id: str = "7") -> Parsed:
    """Facts from these values as the answers to the first requests of a stage."""
    asked = JIKAN.plan(stage, external_id)
    answers = {request.key: answer(request.key, value) for request, value in zip(asked, values, strict=True)}
    return JIKAN.parse(stage, external_id, answers)


def faults_of(parsed: Parsed) -> list[str]:
    """The fields of its faults."""
    return [fault.field for fault in parsed.faults]


def changed(**members: Any) -> dict[str, Any]:
    """The answer about the title with other members."""
    return {"data": {**FULL, **members}}


def test_metadata_of_a_title() -> None:
    """Every member that Jikan knows finds its field, in the document's words."""
    parsed = parse(EnrichStage.METADATA, {"data": FULL})
    assert parsed.faults == () and parsed.more == ()
    assert parsed.facts == {
        "title": "A Title", "title_english": "A Title!", "title_japanese": "題", "synonyms": ["AT", "Ein Titel"],
        "synopsis": "A story.", "type": "TV", "status": "FINISHED", "episodes": 12, "duration": 23.0,
        "season": "SUMMER", "year": 2012, "aired": {"start": "2012-07-08", "end": "2012-09-23"},
        "broadcast": "Sundays at 00:00 (JST)", "rating": "PG-13", "genres": ["action", "erotica"],
        "themes": ["love polygon"], "demographics": ["shounen"], "studios": ["Some Studio"],
        "producers": ["Some Music"], "source": "light novel",
        "streaming": [{"platform": "Some Site", "url": "https://stream.example.org/7"}],
        "trailers": ["https://www.youtube.com/watch?v=abcdefghijk"],
        "images": {"picture": "https://cdn.example.org/7.jpg", "thumbnail": "https://cdn.example.org/7t.jpg"},
        "external_ids": {"anidb": 77, "animenewsnetwork": 88, "mal": 7},
    }  # fmt: skip


def test_relations_of_a_title() -> None:
    """Other anime by id; manga are left out, and a new word for a relation costs the relation only."""
    parsed = parse(EnrichStage.RELATIONS, {"data": FULL})
    assert parsed.facts["related_anime"] == [
        {"title": "A Title 2", "relation": "sequel", "external_ids": {"mal": 8}},
        {"title": "Odd", "external_ids": {"mal": 10}},
    ]
    assert faults_of(parsed) == ["related_anime.1.relation"]


def test_statistics_of_a_title() -> None:
    """Scores are out of ten, and the counts stand under the site's own name."""
    parsed = parse(EnrichStage.STATISTICS, {"data": FULL}, {"data": COUNTS})
    own = {"score": 7.2, "scored_by": 1000, "rank": 20, "popularity": 5, "members": 2000, "favorites": 30}
    counts = {"watching": 1, "completed": 2, "on_hold": 3, "dropped": 4, "plan_to_watch": 5}
    assert parsed.facts == {**own, "statistics": {"mal": {**own, **counts, "scores": {"1": 10, "10": 90}}}}


def test_statistics_without_counts() -> None:
    """A title whose /statistics is absent still has those of the title itself."""
    keys = [request.key for request in JIKAN.plan(EnrichStage.STATISTICS, "7")]
    answers = {keys[0]: answer(keys[0], {"data": FULL}), keys[1]: answer(keys[1], b"", 404)}
    parsed = JIKAN.parse(EnrichStage.STATISTICS, "7", answers)
    assert parsed.facts["score"] == 7.2 and "completed" not in parsed.facts["statistics"]["mal"]


def test_one_answer_serves_three_stages() -> None:
    """Metadata, relations and statistics ask the same request, so it is fetched once."""
    stages = (EnrichStage.METADATA, EnrichStage.RELATIONS, EnrichStage.STATISTICS)
    assert len({JIKAN.plan(stage, "7")[0].key for stage in stages}) == 1


def test_characters_and_staff() -> None:
    """Names in the order of everybody else, the original's voices only, an entry for each work of a person."""
    parsed = parse(
        EnrichStage.CHARACTERS,
        {
            "data": [
                {
                    "character": {
                        "name": "Yamada, Taro",
                        "images": {"jpg": {"image_url": "https://cdn.example.org/questionmark_23.gif"}},
                    },
                    "role": "Main",
                    "voice_actors": [
                        {"person": {"name": "Smith, John"}, "language": "English"},
                        {"person": {"name": "Sato, Hana"}, "language": "Japanese"},
                    ],
                },
                {"character": {"name": None}, "role": "Supporting", "voice_actors": []},
            ]
        },
    )
    assert parsed.facts["characters"] == [{"name": "Taro Yamada", "role": "Main", "voice_actors": ["Hana Sato"]}]
    parsed = parse(
        EnrichStage.STAFF,
        {"data": [{"person": {"name": "Ito, Ken"}, "positions": ["Director", "Script (ep 1)"]}]},
    )
    assert parsed.facts["staff"] == [
        {"name": "Ken Ito", "role": "Director"},
        {"name": "Ken Ito", "role": "Script"},
    ]


def episode_page(first: int, count: int, *, has_next: bool, last: int = 1) -> dict[str, Any]:
    """A page of /episodes."""
    entries = [
        {
            "mal_id": number,
            "title": f"Part {number}",
            "aired": "2012-07-08T00:00:00+00:00",
            "filler": False,
            "recap": True,
        }
        for number in range(first, first + count)
    ]
    return {"pagination": {"last_visible_page": last, "has_next_page": has_next}, "data": entries}


def parse_episodes(*pages: Any) -> Parsed:
    """The stage with these pages."""
    keys = [f"anime/7/episodes/{page}" for page in range(1, len(pages) + 1)]
    return JIKAN.parse(
        EnrichStage.EPISODES, "7", {key: answer(key, page) for key, page in zip(keys, pages, strict=True)}
    )


def test_episodes_go_on_page_by_page() -> None:
    """As long as pages are full and promise another one; all pages together make the facts."""
    first = episode_page(1, 100, has_next=True, last=2)
    parsed = parse_episodes(first)
    assert [request.path for request in parsed.more] == ["/anime/7/episodes?page=2"] and not parsed.facts
    parsed = parse_episodes(first, episode_page(101, 5, has_next=False, last=2))
    assert parsed.more == () and len(parsed.facts["episode_list"]) == 105
    assert parsed.facts["episode_list"][104] == {
        "number": 105, "title": "Part 105", "aired": "2012-07-08", "filler": False, "recap": True
    }  # fmt: skip


def test_a_page_that_promises_another_but_is_short_is_the_last() -> None:
    """Jikan was recorded saying so of 26 episodes on the only page."""
    assert parse_episodes(episode_page(1, 26, has_next=True)).more == ()


def test_an_empty_page_ends_the_list() -> None:
    """Whatever the pagination says."""
    assert parse_episodes(episode_page(1, 0, has_next=True, last=9)).more == ()


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("23 min per ep", 23.0), ("1 hr 55 min", 115.0), ("2 hr", 120.0), ("30 sec per ep", 0.5), ("1 min 30 sec", 1.5),
     ("Unknown", None), (None, None)],
)  # fmt: skip
def test_durations_are_minutes(text: str | None, minutes: float | None) -> None:
    """In all forms that MyAnimeList writes them."""
    parsed = parse(EnrichStage.METADATA, changed(duration=text))
    assert parsed.facts.get("duration") == minutes and parsed.faults == ()


@pytest.mark.parametrize(
    ("string", "aired", "expected"),
    [
        ("2013 to ?", {"from": "2013-01-01T00:00:00+00:00", "to": None}, None),
        ("Jan 2013 to ?", {"from": "2013-01-01T00:00:00+00:00", "to": None}, None),
        ("Sep 17, 2016", {"from": "2016-09-17T00:00:00+00:00", "to": None}, {"start": "2016-09-17"}),
        (None, {"from": "2016-09-17T00:00:00+00:00", "to": None}, {"start": "2016-09-17"}),
        ("Not available", {"from": None, "to": None}, None),
    ],
)
def test_days_that_jikan_made_up_are_no_days(string: str | None, aired: dict[str, Any], expected: Any) -> None:
    """2013 comes as 2013-01-01; only the text beside it tells that nobody knows the day."""
    parsed = parse(EnrichStage.METADATA, changed(aired={**aired, "string": string}))
    assert parsed.facts.get("aired") == expected


def test_a_movie_has_the_year_of_its_first_day() -> None:
    """MyAnimeList gives a year to series only."""
    assert parse(EnrichStage.METADATA, changed(year=None)).facts["year"] == 2012


def test_new_words_cost_their_field_only() -> None:
    """A type, status, season or rating that nobody knows is told by name, and everything else is taken."""
    parsed = parse(
        EnrichStage.METADATA, changed(type="Hologram", status="Dreaming", season="monsoon", rating="Z", source="tweet")
    )
    assert faults_of(parsed) == ["type", "status", "season", "rating", "source"]
    assert parsed.facts["title"] == "A Title" and "type" not in parsed.facts


def test_absurd_values_are_not_taken() -> None:
    """Year 0, -1 episodes and a score of 100 leave faults."""
    assert faults_of(parse(EnrichStage.METADATA, changed(year=3, episodes=-1))) == ["episodes", "year"]
    parsed = parse(EnrichStage.STATISTICS, changed(score=100, rank=0), {"data": COUNTS})
    assert faults_of(parsed) == ["score", "rank", "statistics.mal.score"]


def test_null_everywhere_says_nothing() -> None:
    """A title of which only the number is known gives no facts but its id, and no faults."""
    empty = dict.fromkeys(FULL) | {"mal_id": 7}
    parsed = parse(EnrichStage.METADATA, {"data": empty})
    assert parsed.facts == {"external_ids": {"mal": 7}} and parsed.faults == ()


def test_members_that_are_gone_or_changed_are_told_by_name() -> None:
    """Only what they were about is lost."""
    title = {name: value for name, value in FULL.items() if name != "status"} | {
        "genres": "Action",
        "episodes": {"n": 1},
    }
    parsed = parse(EnrichStage.METADATA, {"data": title})
    shapes = {fault.field: fault.problem for fault in parsed.faults if fault.kind == "shape"}
    assert shapes == {
        "anime/7/full.data.status": "is not there",
        "anime/7/full.data.genres": "is not a list",
        "anime/7/full.data.episodes": "is not a number",
    }
    assert parsed.facts["title"] == "A Title" and parsed.facts["genres"] == ["erotica"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"<html>busy</html>", "is no JSON"),
        (b"\xff\xfe{}", "is no JSON"),
        (b"[" * 100_000, "is no JSON"),
        (b"[]", "is no object"),
        (b"{}", "data is not there"),
        (b'{"data": null}', "data is not there"),
        (b'{"data": [1]}', "data is no such thing"),
        (b'{"data": {"mal_id": 8}}', "is 8, and 7 was asked"),
        (b'{"data": {"mal_id": 7, "url": "https://myanimelist.net/manga/7/X"}}', "is not the page of this anime"),
        (b'{"status": 400, "message": "Bad"}', "data is not there"),
    ],
)
def test_answers_of_another_form_are_refused(body: bytes, message: str) -> None:
    """By provider and place, so that somebody finds out what has changed."""
    key = JIKAN.plan(EnrichStage.METADATA, "7")[0].key
    with pytest.raises(ShapeChangedError) as caught:
        JIKAN.parse(EnrichStage.METADATA, "7", {key: answer(key, body)})
    assert caught.value.provider == "jikan" and message in str(caught.value).replace(":", "")


@pytest.mark.parametrize("stage", list(EnrichStage))
def test_what_is_not_there_has_no_facts(stage: EnrichStage) -> None:
    """A 404, and an error body of 404 that came with 200, are answers: nothing here."""
    asked = JIKAN.plan(stage, "7")
    body = {"status": 404, "type": "BadResponseException", "message": "Resource does not exist"}
    for status in (404, 200):
        answers = {request.key: answer(request.key, body, status) for request in asked}
        assert JIKAN.parse(stage, "7", answers) == Parsed({})


@pytest.mark.parametrize("status", [429, 500, "503"])
def test_an_error_in_a_good_answer_means_later(status: int | str) -> None:
    """A provider that is limiting or broken is asked again, and nothing is taken for absent."""
    with pytest.raises(ProviderUnavailableError, match="jikan cannot be asked now"):
        parse(EnrichStage.METADATA, {"status": status, "type": "RateLimitException"})


def test_search() -> None:
    """Candidates with all their names; entries without an id are left out; the words are encoded."""
    request = JIKAN.plan_search("A & B?")
    assert request is not None and request.path == "/anime?q=A+%26+B%3F&limit=15"
    found = JIKAN.parse_search(answer(request.key, {"data": [FULL, {"title": "No id"}, {"mal_id": 9}]}))
    assert [(one.external_id, one.titles, one.type, one.year, one.episodes) for one in found] == [
        ("7", ("A Title", "A Title!", "題", "AT", "Ein Titel"), "TV", 2012, 12)
    ]
    assert JIKAN.parse_search(answer(request.key, b"", 404)) == []


def test_what_jikan_declares() -> None:
    """All stages, in MyAnimeList's numbers."""
    info = JIKAN.info
    assert (info.name, info.id_space, info.can_search) == ("jikan", "mal", True) and info.stages == set(EnrichStage)


@pytest.mark.parametrize("stage", [EnrichStage.METADATA, EnrichStage.RELATIONS, EnrichStage.STATISTICS])
@given(broken=break_one({"data": FULL}))
def test_any_member_may_turn_into_anything(stage: EnrichStage, broken: Any) -> None:
    """One member of another type: valid facts, or an error of ours; never another exception."""
    try:
        parsed = parse(stage, *([broken, {"data": COUNTS}] if stage is EnrichStage.STATISTICS else [broken]))
    except ServiceError:
        return
    AnimeDocument.model_validate({"title": "x", **parsed.facts})


@pytest.mark.parametrize("stage", list(EnrichStage))
@given(body=st.binary(max_size=60) | ANY_JSON.map(lambda value: orjson.dumps({"data": value})))
def test_any_answer_is_read_or_refused(stage: EnrichStage, body: bytes) -> None:
    """Bytes and JSON of any kind never end in an exception that is not ours."""
    asked = JIKAN.plan(stage, "7")
    try:
        parsed = JIKAN.parse(stage, "7", {request.key: answer(request.key, body) for request in asked})
    except ServiceError:
        return
    AnimeDocument.model_validate({"title": "x", **parsed.facts})
