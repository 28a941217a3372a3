"""Pages of Anime-Planet as facts."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from typing import Any

import orjson
import pytest

from core.enrichment import EnrichStage
from enrichment.providers.animeplanet import AnimePlanetProvider
from enrichment.providers.base import Answer, BlockedError, Candidate, Fault, Parsed, ShapeChangedError

_PLANET = AnimePlanetProvider()
_DATA: dict[str, Any] = {
    "@context": "http://schema.org",
    "@type": "TVSeries",
    "name": "Town of Stars",
    "description": "Two people&nbsp;build a town.",
    "url": "https://www.anime-planet.com/anime/town-of-stars",
    "image": "https://www.anime-planet.comhttps://cdn.anime-planet.com/anime/primary/town.jpg?t=1",
    "startDate": "2014-04-05",
    "endDate": "2014-06-28",
    "aggregateRating": {"@type": "AggregateRating", "ratingCount": 1200, "bestRating": 5, "ratingValue": 4.25},
}
_HIDDEN = '<span class="__cf_email__" data-cfemail="0245482f607742">[email&#160;protected]</span>'
_PAGE = """<!doctype html><html><head>
<title>Town of Stars | Anime-Planet</title>
<link rel="canonical" href="https://www.anime-planet.com/anime/town-of-stars" />
<meta property="og:title" content="Town of Stars" />
{script}
</head><body>
<h1 itemprop="name">Town of Stars</h1>
<h2 class="aka">{aka}</h2>
<section class="pure-g entryBar">
  <div><span class="type">{type}</span></div>
  <div><a href="/anime/studios/studio-stern">Studio Stern</a></div>
  <div><span class='iconYear'> {years} </span><br /><a href="/anime/seasons/spring-2014">Spring 2014</a></div>
  <div>Rank #1,234</div>
</section>
<section class="sidebarStats" id="entryStats"><h2>User Stats</h2> 12,345 users are tracking this.</section>
<div class="tags"><h4>Tags</h4><ul><li><a href="/anime/tags/sci-fi">Sci Fi</a></li>
<li><a href="/anime/tags/seinen">Seinen</a></li></ul></div>
<div class="tags tags--plain"><h4>Content Warning</h4><ul>
<li><a href="/anime/tags/violence">Violence,</a></li></ul></div>
<section><span class="user__username">somebody</span><p class="ShortReview__review">Secret words</p></section>
<div id="tabs--relations--anime">
  <a href="/anime/town-of-stars-2" class="RelatedEntry"><p class="RelatedEntry__name">Town of Stars 2</p>
    <span class="RelatedEntry__subtitle">Sequel</span></a>
  <a href="/anime/gj-bu" class="RelatedEntry"><p class="RelatedEntry__name">{hidden}</p></a>
</div>
<div id="tabs--relations--manga"><a href="/manga/town" class="RelatedEntry">Town</a></div>
<a class="CharacterCard rounded-card" href="/characters/ai">
  <aside class="CharacterCard__aside" style="background-image: url(https://cdn.anime-planet.com/ai.jpg)"></aside>
  <strong class="CharacterCard__title">Ai HOSHINO</strong>
  <div class="CharacterCard__body"><div class="flag flagJP"> Kana Hanazawa </div></div></a>
<a class="CharacterCard" href="/people/naoko-yamada"><strong class="CharacterCard__title">Naoko YAMADA</strong>
  <div class="CharacterCard__body">Director &amp; Storyboard</div></a>
<a class="CharacterCard" href="/people/radwimps"><strong class="CharacterCard__title">RADWIMPS</strong>
  <div class="CharacterCard__body">Music</div></a>
</body></html>"""


def _build(
    data: object = _DATA,
    *,
    years: str = "2014",
    kind: str = "TV (12 eps x 24 min)",
    aka: str = "Alt title: Hoshi, no Machi",
) -> bytes:
    script = "" if data is None else f'<script type="application/ld+json">{orjson.dumps(data).decode()}</script>'
    page = _PAGE.replace("{script}", script).replace("{aka}", aka).replace("{type}", kind)
    return page.replace("{years}", years).replace("{hidden}", _HIDDEN).encode()


def _parse(stage: EnrichStage, body: bytes, *, status: int = 200, external_id: str = "town-of-stars") -> Parsed:
    (request,) = _PLANET.plan(stage, external_id)
    answer = Answer(
        key=request.key, status=status, body=body, media_type="text/html", fetched_at=datetime(2020, 6, 1, tzinfo=UTC)
    )
    return _PLANET.parse(stage, external_id, {request.key: answer})


def test_metadata() -> None:
    """Facts of the JSON-LD and of the page, in the document's words."""
    parsed = _parse(EnrichStage.METADATA, _build())
    assert parsed.faults == ()
    assert parsed.facts == {
        "title": "Town of Stars",
        "synonyms": ["Hoshi, no Machi"],
        "synopsis": "Two people build a town.",
        "type": "TV",
        "status": "FINISHED",
        "episodes": 12,
        "duration": 24.0,
        "season": "SPRING",
        "year": 2014,
        "aired": {"start": "2014-04-05", "end": "2014-06-28"},
        "genres": ["sci-fi"],
        "demographics": ["seinen"],
        "tags": ["violence"],
        "studios": ["Studio Stern"],
        "images": {"picture": "https://cdn.anime-planet.com/anime/primary/town.jpg?t=1"},
        "external_ids": {"anime-planet": "town-of-stars"},
    }


@pytest.mark.parametrize(
    ("words", "expected", "episodes", "duration"),
    [
        ("TV\n(64 eps)", "TV", 64, None),
        ("Movie (1 ep x 107 min)", "MOVIE", 1, 107.0),
        ("TV (1081+ eps)", "TV", None, None),
        ("Web (3+ eps x 1 min)", "ONA", None, 1.0),
        ("DVD Special (2 eps x 24 min)", "SPECIAL", 2, 24.0),
        ("Music Video (1 ep x 6 min)", "MUSIC", 1, 6.0),
        ("OVA", "OVA", None, None),
        ("Other", None, None, None),
    ],
)
def test_type_with_episodes(words: str, expected: str | None, episodes: int | None, duration: float | None) -> None:
    """One line tells type, number and length; a number with a plus is none yet."""
    facts = _parse(EnrichStage.METADATA, _build(kind=words)).facts
    assert (facts.get("type"), facts.get("episodes"), facts.get("duration")) == (expected, episodes, duration)


@pytest.mark.parametrize(
    ("years", "start", "end", "status"),
    [
        ("TBA", None, None, "UPCOMING"),
        ("2019 - ?", "2019-04-01", None, "ONGOING"),
        ("2021", None, None, "UPCOMING"),
        ("2020", "2020-07-01", None, "UPCOMING"),
        ("2020", "2020-01-01", "2020-03-30", "FINISHED"),
        ("2020", "2020-01-01", "2020-07-30", "ONGOING"),
        ("2020", "2020-01-01", None, None),
        ("2009 - 2010", "2009-01-01", None, "FINISHED"),
        ("2016", None, None, "FINISHED"),
    ],
)
def test_status_out_of_years(years: str, start: str | None, end: str | None, status: str | None) -> None:
    """What years and days say depends on the day of the answer."""
    body = _build({**_DATA, "startDate": start, "endDate": end}, years=years)
    assert _parse(EnrichStage.METADATA, body).facts.get("status") == status


def test_year_that_is_over_says_nothing_of_a_title_without_a_day() -> None:
    """An announced title that never came is not finished."""
    body = _build({**_DATA, "startDate": None, "endDate": None}, years="2016", kind="TV")
    assert "status" not in _parse(EnrichStage.METADATA, body).facts


def test_movie_has_one_day() -> None:
    """A film's day of publishing is its first day."""
    movie = {"@type": "Movie", "name": "Town", "datePublished": "2016-08-26"}
    assert _parse(EnrichStage.METADATA, _build(movie, years="2016")).facts["aired"] == {"start": "2016-08-26"}


@pytest.mark.parametrize(
    ("aka", "names"),
    [
        ("Alt title: One, and only", ["One, and only"]),
        ("Alt titles: Hoshi, 星の町", ["Hoshi", "星の町"]),
        ("", None),
    ],
)
def test_other_titles(aka: str, names: list[str] | None) -> None:
    """Several are joined by commas; a single one may have commas of its own."""
    assert _parse(EnrichStage.METADATA, _build(aka=aka)).facts.get("synonyms") == names


def test_hidden_names_stay_hidden() -> None:
    """A name that Cloudflare hides is not decoded: it is taken from the JSON-LD, or is a fault."""
    body = _build(aka=f"Alt title: GJ {_HIDDEN}")
    parsed = _parse(EnrichStage.METADATA, body)
    assert "synonyms" not in parsed.facts
    assert [fault.field for fault in parsed.faults] == ["synonyms"]
    known = _build({**_DATA, "alternateName": ["GJ@"]}, aka=f"Alt title: GJ {_HIDDEN}")
    assert _parse(EnrichStage.METADATA, known).facts["synonyms"] == ["GJ@"]
    (_, related) = _parse(EnrichStage.RELATIONS, body).facts["related_anime"]
    assert related == {"external_ids": {"anime-planet": "gj-bu"}}


def test_relations_are_of_anime_only() -> None:
    """Manga stand in a list of their own."""
    first, second = _parse(EnrichStage.RELATIONS, _build()).facts["related_anime"]
    assert first == {
        "title": "Town of Stars 2",
        "relation": "sequel",
        "external_ids": {"anime-planet": "town-of-stars-2"},
    }
    assert second["external_ids"] == {"anime-planet": "gj-bu"}


def test_statistics() -> None:
    """The score is out of five, as the page says itself."""
    own = {"score": 8.5, "scored_by": 1200, "rank": 1234, "members": 12345}
    assert _parse(EnrichStage.STATISTICS, _build()).facts == {**own, "statistics": {"anime-planet": own}}


def test_characters_and_staff() -> None:
    """Family names are written as names; one that is all in capitals is meant so."""
    assert _parse(EnrichStage.CHARACTERS, _build()).facts == {
        "characters": [
            {
                "name": "Ai Hoshino",
                "image": "https://cdn.anime-planet.com/ai.jpg",
                "voice_actors": ["Kana Hanazawa"],
            }
        ]
    }
    assert _parse(EnrichStage.STAFF, _build()).facts == {
        "staff": [
            {"name": "Naoko Yamada", "role": "Director"},
            {"name": "Naoko Yamada", "role": "Storyboard"},
            {"name": "RADWIMPS", "role": "Music"},
        ]
    }


def test_no_words_of_viewers_are_taken() -> None:
    """Reviews and the names of those who wrote them are in no facts."""
    said = str([_parse(stage, _build()) for stage in _PLANET.info.stages])
    assert "Secret words" not in said
    assert "somebody" not in said


def test_page_without_json_ld() -> None:
    """What stands in the page itself is still read, and the loss is told."""
    parsed = _parse(EnrichStage.METADATA, _build(None))
    assert parsed.faults == (Fault("script[ld+json]", "is not there", "shape"),)
    assert (parsed.facts["title"], parsed.facts["episodes"]) == ("Town of Stars", 12)
    assert _parse(EnrichStage.STAFF, _build(None)).faults == ()


def test_broken_json_ld_is_told() -> None:
    """A script that is no JSON is a fault of the shape."""
    body = _build().replace(b'{"@context"', b'{"@context')
    faults = _parse(EnrichStage.METADATA, body).faults
    assert [fault.kind for fault in faults] == ["shape", "shape"]
    assert faults[0].problem.startswith("is no JSON")


def test_unknown_form_of_the_bar_is_told() -> None:
    """Words that have another form than the known one are faults, and nothing is guessed from them."""
    parsed = _parse(EnrichStage.METADATA, _build(kind="TV, twelve episodes (about)", years="last year"))
    assert {"type", "episodes", "year", "status"}.isdisjoint(parsed.facts)
    assert [fault.field for fault in parsed.faults] == [".entryBar .type", ".entryBar .iconYear"]


@pytest.mark.parametrize("heading", ["Just a moment...", "Attention Required! | Cloudflare", "Access denied"])
def test_protection_is_respected(heading: str) -> None:
    """A challenge in the place of the page is told apart from everything else."""
    with pytest.raises(BlockedError):
        _parse(EnrichStage.METADATA, f"<html><head><title>{heading}</title></head><body>x</body></html>".encode())


def test_title_that_is_not_there() -> None:
    """The site searches for a name that it does not know; a status says it, too."""
    page = b"<html><head><title>Search Results for x | Anime-Planet</title></head><body>x</body></html>"
    assert _parse(EnrichStage.METADATA, page) == Parsed({})
    assert _parse(EnrichStage.METADATA, b"", status=404) == Parsed({})


def test_page_of_another_title_is_not_taken() -> None:
    """A title that leads to another one's page has no facts, and the error says whose page it is."""
    with pytest.raises(ShapeChangedError, match="is the page of 'town-of-stars', not of 'old-name'"):
        _parse(EnrichStage.METADATA, _build(), external_id="old-name")


@pytest.mark.parametrize("body", [b"", b"   ", b"<html><body><p>Hello</p></body></html>", b"\x00\xff"])
def test_what_is_no_title_is_refused(body: bytes) -> None:
    """A page that has neither the bar nor JSON-LD is none that we know."""
    with pytest.raises(ShapeChangedError, match="anime-planet: "):
        _parse(EnrichStage.METADATA, body)


def test_pages_are_asked_for_politely() -> None:
    """robots.txt is obeyed, and one page serves all stages."""
    assert _PLANET.info.obeys_robots
    assert len({request.key for stage in EnrichStage for request in _PLANET.plan(stage, "a")}) == 1


_CARD = """<li data-type="anime" class="card"><a class="tooltip" href="{href}" title="{hint}">
<h3 class="cardName">{name}</h3></a></li>"""
_HINT = escape("<ul class='entryBar'><li class='type'>TV (12 eps)</li><li class='iconYear'>2014 - 2015</li></ul>")


def _search(body: str | bytes, status: int = 200) -> list[Candidate]:
    request = _PLANET.plan_search("Hoshi & Machi")
    assert request is not None
    assert request.path == "/anime/all?name=Hoshi+%26+Machi"
    raw = body.encode() if isinstance(body, str) else body
    now = datetime(2020, 6, 1, tzinfo=UTC)
    return list(_PLANET.parse_search(Answer(key=request.key, status=status, body=raw, media_type=None, fetched_at=now)))


def test_search_shows_cards() -> None:
    """Each card names a title; the hint beside it tells type, year and episodes, where it is as we know it."""
    cards = (
        _CARD.format(href="/anime/town", hint=_HINT, name="Town of Stars"),
        _CARD.format(href="/anime/moon", hint="", name="Town of Moons"),
        _CARD.format(href="/manga/town", hint=_HINT, name="Town"),
    )
    assert _search(f"<html><body><ul class='cardDeck'>{''.join(cards)}</ul></body></html>") == [
        Candidate(external_id="town", titles=("Town of Stars",), type="TV", year=2014, episodes=12),
        Candidate(external_id="moon", titles=("Town of Moons",)),
    ]


@pytest.mark.parametrize("hint", ["", "<html>", "<!DOCTYPE><frameset", "\x0b<!--", "</div></body></html>", "<?xml"])
def test_hint_of_any_form(hint: str) -> None:
    """A hint that cannot be read says nothing, and its card still names the title."""
    card = _CARD.format(href="/anime/town", hint=escape(hint), name="Town of Stars")
    assert _search(f"<html><body><ul>{card}</ul></body></html>") == [
        Candidate(external_id="town", titles=("Town of Stars",))
    ]


def test_search_with_one_result_leads_to_the_title() -> None:
    """The title's own page is a result like any other, with its other names."""
    assert _search(_build()) == [
        Candidate(
            external_id="town-of-stars", titles=("Town of Stars", "Hoshi, no Machi"), type="TV", year=2014, episodes=12
        )
    ]


def test_search_that_finds_nothing_shows_popular_titles() -> None:
    """They are not what was searched for."""
    card = _CARD.format(href="/anime/popular", hint=_HINT, name="Popular")
    page = f"<html><body><h3>...but we couldn't find anything.</h3><ul class='cardDeck'>{card}</ul></body></html>"
    assert _search(page) == []
    assert _search("", 404) == []


def test_search_respects_protection() -> None:
    """A challenge in the place of results is no empty result."""
    with pytest.raises(BlockedError):
        _search("<html><head><title>Just a moment...</title></head><body>x</body></html>")
