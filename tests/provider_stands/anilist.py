"""AniList: GraphQL, executed against a cut of the real schema, so that a query that it would refuse is refused here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from functools import cache
from pathlib import Path
from typing import Any, Final

from graphql import DocumentNode, GraphQLError, GraphQLSchema, build_schema, execute_sync, parse, validate

from tests.picture_host.replies import Reply
from tests.provider_stands.records import Asked
from tests.provider_stands.replying import build_json
from tests.provider_stands.titles import Person, StandTitle, search_titles

_FORMATS: Final = {"TV": "TV", "MOVIE": "MOVIE", "OVA": "OVA", "ONA": "ONA", "SPECIAL": "SPECIAL", "MUSIC": "MUSIC"}
_STATUS: Final = {"FINISHED": "FINISHED", "ONGOING": "RELEASING", "UPCOMING": "NOT_YET_RELEASED"}
_SOURCES: Final = {
    "manga": "MANGA",
    "4-koma manga": "MANGA",
    "light novel": "LIGHT_NOVEL",
    "novel": "NOVEL",
    "visual novel": "VISUAL_NOVEL",
    "web manga": "WEB_NOVEL",
    "game": "VIDEO_GAME",
    "original": "ORIGINAL",
}
_MOST_A_PAGE = 25
_SITE = "https://anilist.co"


@cache
def _load_schema() -> GraphQLSchema:
    return build_schema(Path(__file__).with_name("anilist.graphql").read_text(encoding="utf-8"))


class AniListStand:
    """Answers with what the titles say."""

    def __init__(self, titles: Sequence[StandTitle]) -> None:
        self._titles = {int(title.ids["anilist"]): title for title in titles if "anilist" in title.ids}
        self._by_mal = {title.ids["mal"]: number for number, title in self._titles.items()}
        self._parse = cache(self._parse_query)

    def answer(self, asked: Asked) -> Reply:
        """One request."""
        if asked.method != "POST" or not asked.headers.get("content-type", "").startswith("application/json"):
            return _fail(400, "No query or mutation provided. Please view this error for details.")
        try:
            sent = json.loads(asked.body)
            document, errors = self._parse(sent["query"])
        except (ValueError, KeyError, TypeError):
            return _fail(400, "Invalid query.")
        if document is None:
            return build_json({"errors": [_describe(error, 400) for error in errors], "data": None}, status=400)
        result = execute_sync(
            _load_schema(),
            document,
            root_value=_Root(self),
            variable_values=sent.get("variables") or {},
            operation_name=sent.get("operationName"),
        )
        if not result.errors:
            return build_json({"data": result.data}, Cache_Control="no-cache, private")
        status = 404 if any(isinstance(error.original_error, _NotFoundError) for error in result.errors) else 400
        return build_json(
            {"errors": [_describe(error, status) for error in result.errors], "data": result.data}, status=status
        )

    def get_title(self, number: int) -> StandTitle | None:
        """By AniList's id."""
        return self._titles.get(number)

    def find_number(self, mal_id: str) -> int | None:
        """AniList's id of MyAnimeList's."""
        return self._by_mal.get(mal_id)

    def search(self, text: str) -> list[StandTitle]:
        """The best first."""
        return search_titles(self._titles.values(), text)

    def _parse_query(self, query: str) -> tuple[DocumentNode | None, Sequence[GraphQLError]]:
        try:
            document = parse(query)
        except GraphQLError as error:
            return None, [error]
        errors = validate(_load_schema(), document)
        return (None, errors) if errors else (document, [])


class _NotFoundError(Exception):
    """There is no such title."""


class _Root:
    """The queries."""

    def __init__(self, stand: AniListStand) -> None:
        self._stand = stand

    def Media(self, _info: Any, **asked: Any) -> dict[str, Any]:  # noqa: N802
        """One title, by its id here or at MyAnimeList, or by text."""
        return _build_media(self._find(asked), self._stand)

    def Page(self, _info: Any, page: int = 1, perPage: int = 50) -> dict[str, Any]:  # noqa: N802, N803
        """A page of titles."""
        stand = self._stand

        def media(_info: Any, search: str = "", **_: Any) -> list[dict[str, Any]]:
            found = stand.search(search)[(page - 1) * perPage : page * perPage]
            return [_build_media(title, stand) for title in found]

        return {"pageInfo": _build_page_info(1, page, perPage), "media": media}

    def _find(self, asked: Mapping[str, Any]) -> StandTitle:
        number = asked.get("id")
        if number is None and "idMal" in asked:
            number = self._stand.find_number(str(asked["idMal"]))
        found = self._stand.search(asked["search"])[:1] if "search" in asked else []
        title = found[0] if found else self._stand.get_title(number or 0)
        if title is None:
            raise _NotFoundError("Not Found.")
        return title


def _describe(error: GraphQLError, status: int) -> dict[str, Any]:
    places = [{"line": place.line, "column": place.column} for place in error.locations or []]
    return {"message": error.message, "status": status, "locations": places}


def _fail(status: int, message: str) -> Reply:
    return build_json({"errors": [{"message": message, "status": status}], "data": None}, status=status)


def _build_page_info(total: int, page: int, size: int) -> dict[str, Any]:
    last = max(1, -(-total // size))
    return {
        "total": total,
        "perPage": size,
        "currentPage": page,
        "lastPage": last,
        "hasNextPage": page < last,
    }


def _paged(edges: Sequence[Mapping[str, Any]]) -> Any:
    """A connection: at most 25 a page, whatever is asked for."""

    def resolve(_info: Any, page: int = 1, perPage: int = 25, **_: Any) -> dict[str, Any]:  # noqa: N803
        size = min(perPage, _MOST_A_PAGE)
        shown = edges[(page - 1) * size : page * size]
        nodes = [edge["node"] for edge in shown]
        return {"pageInfo": _build_page_info(len(edges), page, size), "edges": shown, "nodes": nodes}

    return resolve


def _fuzzy(day: date | None) -> dict[str, int | None]:
    return {name: getattr(day, name, None) for name in ("year", "month", "day")}


def _pick(value: Any) -> Any:
    """A field whose arguments change nothing here."""
    return lambda _info, **_: value


def _build_title(title: StandTitle) -> dict[str, Any]:
    facts = title.facts
    names = {"romaji": title.title, "english": facts.get("title_english"), "native": facts["title_japanese"]}
    return {**{kind: _pick(name) for kind, name in names.items()}, "userPreferred": title.title}


def _build_media(title: StandTitle, stand: AniListStand) -> dict[str, Any]:
    facts, numbers, number = title.facts, title.vary("anilist"), int(title.ids["anilist"])
    score = round(facts["score"] * 10) + numbers.randrange(-4, 5)
    picture = f"https://s4.anilist.co/file/anilistcdn/media/anime/cover/large/bx{number}.jpg"
    return {
        "id": number,
        "idMal": int(title.ids["mal"]),
        "title": _build_title(title),
        "type": "ANIME",
        "format": _FORMATS.get(facts["type"]),
        "status": _pick(_STATUS[facts["status"]]),
        "description": _pick(facts["synopsis"].replace(". ", ".<br><br>\n", 1)),
        "startDate": _fuzzy(title.first_day),
        "endDate": _fuzzy(title.last_day),
        "season": facts["season"],
        "seasonYear": facts["year"],
        "episodes": facts.get("episodes"),
        "duration": facts["duration"],
        "countryOfOrigin": "JP",
        "isLicensed": True,
        "source": _pick(_SOURCES.get(facts["source"], "OTHER")),
        "hashtag": None,
        "trailer": None,
        "updatedAt": 1_763_600_000,
        "coverImage": {"extraLarge": picture, "large": picture, "medium": picture, "color": None},
        "bannerImage": None,
        "genres": [name.title() for name in facts["genres"]],
        "synonyms": facts.get("synonyms", []),
        "averageScore": score,
        "meanScore": score,
        "popularity": numbers.randrange(500, 300_000),
        "favourites": numbers.randrange(0, 9_000),
        "trending": numbers.randrange(0, 90),
        "isAdult": False,
        "isLocked": False,
        "siteUrl": f"{_SITE}/anime/{number}",
        "tags": [_build_tag(place, name) for place, name in enumerate(facts.get("tags", []))],
        "relations": _pick(_build_relations(title, stand)),
        "characters": _paged([_build_character(role) for role in title.characters]),
        "staff": _paged([{"role": role.role, "id": role.person.number, **_node(role.person)} for role in title.staff]),
        "studios": _pick(_build_studios(facts)),
        "nextAiringEpisode": None,
        "airingSchedule": _paged(_list_airings(title)),
        "streamingEpisodes": [],
        "externalLinks": [],
        "rankings": _build_rankings(title),
        "stats": _build_stats(title),
        "reviews": _paged([]),
        "recommendations": _paged([]),
    }


def _build_tag(place: int, name: str) -> dict[str, Any]:
    return {
        "id": place + 1,
        "name": name.title(),
        "description": None,
        "category": "Theme",
        "rank": 90 - 3 * place % 60,
        "isGeneralSpoiler": False,
        "isMediaSpoiler": False,
        "isAdult": False,
    }


def _build_relations(title: StandTitle, stand: AniListStand) -> dict[str, Any]:
    numbers = [(kind, stand.find_number(mal_id)) for kind, mal_id in title.related]
    edges = [
        {"id": place, "relationType": _pick(kind.upper()), "node": _build_related(stand, number)}
        for place, (kind, number) in enumerate(numbers)
        if number is not None
    ]
    return {"pageInfo": _build_page_info(len(edges), 1, 25), "edges": edges, "nodes": [edge["node"] for edge in edges]}


def _build_related(stand: AniListStand, number: int) -> dict[str, Any]:
    title = stand.get_title(number)
    assert title is not None
    return {
        "id": number,
        "idMal": int(title.ids["mal"]),
        "type": "ANIME",
        "format": _FORMATS.get(title.facts["type"]),
        "status": _pick(_STATUS[title.facts["status"]]),
        "title": _build_title(title),
    }


def _node(person: Person) -> dict[str, Any]:
    name = {"first": person.given, "last": person.family, "full": person.name, "native": None}
    picture = f"https://s4.anilist.co/file/anilistcdn/person/{person.number}.jpg"
    return {
        "node": {
            "id": person.number,
            "name": {**name, "userPreferred": person.name, "alternative": []},
            "image": {"large": picture, "medium": picture},
            "description": _pick(None),
            "language": "Japanese",
            "languageV2": "Japanese",
            "primaryOccupations": [],
            "siteUrl": f"{_SITE}/person/{person.number}",
        }
    }


def _build_character(role: Any) -> dict[str, Any]:
    voices = [] if role.voice is None else [_node(role.voice)["node"]]
    return {
        "id": role.person.number,
        "role": role.role.upper(),
        "name": None,
        **_node(role.person),
        "voiceActors": _pick(voices),
        "voiceActorRoles": _pick([{"roleNotes": None, "dubGroup": None, "voiceActor": voice} for voice in voices]),
    }


def _build_studios(facts: Mapping[str, Any]) -> dict[str, Any]:
    named = [(name, True) for name in facts["studios"]] + [(name, False) for name in facts.get("producers", [])]
    edges = [
        {
            "id": place,
            "isMain": is_main,
            "node": {"id": place, "name": name, "isAnimationStudio": is_main, "siteUrl": f"{_SITE}/studio/{place}"},
        }
        for place, (name, is_main) in enumerate(named, 1)
    ]
    return {"edges": edges, "nodes": [edge["node"] for edge in edges]}


def _list_airings(title: StandTitle) -> list[dict[str, Any]]:
    return [
        {
            "node": {
                "id": one.number,
                "episode": one.number,
                "airingAt": int(datetime.combine(one.aired, time(12), UTC).timestamp()),
                "timeUntilAiring": 0,
            }
        }
        for one in title.episodes
    ]


def _build_rankings(title: StandTitle) -> list[dict[str, Any]]:
    numbers = title.vary("anilist-rankings")
    return [
        {
            "id": place,
            "rank": numbers.randrange(1, 9_000),
            "type": kind,
            "format": _FORMATS.get(title.facts["type"]),
            "year": None,
            "season": None,
            "allTime": True,
            "context": context,
        }
        for place, (kind, context) in enumerate(
            (("RATED", "highest rated all time"), ("POPULAR", "most popular all time"))
        )
    ]


def _build_stats(title: StandTitle) -> dict[str, Any]:
    numbers = title.vary("anilist-stats")
    states = ("CURRENT", "PLANNING", "COMPLETED", "DROPPED", "PAUSED")
    return {
        "scoreDistribution": [{"score": 10 * place, "amount": numbers.randrange(5, 4_000)} for place in range(1, 11)],
        "statusDistribution": [{"status": state, "amount": numbers.randrange(50, 40_000)} for state in states],
    }
