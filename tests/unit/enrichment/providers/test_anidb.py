"""AniDB's XML answers as facts."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from core.enrichment import EnrichStage
from core.errors import ConfigurationError
from enrichment.providers.anidb import AnidbProvider
from enrichment.providers.base import Answer, BlockedError, Fault, Parsed, ShapeChangedError

_ANIDB = AnidbProvider(client="ours", client_version=3)
_ANIME = """<?xml version="1.0" encoding="UTF-8"?>
<anime id="77" restricted="false">
  <type>TV Series</type>
  <episodecount>2</episodecount>
  <startdate>2014-04-05</startdate>
  <enddate>2014-04-12</enddate>
  <titles>
    <title xml:lang="x-jat" type="main">Hoshi no Machi</title>
    <title xml:lang="en" type="official">Town of Stars</title>
    <title xml:lang="ja" type="official">星の町</title>
    <title xml:lang="de" type="official">Sternenstadt</title>
    <title xml:lang="x-jat" type="short">HnM</title>
    <title xml:lang="en" type="official">The Stars` Town</title>
  </titles>
  <relatedanime>
    <anime id="78" type="Sequel">Hoshi no Machi II</anime>
    <anime id="79" type="Same Setting">Tsuki no Machi</anime>
  </relatedanime>
  <recommendations><recommendation type="Recommended" uid="4711">Secret words</recommendation></recommendations>
  <creators>
    <name id="1" type="Direction">Yamada Naoko</name>
    <name id="2" type="Animation Work">Studio Stern</name>
    <name id="3" type="Animation Co-Production">Other Studio</name>
    <name id="4" type="Work">Hoshi Taro</name>
  </creators>
  <description>Two people build http://anidb.net/ch5 [their town].
Source: ANN</description>
  <ratings>
    <permanent count="120">7.72</permanent>
    <temporary count="130">8.01</temporary>
  </ratings>
  <picture>123.jpg</picture>
  <resources>
    <resource type="1"><externalentity><identifier>900</identifier></externalentity></resource>
    <resource type="2">
      <externalentity><identifier>555</identifier></externalentity>
      <externalentity><identifier>556</identifier></externalentity>
    </resource>
    <resource type="28">
      <externalentity><identifier>GYZJ43JMR</identifier></externalentity>
      <externalentity><identifier>town-of-stars</identifier></externalentity>
    </resource>
  </resources>
  <tags>
    <tag id="1" parentid="2609" weight="0"><name>light novel</name></tag>
    <tag id="2" parentid="2606" weight="0"><name>seinen</name></tag>
    <tag id="3" parentid="2611" weight="500"><name>science fiction</name></tag>
    <tag id="4" parentid="2611" weight="200"><name>space travel</name></tag>
    <tag id="5" parentid="2611" weight="100"><name>fantasy</name></tag>
    <tag id="6" parentid="2611" weight="600" localspoiler="true"><name>everybody dies</name></tag>
    <tag id="7" weight="0"><name>setting</name></tag>
  </tags>
  <characters>
    <character id="1" type="main character in">
      <name>Ai</name><charactertype id="1">Character</charactertype>
      <description>A pilot.</description><picture>5.png</picture>
      <seiyuu id="9" picture="1.jpg">Hanazawa Kana</seiyuu>
    </character>
    <character id="2" type="appears in"><name>The Ship</name><charactertype id="3">Vessel</charactertype></character>
  </characters>
  <episodes>
    <episode id="12"><epno type="1">2</epno><length>25</length><airdate>2014-04-12</airdate>
      <title xml:lang="en">Episode 2</title><title xml:lang="x-jat">Tsuki</title></episode>
    <episode id="11"><epno type="1">1</epno><length>25</length><airdate>2014-04-05</airdate>
      <title xml:lang="ja">星</title><title xml:lang="en">The Star`s Light</title>
      <summary>It begins.</summary></episode>
    <episode id="13"><epno type="2">S1</epno><length>90</length><title xml:lang="en">Special</title></episode>
    <episode id="14"><epno type="3">C1</epno><length>2</length><title xml:lang="en">Opening</title></episode>
  </episodes>
</anime>"""


def _parse(stage: EnrichStage, body: str | bytes, *, status: int = 200, now: datetime | None = None) -> Parsed:
    (request,) = _ANIDB.plan(stage, "77")
    answer = Answer(
        key=request.key,
        status=status,
        body=body.encode() if isinstance(body, str) else body,
        media_type="text/xml",
        fetched_at=now or datetime(2026, 1, 1, tzinfo=UTC),
    )
    return _ANIDB.parse(stage, "77", {request.key: answer})


def test_one_request_serves_all_stages_and_names_us() -> None:
    """AniDB is asked once a title, as the registered client; the key of the answer does not name the client."""
    requests = [_ANIDB.plan(stage, "77") for stage in EnrichStage]
    assert all(one == requests[0] for one in requests)
    (request,) = requests[0]
    assert request.path == "/httpapi?request=anime&client=ours&clientver=3&protover=1&aid=77"
    assert request.key == "anime/77"


def test_metadata() -> None:
    """A title's own facts, in the document's words; ids are taken only where AniDB names one."""
    parsed = _parse(EnrichStage.METADATA, _ANIME)
    assert parsed.faults == ()
    assert parsed.facts == {
        "title": "Hoshi no Machi",
        "title_english": "Town of Stars",
        "title_japanese": "星の町",
        "synonyms": ["Sternenstadt", "HnM", "The Stars' Town"],
        "synopsis": "Two people build their town.",
        "type": "TV",
        "status": "FINISHED",
        "episodes": 2,
        "duration": 25.0,
        "year": 2014,
        "aired": {"start": "2014-04-05", "end": "2014-04-12"},
        "genres": ["sci-fi"],
        "demographics": ["seinen"],
        "tags": ["space travel"],
        "source": "light novel",
        "studios": ["Studio Stern"],
        "streaming": [
            {"platform": "Crunchyroll", "url": "https://www.crunchyroll.com/series/GYZJ43JMR"},
            {"platform": "Crunchyroll"},
        ],
        "images": {"picture": "https://cdn.anidb.net/images/main/123.jpg"},
        "external_ids": {"anidb": 77, "animenewsnetwork": 900},
    }


def test_episodes_are_the_regular_ones_in_order() -> None:
    """Specials and credits are no episodes; a name that only repeats the number is none."""
    facts = _parse(EnrichStage.EPISODES, _ANIME).facts
    first, second = facts["episode_list"]
    assert (first["number"], first["title"], first["synopsis"]) == (1, "The Star's Light", "It begins.")
    assert (second["number"], second["title"], second["aired"]) == (2, "Tsuki", "2014-04-12")


def test_relations() -> None:
    """Related anime with their ids at AniDB."""
    assert _parse(EnrichStage.RELATIONS, _ANIME).facts == {
        "related_anime": [
            {"title": "Hoshi no Machi II", "relation": "sequel", "external_ids": {"anidb": 78}},
            {"title": "Tsuki no Machi", "relation": "same setting", "external_ids": {"anidb": 79}},
        ]
    }


def test_statistics() -> None:
    """The permanent rating is the score; nothing of the people who voted or wrote is taken."""
    facts = _parse(EnrichStage.STATISTICS, _ANIME).facts
    assert facts == {
        "score": 7.72,
        "scored_by": 120,
        "statistics": {
            "anidb": {
                "permanent_score": 7.72,
                "permanent_votes": 120,
                "temporary_score": 8.01,
                "temporary_votes": 130,
            }
        },
    }


def test_characters_are_no_ships() -> None:
    """Characters come with their voices and pictures; ships and organisations do not come."""
    assert _parse(EnrichStage.CHARACTERS, _ANIME).facts == {
        "characters": [
            {
                "name": "Ai",
                "role": "Main",
                "description": "A pilot.",
                "image": "https://cdn.anidb.net/images/main/5.png",
                "voice_actors": ["Hanazawa Kana"],
            }
        ]
    }


def test_staff_are_no_companies() -> None:
    """People by their roles, also where an old answer calls original work only work."""
    assert _parse(EnrichStage.STAFF, _ANIME).facts == {
        "staff": [
            {"name": "Yamada Naoko", "role": "Director"},
            {"name": "Hoshi Taro", "role": "Original Creator"},
        ]
    }


def test_no_words_of_viewers_are_taken() -> None:
    """Recommendations, and the numbers of those who wrote them, are in no facts."""
    said = [_parse(stage, _ANIME) for stage in EnrichStage]
    assert "Secret words" not in str(said)
    assert "4711" not in str(said)


def test_restricted_title_is_adult() -> None:
    """What AniDB restricts to adults is rated so."""
    body = _ANIME.replace('restricted="false"', 'restricted="true"')
    assert _parse(EnrichStage.METADATA, body).facts["rating"] == "Rx"


@pytest.mark.parametrize(
    ("start", "end", "status"),
    [
        ("2014-04-05", "2014-04-12", "FINISHED"),
        ("2014-04-05", None, "ONGOING"),
        ("2014-04-05", "2015-01-01", "ONGOING"),
        ("2014-12-01", "2015-01-01", "UPCOMING"),
        ("2015-01-01", None, "UPCOMING"),
        ("2014", None, None),
        ("2014-04", "2014-05", None),
        (None, None, None),
    ],
)
def test_status_out_of_days(start: str | None, end: str | None, status: str | None) -> None:
    """AniDB gives days only: what they say depends on the day of the answer, and parts of days say nothing."""
    body = _ANIME.replace("<startdate>2014-04-05</startdate>", f"<startdate>{start}</startdate>" if start else "")
    body = body.replace("<enddate>2014-04-12</enddate>", f"<enddate>{end}</enddate>" if end else "")
    facts = _parse(EnrichStage.METADATA, body, now=datetime(2014, 5, 1, tzinfo=UTC)).facts
    assert facts.get("status") == status
    assert facts.get("year") == (int(start[:4]) if start else None)


def test_incomplete_day_is_no_day() -> None:
    """A date that is known to the month gives a year and no first day."""
    body = _ANIME.replace("2014-04-05</startdate>", "1982-10</startdate>").replace("<enddate>2014-04-12</enddate>", "")
    facts = _parse(EnrichStage.METADATA, body).facts
    assert facts["year"] == 1982
    assert "aired" not in facts


def test_zero_episodes_are_an_unknown_number() -> None:
    """AniDB writes 0 where nobody knows how many there will be."""
    parsed = _parse(EnrichStage.METADATA, _ANIME.replace("<episodecount>2<", "<episodecount>0<"))
    assert "episodes" not in parsed.facts
    assert parsed.faults == ()


def test_member_that_is_gone_is_told_by_its_path() -> None:
    """Without its type a title is still read, and the change is told."""
    parsed = _parse(EnrichStage.METADATA, _ANIME.replace("<type>TV Series</type>", ""))
    assert parsed.faults == (Fault("/anime/type", "is not there", "shape"),)
    assert parsed.facts["title"] == "Hoshi no Machi"


def test_absurd_values_are_faults() -> None:
    """Values that cannot be true are refused by name, whatever digits they are written in."""
    body = _ANIME.replace(">7.72<", ">77.2<").replace('count="120"', 'count="-1"').replace('weight="500"', 'weight="²"')
    assert {"score", "scored_by"}.isdisjoint(_parse(EnrichStage.STATISTICS, body).facts)
    many = _ANIME.replace('<epno type="1">2<', f'<epno type="1">{"9" * 5_000}<')
    parsed = _parse(EnrichStage.EPISODES, many)
    assert [one["number"] for one in parsed.facts["episode_list"]] == [1]
    assert parsed.faults


@pytest.mark.parametrize("message", ["Anime not found", "aid Missing or Invalid"])
def test_title_that_is_not_there(message: str) -> None:
    """An error about the number is an answer: there is nothing."""
    assert _parse(EnrichStage.METADATA, f"\ufeff<error>{message}</error>") == Parsed({})
    assert _parse(EnrichStage.METADATA, "", status=404) == Parsed({})


@pytest.mark.parametrize(
    "body",
    [
        "<error>Banned</error>",
        '<error code="500">banned</error>',
        "<html>\n<head><title>403 Forbidden</title></head></html>",
        "<!DOCTYPE html><html><head><title>AniDB AntiLeech - AniDB</title></head></html>",
    ],
)
def test_ban_is_respected(body: str) -> None:
    """A ban, as XML or as a page, is told apart from everything else."""
    with pytest.raises(BlockedError):
        _parse(EnrichStage.METADATA, body)


def test_client_that_is_not_known_is_a_setting() -> None:
    """The error names what has to be set."""
    with pytest.raises(ConfigurationError, match="ANIDB_CLIENT"):
        _parse(EnrichStage.METADATA, '<error code="302">client version missing or invalid</error>')


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ("<error>Something else</error>", "/error: Something else"),
        ("<hotanime/>", "/hotanime: is not <anime>"),
        ('<anime id="78"/>', "/anime/@id: is '78', not '77'"),
        (
            "<!DOCTYPE html><html><head><title>ERROR - AniDB</title></head></html>",
            "/: is a page (error - anidb), not XML",
        ),
        ("<anime id='77'>", "/: is no XML"),
        ('<!DOCTYPE anime [<!ENTITY x "y">]><anime id="77"><type>&x;</type></anime>', "/: has a DOCTYPE"),
    ],
)
def test_answer_of_another_form_is_refused(body: str, place: str) -> None:
    """What is not this title's answer is named with its place."""
    with pytest.raises(ShapeChangedError) as caught:
        _parse(EnrichStage.METADATA, body)
    assert str(caught.value).startswith(f"anidb: {place}")


def test_there_is_no_search() -> None:
    """Titles are found in the dump, never by asking."""
    assert _ANIDB.plan_search("Hoshi") is None
    assert not _ANIDB.info.can_search
