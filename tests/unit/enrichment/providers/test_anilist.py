"""AniList's answers as facts."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import graphql
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.document import AnimeDocument
from core.enrichment import EnrichStage
from core.errors import InvalidInputError, ServiceError
from enrichment.providers.anilist import MAX_PAGES, AnilistProvider
from enrichment.providers.base import Answer, Parsed, ProviderUnavailableError, ShapeChangedError
from tests.broken_json import ANY_JSON, break_one

NOW = datetime(2026, 11, 21, tzinfo=UTC)
ANILIST = AnilistProvider()
SCHEMA = Path(__file__).parents[3] / "provider_stands" / "anilist.graphql"
MEDIA: dict[str, Any] = {
    "id": 7,
    "idMal": 70,
    "type": "ANIME",
    "title": {"romaji": "A Title", "english": "A Title!", "native": "題"},
    "synonyms": ["AT"],
    "description": "A story.<br><br>\n(Source: Somebody)",
    "format": "TV_SHORT",
    "status": "RELEASING",
    "episodes": 3,
    "duration": 24,
    "season": "FALL",
    "seasonYear": 2019,
    "startDate": {"year": 2019, "month": 10, "day": 3},
    "endDate": {"year": 2019, "month": 12, "day": None},
    "source": "LIGHT_NOVEL",
    "genres": ["Comedy", "Mecha"],
    "isAdult": False,
    "tags": [
        {"name": "School", "rank": 90, "isGeneralSpoiler": False, "isMediaSpoiler": False},
        {"name": "Tanned Skin", "rank": 40, "isGeneralSpoiler": False, "isMediaSpoiler": False},
        {"name": "Noise", "rank": 5, "isGeneralSpoiler": False, "isMediaSpoiler": False},
        {"name": "Tragedy", "rank": 90, "isGeneralSpoiler": True, "isMediaSpoiler": False},
        {"name": "Death", "rank": 90, "isGeneralSpoiler": False, "isMediaSpoiler": True},
    ],
    "studios": {
        "edges": [
            {"isMain": True, "node": {"name": "Some Studio"}},
            {"isMain": False, "node": {"name": "Some Music"}},
        ]
    },
    "externalLinks": [
        {"site": "Some Site", "url": "https://stream.example.org/7", "type": "STREAMING", "isDisabled": False},
        {"site": "Gone Site", "url": "https://gone.example.org/7", "type": "STREAMING", "isDisabled": True},
        {"site": "Twitter", "url": "https://social.example.org/7", "type": "SOCIAL", "isDisabled": False},
        {"site": "AniDB", "url": "https://anidb.net/anime/77", "type": "INFO", "isDisabled": False},
    ],
    "trailer": {"id": "abcdefghijk", "site": "youtube"},
    "coverImage": {
        "extraLarge": "https://cdn.example.org/7xl.jpg",
        "large": "https://cdn.example.org/7l.jpg",
        "medium": "https://cdn.example.org/7m.jpg",
    },
    "bannerImage": "https://cdn.example.org/7b.jpg",
    "averageScore": 71,
    "meanScore": 72,
    "popularity": 2000,
    "favourites": 30,
    "stats": {
        "statusDistribution": [{"status": "CURRENT", "amount": 4}, {"status": "PAUSED", "amount": 1}],
        "scoreDistribution": [{"score": 10, "amount": 1}, {"score": 100, "amount": 9}],
    },
    "reviews": {"nodes": [{"summary": "Fine.", "score": 80, "user": {"name": "somebody"}}]},
    "relations": {
        "edges": [
            {
                "relationType": "SEQUEL",
                "node": {"id": 8, "idMal": 80, "type": "ANIME", "title": {"romaji": "A Title 2"}},
            },
            {
                "relationType": "SOURCE",
                "node": {"id": 9, "idMal": None, "type": "MANGA", "title": {"romaji": "A Title"}},
            },
        ]
    },
    "nextAiringEpisode": {"episode": 3},
    "streamingEpisodes": [{"title": "Episode 2 - Second"}, {"title": "Episode 1 - First"}, {"title": "Trailer"}],
    "airingSchedule": {
        "pageInfo": {"hasNextPage": False},
        "nodes": [{"episode": 1, "airingAt": 1570118400}, {"episode": 2, "airingAt": 1570723200}],
    },
    "characters": {
        "pageInfo": {"hasNextPage": False},
        "edges": [
            {
                "role": "MAIN",
                "node": {
                    "name": {"full": "Taro Yamada"},
                    "image": {"large": "https://cdn.example.org/character/large/default.jpg"},
                    "description": "__Age:__ 17\n\n~!The killer.!~",
                },
                "voiceActors": [
                    {"name": {"full": "John Smith"}, "languageV2": "English"},
                    {"name": {"full": "Hana Sato"}, "languageV2": "Japanese"},
                ],
            }
        ],
    },
    "staff": {
        "pageInfo": {"hasNextPage": False},
        "edges": [{"role": "Director (eps 1-2)", "node": {"name": {"full": "Ken Ito"}}}],
    },
}


def answer(value: Any, *, key: str = "media/7", status: int = 200) -> Answer:
    """As if fetched today."""
    body = value if isinstance(value, bytes) else orjson.dumps(value)
    return Answer(key=key, status=status, body=body, media_type="application/json", fetched_at=NOW)


def parse(stage: EnrichStage, media: Any = MEDIA, **pages: Any) -> Parsed:
    """Facts of a stage; `pages` by the end of their key ('characters_2')."""
    answers = {"media/7": answer({"data": {"Media": media}})}
    for name, page in pages.items():
        key = f"media/7/{name.replace('_', '/')}"
        answers[key] = answer({"data": {"Media": page}}, key=key)
    return ANILIST.parse(stage, "7", answers)


def changed(**members: Any) -> dict[str, Any]:
    """The title with other members."""
    return {**MEDIA, **members}


def test_metadata_of_a_title() -> None:
    """Every member finds its field, in the document's words; tags that tell the story's end are left out."""
    parsed = parse(EnrichStage.METADATA)
    assert parsed.faults == () and parsed.more == ()
    assert parsed.facts == {
        "title": "A Title", "title_english": "A Title!", "title_japanese": "題", "synonyms": ["AT"],
        "synopsis": "A story.", "type": "TV", "status": "ONGOING", "episodes": 3, "duration": 24.0, "season": "FALL",
        "year": 2019, "aired": {"start": "2019-10-03"}, "genres": ["comedy"], "themes": ["mecha", "school"],
        "tags": ["comedy", "mecha", "school", "tanned skin"], "studios": ["Some Studio"], "producers": ["Some Music"],
        "source": "light novel", "streaming": [{"platform": "Some Site", "url": "https://stream.example.org/7"}],
        "trailers": ["https://www.youtube.com/watch?v=abcdefghijk"],
        "images": {
            "picture": "https://cdn.example.org/7xl.jpg", "thumbnail": "https://cdn.example.org/7m.jpg",
            "banner": "https://cdn.example.org/7b.jpg",
        },
        "external_ids": {"anidb": 77, "mal": 70, "anilist": 7},
    }  # fmt: skip


def test_an_adult_title_says_so_in_every_way_that_counts() -> None:
    """By rating and by label, so that no merge of the others' ratings hides it."""
    facts = parse(EnrichStage.METADATA, changed(isAdult=True)).facts
    assert facts["rating"] == "Rx" and "hentai" in facts["tags"]
    assert AnimeDocument.model_validate({"title": "x", **facts}).is_adult
    assert "rating" not in parse(EnrichStage.METADATA).facts


def test_relations_of_a_title() -> None:
    """Other anime with their ids at both sites; their sources are no titles of the catalogue."""
    assert parse(EnrichStage.RELATIONS).facts == {
        "related_anime": [{"title": "A Title 2", "relation": "sequel", "external_ids": {"anilist": 8, "mal": 80}}]
    }


def test_statistics_of_a_title() -> None:
    """Scores out of a hundred become scores out of ten; reviews have no authors."""
    parsed = parse(EnrichStage.STATISTICS)
    own = {"score": 7.1, "scored_by": 10, "members": 2000, "favorites": 30}
    details = {"mean_score": 7.2, "watching": 4, "on_hold": 1, "scores": {"1": 1, "10": 9}}
    reviews = [{"summary": "Fine.", "score": 8.0}]
    assert parsed.facts == {**own, "statistics": {"anilist": {**own, **details}}, "reviews": reviews}
    assert parsed.faults == ()


def test_episodes_of_a_title() -> None:
    """Names from streaming sites, days in Japan: 16:00 UTC on the third is the fourth there."""
    assert parse(EnrichStage.EPISODES).facts["episode_list"] == [
        {"number": 1, "title": "First", "aired": "2019-10-04"},
        {"number": 2, "title": "Second", "aired": "2019-10-11"},
    ]


@pytest.mark.parametrize(
    ("first", "episodes", "following", "kept"),
    [(1, 3, None, True), (13, 3, None, False), (13, None, {"episode": 3}, False), (1, None, None, True),
     (13, None, None, False)],
)  # fmt: skip
def test_names_that_are_counted_through_from_the_season_before_are_left(
    first: int, episodes: int | None, following: Any, *, kept: bool
) -> None:
    """Episode 13 of a title of three is another title's thirteenth, or its first: nobody knows, so none is taken."""
    names = [{"title": f"Episode {first} - First"}, {"title": f"Episode {first + 1} - Second"}]
    media = changed(streamingEpisodes=names, airingSchedule=None, episodes=episodes, nextAiringEpisode=following)
    assert bool(parse(EnrichStage.EPISODES, media).facts) is kept


def test_characters_and_staff_of_a_title() -> None:
    """Plain texts without spoilers, voices of the original only, no picture where there is only a placeholder."""
    assert parse(EnrichStage.CHARACTERS).facts["characters"] == [
        {"name": "Taro Yamada", "role": "Main", "description": "Age: 17", "voice_actors": ["Hana Sato"]}
    ]
    assert parse(EnrichStage.STAFF).facts["staff"] == [{"name": "Ken Ito", "role": "Director"}]


def test_one_request_serves_all_stages() -> None:
    """Whatever is wanted of a title, AniList is asked once."""
    assert len({ANILIST.plan(stage, "7") == ANILIST.plan(EnrichStage.STAFF, "7") for stage in EnrichStage}) == 1
    (request,) = ANILIST.plan(EnrichStage.METADATA, "7")
    assert request.body is not None and request.body["variables"] == {"id": 7} and request.path == "/"
    with pytest.raises(InvalidInputError, match="external_id"):
        ANILIST.plan(EnrichStage.METADATA, "a-title")


def people(first: int, *, has_next: bool) -> dict[str, Any]:
    """A page of staff."""
    edges = [{"role": "Script", "node": {"name": {"full": f"Person {number}"}}} for number in range(first, first + 25)]
    return {"id": 7, "staff": {"pageInfo": {"hasNextPage": has_next}, "edges": edges}}


def test_long_lists_go_on_page_by_page() -> None:
    """The next page is asked for with its own operation; together they make the facts."""
    first = changed(staff=people(0, has_next=True)["staff"])
    parsed = parse(EnrichStage.STAFF, first)
    (request,) = parsed.more
    assert not parsed.facts and request.key == "media/7/staff/2"
    assert request.body is not None and request.body["query"].startswith("query StaffPage(")
    assert request.body["variables"] == {"id": 7, "page": 2}
    parsed = parse(EnrichStage.STAFF, first, staff_2=people(25, has_next=False))
    assert parsed.more == () and len(parsed.facts["staff"]) == 50


def test_a_list_without_end_is_left_at_some_page() -> None:
    """So that one title does not keep all others waiting; what was left is told."""
    pages = {f"staff_{page}": people(page * 25, has_next=True) for page in range(2, MAX_PAGES + 1)}
    parsed = parse(EnrichStage.STAFF, changed(staff=people(0, has_next=True)["staff"]), **pages)
    assert parsed.more == () and len(parsed.facts["staff"]) == MAX_PAGES * 25
    assert [fault.field for fault in parsed.faults] == ["staff"]


def test_answers_to_the_websites_own_query() -> None:
    """Its lists have other names, links no type, people only the name that a user prefers."""
    media = changed(
        characters=None, staff=None, reviews=None,
        characterPreview={"edges": [{"role": "MAIN", "node": {"name": {"userPreferred": "Taro Yamada"}}}]},
        staffPreview={"edges": [{"role": "Music", "node": {"name": {"userPreferred": "Ken Ito"}}}]},
        reviewPreview={"nodes": [{"summary": "Fine.", "rating": 89, "user": {"name": "somebody"}}]},
        externalLinks=[{"site": "Crunchyroll", "url": "https://c.example.org/7"}, {"site": "Twitter", "url": "https://t.example.org"}],
    )  # fmt: skip
    assert parse(EnrichStage.CHARACTERS, media).facts["characters"] == [{"name": "Taro Yamada", "role": "Main"}]
    assert parse(EnrichStage.STAFF, media).facts["staff"] == [{"name": "Ken Ito", "role": "Music"}]
    assert parse(EnrichStage.STATISTICS, media).facts["reviews"] == [{"summary": "Fine."}]
    assert [offer["platform"] for offer in parse(EnrichStage.METADATA, media).facts["streaming"]] == ["Crunchyroll"]


def test_names_of_users_are_never_taken() -> None:
    """Not in any stage."""
    for stage in EnrichStage:
        assert b"somebody" not in orjson.dumps(parse(stage).facts)


def test_null_everywhere_says_nothing() -> None:
    """A title of which only the number is known gives no facts but its id."""
    empty = dict.fromkeys(MEDIA) | {"id": 7}
    assert parse(EnrichStage.METADATA, empty).facts == {"external_ids": {"anilist": 7}}
    for stage in set(EnrichStage) - {EnrichStage.METADATA}:
        assert parse(stage, empty) == Parsed({})


def test_new_words_and_absurd_values_cost_their_field_only() -> None:
    """Each is told by name."""
    parsed = parse(
        EnrichStage.METADATA,
        changed(format="HOLOGRAM", status="DREAMING", season="MONSOON", source="TWEET", episodes=-1, seasonYear=12),
    )
    assert {fault.field for fault in parsed.faults} == {"type", "status", "season", "source", "episodes", "year"}
    assert parsed.facts["title"] == "A Title"
    faults = parse(EnrichStage.STATISTICS, changed(averageScore=710)).faults
    assert [fault.field for fault in faults] == ["score", "statistics.anilist.score"]


def test_members_that_are_gone_are_told_by_name() -> None:
    """Only what they were about is lost."""
    media = {name: value for name, value in MEDIA.items() if name not in ("status", "tags")}
    parsed = parse(EnrichStage.METADATA, media)
    assert [(fault.field, fault.kind) for fault in parsed.faults] == [
        ("media/7.data.Media.status", "shape"), ("media/7.data.Media.tags", "shape")
    ]  # fmt: skip
    assert parsed.facts["genres"] == ["comedy"]


def test_errors_beside_data_are_faults() -> None:
    """What AniList could answer is taken, and what went wrong is told."""
    value = {"data": {"Media": MEDIA}, "errors": [{"message": "stats are away", "status": 500}]}
    parsed = ANILIST.parse(EnrichStage.METADATA, "7", {"media/7": answer(value)})
    assert parsed.facts["title"] == "A Title" and [fault.problem for fault in parsed.faults] == ["stats are away"]


@pytest.mark.parametrize(
    ("value", "status"),
    [
        ({"errors": [{"message": "Not Found.", "status": 404}], "data": {"Media": None}}, 404),
        ({"errors": [{"message": "Not Found.", "status": 404}], "data": {"Media": None}}, 200),
        ({"errors": [{"message": "Not Found.", "status": 404}], "data": None}, 200),
        ({"data": {"Media": None}}, 200),
    ],
)
def test_what_is_not_there_has_no_facts(value: Any, status: int) -> None:
    """In all ways that AniList says so."""
    for stage in EnrichStage:
        assert ANILIST.parse(stage, "7", {"media/7": answer(value, status=status)}) == Parsed({})


@pytest.mark.parametrize("status", [429, 500, 503])
def test_errors_that_pass_mean_later(status: int) -> None:
    """Too many requests with a good status is no answer."""
    value = {"data": None, "errors": [{"message": "Too Many Requests.", "status": status}]}
    with pytest.raises(ProviderUnavailableError, match="Too Many Requests"):
        ANILIST.parse(EnrichStage.METADATA, "7", {"media/7": answer(value)})


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"data": None, "errors": [{"message": "Max query complexity should be 500.", "status": 400}]}, "complexity"),
        ({"data": None, "errors": [{}]}, "an error without a message"),
        ({"data": {"Media": {**MEDIA, "id": 8}}}, "is 8, and 7 was asked"),
        ({"data": {"Media": {**MEDIA, "type": "MANGA"}}}, "is MANGA"),
        ({"data": {"Media": [1]}}, "is no object"),
        ({}, "is not there"),
        ([], "is no object"),
        (b"<html>", "is no JSON"),
    ],
)  # fmt: skip
def test_answers_of_another_form_are_refused(value: Any, message: str) -> None:
    """By provider and place, so that somebody finds out what has changed."""
    with pytest.raises(ShapeChangedError, match=message) as caught:
        ANILIST.parse(EnrichStage.METADATA, "7", {"media/7": answer(value)})
    assert caught.value.provider == "anilist"


def test_search() -> None:
    """Candidates with all their names and MyAnimeList's id, by which they are linked without doubt."""
    request = ANILIST.plan_search("A Title")
    assert request is not None and request.body is not None and request.body["variables"] == {"title": "A Title"}
    found = ANILIST.parse_search(
        answer({"data": {"Page": {"media": [MEDIA, {"id": None}, {"id": 9}]}}}, key=request.key)
    )
    assert [(one.external_id, one.titles, one.type, one.year, one.episodes, one.external_ids) for one in found] == [
        ("7", ("A Title", "A Title!", "題", "AT"), "TV", 2019, 3, {"mal": "70"})
    ]


def test_our_questions_are_valid_in_anilists_schema() -> None:
    """Every field, argument and type of what is sent exists there; each question holds one operation."""
    schema = graphql.build_schema(SCHEMA.read_text("utf-8"))
    (title,), search = ANILIST.plan(EnrichStage.METADATA, "7"), ANILIST.plan_search("A Title")
    (page,) = parse(EnrichStage.STAFF, changed(staff=people(0, has_next=True)["staff"])).more
    for request in (title, search, page):
        assert request is not None and request.body is not None and request.body.keys() == {"query", "variables"}
        assert graphql.validate(schema, graphql.parse(request.body["query"])) == []


@pytest.mark.parametrize("stage", list(EnrichStage))
@given(broken=break_one({"data": {"Media": MEDIA}}))
def test_any_member_may_turn_into_anything(stage: EnrichStage, broken: Any) -> None:
    """One member of another type: valid facts, or an error of ours; never another exception."""
    try:
        parsed = ANILIST.parse(stage, "7", {"media/7": answer(broken)})
    except ServiceError:
        return
    AnimeDocument.model_validate({"title": "x", **parsed.facts})


@given(body=st.binary(max_size=60) | ANY_JSON.map(orjson.dumps))
def test_any_answer_is_read_or_refused(body: bytes) -> None:
    """Bytes and JSON of any kind never end in an exception that is not ours, nor does a search."""
    for read in (
        lambda: ANILIST.parse(EnrichStage.METADATA, "7", {"media/7": answer(body)}),
        lambda: ANILIST.parse_search(answer(body, key="search/x")),
    ):
        try:
            read()
        except ServiceError:
            continue
