"""Kitsu: JSON:API over a small store of resources, with `include`, filters and pages of 20 at most."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import unquote, urlencode

from tests.picture_host.replies import Reply
from tests.provider_stands.records import Asked
from tests.provider_stands.replying import add_etag, build_json
from tests.provider_stands.titles import Person, Role, StandTitle, search_titles

_TYPES: Final = {"TV": "TV", "MOVIE": "movie", "OVA": "OVA", "ONA": "ONA", "SPECIAL": "special", "MUSIC": "music"}
_STATUS: Final = {"FINISHED": "finished", "ONGOING": "current", "UPCOMING": "upcoming"}
_RATINGS: Final = {"G": "G", "PG": "PG", "PG-13": "PG", "R": "R", "R+": "R", "Rx": "R18"}
_MEDIA_TYPE = "application/vnd.api+json"
_BASE = "/api/edge"
_SITE = "https://kitsu.app/api/edge"
_MOST_A_PAGE = 20
_USUAL_PAGE = 10
_FOUND = 10
# Relationships of an anime that are not called like what they lead to.
_OTHER_NAMES: Final = {"staff": "mediaStaff", "characters": "mediaCharacters", "productions": "animeProductions"}
Resource = dict[str, Any]


class KitsuStand:
    """Answers with what the titles say."""

    def __init__(self, titles: Sequence[StandTitle]) -> None:
        self._titles = {title.ids["kitsu"]: title for title in titles}
        self._by_mal = {title.ids["mal"]: number for number, title in self._titles.items()}
        # The resources of one title, made when it is first asked for.
        self._stores: dict[str, _Store] = {}

    def answer(self, asked: Asked) -> Reply:
        """One request."""
        path = unquote(asked.path).removeprefix(_BASE).strip("/").split("/")
        size = int(asked.query.get("page[limit]", asked.query.get("page[size]", _USUAL_PAGE)))
        if size > _MOST_A_PAGE:
            return _fail(400, "Limit exceeds maximum page size.", "Limit exceeds maximum page size of 20.")
        if path == ["anime"]:
            return self._answer_collection(asked, self._find(asked.query))
        if path[0] == "anime" and len(path) in (2, 3):
            return self._answer_title(asked, path[1], path[2] if len(path) > 2 else None)
        return self._answer_filtered(asked, path[0])

    def _answer_title(self, asked: Asked, number: str, relationship: str | None) -> Reply:
        if number not in self._titles:
            return _fail(404, "Record not found", f"The record identified by {number} could not be found.")
        store = self._open(number)
        if relationship is None:
            anime = store.get("anime", number)
            return _finish({"data": anime, **_include(store, [anime], asked.query.get("include"))})
        kind = _kebab_to_camel(relationship)
        kind = _OTHER_NAMES.get(kind, kind)
        if kind not in store.related_kinds:
            return _fail(400, "Invalid relationship", f"{relationship} is not a relationship of anime.")
        return self._answer_page(asked, store, store.list_kind(kind))

    def _answer_filtered(self, asked: Asked, collection: str) -> Reply:
        """`/episodes?filter[mediaId]=…`, `/castings?filter[media_id]=…`, `/mappings?filter[externalSite]=…`."""
        query = asked.query
        if collection == "mappings" and "filter[externalId]" in query:
            number = self._by_mal.get(query["filter[externalId]"])
        else:
            named = ("filter[mediaId]", "filter[media_id]", "filter[animeId]", "filter[anime_id]", "filter[sourceId]")
            number = next((query[name] for name in named if name in query), None)
        kind = _kebab_to_camel(collection)
        if number not in self._titles:
            return self._answer_page(asked, _Store({}), [])
        store = self._open(number)
        return self._answer_page(asked, store, store.list_kind(kind))

    def _answer_collection(self, asked: Asked, numbers: Sequence[str]) -> Reply:
        joined = _Store({})
        for number in numbers[:_FOUND]:
            joined.add_all(self._open(number))
        return self._answer_page(asked, joined, [joined.get("anime", number) for number in numbers[:_FOUND]])

    def _answer_page(self, asked: Asked, store: _Store, resources: Sequence[Resource]) -> Reply:
        query = asked.query
        size = int(query.get("page[limit]", query.get("page[size]", _USUAL_PAGE)))
        offset = int(query.get("page[offset]", (int(query.get("page[number]", "1")) - 1) * size))
        shown = resources[offset : offset + size]
        links = {
            "first": _link(asked, size, 0),
            "last": _link(asked, size, max(0, (len(resources) - 1) // size * size)),
        }
        if offset + size < len(resources):
            links["next"] = _link(asked, size, offset + size)
        if offset:
            links["prev"] = _link(asked, size, max(0, offset - size))
        included = _include(store, shown, query.get("include"))
        return _finish({"data": list(shown), **included, "meta": {"count": len(resources)}, "links": links})

    def _find(self, query: Mapping[str, str]) -> list[str]:
        if "filter[id]" in query:
            return [number for number in query["filter[id]"].split(",") if number in self._titles]
        found = search_titles(self._titles.values(), query.get("filter[text]", ""))
        return [title.ids["kitsu"] for title in found]

    def _open(self, number: str) -> _Store:
        if number not in self._stores:
            title = self._titles[number]
            related = [
                (kind, self._titles[self._by_mal[mal_id]]) for kind, mal_id in title.related if mal_id in self._by_mal
            ]
            self._stores[number] = _build_store(title, related)
        return self._stores[number]


class _Store:
    """Resources by kind and id; relationships are names of kinds in the anime's own."""

    def __init__(self, resources: Mapping[tuple[str, str], Resource]) -> None:
        self._resources = dict(resources)

    def get(self, kind: str, number: str) -> Resource:
        return self._resources[kind, number]

    def find(self, kind: str, number: str) -> Resource | None:
        return self._resources.get((kind, number))

    def add_all(self, other: _Store) -> None:
        self._resources.update(other._resources)

    def list_kind(self, kind: str) -> list[Resource]:
        return [resource for (one, _), resource in self._resources.items() if one == kind]

    @property
    def related_kinds(self) -> set[str]:
        return {"mediaStaff", "mediaCharacters"} | {
            name for anime in self.list_kind("anime") for name in anime["relationships"]
        }


def _include(store: _Store, roots: Sequence[Resource], include: str | None) -> dict[str, Any]:
    """`{"included": […]}` for paths such as `categories,mediaRelationships.destination`."""
    if not include:
        return {}
    found: dict[tuple[str, str], Resource] = {}
    for path in include.split(","):
        level: Sequence[Resource] = roots
        for name in path.strip().split("."):
            level = [other for one in level for other in _follow(store, one, name)]
            found.update({(one["type"], one["id"]): one for one in level})
    return {"included": list(found.values())} if found else {}


def _follow(store: _Store, resource: Resource, name: str) -> Iterator[Resource]:
    data = resource["relationships"].get(name, {}).get("data")
    for one in [data] if isinstance(data, dict) else data or []:
        found = store.find(one["type"], one["id"])
        if found is not None:
            yield found


def _build_store(title: StandTitle, related: Sequence[tuple[str, StandTitle]]) -> _Store:
    number = title.ids["kitsu"]
    made = [_build_anime(title)]
    made += [_build_resource("categories", f"{number}{place}", {"title": name.title(), "nsfw": False, "slug": name})
             for place, name in enumerate(title.facts.get("tags", [])[:12])]  # fmt: skip
    made += [_build_resource("genres", f"{number}{place}", {"name": name.title()})
             for place, name in enumerate(title.facts["genres"])]  # fmt: skip
    made += [_build_episode(title, one.number) for one in title.episodes]
    for place, role in enumerate(title.characters):
        made += _build_character(title, role, place)
    for place, role in enumerate(title.staff):
        made += _build_staff(title, role, place)
    for place, (name, part) in enumerate(_list_producers(title)):
        producer = _build_resource("producers", f"{number}{place}", {"name": name, "slug": name.lower()})
        links = {"producer": producer, "anime": made[0]}
        made += [producer, _build_resource("animeProductions", f"{number}{place}", {"role": part}, links)]
    for kind, other in related:
        anime = _build_anime(other)
        links = {"destination": anime, "source": made[0]}
        made += [anime, _build_resource("mediaRelationships", f"{number}{other.ids['kitsu']}", {"role": kind}, links)]
    made += [_build_mapping(title, site) for site in ("mal", "anilist", "anidb")]
    _tie(made)
    return _Store({(one["type"], one["id"]): one for one in made})


def _list_producers(title: StandTitle) -> list[tuple[str, str]]:
    roles = (("studios", "studio"), ("producers", "producer"), ("licensors", "licensor"))
    return [(name, role) for field, role in roles for name in title.facts.get(field, [])]


def _tie(made: Sequence[Resource]) -> None:
    """Let the anime name what belongs to it, as its relationships do with `include`."""
    anime, kinds = made[0], defaultdict(list)
    for one in made[1:]:
        kinds[one["type"]].append({"type": one["type"], "id": one["id"]})
    own = ("categories", "genres", "episodes", "animeProductions", "animeCharacters", "animeStaff", "mappings",
           "mediaRelationships", "mediaCharacters", "castings", "characters", "staff", "streamingLinks")  # fmt: skip
    for kind in own:
        links = {"related": f"{_SITE}/anime/{anime['id']}/{kind}"}
        anime["relationships"][kind] = {"links": links, "data": kinds.get(kind, [])}
    # The same roles under the two names that Kitsu gives them.
    anime["relationships"]["characters"]["data"] = kinds.get("mediaCharacters", [])
    anime["relationships"]["staff"]["data"] = kinds.get("mediaStaff", [])
    anime["relationships"]["productions"] = {"data": kinds.get("animeProductions", [])}


def _build_resource(
    kind: str, number: str, attributes: Mapping[str, Any], links: Mapping[str, Resource] | None = None
) -> Resource:
    tied = {name: {"data": {"type": one["type"], "id": one["id"]}} for name, one in (links or {}).items()}
    link = {"self": f"{_SITE}/{kind}/{number}"}
    return {"id": number, "type": kind, "links": link, "attributes": dict(attributes), "relationships": tied}


def _build_anime(title: StandTitle) -> Resource:
    facts, numbers, number = title.facts, title.vary("kitsu"), title.ids["kitsu"]
    votes = {str(score): str(numbers.randrange(5, 3_000)) for score in range(2, 21)}
    pictures = {
        size: f"https://media.kitsu.app/anime/poster_images/{number}/{size}.jpg"
        for size in ("tiny", "small", "medium", "large", "original")
    }
    titles = {"en": facts.get("title_english"), "en_jp": title.title, "ja_jp": facts["title_japanese"]}
    return _build_resource(
        "anime",
        number,
        {
            "createdAt": "2013-02-20T16:00:13.609Z",
            "updatedAt": "2026-11-19T12:00:07.837Z",
            "slug": title.ids["anime-planet"],
            "synopsis": facts["synopsis"],
            "description": facts["synopsis"],
            "coverImageTopOffset": 0,
            "titles": {language: name for language, name in titles.items() if name},
            "canonicalTitle": title.title,
            "abbreviatedTitles": facts.get("synonyms", [])[:3],
            "averageRating": f"{10 * facts['score'] + numbers.uniform(-4, 4):.2f}",
            "ratingFrequencies": votes,
            "userCount": numbers.randrange(200, 90_000),
            "favoritesCount": numbers.randrange(0, 2_000),
            "startDate": str(title.first_day),
            "endDate": str(title.last_day) if title.last_day else None,
            "nextRelease": None,
            "popularityRank": numbers.randrange(1, 15_000),
            "ratingRank": numbers.randrange(1, 15_000),
            "ageRating": _RATINGS[facts["rating"]],
            "ageRatingGuide": None,
            "subtype": _TYPES.get(facts["type"]),
            "status": _STATUS[facts["status"]],
            "tba": None,
            "posterImage": pictures,
            "coverImage": None,
            "episodeCount": facts.get("episodes"),
            "episodeLength": facts["duration"],
            "totalLength": facts["duration"] * (facts.get("episodes") or 1),
            "youtubeVideoId": None,
            "showType": _TYPES.get(facts["type"]),
            "nsfw": False,
        },
    )


def _build_episode(title: StandTitle, number: int) -> Resource:
    one = title.episodes[number - 1]
    return _build_resource(
        "episodes",
        f"{title.ids['kitsu']}{number:04d}",
        {
            "titles": {"en_us": one.title, "ja_jp": one.title_japanese},
            "canonicalTitle": one.title,
            "synopsis": None,
            "description": None,
            "seasonNumber": 1,
            "number": number,
            "relativeNumber": None,
            "airdate": str(one.aired),
            "length": title.facts["duration"],
            "thumbnail": None,
        },
    )


def _build_person(person: Person, kind: str) -> Resource:
    attributes: dict[str, Any] = {
        "name": person.name,
        "canonicalName": person.name,
        "names": {"en": person.name},
        "otherNames": [],
        "slug": person.name.lower().replace(" ", "-"),
        "description": None,
        "image": {"original": f"https://media.kitsu.app/{kind}/{person.number}.jpg"},
    }
    return _build_resource(kind, str(person.number), attributes)


def _build_character(title: StandTitle, role: Role, place: int) -> list[Resource]:
    number, anime = f"{title.ids['kitsu']}{place}", _build_anime(title)
    character = _build_person(role.person, "characters")
    links = {"anime": anime, "media": anime, "character": character}
    roles = [
        _build_resource(kind, number, {"role": role.role.lower()}, links)
        for kind in ("animeCharacters", "mediaCharacters")
    ]
    if role.voice is None:
        return [character, *roles]
    voice = _build_person(role.voice, "people")
    cast = {"role": "Voice Actor", "voiceActor": True, "featured": True, "language": "Japanese"}
    casting = _build_resource("castings", number, cast, {"media": anime, "character": character, "person": voice})
    spoken = {"mediaCharacter": roles[1], "person": voice}
    own_voice = _build_resource("characterVoices", number, {"locale": "jp"}, spoken)
    roles[1]["relationships"]["voices"] = {"data": [{"type": "characterVoices", "id": number}]}
    return [character, *roles, voice, casting, own_voice]


def _build_staff(title: StandTitle, role: Role, place: int) -> list[Resource]:
    number, anime = f"{title.ids['kitsu']}{place}", _build_anime(title)
    person = _build_person(role.person, "people")
    links = {"anime": anime, "media": anime, "person": person}
    made = [_build_resource(kind, number, {"role": role.role}, links) for kind in ("animeStaff", "mediaStaff")]
    return [person, *made]


def _build_mapping(title: StandTitle, site: str) -> Resource:
    names = {"mal": "myanimelist/anime", "anilist": "anilist/anime", "anidb": "anidb"}
    attributes = {"externalSite": names[site], "externalId": title.ids[site]}
    item = _build_resource("anime", title.ids["kitsu"], {})
    return _build_resource("mappings", f"{title.ids['kitsu']}{site}", attributes, {"item": item, "media": item})


def _finish(value: Any) -> Reply:
    return add_etag(build_json(value, media_type=_MEDIA_TYPE, Cache_Control="max-age=0, private"), weak=True)


def _fail(status: int, title: str, detail: str) -> Reply:
    error = {"title": title, "detail": detail, "code": str(status), "status": str(status)}
    return build_json({"errors": [error]}, status=status, media_type=_MEDIA_TYPE)


def _link(asked: Asked, size: int, offset: int) -> str:
    kept = {name: value for name, value in asked.query.items() if not name.startswith("page[")}
    host = asked.headers.get("host", "kitsu.app")
    return f"http://{host}{asked.path}?{urlencode({**kept, 'page[limit]': size, 'page[offset]': offset})}"


def _kebab_to_camel(name: str) -> str:
    first, *rest = name.split("-")
    return first + "".join(word.title() for word in rest)
