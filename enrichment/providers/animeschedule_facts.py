"""What AnimeSchedule's records and timetables say, in the document's words.

A record is what /anime/{route} answers; an entry is one episode of the week in a timetable. They share many names.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

from core.identity import provider_id_from_url
from enrichment.providers.base import Candidate
from enrichment.providers.json_reader import JsonReader
from enrichment.providers.vocabulary import SEASONS, SOURCES, STATUSES, TYPES, sort_labels, translate

# No summer time, so no table of zones is needed.
_JAPAN: Final = timezone(timedelta(hours=9), "JST")
_PICTURES: Final = "https://img.animeschedule.net/production/assets/public/img/"
# Go's zero time: nothing is known.
_NEVER_YEAR: Final = 1
# The last year of a calendar: a moment of it has no day in another zone.
_LAST_YEAR: Final = 9999
_LISTS: Final = {
    "mal": "mal",
    "aniList": "anilist",
    "kitsu": "kitsu",
    "anidb": "anidb",
    "animePlanet": "anime-planet",
}
_NO_PLATFORMS: Final = frozenset({*_LISTS, "official", "streams"})


def build_metadata(record: JsonReader, entry: JsonReader | None, *, now: datetime) -> dict[str, Any]:
    """Fields of the stage `metadata`, unchecked. `entry`: this week's episode in the Japanese timetable."""
    premiere = read_time(record.get("premier"))
    websites = record.get("websites")
    return {
        **_build_titles(record),
        "synopsis": record.get("description").text(),
        "type": _find_type(record),
        "status": _find_status(record, premiere, now),
        "episodes": record.get("episodes").value or None,
        "duration": record.get("lengthMin").value or None,
        "season": translate(SEASONS, record.get("season", "season").text()),
        "year": record.get("season", "year").value or record.get("year").value or None,
        "aired": {"start": _to_japanese_day(premiere)},
        "broadcast": _build_broadcast(read_time(entry.get("episodeDate")) if entry else None),
        **_build_labels(record),
        "source": _find_source(record),
        "studios": _names(record.get("studios").items()),
        "streaming": _build_streaming(websites, record.get("streams")),
        "images": {"picture": _build_picture(record)},
        "external_ids": {**_build_external_ids(websites), "animeschedule": record.get("route").text()},
    }


def build_statistics(record: JsonReader) -> dict[str, Any]:
    """Fields of the stage `statistics`: the score is out of a hundred."""
    stats = record.get("stats")
    score = stats.get("averageScore").number()
    facts = {
        "score": round(score / 10, 3) if score else None,
        "scored_by": stats.get("ratingCount").integer(),
        "members": stats.get("trackedCount").integer(),
        "popularity": stats.get("trackedRating").integer() or None,
    }
    own = {name: value for name, value in facts.items() if value}
    return {**facts, "statistics": {"animeschedule": own} if own else None}


def build_episodes(entries: Iterable[JsonReader]) -> dict[str, Any]:
    """Fields of the stage `episodes`: the day on which this week's episodes air in Japan."""
    return {
        "episode_list": [
            {
                "number": entry.need("episodeNumber").value,
                "aired": _to_japanese_day(read_time(entry.need("episodeDate"))),
            }
            for entry in entries
        ]
    }


def build_candidate(record: JsonReader) -> Candidate | None:
    """A title as a search shows it; None if it has no route or no title."""
    route, named = record.get("route").text(), _build_titles(record)
    titles = (named["title"], named["title_english"], named["title_japanese"], *named["synonyms"])
    known = tuple(dict.fromkeys(title for title in titles if title))
    if route is None or not known:
        return None
    return Candidate(
        external_id=route,
        titles=known,
        type=_find_type(record),
        year=record.get("season", "year").integer() or record.get("year").integer() or None,
        episodes=record.get("episodes").integer() or None,
        external_ids=_build_external_ids(record.get("websites")),
    )


def read_time(reader: JsonReader) -> datetime | None:
    """A moment, in UTC; None for the year 1, which stands for none."""
    text = reader.text()
    if text is None:
        return None
    moment: datetime | None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.year == _LAST_YEAR:
        reader.note(reader.path, "is no time")
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment if moment.year > _NEVER_YEAR else None


def _build_titles(record: JsonReader) -> dict[str, Any]:
    """Records keep names apart, entries beside the title."""
    names = record.get("names") if record.get("names").value is not None else record
    title, romaji = record.need("title").text(), names.get("romaji").text()
    synonyms = [name for reader in names.get("synonyms").items() if (name := reader.text())]
    return {
        "title": romaji or title,
        "title_english": names.get("english").text(),
        "title_japanese": names.get("native").text(),
        "synonyms": [
            name for name in (title, names.get("abbreviation").text(), *synonyms) if name and name != (romaji or title)
        ],
    }


def _find_type(record: JsonReader) -> str | None:
    """The first media type: 'ONA (Chinese)' stands beside 'ONA'."""
    types = _names(record.get("mediaTypes").items())
    return translate(TYPES, types[0]) if types else None


def _find_status(record: JsonReader, premiere: datetime | None, now: datetime) -> str | None:
    """A delayed title goes on if it has begun."""
    status = record.need("status").text()
    if status is None or status.casefold() != "delayed":
        return translate(STATUSES, status)
    if premiere is None:
        return None
    return "ONGOING" if premiere <= now else "UPCOMING"


def _find_source(record: JsonReader) -> str | None:
    sources = _names(record.get("sources").items())
    return translate(SOURCES, sources[0]) if sources else None


def _build_labels(record: JsonReader) -> dict[str, Any]:
    labels = sort_labels(_names(record.get("genres").items()))
    return {
        "genres": labels.genres,
        "themes": labels.themes,
        "demographics": labels.demographics,
        "tags": labels.others,
    }


def _build_broadcast(airs: datetime | None) -> str | None:
    """'Sundays at 17:00 (JST)', as the catalogue has it. A record's own day may be off."""
    if airs is None:
        return None
    japanese = airs.astimezone(_JAPAN)
    return f"{japanese:%A}s at {japanese:%H:%M} (JST)"


def _to_japanese_day(moment: datetime | None) -> str | None:
    """A moment at midnight UTC is a day without a time."""
    if moment is None:
        return None
    has_time = (moment.hour, moment.minute) != (0, 0)
    return (moment.astimezone(_JAPAN) if has_time else moment).date().isoformat()


def _build_streaming(websites: JsonReader, streams: JsonReader) -> list[dict[str, Any]]:
    """Three forms: a list of platforms, a platform a member (older records), and an object of them (timetables)."""
    offers = [
        {"platform": stream.get("name").text() or stream.get("platform").text(), "url": _to_url(stream.get("url"))}
        for stream in websites.get("streams").items()
    ]
    named = [(name, reader) for name, reader in websites.members() if name not in _NO_PLATFORMS]
    named += list(streams.members())
    return offers + [{"platform": name.capitalize(), "url": url} for name, reader in named if (url := _to_url(reader))]


def _to_url(reader: JsonReader) -> str | None:
    """Addresses come without their scheme."""
    text = reader.text()
    return text if text is None or "://" in text else f"https://{text}"


def _build_external_ids(websites: JsonReader) -> dict[str, str]:
    known: dict[str, str] = {}
    for name, space in _LISTS.items():
        found = provider_id_from_url(websites.get(name).text() or "")
        if found and found[0] == space:
            known[space] = found[1]
    return known


def _build_picture(record: JsonReader) -> str | None:
    route = record.get("imageVersionRoute").text()
    return f"{_PICTURES}{route}" if route else None


def _names(items: Iterable[JsonReader]) -> list[str]:
    return [name for item in items if (name := item.get("name").text())]
