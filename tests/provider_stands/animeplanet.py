"""Anime-Planet: pages with structured data (schema.org), a search that leads to one, and robots.txt."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from typing import Any

from tests.picture_host.replies import Reply
from tests.provider_stands.records import Asked
from tests.provider_stands.replying import build_text
from tests.provider_stands.titles import Role, StandTitle, search_titles

_ROBOTS = "User-agent: *\nCrawl-delay: 2\nDisallow: /api/\nDisallow: /users/\n"
_SITE = "https://www.anime-planet.com"
_FOUND = 35
_HTML = "text/html; charset=UTF-8"


class AnimePlanetStand:
    """Answers with what the titles say."""

    def __init__(self, titles: Sequence[StandTitle]) -> None:
        self._titles = {title.ids["anime-planet"]: title for title in titles if "anime-planet" in title.ids}
        self._by_mal = {title.ids["mal"]: title for title in titles}

    def answer(self, asked: Asked) -> Reply:
        """One request."""
        if asked.path == "/robots.txt":
            return build_text(_ROBOTS, "text/plain")
        if asked.path == "/anime/all":
            return self._answer_search(asked.query.get("name", ""))
        title = self._titles.get(asked.path.removeprefix("/anime/"))
        if title is None:
            return build_text(_page("Not found", "<h1>404</h1>"), _HTML, status=404)
        return build_text(self._build_page(title), _HTML)

    def _answer_search(self, name: str) -> Reply:
        found = search_titles(self._titles.values(), name)[:_FOUND]
        cards = "".join(_build_card(one) for one in found) or "<p>No results found.</p>"
        return build_text(_page(f"Search Results for {escape(name)}", f"<ul class='cardDeck'>{cards}</ul>"), _HTML)

    def _build_page(self, title: StandTitle) -> str:
        facts = title.facts
        english = facts.get("title_english") or title.title
        season, year = facts["season"].lower(), facts["year"]
        studios = "".join(f'<a href="/anime/studios/x">{escape(name)}</a>' for name in facts["studios"])
        tags = "".join(f"<li><a href='/anime/tags/x'>{escape(name.title())}</a></li>" for name in _list_labels(facts))
        count = facts.get("episodes")
        episodes = f"\n({count} ep{'s' if count != 1 else ''})" if count else ""
        kind = {"MOVIE": "Movie", "OVA": "OVA", "ONA": "Web", "SPECIAL": "TV Special"}.get(facts["type"], "TV")
        body = f"""
<h1 itemprop="name">{escape(english)}</h1>
<h2 class="aka">
Alt title: {escape(title.title)}
</h2>
<section class="pure-g entryBar">
<div class="pure-1 md-1-5">
<span class="type">{kind}{episodes}
</span>
</div>
<div class="pure-1 md-1-5">{studios}</div>
<div class="pure-1 md-1-5">
<span class='iconYear'> {year} </span>
<br />
<a href="/anime/seasons/{season}-{year}">{season.title()} {year}</a>
</div>
<div class="pure-1 md-1-5">
<div class="avgRating" title="{_rate(title)[0]} out of 5 from {_rate(title)[1]:,} votes"><span></span></div>
</div>
<div class="pure-1 md-1-5">
Rank #{title.vary("anime-planet-rank").randrange(1, 9_000)}
</div></section>
<div class="pure-1 md-3-5"><div><p>{escape(facts["synopsis"])}</p></div>
<div class="tags "><h4>Tags</h4><ul>{tags}</ul></div></div>
{self._build_related(title)}
{_build_people(title)}"""
        link = f'<link rel="canonical" href="{_SITE}/anime/{title.ids["anime-planet"]}"/>'
        return _page(f"{english} | Anime-Planet", body, head=link + _build_script(_build_structured(title, english)))

    def _build_related(self, title: StandTitle) -> str:
        cards = "".join(
            f"""<a href="/anime/{self._by_mal[mal_id].ids["anime-planet"]}" class="RelatedEntry rounded-card">
<p class="RelatedEntry__name rounded-card__title">{escape(self._by_mal[mal_id].title)}</p>
<span class="RelatedEntry__subtitle rounded-card__subtitle">{kind.title()}</span></a>"""
            for kind, mal_id in title.related
            if mal_id in self._by_mal
        )
        same = f'<div id="tabs--relations--anime--same_franchise">{cards}</div>'
        return f'<div id="tabs--relations--anime">{same}</div>' if cards else ""


def _build_people(title: StandTitle) -> str:
    """Cards of characters with their Japanese voices, and of staff with their jobs."""
    voices = [
        (role, f'<div class="flag flagJP">{escape(role.voice.name)}</div>' if role.voice else "")
        for role in title.characters
    ]
    cards = [_build_person("characters", role, voice) for role, voice in voices]
    return "".join([*cards, *(_build_person("people", role, escape(role.role)) for role in title.staff)])


def _build_person(kind: str, role: Role, below: str) -> str:
    person = role.person
    return (
        f'<a class="CharacterCard rounded-card" href="/{kind}/{person.number}">'
        f'<strong class="CharacterCard__title">{escape(person.given)} {escape(person.family.upper())}</strong>'
        f'<div class="CharacterCard__body">{below}</div></a>'
    )


def _list_labels(facts: Any) -> list[str]:
    return [*facts["genres"], *facts.get("tags", [])[:8]]


def _rate(title: StandTitle) -> tuple[float, int]:
    numbers = title.vary("anime-planet")
    return round(title.facts["score"] / 2 + numbers.uniform(-0.2, 0.2), 3), numbers.randrange(30, 40_000)


def _build_structured(title: StandTitle, english: str) -> dict[str, Any]:
    facts = title.facts
    score, votes = _rate(title)
    value = {
        "@context": "http://schema.org",
        "@type": "Movie" if facts["type"] == "MOVIE" else "TVSeries",
        "name": english,
        "description": facts["synopsis"],
        "url": f"{_SITE}/anime/{title.ids['anime-planet']}",
        "image": f"https://cdn.anime-planet.com/anime/primary/{title.ids['anime-planet']}-1-190x285.jpg",
        "startDate": str(title.first_day),
        "endDate": str(title.last_day) if title.last_day else None,
        "numberOfEpisodes": facts.get("episodes"),
        "genre": [name.title() for name in _list_labels(facts)],
        "actor": [{"@type": "Person", "name": role.voice.name} for role in title.characters if role.voice],
        "character": [{"@type": "Person", "name": role.person.name} for role in title.characters],
        "director": [{"@type": "Person", "name": role.person.name} for role in title.staff[:1]],
        "musicBy": [{"@type": "Person", "name": role.person.name} for role in title.staff[2:3]],
        "aggregateRating": {
            "@type": "AggregateRating",
            "ratingValue": str(score),
            "bestRating": "5",
            "worstRating": "0.5",
            "ratingCount": str(votes),
            "reviewCount": "3",
        },
    }
    return {name: inner for name, inner in value.items() if inner is not None}


def _build_card(title: StandTitle) -> str:
    slug, facts = title.ids["anime-planet"], title.facts
    tip = f"<h5 class='theme-font'>{escape(title.title)}</h5><ul><li class='type'>{facts['type']}</li>"
    return (
        f"<li data-id='1' data-type='anime' class='card' data-total-episodes='{facts.get('episodes') or ''}'>"
        f'<a title="{escape(tip, quote=True)}" href="/anime/{slug}" class="tooltip">'
        f"<h3 class='cardName'>{escape(title.title)}</h3></a></li>"
    )


def _build_script(structured: Any) -> str:
    data = json.dumps(structured, separators=(",", ":")).replace("/", "\\/")
    return f'<script type="application/ld+json">\n{data}\n</script>'


def _page(name: str, body: str, *, head: str = "") -> str:
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="UTF-8"/><title>{name}</title>{head}</head>'
        f"<body>{body}</body></html>"
    )
