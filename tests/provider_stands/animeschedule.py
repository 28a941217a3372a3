"""AnimeSchedule v3: titles by route or MyAnimeList id, and a week's time table; everything needs a token."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from typing import Any, Final

from tests.picture_host.replies import Reply
from tests.provider_stands.records import Asked
from tests.provider_stands.replying import build_json, build_text
from tests.provider_stands.titles import StandTitle, search_titles

TOKEN: Final = "stand-token"
_BASE = "/api/v3"
_STATUS: Final = {"FINISHED": "Finished", "ONGOING": "Ongoing", "UPCOMING": "Upcoming"}
_TYPES: Final = {"TV": "TV", "MOVIE": "Movie", "OVA": "OVA", "ONA": "ONA", "SPECIAL": "Special", "MUSIC": "Music"}
_NEVER = "0001-01-01T00:00:00Z"
_A_PAGE = 18


class AnimeScheduleStand:
    """Answers with what the titles say."""

    def __init__(self, titles: Sequence[StandTitle]) -> None:
        self._titles = {title.ids["animeschedule"]: title for title in titles}
        self._by_mal = {title.ids["mal"]: title for title in titles}

    def answer(self, asked: Asked) -> Reply:
        """One request."""
        if asked.headers.get("authorization") != f"Bearer {TOKEN}":
            return build_text("Unauthorized", "text/plain", status=401)
        path = asked.path.removeprefix(_BASE)
        if path.startswith("/timetables"):
            return build_json([_build_slot(one) for one in self._titles.values() if one.facts["status"] == "ONGOING"])
        if path == "/anime":
            return self._answer_search(asked)
        title = self._titles.get(path.removeprefix("/anime/"))
        if title is None:
            return build_text("Not Found", "text/plain", status=404)
        return build_json(_build_anime(title))

    def _answer_search(self, asked: Asked) -> Reply:
        found = self._find(asked)
        page = int(asked.query.get("page", "1"))
        shown = [_build_anime(title) for title in found[(page - 1) * _A_PAGE : page * _A_PAGE]]
        if not found:
            return build_text("Not Found", "text/plain", status=404)
        return build_json({"page": page, "totalAmount": len(found), "anime": shown})

    def _find(self, asked: Asked) -> list[StandTitle]:
        if "mal-ids" in asked.query:
            numbers = asked.query["mal-ids"].split(",")
            return [self._by_mal[number] for number in numbers if number in self._by_mal]
        return search_titles(self._titles.values(), asked.query.get("q", ""))


def _stamp(day: date | None) -> str:
    return datetime.combine(day, time(10), UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if day else _NEVER


def _name(names: Sequence[str]) -> list[dict[str, str]]:
    return [{"name": name, "route": re.sub(r"\W+", "-", name.lower())} for name in names]


def _build_anime(title: StandTitle) -> dict[str, Any]:
    facts, numbers, route = title.facts, title.vary("animeschedule"), title.ids["animeschedule"]
    return {
        "id": f"as{title.ids['mal']}",
        "title": title.title,
        "route": route,
        "premier": _stamp(title.first_day),
        "subPremier": _stamp(title.first_day),
        "dubPremier": _NEVER,
        "month": title.first_day.strftime("%B"),
        "year": facts["year"],
        "season": {
            "title": f"{facts['season'].title()} {facts['year']}",
            "year": str(facts["year"]),
            "season": facts["season"].title(),
            "route": f"{facts['season'].lower()}-{facts['year']}",
        },
        "delayedTimetable": "",
        "delayedFrom": _NEVER,
        "delayedUntil": _NEVER,
        "jpnTime": _stamp(title.first_day),
        "subTime": _stamp(title.first_day),
        "dubTime": _NEVER,
        "description": facts["synopsis"],
        "genres": _name([name.title() for name in facts["genres"]]),
        "studios": _name(facts["studios"]),
        "sources": _name([facts["source"].title()]),
        "mediaTypes": _name([_TYPES.get(facts["type"], "TV")]),
        "episodes": facts.get("episodes") or 0,
        "lengthMin": facts["duration"],
        "status": _STATUS[facts["status"]],
        "imageVersionRoute": f"anime/jpg/default/{route}",
        "stats": {
            "averageScore": round(10 * facts["score"] + numbers.uniform(-3, 3), 2),
            "ratingCount": numbers.randrange(20, 9_000),
            "trackedCount": numbers.randrange(20, 9_000),
            "trackedRating": numbers.randrange(1, 4_000),
            "colorLightMode": "#000",
            "colorDarkMode": "#fff",
        },
        "days": None,
        "names": {
            "romaji": title.title,
            "english": facts.get("title_english") or "",
            "native": facts["title_japanese"],
            "abbreviation": "",
            "synonyms": facts.get("synonyms", [])[:4],
        },
        "relations": {},
        "websites": {
            "mal": f"myanimelist.net/anime/{title.ids['mal']}",
            "aniList": f"anilist.co/anime/{title.ids['anilist']}",
            "kitsu": f"kitsu.io/anime/{title.ids['kitsu']}",
            "animePlanet": f"www.anime-planet.com/anime/{title.ids['anime-planet']}",
            "anidb": f"anidb.net/anime/{title.ids['anidb']}",
            "official": "",
            "streams": [],
        },
    }


def _build_slot(title: StandTitle) -> dict[str, Any]:
    facts, route = title.facts, title.ids["animeschedule"]
    return {
        "title": title.title,
        "route": route,
        "romaji": title.title,
        "english": facts.get("title_english") or "",
        "native": facts["title_japanese"],
        "delayedFrom": _NEVER,
        "delayedUntil": _NEVER,
        "status": "Ongoing",
        "episodeDate": "2026-11-20T13:31:00Z",
        "episodeNumber": 7,
        "episodes": facts.get("episodes") or 0,
        "lengthMin": facts["duration"],
        "donghua": False,
        "airType": "raw",
        "mediaTypes": _name([_TYPES.get(facts["type"], "TV")]),
        "imageVersionRoute": f"anime/jpg/default/{route}",
        "streams": {},
        "airingStatus": "aired",
    }
