"""What Kitsu's resources say, in the document's words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from enrichment.providers.base import Candidate
from enrichment.providers.json_reader import JsonReader
from enrichment.providers.kitsu_resources import Resources
from enrichment.providers.vocabulary import (
    CHARACTER_ROLE_WORDS,
    RATINGS,
    RELATION_WORDS,
    STATUSES,
    TYPES,
    sort_labels,
    translate,
    translate_staff_role,
)

# By the guide, which is finer than the rating itself: Kitsu's PG covers children and teens alike.
_RATINGS_BY_GUIDE: Final = (
    ("all ages", "G"),
    ("children", "PG"),
    ("teens 13", "PG-13"),
    ("mild nudity", "R+"),
    ("17+", "R"),
    ("violence, profanity", "R"),
)
_ROLE_GAP: Final = re.compile(r"\s*[,;]\s*")
# Where a mapping of Kitsu leads: its site's name, and our name of the id space.
_ID_SPACES: Final = {
    "myanimelist/anime": "mal",
    "anilist/anime": "anilist",
    "anidb": "anidb",
    "animenewsnetwork": "animenewsnetwork",
    "thetvdb": "tvdb",
    "thetvdb/series": "tvdb",
}


def build_metadata(title: JsonReader, resources: Resources) -> dict[str, Any]:
    """Fields of the stage `metadata`, unchecked."""
    given = title.get("attributes")
    start, end = given.get("startDate").text(), given.get("endDate").text()
    youtube = given.get("youtubeVideoId").text()
    return {
        "title": given.need("canonicalTitle").text(),
        **_build_titles(given),
        "synopsis": given.get("synopsis").text() or given.get("description").text(),
        "type": translate(TYPES, given.need("subtype").text()),
        "status": translate(STATUSES, given.need("status").text()),
        "episodes": given.need("episodeCount").value,
        # 0 stands for a length that nobody knows.
        "duration": given.get("episodeLength").value or None,
        "year": start[:4] if start else None,
        "aired": {"start": start, "end": end},
        "rating": _find_rating(given),
        **_build_labels(resources),
        **_build_companies(resources),
        "streaming": [_build_offer(link, resources) for link in resources.of_type("streamingLinks")],
        "trailers": [f"https://www.youtube.com/watch?v={youtube}"] if youtube else [],
        "images": {
            "picture": given.get("posterImage", "original").text(),
            "thumbnail": given.get("posterImage", "small").text(),
            "banner": given.get("coverImage", "original").text(),
        },
        "external_ids": {**_build_mappings(resources.follow_all(title, "mappings")), "kitsu": title.get("id").text()},
    }


def build_statistics(title: JsonReader, resources: Resources) -> dict[str, Any]:
    """Fields of the stage `statistics`: Kitsu's mean is out of a hundred, as a text."""
    del resources
    given = title.get("attributes")
    rating = given.need("averageRating").number()
    votes = {name: count for name, reader in given.get("ratingFrequencies").members() if (count := reader.integer())}
    score = None if rating is None else round(rating / 10, 3)
    people = {
        "scored_by": sum(votes.values()) or None,
        "members": given.get("userCount").integer(),
        "favorites": given.get("favoritesCount").integer(),
        "rank": given.get("ratingRank").integer(),
        "popularity": given.get("popularityRank").integer(),
    }
    own = {name: count for name, count in {"score": score, **people}.items() if count}
    return {"score": score, **people, "statistics": {"kitsu": own} if own else None}


def build_relations(title: JsonReader, resources: Resources) -> dict[str, Any]:
    """Fields of the stage `relations`: anime only, since the document has no place for manga."""
    del title
    related = []
    for link in resources.of_type("mediaRelationships"):
        other = resources.follow(link, "destination")
        if other is None or other.get("type").text() != "anime":
            continue
        related.append(
            {
                "title": other.get("attributes", "canonicalTitle").text(),
                "relation": translate(RELATION_WORDS, link.get("attributes", "role").text()),
                "external_ids": {"kitsu": other.get("id").text()},
            }
        )
    return {"related_anime": related}


def build_episodes(pages: Sequence[Resources]) -> dict[str, Any]:
    """Fields of the stage `episodes`."""
    return {"episode_list": [_build_episode(item.get("attributes")) for page in pages for item in page.primary]}


def build_characters(pages: Sequence[Resources]) -> dict[str, Any]:
    """Fields of the stage `characters`: a casting is one voice of one character, so a character may come twice."""
    characters: dict[str, dict[str, Any]] = {}
    for page in pages:
        for casting in page.primary:
            if (character := page.follow(casting, "character")) is None:
                continue
            known = characters.setdefault(character.get("id").text() or "", _build_character(casting, character))
            if (person := page.follow(casting, "person")) and (name := person.get("attributes", "name").text()):
                known["voice_actors"].append(name)
    return {"characters": list(characters.values())}


def build_staff(pages: Sequence[Resources]) -> dict[str, Any]:
    """Fields of the stage `staff`: one entry a person and role; several roles are one text with commas."""
    staff = []
    for page in pages:
        for item in page.primary:
            if (person := page.follow(item, "person")) is None:
                continue
            name, roles = person.get("attributes", "name").text(), item.get("attributes", "role").text()
            staff += [{"name": name, "role": translate_staff_role(role)} for role in _ROLE_GAP.split(roles or "")]
    return {"staff": staff}


def build_candidate(title: JsonReader, resources: Resources) -> Candidate | None:
    """A title as a search shows it; None if it has no id or no title."""
    given, external_id = title.get("attributes"), title.get("id").text()
    named = _build_titles(given)
    titles = [given.get("canonicalTitle").text(), named["title_english"], named["title_japanese"], *named["synonyms"]]
    known = tuple(dict.fromkeys(name for name in titles if name))
    if external_id is None or not known:
        return None
    start = given.get("startDate").text()
    return Candidate(
        external_id=external_id,
        titles=known,
        type=translate(TYPES, given.get("subtype").text()),
        year=int(start[:4]) if start and start[:4].isdecimal() else None,
        episodes=given.get("episodeCount").integer(),
        external_ids=_build_mappings(resources.follow_all(title, "mappings")),
    )


def _build_titles(given: JsonReader) -> dict[str, Any]:
    """English as Kitsu's `en`, else as in the United States; every other title is a synonym."""
    titles = {language: name for language, reader in given.get("titles").members() if (name := reader.text())}
    english, japanese = titles.get("en") or titles.get("en_us"), titles.get("ja_jp")
    short = [name for reader in given.get("abbreviatedTitles").items() if (name := reader.text())]
    named = (given.get("canonicalTitle").text(), english, japanese)
    return {
        "title_english": english,
        "title_japanese": japanese,
        "synonyms": [name for name in (*titles.values(), *short) if name not in named],
    }


def _find_rating(given: JsonReader) -> str | None:
    if given.get("nsfw").flag():
        return "Rx"
    rating, guide = given.get("ageRating").text(), (given.get("ageRatingGuide").text() or "").casefold()
    if rating == "R18":
        return "Rx"
    by_guide = next((ours for words, ours in _RATINGS_BY_GUIDE if words in guide), None)
    # A PG without a guide may be for children or for teens.
    return by_guide or (translate(RATINGS, rating) if rating != "PG" else None)


def _build_labels(resources: Resources) -> dict[str, Any]:
    genres = (reader.get("attributes", "name").text() for reader in resources.of_type("genres"))
    categories = (reader.get("attributes", "title").text() for reader in resources.of_type("categories"))
    labels = sort_labels(name for name in (*genres, *categories) if name)
    return {
        "genres": labels.genres,
        "themes": labels.themes,
        "demographics": labels.demographics,
        "tags": labels.others,
    }


def _build_companies(resources: Resources) -> dict[str, list[str]]:
    companies: dict[str, list[str]] = {"studios": [], "producers": [], "licensors": []}
    for production in resources.of_type("animeProductions"):
        role, company = production.get("attributes", "role"), resources.follow(production, "producer")
        name = company.get("attributes", "name").text() if company else None
        if (names := companies.get(f"{role.text()}s")) is None:
            role.note(role.path, f"{role.text()!r} is no role of a company that we know")
        elif name:
            names.append(name)
    return companies


def _build_offer(link: JsonReader, resources: Resources) -> dict[str, Any]:
    """A link without a streamer is known by its host."""
    url, streamer = link.get("attributes", "url").text(), resources.follow(link, "streamer")
    name = streamer.get("attributes", "siteName").text() if streamer else None
    return {"platform": name or _find_host(url), "url": url} if url else {}


def _find_host(url: str) -> str | None:
    try:
        return (urlsplit(url).hostname or "").removeprefix("www.") or None
    except ValueError:
        return None


def _build_mappings(mappings: Iterable[JsonReader]) -> dict[str, str]:
    """Ids at other providers. Two of one space mean that Kitsu is not sure: none of them is taken."""
    known: dict[str, set[str]] = {}
    for mapping in mappings:
        space = _ID_SPACES.get(mapping.get("attributes", "externalSite").text() or "")
        external_id = mapping.get("attributes", "externalId").text()
        if space and external_id and external_id.isascii() and external_id.isdigit():
            known.setdefault(space, set()).add(external_id)
    return {space: ids.pop() for space, ids in known.items() if len(ids) == 1}


def _build_episode(given: JsonReader) -> dict[str, Any]:
    titles = given.get("titles")
    return {
        "number": given.need("number").value,
        "title": given.get("canonicalTitle").text() or titles.get("en_us").text() or titles.get("en_jp").text(),
        "synopsis": given.get("synopsis").text(),
        "aired": given.get("airdate").text(),
    }


def _build_character(casting: JsonReader, character: JsonReader) -> dict[str, Any]:
    """Castings only say who is `featured`, which are the main characters."""
    given, role = character.get("attributes"), casting.get("attributes", "role").text()
    featured = casting.get("attributes", "featured")
    if featured.value is not None:
        role = "main" if featured.flag() else "supporting"
    return {
        "name": given.get("canonicalName").text() or given.get("name").text(),
        "role": translate(CHARACTER_ROLE_WORDS, role),
        "description": given.get("description").text(),
        "image": given.get("image", "original").text(),
        "voice_actors": [],
    }
