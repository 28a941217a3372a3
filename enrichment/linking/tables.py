"""The id tables that others publish, each read from its own form: rows of ids that are one title.

    fribb           https://github.com/Fribb/anime-lists      list of {mal_id, anilist_id, anidb_id, …}
    arm             https://github.com/kawaiioverflow/arm     list of {mal_id, anilist_id, annict_id, …}
    animeapi        https://animeapi.my.id                    TSV: title, anidb, anilist, myanimelist, …
    kometa          https://github.com/Kometa-Team/Anime-IDs  {anidb id: {mal_id: 1 or "1,2", …}}
    animestream     id-mappings.json                          {imdb id: {mal, al, adb, kitsu, …}}
    bangumi-data    https://github.com/bangumi-data           items with sites: [{site, id}], as JSON lines or data.json

Ids that stand for whole franchises (TVDB, TMDB, IMDb) are left out: titles that share one are not the same.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
import zstandard

from core.errors import InvalidInputError

Pairs = tuple[tuple[str, str], ...]

MAX_BYTES: Final = 256 * 1024 * 1024
_NUMBERS: Final = frozenset({"mal", "anilist", "anidb", "kitsu", "anisearch", "livechart", "animenewsnetwork", "simkl"})
_SLUG: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,199}")
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,11}")
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"

_FRIBB: Final = {
    "mal_id": "mal", "anilist_id": "anilist", "anidb_id": "anidb", "kitsu_id": "kitsu",
    "anime-planet_id": "anime-planet", "anisearch_id": "anisearch", "livechart_id": "livechart",
    "animenewsnetwork_id": "animenewsnetwork", "simkl_id": "simkl",
}  # fmt: skip
_ANIMEAPI: Final = {
    "myanimelist": "mal", "anilist": "anilist", "anidb": "anidb", "kitsu": "kitsu", "animeplanet": "anime-planet",
    "anisearch": "anisearch", "livechart": "livechart",
}  # fmt: skip
_ANIMESTREAM: Final = {"mal": "mal", "al": "anilist", "adb": "anidb", "kitsu": "kitsu"}
_BANGUMI: Final = {"mal": "mal", "aniList": "anilist", "anidb": "anidb"}


@dataclass(frozen=True, slots=True)
class IdTable:
    """A table as read. `entries`: ids that are one title, those with fewer than two of them left out.

    `rows`: rows of the file. `left_out`: ids that are none (a text where a number belongs).
    """

    source: str
    entries: tuple[Pairs, ...]
    rows: int
    left_out: int


class UnknownTableError(InvalidInputError):
    """A file is none of the tables that we know, or a damaged one. Names the file."""

    code = "unknown-table"


def read_table(path: Path) -> IdTable:
    """Read one file, packed (gzip, Zstandard) or not. Raises UnknownTableError."""
    data = _load(path)
    source, rows = _recognise(path, data)
    entries, left_out = [], 0
    try:
        for row in rows:
            pairs = [(space, text) for space, value in row for text in _list_values(value)]
            good = tuple(dict.fromkeys(pair for pair in pairs if _is_id(*pair)))
            left_out += len(pairs) - len([pair for pair in pairs if _is_id(*pair)])
            entries.append(good)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UnknownTableError(path.name, f"row {len(entries) + 1} is not one of {source}: {error}") from error
    if not entries:
        raise UnknownTableError(path.name, f"looks like {source}, and holds no rows")
    return IdTable(source, tuple(entry for entry in entries if len(entry) > 1), len(entries), left_out)


def _load(path: Path) -> bytes:
    try:
        raw = path.read_bytes()
        if raw.startswith(_GZIP):
            with gzip.GzipFile(fileobj=io.BytesIO(raw)) as packed:
                data = packed.read(MAX_BYTES + 1)
        elif raw.startswith(_ZSTD):
            with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(raw)) as packed:
                data = packed.read(MAX_BYTES + 1)
        else:
            data = raw
    except (OSError, EOFError, zstandard.ZstdError) as error:
        raise UnknownTableError(path.name, f"cannot be read: {error}") from error
    if len(data) > MAX_BYTES:
        raise UnknownTableError(path.name, f"holds more than {MAX_BYTES} bytes")
    return data


def _recognise(path: Path, data: bytes) -> tuple[str, Iterable[Iterable[tuple[str, Any]]]]:
    if data[:200].split(b"\n")[0].startswith(b"title\t"):
        return "animeapi", _read_animeapi(path, data)
    content = _parse_json(path, data)
    if isinstance(content, list) and content and isinstance(content[0], dict):
        return _recognise_list(path, content)
    if isinstance(content, dict) and "sites" in content:
        return "bangumi-data", map(_read_bangumi, [content])
    if isinstance(content, dict) and isinstance(content.get("items"), list):
        return "bangumi-data", map(_read_bangumi, content["items"])
    if isinstance(content, dict) and content:
        return _recognise_mapping(path, content)
    raise UnknownTableError(path.name, "is none of the tables that we know")


def _recognise_list(path: Path, content: Sequence[dict[str, Any]]) -> tuple[str, Iterator[Iterable[tuple[str, Any]]]]:
    # A row that is none is refused with its number, when it is read.
    first = [row for row in content[:200] if isinstance(row, dict)]
    if any("sites" in row for row in first):
        return "bangumi-data", map(_read_bangumi, content)
    keys = frozenset().union(*(row.keys() for row in first))
    if "annict_id" in keys or "syobocal_tid" in keys:
        return "arm", map(_pick(_FRIBB), content)
    if "anidb_id" in keys and not keys & (_FRIBB.keys() - {"anidb_id"}):
        return "fribb-reduced", map(_pick(_FRIBB), content)
    if len(keys & _FRIBB.keys()) > 1:
        return "fribb", map(_pick(_FRIBB), content)
    raise UnknownTableError(path.name, "is a list of none of the tables that we know")


def _recognise_mapping(path: Path, content: Mapping[str, Any]) -> tuple[str, Iterable[Iterable[tuple[str, Any]]]]:
    first = next(iter(content.values()))
    if isinstance(first, dict) and all(key.isdigit() for key in content):
        return "kometa", ([("anidb", key), *_pick(_FRIBB)(row)] for key, row in content.items())
    if isinstance(first, dict) and next(iter(content)).startswith("tt"):
        return "animestream", map(_pick(_ANIMESTREAM), content.values())
    raise UnknownTableError(path.name, "is none of the tables that we know")


def _parse_json(path: Path, data: bytes) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        pass
    try:
        return [orjson.loads(line) for line in data.splitlines() if line.strip()]
    except orjson.JSONDecodeError as error:
        raise UnknownTableError(path.name, f"is neither TSV with a title column, nor JSON: {error}") from error


def _read_animeapi(path: Path, data: bytes) -> Iterator[Iterable[tuple[str, Any]]]:
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise UnknownTableError(path.name, f"is not UTF-8: {error}") from error
    rows = csv.DictReader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_MINIMAL)
    if missing := {"myanimelist", "anidb", "anilist"} - set(rows.fieldnames or ()):
        raise UnknownTableError(path.name, f"has no column {', '.join(sorted(missing))}")
    return map(_pick(_ANIMEAPI), rows)


def _pick(names: Mapping[str, str]) -> Callable[[Mapping[str, Any]], list[tuple[str, Any]]]:
    def pick(row: Mapping[str, Any]) -> list[tuple[str, Any]]:
        return [(space, row[name]) for name, space in names.items() if row.get(name) not in (None, "", 0)]

    return pick


def _read_bangumi(item: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [(_BANGUMI[site["site"]], site["id"]) for site in item["sites"] if site["site"] in _BANGUMI and "id" in site]


def _list_values(value: Any) -> list[str]:
    """Several ids are a list, or joined by commas; null and blank ones are none."""
    values = value if isinstance(value, list) else str(value).split(",")
    return [text for one in values if (text := str(one).strip())]


def _is_id(space: str, text: str) -> bool:
    return bool((_NUMBER if space in _NUMBERS else _SLUG).fullmatch(text))
