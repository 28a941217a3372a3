"""What AniList's media say, in the document's words. Names of its users are never read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any, Final

from core.document import AnimeDocument
from core.identity import provider_id_from_url
from enrichment.providers.base import Candidate
from enrichment.providers.json_reader import JsonReader
from enrichment.providers.vocabulary import (
    CHARACTER_ROLE_WORDS,
    RELATION_WORDS,
    SEASONS,
    SOURCES,
    STATUSES,
    TYPES,
    sort_labels,
    translate,
    translate_staff_role,
)

_ID_SPACE: Final = "anilist"
# Scores are out of a hundred there.
_SCALE: Final = 10
# How many in a hundred of its users hold a tag for right: below the first it is noise; from the second on about every
# other one is a theme at MyAnimeList, too (0.3 at 40, 0.55 at 80 of the recorded titles).
_TAG_RANK: Final = 20
_THEME_RANK: Final = 80
_JAPAN: Final = timezone(timedelta(hours=9))
_EPISODE: Final = re.compile(r"episode\s+(\d{1,5})(?:\s*[-–—:]\s*(.+))?", re.IGNORECASE | re.DOTALL)
_COUNTS: Final = {
    "CURRENT": "watching",
    "COMPLETED": "completed",
    "PAUSED": "on_hold",
    "DROPPED": "dropped",
    "PLANNING": "plan_to_watch",
    "REPEATING": "rewatching",
}
# Voices in the first of these languages that a character has: the original's, not a dub's.
_LANGUAGES: Final = ("japanese", "chinese", "korean")
# For answers that do not say which links are offers.
_STREAMING_SITES: Final = frozenset(
    {
        "Adult Swim", "Amazon", "Amazon Prime Video", "AnimeLab", "Bilibili TV", "Crunchyroll", "Disney Plus",
        "Funimation", "HBO Max", "HIDIVE", "Hidive", "Hulu", "iQ", "Max", "Netflix", "Tubi TV", "VRV", "WeTV",
    }
)  # fmt: skip
_TRAILERS: Final = {"youtube": "https://www.youtube.com/watch?v=", "dailymotion": "https://www.dailymotion.com/video/"}


def build_metadata(media: JsonReader) -> dict[str, Any]:
    """Fields of the stage `metadata`, unchecked."""
    titles, cover, is_adult = media.need("title"), media.need("coverImage"), media.need("isAdult").flag()
    return {
        "title": titles.need("romaji").text() or titles.get("english").text() or titles.get("native").text(),
        "title_english": titles.get("english").text(),
        "title_japanese": titles.get("native").text(),
        "synonyms": [item.text() for item in media.need("synonyms").items()],
        "synopsis": media.need("description").text(),
        "type": translate(TYPES, media.need("format").text()),
        "status": translate(STATUSES, media.need("status").text()),
        "episodes": media.need("episodes").integer(),
        "duration": media.need("duration").number() or None,
        "season": translate(SEASONS, media.need("season").text()),
        "year": media.need("seasonYear").integer() or media.get("startDate", "year").integer(),
        "aired": {"start": _find_day(media.need("startDate")), "end": _find_day(media.need("endDate"))},
        # AniList knows no other rating, and a false says nothing.
        "rating": "Rx" if is_adult else None,
        **_build_labels(media, is_adult=is_adult),
        **_build_companies(media.need("studios").get("edges")),
        "source": translate(SOURCES, media.need("source").text()),
        "streaming": _build_streaming(media.need("externalLinks")),
        "trailers": _build_trailers(media.get("trailer")),
        "images": {
            "picture": cover.get("extraLarge").text() or cover.get("large").text(),
            "thumbnail": cover.get("medium").text() or cover.get("large").text(),
            "banner": media.get("bannerImage").text(),
        },
        "external_ids": _build_external_ids(media),
    }


def build_relations(media: JsonReader) -> dict[str, Any]:
    """Fields of the stage `relations`: other anime; the manga and novels among them have no place in the catalogue."""
    return {
        "related_anime": [
            {
                "title": node.get("title", "romaji").text() or node.get("title", "userPreferred").text(),
                "relation": translate(RELATION_WORDS, edge.get("relationType").text()),
                "external_ids": {_ID_SPACE: node.get("id").integer(), "mal": node.get("idMal").integer()},
            }
            for edge in media.need("relations").get("edges").items()
            if (node := edge.get("node")).get("type").text() == "ANIME"
        ]
    }


def build_statistics(media: JsonReader) -> dict[str, Any]:
    """Fields of the stage `statistics`. `popularity` there counts members; its ranks hold within a type only."""
    stats = media.need("stats")
    scores = [
        (_out_of_ten(entry.get("score")), entry.get("amount").integer() or 0)
        for entry in stats.get("scoreDistribution").items()
    ]
    counts = {
        _COUNTS.get(entry.get("status").text() or "", "other"): entry.get("amount").integer()
        for entry in stats.get("statusDistribution").items()
    }
    own = {
        "score": _out_of_ten(media.need("averageScore")),
        "scored_by": sum(amount for _, amount in scores) or None,
        "members": media.need("popularity").integer(),
        "favorites": media.need("favourites").integer(),
    }
    known: dict[str, Any] = {name: value for name, value in own.items() if value}
    mean = {"mean_score": _out_of_ten(media.get("meanScore"))}
    histogram = {"scores": {f"{score:g}": amount for score, amount in scores if score is not None}}
    return {**own, "statistics": {_ID_SPACE: known | mean | counts | histogram}, "reviews": _build_reviews(media)}


def build_episodes(media: JsonReader, airings: Sequence[JsonReader]) -> dict[str, Any]:
    """Fields of the stage `episodes`: names as streaming sites give them, days in Japan."""
    found: dict[int, dict[str, Any]] = {
        number: {"number": number, "title": title} for number, title in _read_names(media).items()
    }
    for airing in airings:
        number, seconds = airing.need("episode").integer(), airing.need("airingAt").integer()
        if number is not None and seconds is not None:
            found.setdefault(number, {"number": number})["aired"] = _to_day_in_japan(seconds)
    return {"episode_list": [found[number] for number in sorted(found)]}


def build_characters(edges: Sequence[JsonReader]) -> dict[str, Any]:
    """Fields of the stage `characters`."""
    return {
        "characters": [
            {
                "name": _name_of(edge.need("node")),
                "role": translate(CHARACTER_ROLE_WORDS, edge.need("role").text()),
                "description": edge.get("node", "description").text(),
                "image": _picture(edge.get("node", "image", "large").text()),
                "voice_actors": _build_voices(edge.get("voiceActors").items()),
            }
            for edge in edges
        ]
    }


def build_staff(edges: Sequence[JsonReader]) -> dict[str, Any]:
    """Fields of the stage `staff`."""
    return {
        "staff": [
            {"name": _name_of(edge.need("node")), "role": translate_staff_role(edge.need("role").text())}
            for edge in edges
        ]
    }


def build_candidate(media: JsonReader) -> Candidate | None:
    """A title as a search shows it; None if it has no id or no title."""
    external_id, mal_id = media.get("id").integer(), media.get("idMal").integer()
    names = [media.get("title", name).text() for name in ("romaji", "english", "native")]
    listed = [item.text() for item in media.get("synonyms").items()]
    titles = tuple(dict.fromkeys(name for name in (*names, *listed) if name))
    if external_id is None or not titles:
        return None
    return Candidate(
        external_id=str(external_id),
        titles=titles,
        type=translate(TYPES, media.get("format").text()),
        year=media.get("seasonYear").integer() or media.get("startDate", "year").integer(),
        episodes=media.get("episodes").integer() or None,
        external_ids={"mal": str(mal_id)} if mal_id else {},
    )


def _build_labels(media: JsonReader, *, is_adult: bool) -> dict[str, list[str]]:
    """Genres and tags by the fields of the document; tags that give the story away are left out."""
    genres = [name for item in media.need("genres").items() if (name := item.text())]
    tags = [
        (name, tag.get("rank").number() or 0)
        for tag in media.need("tags").items()
        if not (tag.get("isGeneralSpoiler").flag() or tag.get("isMediaSpoiler").flag())
        and (name := tag.get("name").text())
    ]
    labels = sort_labels([*genres, *(name for name, rank in tags if rank >= _THEME_RANK)])
    adult = [AnimeDocument.ADULT_LABEL] if is_adult else []
    return {
        "genres": labels.genres,
        "themes": labels.themes,
        "demographics": labels.demographics,
        "tags": [*genres, *(name for name, rank in tags if rank >= _TAG_RANK), *adult],
    }


def _build_companies(edges: JsonReader) -> dict[str, list[str | None]]:
    named = [(edge.get("node", "name").text(), edge.get("isMain").flag()) for edge in edges.items()]
    return {
        "studios": [name for name, is_main in named if is_main],
        "producers": [name for name, is_main in named if not is_main],
    }


def _build_streaming(links: JsonReader) -> list[dict[str, Any]]:
    return [
        {"platform": site, "url": link.get("url").text()}
        for link in links.items()
        if (site := link.get("site").text())
        and not link.get("isDisabled").flag()
        and ((kind := link.get("type").text()) == "STREAMING" or (kind is None and site in _STREAMING_SITES))
    ]


def _build_trailers(trailer: JsonReader) -> list[str]:
    start, name = _TRAILERS.get(trailer.get("site").text() or ""), trailer.get("id").text()
    return [f"{start}{name}"] if start and name else []


def _build_external_ids(media: JsonReader) -> dict[str, Any]:
    """Its own id, MyAnimeList's, and those of pages at other providers that AniList links to."""
    keys = (provider_id_from_url(link.get("url").text() or "") for link in media.get("externalLinks").items())
    found: dict[str, Any] = dict(key for key in keys if key)
    return {**found, "mal": media.get("idMal").integer() or found.get("mal"), _ID_SPACE: media.get("id").integer()}


def _build_reviews(media: JsonReader) -> list[dict[str, Any]]:
    reviews = media.get("reviews") if media.get("reviews").value is not None else media.get("reviewPreview")
    return [
        {"summary": node.get("summary").text(), "score": _out_of_ten(node.get("score"))}
        for node in reviews.get("nodes").items()
    ]


def _read_names(media: JsonReader) -> dict[int, str | None]:
    """{1: 'The Beginning'} from 'Episode 1 - The Beginning'; none at all if they are counted through from the season
    before, which shows in numbers that this title has not.
    """
    texts = (entry.get("title").text() or "" for entry in media.get("streamingEpisodes").items())
    matches = [match for text in texts if (match := _EPISODE.fullmatch(text))]
    names = {int(match[1]): match[2] for match in reversed(matches)}
    following = media.get("nextAiringEpisode", "episode").integer()
    last = media.get("episodes").integer() or (following - 1 if following else None)
    fits = not names or (min(names) <= 1 if last is None else max(names) <= last)
    return names if fits else {}


def _build_voices(voices: Sequence[JsonReader]) -> list[str | None]:
    spoken = [(_read_language(voice), _name_of(voice)) for voice in voices]
    for language in _LANGUAGES:
        if found := [name for known, name in spoken if known == language]:
            return found
    return []


def _read_language(voice: JsonReader) -> str:
    return (voice.get("languageV2").text() or voice.get("language").text() or "").casefold()


def _name_of(person: JsonReader) -> str | None:
    return person.get("name", "full").text() or person.get("name", "userPreferred").text()


def _picture(address: str | None) -> str | None:
    return None if address is None or address.endswith("/default.jpg") else address


def _out_of_ten(score: JsonReader) -> float | None:
    value = score.number()
    return None if value is None else value / _SCALE


def _find_day(fuzzy: JsonReader) -> str | None:
    """The day, where it is known to the day."""
    year, month, day = (fuzzy.get(part).integer() for part in ("year", "month", "day"))
    if year is None or month is None or day is None:
        return None
    try:
        return date(year, month, day).isoformat()
    except (ValueError, OverflowError):
        # Refused by name where days are checked.
        return f"{year}-{month}-{day}"


def _to_day_in_japan(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).astimezone(_JAPAN).date().isoformat()
    except (ValueError, OverflowError, OSError):
        return str(seconds)
