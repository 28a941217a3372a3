"""What Jikan's objects say, in the document's words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from core.identity import provider_id_from_url
from enrichment.cleaning import flip_name
from enrichment.providers.base import Candidate
from enrichment.providers.json_reader import JsonReader
from enrichment.providers.vocabulary import (
    CHARACTER_ROLE_WORDS,
    RELATION_WORDS,
    SEASONS,
    SOURCES,
    STATUSES,
    TYPES,
    translate,
    translate_rating,
    translate_staff_role,
)

_ID_SPACE: Final = "mal"
_OWN_TITLES: Final = frozenset({"Default", "English", "Japanese"})
_DURATION: Final = re.compile(r"(?:(\d{1,3}) hr)?\s*(?:(\d{1,4}) min)?\s*(?:(\d{1,4}) sec)?(?: per ep)?\.?", re.ASCII)
_SAYS_UNKNOWN: Final = frozenset({"unknown", "not available", "none", "?"})
_YOUTUBE: Final = re.compile(r"(?:/embed/|[?&]v=|youtu\.be/)([\w-]{11})")
# MyAnimeList shows these where it has no picture.
_NO_PICTURE: Final = re.compile(r"apple-touch-icon|questionmark|qm_50|/images/icon|na_series")
# "Jul 8, 2012 to Dec 23, 2012", "2013 to ?", "Sep 17, 2016": a day in full, and where the first and the last stand.
_FULL_DAY: Final = re.compile(r"[A-Z][a-z]{2} \d{1,2}, \d{4}", re.ASCII)
_PLACES: Final = {"from": 0, "to": 1}
_ANIDB: Final = re.compile(r"anidb\.(?:net|info)/.*[?&]aid=(\d+)")
# Voices in the first of these languages that a character has: the original's, not a dub's.
_LANGUAGES: Final = ("Japanese", "Mandarin", "Chinese", "Korean")
_COUNTS: Final = ("watching", "completed", "on_hold", "dropped", "plan_to_watch")


def build_metadata(title: JsonReader) -> dict[str, Any]:
    """Fields of the stage `metadata`, unchecked."""
    start = title.need("aired").get("prop", "from")
    return {
        "title": title.need("title").text(),
        "title_english": title.get("title_english").text(),
        "title_japanese": title.get("title_japanese").text(),
        "synonyms": _build_synonyms(title),
        "synopsis": title.need("synopsis").text(),
        "background": title.get("background").text(),
        "type": translate(TYPES, title.need("type").text()),
        "status": translate(STATUSES, title.need("status").text()),
        "episodes": title.need("episodes").integer(),
        "duration": _parse_minutes(title.need("duration").text()),
        "season": translate(SEASONS, title.need("season").text()),
        "year": title.need("year").integer() or start.get("year").integer(),
        "aired": {"start": _find_day(title, "from"), "end": _find_day(title, "to")},
        "broadcast": _known(title.need("broadcast").get("string").text()),
        "rating": translate_rating(title.need("rating").text()),
        "genres": [*_names(title.need("genres")), *_names(title.get("explicit_genres"))],
        "themes": _names(title.need("themes")),
        "demographics": _names(title.need("demographics")),
        "studios": _names(title.need("studios")),
        "producers": _names(title.need("producers")),
        "licensors": _names(title.need("licensors")),
        "source": translate(SOURCES, title.need("source").text()),
        "streaming": _build_streaming(title),
        "trailers": _build_trailers(title.get("trailer")),
        "images": _build_images(title.need("images").get("jpg")),
        "external_ids": _build_external_ids(title),
    }


def build_relations(title: JsonReader) -> dict[str, Any]:
    """Fields of the stage `relations`: other anime; the manga and novels among them have no place in the catalogue."""
    return {
        "related_anime": [
            {
                "title": entry.get("name").text(),
                "relation": translate(RELATION_WORDS, group.get("relation").text()),
                "external_ids": {_ID_SPACE: entry.get("mal_id").integer()},
            }
            for group in title.need("relations").items()
            for entry in group.get("entry").items()
            if entry.get("type").text() == "anime"
        ]
    }


def build_statistics(title: JsonReader, counts: JsonReader | None) -> dict[str, Any]:
    """Fields of the stage `statistics`; `counts`: the answer of /statistics, None if there is none."""
    own = {
        "score": title.need("score").number(),
        "scored_by": title.need("scored_by").integer(),
        "rank": title.need("rank").integer(),
        "popularity": title.need("popularity").integer(),
        "members": title.need("members").integer(),
        "favorites": title.need("favorites").integer(),
    }
    statistics: dict[str, Any] = {name: value for name, value in own.items() if value}
    if counts is not None:
        statistics |= {name: counts.need(name).integer() for name in _COUNTS}
        statistics["scores"] = {
            entry.get("score").text(): entry.get("votes").integer() for entry in counts.need("scores").items()
        }
    return {**own, "statistics": {_ID_SPACE: statistics}}


def build_episodes(episodes: Iterable[JsonReader]) -> dict[str, Any]:
    """Fields of the stage `episodes`."""
    return {
        "episode_list": [
            {
                "number": episode.need("mal_id").integer(),
                "title": episode.need("title").text(),
                "aired": episode.need("aired").text(),
                "filler": episode.get("filler").flag(),
                "recap": episode.get("recap").flag(),
            }
            for episode in episodes
        ]
    }


def build_characters(entries: JsonReader) -> dict[str, Any]:
    """Fields of the stage `characters`."""
    return {
        "characters": [
            {
                "name": _name_of(entry.need("character")),
                "role": translate(CHARACTER_ROLE_WORDS, entry.need("role").text()),
                "image": _picture(entry.get("character", "images", "jpg", "image_url").text()),
                "voice_actors": _build_voices(entry.get("voice_actors").items()),
            }
            for entry in entries.items()
        ]
    }


def build_staff(entries: JsonReader) -> dict[str, Any]:
    """Fields of the stage `staff`: one entry for each work of a person."""
    return {
        "staff": [
            {"name": _name_of(entry.need("person")), "role": role}
            for entry in entries.items()
            for role in [translate_staff_role(item.text()) for item in entry.need("positions").items()] or [None]
        ]
    }


def build_candidate(title: JsonReader) -> Candidate | None:
    """A title as a search shows it; None if it has no id or no title."""
    external_id = title.get("mal_id").integer()
    names = [title.get(name).text() for name in ("title", "title_english", "title_japanese")]
    titles = tuple(dict.fromkeys(name for name in (*names, *_build_synonyms(title)) if name))
    if external_id is None or not titles:
        return None
    return Candidate(
        external_id=str(external_id),
        titles=titles,
        type=translate(TYPES, title.get("type").text()),
        year=title.get("year").integer() or title.get("aired", "prop", "from", "year").integer(),
        episodes=title.get("episodes").integer() or None,
    )


def _build_synonyms(title: JsonReader) -> list[str]:
    """Synonyms, and titles in languages that the document has no field for."""
    named = [
        item.get("title").text() for item in title.get("titles").items() if item.get("type").text() not in _OWN_TITLES
    ]
    listed = [item.text() for item in title.get("title_synonyms").items()]
    return list(dict.fromkeys(name for name in (*listed, *named) if name))


def _parse_minutes(text: str | None) -> float | str | None:
    """'1 hr 55 min' -> 115.0, '30 sec per ep' -> 0.5; another form as it came, to be refused by name."""
    if _known(text) is None or text is None:
        return None
    match = _DURATION.fullmatch(text)
    if match is None or not any(match.groups()):
        return text
    hours, minutes, seconds = (int(group or 0) for group in match.groups())
    return round(hours * 60 + minutes + seconds / 60, 2)


def _known(text: str | None) -> str | None:
    return None if text is None or text.casefold() in _SAYS_UNKNOWN else text


def _find_day(title: JsonReader, name: str) -> str | None:
    """The day, where it is known to the day: Jikan fills 2013 up to '2013-01-01', and only its `string` tells."""
    shown = (title.get("aired", "string").text() or "").split(" to ")
    text = shown[_PLACES[name]] if len(shown) > _PLACES[name] else ""
    if shown != [""] and not _FULL_DAY.fullmatch(text.strip()):
        return None
    return title.get("aired", name).text()


def _names(entries: JsonReader) -> list[str | None]:
    return [entry.get("name").text() for entry in entries.items()]


def _name_of(person: JsonReader) -> str | None:
    name = person.get("name").text()
    return flip_name(name) if name else None


def _build_voices(voices: Sequence[JsonReader]) -> list[str | None]:
    for language in _LANGUAGES:
        if found := [_name_of(voice.get("person")) for voice in voices if voice.get("language").text() == language]:
            return found
    return []


def _build_streaming(title: JsonReader) -> list[dict[str, Any]]:
    offers = title.get("streaming").items()
    return [{"platform": offer.get("name").text(), "url": offer.get("url").text()} for offer in offers]


def _build_trailers(trailer: JsonReader) -> list[str]:
    addresses = (trailer.get("url").text() or "", trailer.get("embed_url").text() or "")
    found = trailer.get("youtube_id").text() or next(
        (match.group(1) for text in addresses if (match := _YOUTUBE.search(text))), None
    )
    return [f"https://www.youtube.com/watch?v={found}"] if found else []


def _picture(address: str | None) -> str | None:
    return None if address is None or _NO_PICTURE.search(address) else address


def _build_images(jpg: JsonReader) -> dict[str, Any]:
    return {
        "picture": _picture(jpg.get("image_url").text()),
        "thumbnail": _picture(jpg.get("small_image_url").text()),
    }


def _build_external_ids(title: JsonReader) -> dict[str, Any]:
    """Its own id, and those of pages at other providers that MyAnimeList links to."""
    found: dict[str, Any] = {}
    for entry in title.get("external").items():
        address = entry.get("url").text() or ""
        if match := _ANIDB.search(address):
            found.setdefault("anidb", match.group(1))
        elif key := provider_id_from_url(address):
            found.setdefault(*key)
    return {**found, _ID_SPACE: title.get("mal_id").integer()}
