"""Flat tables (CSV exports of catalogues, with or without synopses) -> fields of a document.

Columns are known by many names; the table below says which mean the same. Unknown columns are passed over.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from core.identity import provider_id_from_url
from indexing.sources.offline_database import parse_age_rating, parse_source_material

_MISSING = {"", "unknown", "nan", "none", "null", "n/a", "-", "undefined", "not available"}
_TYPES = {"tv": "TV", "movie": "MOVIE", "ova": "OVA", "ona": "ONA", "special": "SPECIAL", "music": "MUSIC",
          "tv special": "SPECIAL", "tv_short": "TV", "tv short": "TV"}  # fmt: skip
_STATUSES = {"finished airing": "FINISHED", "finished": "FINISHED", "currently airing": "ONGOING",
             "releasing": "ONGOING", "ongoing": "ONGOING", "not yet aired": "UPCOMING",
             "not_yet_released": "UPCOMING", "upcoming": "UPCOMING"}  # fmt: skip
_SEASON = re.compile(r"\b(winter|spring|summer|fall|autumn)\b", re.IGNORECASE)
_YEAR = re.compile(r"\b(19\d\d|20\d\d)\b")
_HOURS = re.compile(r"(\d+)\s*hr")
_MINUTES = re.compile(r"(\d+)\s*min")
_SEPARATOR = re.compile(r"\s*[;,|]\s*")


def _number(text: str) -> float | None:
    try:
        number = float(text.replace(",", "").lstrip("#"))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _integer(text: str) -> int | None:
    number = _number(text)
    return int(number) if number is not None and number > 0 else None


def _score(text: str) -> float | None:
    number = _number(text)
    if not number:
        return None
    return round(number / 10, 4) if number > 10 else number


def _split(text: str) -> list[str]:
    parts = (
        _SEPARATOR.split(text.strip().strip("[]").replace("'", "")) if text.startswith("[") else _SEPARATOR.split(text)
    )
    return [part.strip() for part in parts if part.strip().lower() not in _MISSING]


def _duration(text: str) -> float | None:
    hours, minutes = _HOURS.search(text), _MINUTES.search(text)
    if hours or minutes:
        return float((int(hours[1]) * 60 if hours else 0) + (int(minutes[1]) if minutes else 0))
    return _number(text)


def _season(text: str) -> str | None:
    match = _SEASON.search(text)
    if match is None:
        return None
    return "FALL" if match[1].lower() == "autumn" else match[1].upper()


def _year(text: str) -> int | None:
    match = _YEAR.search(text)
    return int(match[1]) if match else None


def _day(text: str) -> str | None:
    text = text.strip().strip(",")
    for layout in ("%b %d, %Y", "%Y-%m-%d", "%Y-%m-%dT%H:%M:%S%z"):
        try:
            return datetime.strptime(text, layout).date().isoformat()
        except ValueError:
            continue
    return None


def _aired(text: str) -> dict[str, str] | None:
    start, _, end = text.partition(" to ")
    days = {"start": _day(start), "end": _day(end)}
    return {name: day for name, day in days.items() if day} or None


def _type(text: str) -> str | None:
    return _TYPES.get(text.strip().lower())


def _status(text: str) -> str | None:
    return _STATUSES.get(text.strip().lower())


def _text(text: str) -> str:
    return text.strip()


# Column, folded to letters and digits -> field and how its cell is read. The first column that gives a value wins.
_COLUMNS: dict[str, tuple[str, Callable[[str], Any]]] = {
    **dict.fromkeys(("title", "name", "showtitles", "animetitle"), ("title", _text)),
    **dict.fromkeys(("titleenglish", "englishtitle", "englishname"), ("title_english", _text)),
    **dict.fromkeys(("titlejapanese", "japanesetitle", "japanesename"), ("title_japanese", _text)),
    **dict.fromkeys(("synonyms", "othername", "othernames"), ("synonyms", _split)),
    **dict.fromkeys(("synopsis", "sypnopsis", "overview", "description"), ("synopsis", _text)),
    "background": ("background", _text),
    "type": ("type", _type),
    "status": ("status", _status),
    **dict.fromkeys(("episodes", "episode"), ("episodes", _integer)),
    "duration": ("duration", _duration),
    **dict.fromkeys(("premiered", "season"), ("season", _season)),
    **dict.fromkeys(("year", "seasonyear", "startyear"), ("year", _year)),
    "aired": ("aired", _aired),
    "broadcast": ("broadcast", _text),
    **dict.fromkeys(("rating", "agerating"), ("rating", parse_age_rating)),
    "score": ("score", _score),
    "scoredby": ("scored_by", _integer),
    **dict.fromkeys(("rank", "ranked"), ("rank", _integer)),
    **dict.fromkeys(("popularity", "popularityrank"), ("popularity", _integer)),
    "members": ("members", _integer),
    "favorites": ("favorites", _integer),
    **dict.fromkeys(("genres", "genre"), ("genres", _split)),
    "themes": ("themes", _split),
    "demographics": ("demographics", _split),
    "tags": ("tags", _split),
    "studios": ("studios", _split),
    "producers": ("producers", _split),
    "licensors": ("licensors", _split),
    **dict.fromkeys(("source", "sourcematerial"), ("source", parse_source_material)),
}
_ID_COLUMNS = {"malid": "mal", "animeid": "mal", "uid": "mal", "code": "mal", "anilistid": "anilist",
               "kitsuid": "kitsu", "anidbid": "anidb"}  # fmt: skip
_URL_COLUMNS = ("link", "url", "siteurl")


def translate_table_row(row: Mapping[str, str]) -> dict[str, Any]:
    """The fields of an AnimeDocument, not validated yet."""
    fields: dict[str, Any] = {}
    cells = {re.sub(r"[^a-z0-9]", "", column.lower()): cell for column, cell in row.items() if column}
    if "popularityrank" in cells:
        # Such tables (AniList's) count members under `popularity`.
        cells.pop("popularity", None)
    for column, cell in cells.items():
        if column not in _COLUMNS or cell.strip().lower() in _MISSING:
            continue
        name, read = _COLUMNS[column]
        value = read(cell)
        if value not in (None, "", []) and name not in fields:
            fields[name] = value
    if "year" not in fields and (year := _year(cells.get("premiered", "") or cells.get("season", ""))):
        fields["year"] = year
    return {**fields, "external_ids": _collect_ids(cells)}


def _collect_ids(cells: Mapping[str, str]) -> dict[str, int | str]:
    ids: dict[str, int | str] = {}
    # `anime_id` is the id at the site that the table comes from; a table that also has `mal_id` is AniList's.
    home = "anilist" if "malid" in cells else "mal"
    for column, provider in _ID_COLUMNS.items():
        number = _number(cells.get(column, ""))
        if number:
            ids[home if column == "animeid" else provider] = int(number)
    for column in _URL_COLUMNS:
        if key := provider_id_from_url(cells.get(column, "")):
            ids.setdefault(key[0], int(key[1]) if key[1].isdigit() else key[1])
    return ids
