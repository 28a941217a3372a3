"""Whatever a provider answers, a parser gives valid facts or one of our own errors."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.document import AnimeDocument
from core.enrichment import EnrichStage
from core.errors import ServiceError
from enrichment.providers.anidb import AnidbProvider
from enrichment.providers.animeplanet import AnimePlanetProvider
from enrichment.providers.animeschedule import AnimeScheduleProvider
from enrichment.providers.base import Answer, Provider
from enrichment.providers.kitsu import KitsuProvider

_KITSU_TITLE = {
    "data": {
        "type": "anime",
        "id": "1",
        "attributes": {
            "canonicalTitle": "Hoshi",
            "titles": {"en": "Stars"},
            "abbreviatedTitles": ["H"],
            "averageRating": "70.1",
            "ratingFrequencies": {"2": "1"},
            "posterImage": {"original": "https://kitsu.example/1.jpg"},
            "startDate": "2014-04-05",
            "episodeCount": 12,
            "ageRating": "PG",
        },
        "relationships": {"mappings": {"data": [{"type": "mappings", "id": "3"}]}},
    },
    "included": [
        {"type": "genres", "id": "2", "attributes": {"name": "Drama"}},
        {"type": "mappings", "id": "3", "attributes": {"externalSite": "anidb", "externalId": "7"}},
        {
            "type": "animeProductions",
            "id": "4",
            "attributes": {"role": "studio"},
            "relationships": {"producer": {"data": {"type": "genres", "id": "2"}}},
        },
        {"type": "streamingLinks", "id": "5", "attributes": {"url": "https://stream.example"}},
    ],
    "links": {},
}
_KITSU_LIST = {
    "data": [
        {
            "type": "castings",
            "id": "1",
            "attributes": {"role": "Director, Music", "featured": True, "number": 1, "airdate": "2014-04-05"},
            "relationships": {
                "character": {"data": {"type": "characters", "id": "2"}},
                "person": {"data": {"type": "people", "id": "3"}},
            },
        }
    ],
    "included": [
        {"type": "characters", "id": "2", "attributes": {"canonicalName": "Ai"}},
        {"type": "people", "id": "3", "attributes": {"name": "Kana"}},
    ],
    "links": {},
}
_RECORD = {
    "route": "1",
    "title": "Hoshi",
    "premier": "2026-01-03T15:30:00Z",
    "season": {"season": "Winter", "year": 2026},
    "mediaTypes": [{"name": "TV"}],
    "genres": [{"name": "Drama"}],
    "status": "Delayed",
    "stats": {"averageScore": 70},
    "names": {"romaji": "Hoshi", "synonyms": ["H"]},
    "websites": {"mal": "myanimelist.net/anime/1", "streams": [{"name": "X", "url": "x.example"}]},
    "streams": {"netflix": "netflix.example"},
}
_WEEK = [{**_RECORD, "airType": "raw", "episodeNumber": 2, "episodeDate": "2026-01-10T15:30:00Z"}]
_XML = (
    '<anime id="1" restricted="false"><type>TV Series</type><episodecount>2</episodecount>'
    "<startdate>2014-04-05</startdate><titles><title xml:lang='ja' type='main'>星</title></titles>"
    "<relatedanime><anime id='2' type='Sequel'>Hoshi 2</anime></relatedanime>"
    "<creators><name type='Direction'>Yamada</name></creators><description>Two people.</description>"
    "<ratings><permanent count='9'>7.1</permanent></ratings><picture>1.jpg</picture>"
    "<resources><resource type='2'><externalentity><identifier>5</identifier></externalentity></resource></resources>"
    "<tags><tag id='1' parentid='2' weight='400'><name>drama</name></tag></tags>"
    "<characters><character type='appears in'><name>Ai</name><seiyuu>Kana</seiyuu></character></characters>"
    "<episodes><episode><epno type='1'>1</epno><length>25</length><airdate>2014-04-05</airdate>"
    "<title xml:lang='en'>One</title></episode></episodes></anime>"
).encode()
_PAGE = (
    b'<html><head><title>Hoshi</title><link rel="canonical" href="https://www.anime-planet.com/anime/1">'
    b'<script type="application/ld+json">{"@type":"TVSeries","name":"Hoshi","startDate":"2014-04-05",'
    b'"aggregateRating":{"bestRating":5,"ratingValue":4,"ratingCount":7}}</script></head><body><h2 class="aka">'
    b'Alt titles: H, O</h2><section class="entryBar"><span class="type">TV (2 eps)</span><span class="iconYear">2014'
    b' - ?</span><a href="/anime/studios/a">A</a>Rank #5</section><section id="entryStats">1,000 users</section>'
    b'<div class="tags"><a href="/anime/tags/drama">Drama</a></div><div id="tabs--relations--anime"><a href="/anime/2">'
    b'<p class="RelatedEntry__name">Hoshi 2</p><span class="RelatedEntry__subtitle">Sequel</span></a></div>'
    b'<a class="CharacterCard" href="/people/a"><strong class="CharacterCard__title">A B</strong>'
    b'<div class="CharacterCard__body">Director &amp; Music</div></a></body></html>'
)
_PROVIDERS: dict[str, Provider] = {
    "kitsu": KitsuProvider(),
    "anidb": AnidbProvider(client="ours", client_version=1),
    "animeschedule": AnimeScheduleProvider(),
    "anime-planet": AnimePlanetProvider(),
}
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
_settings = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])


def _change(value: Any, draw: Callable[[st.SearchStrategy[Any]], Any]) -> Any:
    """The value with one part of it, anywhere, put in another's place."""
    if isinstance(value, dict | list) and value and draw(st.integers(0, 5)):
        place = draw(st.sampled_from(sorted(value) if isinstance(value, dict) else range(len(value))))
        changed = value.copy()
        changed[place] = _change(value[place], draw)
        return changed
    return draw(_JSON)


def _dump(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:
        # Integers beyond 64 bits and lone surrogates, which providers' JSON may have.
        return json.dumps(value).encode()


def _check(name: str, body: bytes, week: bytes = b"[]") -> None:
    """Every stage of the provider ends in facts that the document takes, or in an error of ours."""
    provider = _PROVIDERS[name]
    for stage in sorted(provider.info.stages):
        answers = {}
        for request in provider.plan(stage, "1"):
            answers[request.key] = Answer(
                key=request.key,
                status=200,
                body=week if request.key.startswith("timetables") else body,
                media_type=None,
                fetched_at=datetime(2026, 1, 8, tzinfo=UTC),
            )
        try:
            parsed = provider.parse(stage, "1", answers)
        except ServiceError:
            continue
        AnimeDocument.model_validate({"title": "x", **parsed.facts})
        orjson.dumps([parsed.facts, [(fault.field, fault.problem) for fault in parsed.faults]])
    found = Answer(key="search", status=200, body=body, media_type=None, fetched_at=datetime(2026, 1, 8, tzinfo=UTC))
    try:
        candidates = provider.parse_search(found)
    except ServiceError:
        return
    assert all(candidate.external_id and candidate.titles for candidate in candidates)


@pytest.mark.parametrize("name", sorted(_PROVIDERS))
@given(body=st.binary(max_size=300))
@_settings
def test_any_bytes(name: str, body: bytes) -> None:
    """Bytes without any sense never end in anything but an error of ours."""
    _check(name, body)
    _check(name, b"<html><body>" + body)
    _check(name, b"<anime id='1'><type>" + body + b"</type></anime>")


@pytest.mark.parametrize("base", [_KITSU_TITLE, _KITSU_LIST])
@given(data=st.data())
@_settings
def test_kitsu_with_a_part_exchanged(base: Any, data: st.DataObject) -> None:
    """A document of Kitsu in which anything stands in the place of one part."""
    _check("kitsu", _dump(_change(base, data.draw)))


@given(data=st.data())
@_settings
def test_animeschedule_with_a_part_exchanged(data: st.DataObject) -> None:
    """A record and a timetable in which anything stands in the place of one part."""
    _check("animeschedule", _dump(_change(_RECORD, data.draw)), _dump(_change(_WEEK, data.draw)))


@pytest.mark.parametrize(("name", "whole"), [("anidb", _XML), ("anime-planet", _PAGE)])
@given(data=st.data())
@_settings
def test_markup_with_a_part_exchanged(name: str, whole: bytes, data: st.DataObject) -> None:
    """An answer in which any bytes, or a text, stand in the place of some others."""
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, min(len(whole), start + 60)))
    between = data.draw(st.binary(max_size=20) | st.text(max_size=20).map(lambda text: text.encode("utf-8", "replace")))
    _check(name, whole[:start] + between + whole[end:])


@pytest.mark.parametrize("name", sorted(_PROVIDERS))
def test_untouched_answers_give_facts(name: str) -> None:
    """The answers that the other tests spoil are good ones before that."""
    body = {"kitsu": _dump(_KITSU_TITLE), "animeschedule": _dump(_RECORD), "anidb": _XML, "anime-planet": _PAGE}[name]
    provider = _PROVIDERS[name]
    answers = {
        request.key: Answer(
            key=request.key,
            status=200,
            body=_dump(_WEEK) if request.key.startswith("timetables") else body,
            media_type=None,
            fetched_at=datetime(2026, 1, 8, tzinfo=UTC),
        )
        for request in provider.plan(EnrichStage.METADATA, "1")
    }
    parsed = provider.parse(EnrichStage.METADATA, "1", answers)
    assert parsed.facts["title"]
