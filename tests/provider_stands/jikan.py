"""Jikan v4: every path of a title that it has, in its shape; ids are MyAnimeList's."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, Final
from urllib.parse import quote

from tests.picture_host.replies import Reply
from tests.provider_stands.records import Asked
from tests.provider_stands.replying import LAST_MODIFIED, add_etag, build_json
from tests.provider_stands.titles import Person, StandTitle, search_titles

_TYPES: Final = {"TV": "TV", "MOVIE": "Movie", "OVA": "OVA", "ONA": "ONA", "SPECIAL": "Special", "MUSIC": "Music"}
_STATUS: Final = {"FINISHED": "Finished Airing", "ONGOING": "Currently Airing", "UPCOMING": "Not yet aired"}
_RATINGS: Final = {
    "G": "G - All Ages",
    "PG": "PG - Children",
    "PG-13": "PG-13 - Teens 13 or older",
    "R": "R - 17+ (violence & profanity)",
    "R+": "R+ - Mild Nudity",
    "Rx": "Rx - Hentai",
}
_PATH = re.compile(r"/v4/anime/(-?\d+)(?:/([a-z]+))?")
_EPISODES_A_PAGE = 100
_FOUND_A_PAGE = 25
_SITE = "https://myanimelist.net"
_CDN = "https://cdn.myanimelist.net/images"


class JikanStand:
    """Answers with what the titles say."""

    def __init__(self, titles: Sequence[StandTitle]) -> None:
        self._titles = {title.ids["mal"]: title for title in titles}
        self._parts: Mapping[str | None, Callable[[StandTitle, Asked], Any]] = {
            None: lambda title, _: {"data": _build_anime(title)},
            "full": lambda title, _: {"data": {**_build_anime(title), **self._build_more(title)}},
            "episodes": lambda title, asked: _build_episodes(title, int(asked.query.get("page", "1"))),
            "characters": lambda title, _: {"data": [_build_character(role) for role in title.characters]},
            "staff": lambda title, _: {"data": [_build_member(role) for role in title.staff]},
            "statistics": lambda title, _: {"data": _build_statistics(title)},
            "relations": lambda title, _: {"data": self._build_relations(title)},
            "external": lambda title, _: {"data": _build_external(title)},
            "streaming": lambda title, _: {"data": _build_streaming(title)},
            "themes": lambda _title, _: {"data": {"openings": [], "endings": []}},
            "pictures": lambda title, _: {"data": [_build_images(title)]},
            "moreinfo": lambda _title, _: {"data": {"moreinfo": None}},
        }

    def answer(self, asked: Asked) -> Reply:
        """One request."""
        if asked.method != "GET":
            return _fail(405, "HttpException", "Method Not Allowed")
        if asked.path == "/v4/anime":
            return _build_found(search_titles(self._titles.values(), asked.query.get("q", "")), asked)
        match = _PATH.fullmatch(asked.path)
        title = self._titles.get(match[1]) if match else None
        part = self._parts.get(match[2]) if match else None
        if title is None or part is None:
            return _fail(404, "BadResponseException", "Resource does not exist")
        return _finish(part(title, asked))

    def _build_more(self, title: StandTitle) -> dict[str, Any]:
        return {
            "relations": self._build_relations(title),
            "theme": {"openings": [], "endings": []},
            "external": _build_external(title),
            "streaming": _build_streaming(title),
        }

    def _build_relations(self, title: StandTitle) -> list[dict[str, Any]]:
        return [
            {
                "relation": kind.title(),
                "entry": [
                    {
                        "mal_id": int(mal_id),
                        "type": "anime",
                        "name": self._titles[mal_id].title,
                        "url": f"{_SITE}/anime/{mal_id}",
                    }
                ],
            }
            for kind, mal_id in title.related
            if mal_id in self._titles
        ]


def _finish(value: Any) -> Reply:
    return add_etag(build_json(value, Last_Modified=LAST_MODIFIED, Cache_Control="private, must-revalidate"))


def _fail(status: int, kind: str, message: str) -> Reply:
    return build_json({"status": status, "type": kind, "message": message, "error": None}, status=status)


def _build_found(found: Sequence[StandTitle], asked: Asked) -> Reply:
    limit = min(int(asked.query.get("limit", _FOUND_A_PAGE)), _FOUND_A_PAGE)
    page = int(asked.query.get("page", "1"))
    shown = found[(page - 1) * limit : page * limit]
    last = max(1, math.ceil(len(found) / limit))
    items = {"count": len(shown), "total": len(found), "per_page": limit}
    pagination = {"last_visible_page": last, "has_next_page": page < last, "current_page": page, "items": items}
    return _finish({"pagination": pagination, "data": [_build_anime(title) for title in shown]})


def _build_anime(title: StandTitle) -> dict[str, Any]:
    facts, numbers, mal_id = title.facts, title.vary("jikan"), int(title.ids["mal"])
    synonyms = [name for name in facts.get("synonyms", []) if name.isascii()]
    return {
        "mal_id": mal_id,
        "url": f"{_SITE}/anime/{mal_id}/{quote(title.title.replace(' ', '_'))}",
        "images": _build_images(title),
        "trailer": {"youtube_id": None, "url": None, "embed_url": None, "images": {"image_url": None}},
        "approved": True,
        "titles": _build_titles(facts, synonyms),
        "title": title.title,
        "title_english": facts.get("title_english"),
        "title_japanese": facts["title_japanese"],
        "title_synonyms": synonyms,
        "type": _TYPES.get(facts["type"]),
        "source": facts["source"].capitalize(),
        "episodes": facts.get("episodes"),
        "status": _STATUS[facts["status"]],
        "airing": facts["status"] == "ONGOING",
        "aired": _build_aired(title.first_day, title.last_day),
        "duration": f"{facts['duration']} min" + (" per ep" if (facts.get("episodes") or 0) > 1 else ""),
        "rating": _RATINGS.get(facts["rating"]),
        "score": facts["score"],
        "scored_by": facts.get("scored_by") or numbers.randrange(500, 90_000),
        "rank": numbers.randrange(1, 12_000),
        "popularity": facts.get("popularity") or numbers.randrange(1, 12_000),
        "members": facts.get("members") or numbers.randrange(1_000, 200_000),
        "favorites": facts.get("favorites") or numbers.randrange(0, 900),
        "synopsis": facts["synopsis"],
        "background": None,
        "season": facts["season"].lower(),
        "year": facts["year"],
        "broadcast": {"day": None, "time": None, "timezone": None, "string": facts.get("broadcast")},
        "producers": _build_entities("producer", facts.get("producers", [])),
        "licensors": _build_entities("producer", facts.get("licensors", [])),
        "studios": _build_entities("producer", facts["studios"]),
        "genres": _build_entities("genre", [name.title() for name in facts["genres"]]),
        "explicit_genres": [],
        "themes": _build_entities("genre", [name.title() for name in facts.get("themes", [])]),
        "demographics": _build_entities("genre", [name.title() for name in facts.get("demographics", [])]),
    }


def _build_titles(facts: Mapping[str, Any], synonyms: Sequence[str]) -> list[dict[str, str]]:
    named = [("Default", facts["title"]), *(("Synonym", name) for name in synonyms)]
    named += [("Japanese", facts["title_japanese"]), ("English", facts.get("title_english"))]
    return [{"type": kind, "title": name} for kind, name in named if name]


def _build_images(title: StandTitle) -> dict[str, Any]:
    stem = f"{_CDN}/anime/{title.ids['mal']}"
    return {
        kind: {
            "image_url": f"{stem}.{kind}",
            "small_image_url": f"{stem}t.{kind}",
            "large_image_url": f"{stem}l.{kind}",
        }
        for kind in ("jpg", "webp")
    }


def _build_aired(first: date, last: date | None) -> dict[str, Any]:
    def split(day: date | None) -> dict[str, int | None]:
        return {name: getattr(day, name, None) for name in ("day", "month", "year")}

    return {
        "from": f"{first}T00:00:00+00:00",
        "to": f"{last}T00:00:00+00:00" if last else None,
        "prop": {"from": split(first), "to": split(last)},
        "string": f"{first:%b %d, %Y} to " + (f"{last:%b %d, %Y}" if last else "?"),
    }


def _build_entities(kind: str, names: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {"mal_id": number, "type": "anime", "name": name, "url": f"{_SITE}/anime/{kind}/{number}"}
        for number, name in enumerate(names, 1)
    ]


def _build_episodes(title: StandTitle, page: int) -> dict[str, Any]:
    last = max(1, math.ceil(len(title.episodes) / _EPISODES_A_PAGE))
    shown = title.episodes[(page - 1) * _EPISODES_A_PAGE : page * _EPISODES_A_PAGE]
    return {
        "pagination": {"last_visible_page": last, "has_next_page": page < last},
        "data": [
            {
                "mal_id": one.number,
                "url": f"{_SITE}/anime/{title.ids['mal']}/x/episode/{one.number}",
                "title": one.title,
                "title_japanese": one.title_japanese,
                "title_romanji": f"Dai {one.number} Wa\xa0",
                "aired": f"{one.aired}T00:00:00+00:00",
                "score": None,
                "filler": False,
                "recap": False,
                "forum_url": None,
            }
            for one in shown
        ],
    }


def _build_person(person: Person, kind: str) -> dict[str, Any]:
    return {
        "mal_id": person.number,
        "url": f"{_SITE}/{kind}/{person.number}",
        "images": {"jpg": {"image_url": f"{_CDN}/{kind}/{person.number}.jpg"}},
        "name": person.reversed_name,
    }


def _build_character(role: Any) -> dict[str, Any]:
    voices = [] if role.voice is None else [{"person": _build_person(role.voice, "people"), "language": "Japanese"}]
    return {"character": _build_person(role.person, "character"), "role": role.role, "voice_actors": voices}


def _build_member(role: Any) -> dict[str, Any]:
    return {"person": _build_person(role.person, "people"), "positions": [role.role]}


def _build_statistics(title: StandTitle) -> dict[str, Any]:
    numbers = title.vary("jikan-statistics")
    counts = {name: numbers.randrange(100, 50_000) for name in ("watching", "completed", "on_hold", "dropped")}
    counts["plan_to_watch"] = numbers.randrange(100, 50_000)
    votes = [numbers.randrange(10, 5_000) for _ in range(10)]
    scores = [
        {"score": score, "votes": count, "percentage": round(100 * count / sum(votes), 1)}
        for score, count in enumerate(votes, 1)
    ]
    return {**counts, "total": sum(counts.values()), "scores": scores}


def _build_external(title: StandTitle) -> list[dict[str, str]]:
    return [{"name": "AniDB", "url": f"https://anidb.net/perl-bin/animedb.pl?show=anime&aid={title.ids['anidb']}"}]


def _build_streaming(title: StandTitle) -> list[dict[str, str]]:
    return [{"name": offer["platform"], "url": offer.get("url") or ""} for offer in title.facts.get("streaming", [])]
