"""Values as snapshots write them -> values of a document."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from enrichment.providers.vocabulary import (
    SEASONS,
    SOURCES,
    STATUSES,
    TYPES,
    Words,
    sort_labels,
    translate,
    translate_rating,
)

_NOTHING: Final = frozenset({"", "unknown", "none", "nan", "not available", "?", "none found, add some"})
_DATE_FORMS: Final = ("%b %d, %Y", "%b, %Y", "%b %Y", "%Y", "%Y-%m-%d")
_PARTS: Final = re.compile(r"(\d+)\s*(hr|min|sec)")
_MINUTES: Final[Mapping[str, float]] = {"hr": 60.0, "min": 1.0, "sec": 1 / 60}
_BASED_ON: Final = "based on a "
_ORIGINAL: Final = "original work"
# Bangumi's times are of the world; programmes are dated as in Japan.
_JAPAN: Final = timedelta(hours=9)


def read_text(text: object) -> str | None:
    """None for the many words of nothing."""
    found = str(text).strip() if text is not None else ""
    return None if found.casefold() in _NOTHING else found


def read_word(words: Words, text: object) -> str | None:
    """A word of our vocabulary; None for one that is in no table, as a provider's parser refuses it."""
    found = translate(words, read_text(text))
    return found if found in words.values() else None


def read_number(text: object) -> float | None:
    """A positive number; 0 is how some write that they do not know."""
    try:
        number = float(read_text(text) or "")
    except ValueError:
        return None
    return number if number > 0 else None


def read_count(text: object) -> int | None:
    """Of episodes."""
    number = read_number(text)
    return None if number is None else int(number)


def read_minutes(text: object) -> float | None:
    """'1 hr. 31 min.' -> 91."""
    parts = _PARTS.findall(str(text))
    return round(sum(float(number) * _MINUTES[unit] for number, unit in parts), 2) or None


def read_day(text: object) -> str | None:
    """'Apr 6, 2005' -> '2005-04-06'; of a month or a year the first day, as the sites' own interfaces give it."""
    found = read_text(text)
    for form in _DATE_FORMS if found else ():
        try:
            return datetime.strptime(str(found), form).date().isoformat()
        except ValueError:
            continue
    return None


def read_days(text: object) -> dict[str, str] | None:
    """'Apr 6, 2005 to Mar 19, 2008' -> {'start': …, 'end': …}."""
    start, _, end = (read_text(text) or "").partition(" to ")
    return join_days(read_day(start), read_day(end))


def read_time_in_japan(text: object) -> str | None:
    """'2013-01-13T01:00:00.000Z' -> the day in Japan."""
    found = read_text(text)
    if not found:
        return None
    return (datetime.fromisoformat(found) + _JAPAN).date().isoformat()


def join_days(start: str | None, end: str | None) -> dict[str, str] | None:
    """Those days that are known."""
    days = {name: day for name, day in (("start", start), ("end", end)) if day}
    return days or None


def read_season(text: object, aired: Mapping[str, str] | None = None) -> dict[str, Any]:
    """'Spring 2012', or 'spring' with the year of the first day: {'season': 'SPRING', 'year': 2012}."""
    word, _, year = (read_text(text) or "").partition(" ")
    season = read_word(SEASONS, word)
    if season is None:
        return {}
    if year.isdigit():
        return {"season": season, "year": int(year)}
    start = (aired or {}).get("start")
    if start is None:
        return {"season": season}
    # What starts in the last days of a year belongs to the winter of the next.
    return {"season": season, "year": int(start[:4]) + (season == "WINTER" and start[5:7] == "12")}


def read_names(text: object, separator: str = ",") -> list[str]:
    """A list in one cell."""
    found = read_text(text)
    return [name for part in found.split(separator) if (name := read_text(part))] if found else []


def read_labels(names: Iterable[str]) -> dict[str, list[str]]:
    """By the field that they belong to; what is in no vocabulary is left out."""
    found = sort_labels(names)
    return {"genres": found.genres, "themes": found.themes, "demographics": found.demographics}


def read_based_on(tags: Iterable[str]) -> str | None:
    """Anime-Planet's 'Based on a Light Novel' -> 'light novel'."""
    for tag in tags:
        folded = tag.strip().casefold()
        if folded == _ORIGINAL or folded.startswith(_BASED_ON):
            return read_word(SOURCES, folded.removeprefix(_BASED_ON))
    return None


def read_type(text: object) -> str | None:
    """TV, MOVIE, …"""
    return read_word(TYPES, text)


def read_status(text: object) -> str | None:
    """FINISHED, …"""
    return read_word(STATUSES, text)


def read_source(text: object) -> str | None:
    """manga, light novel, …"""
    return read_word(SOURCES, text)


def read_rating(text: object) -> str | None:
    """PG-13, …"""
    found = read_text(text)
    return translate_rating(found) if found else None
