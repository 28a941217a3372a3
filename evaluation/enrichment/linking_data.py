"""What linking is measured on: titles of MyAnimeList, what other providers show of theirs, and the tables' truth.

The tables are only asked who is right: titles are looked for without any id. Titles that two independent tables agree
on are called sure. Of the snapshots only titles, types, years and counts are read.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson
import zstandard

from core.errors import InvalidInputError
from core.identity import provider_id_from_url
from enrichment.linking.features import Subject
from enrichment.linking.tables import IdTable, read_table
from enrichment.linking.votes import FAMILIES
from enrichment.providers.anidb_titles import read_titles
from enrichment.providers.base import Candidate

_TABLES: Final = (
    "id-mapping/fribb/anime-list-mini.2024-05-07.json.gz",
    "id-mapping/arm/arm.json.gz",
    "id-mapping/animeapi/animeapi.tsv.gz",
    "id-mapping/kometa/anime_ids.json.gz",
    "id-mapping/animestream/id-mappings.json.gz",
    "id-mapping/bangumi-data/items.jsonl.zst",
)
_MAL = "snapshots/mal-2025-jikan-pandey/anime_data.csv.gz"
_MAL_NEW = "snapshots/anilist-2026-leorigasaki/jikan_seasonal_20260822.csv"
_ANILIST = "snapshots/anilist-2026-leorigasaki/anilist_seasonal_20260822.sfw.csv.gz"
_KITSU = "snapshots/kitsu-2026-animestream/catalog.json.gz"
_ANIME_PLANET = "snapshots/anime-planet-2023-chagouti/anime_planet.csv.gz"
_ANIDB = "id-mapping/anidb-titles/anime-titles.xml.gz"
_BANGUMI = "id-mapping/bangumi-data/items.jsonl.zst"
_CATALOGUE = "catalogue/anime-39k.jsonl.zst"
_FIELD_MAX: Final = 1_000_000
_TYPES: Final = {
    "tv": "TV", "movie": "MOVIE", "ova": "OVA", "ona": "ONA", "special": "SPECIAL", "tv special": "SPECIAL",
    "music": "MUSIC", "cm": "SPECIAL", "pv": "SPECIAL", "tv_short": "TV", "web": "ONA",
}  # fmt: skip
_YEAR = re.compile(r"(?:19|20)\d\d")
_POSTER = re.compile(r"/anime/(?:primary/|screenshots/)?([a-z0-9-]+?)-\d+(?:-\d+x\d+)?\.\w+")
_LAST_NUMBER = re.compile(r"-\d+$")


@dataclass(frozen=True, slots=True)
class Target:
    """One provider as it is searched.

    candidates  what its search shows
    records     what its own page of an id would say, where the search shows titles only
    """

    name: str
    provider: str
    candidates: tuple[Candidate, ...]
    records: Mapping[str, Candidate] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Truth:
    """Ids at one provider by MyAnimeList's: {mal: {id: families of tables that say so}}, and back."""

    by_mal: Mapping[str, Mapping[str, frozenset[str]]]
    by_id: Mapping[str, frozenset[str]]

    def get_id(self, mal_id: str) -> str | None:
        """The one id that all tables name."""
        named = self.by_mal.get(mal_id, {})
        return next(iter(named)) if len(named) == 1 else None

    def is_sure(self, mal_id: str) -> bool:
        """Two tables that do not copy each other name the same id, and none names another."""
        named = self.by_mal.get(mal_id, {})
        return len(named) == 1 and len(next(iter(named.values()))) > 1


def load_subjects(data: Path) -> dict[str, Subject]:
    """Titles by MyAnimeList's id. Raises InvalidInputError."""
    subjects: dict[str, Subject] = {}
    for row in _read_csv(data, _MAL):
        _put(
            subjects, row["mal_id"], [row[name] for name in ("title", "title_english", "title_japanese")], row, "aired"
        )
    for row in _read_csv(data, _MAL_NEW):
        named = [row[name] for name in ("title", "english_title", "japanese_title")]
        _put(subjects, row["anime_id"], named, row, "start_date")
    return subjects


def load_targets(data: Path) -> list[Target]:
    """The four providers, AniDB without its records and with them. Raises InvalidInputError."""
    anidb = _load_anidb(data)
    records = _load_anidb_records(data, anidb)
    return [
        Target("AniDB, titles only", "anidb", anidb),
        Target("AniDB, with records", "anidb", anidb, records),
        Target("AniList 2026", "anilist", tuple(_read_anilist(data))),
        Target("Kitsu 2026", "kitsu", tuple(_read_kitsu(data))),
        Target("Anime-Planet 2023", "anime-planet", tuple(_read_anime_planet(data))),
    ]


def load_truth(data: Path, providers: Iterable[str]) -> dict[str, Truth]:
    """What the tables and the catalogue say, by provider. Raises InvalidInputError."""
    said: dict[str, defaultdict[str, defaultdict[str, set[str]]]] = {
        provider: defaultdict(lambda: defaultdict(set)) for provider in providers
    }
    for source, entry in _iterate_entries(data):
        family = FAMILIES.get(source, source)
        mal_ids = [external_id for space, external_id in entry if space == "mal"]
        for space, external_id in entry:
            if space in said:
                for mal_id in mal_ids:
                    said[space][mal_id][external_id].add(family)
    return {provider: _build_truth(found) for provider, found in said.items()}


def load_tables(data: Path) -> list[IdTable]:
    """The id tables. Raises InvalidInputError."""
    return [read_table(_require(data, name)) for name in _TABLES]


def _iterate_entries(data: Path) -> Iterator[tuple[str, Sequence[tuple[str, str]]]]:
    for table in load_tables(data):
        for entry in table.entries:
            yield table.source, entry
    for row in _read_json_lines(data, _CATALOGUE):
        yield "fribb", [key for url in row["sources"] if (key := provider_id_from_url(url))]
    # AniList's own word on MyAnimeList's id.
    for row in _read_csv(data, _ANILIST):
        if row["mal_id"] and row["anime_id"].isdigit():
            yield "anilist", [("anilist", row["anime_id"]), ("mal", row["mal_id"].removesuffix(".0"))]


def _build_truth(said: Mapping[str, Mapping[str, set[str]]]) -> Truth:
    by_id: defaultdict[str, set[str]] = defaultdict(set)
    for mal_id, named in said.items():
        for external_id in named:
            by_id[external_id].add(mal_id)
    return Truth(
        {mal_id: {one: frozenset(who) for one, who in named.items()} for mal_id, named in said.items()},
        {external_id: frozenset(mal_ids) for external_id, mal_ids in by_id.items()},
    )


def _put(subjects: dict[str, Subject], mal_id: str, named: Sequence[str], row: Mapping[str, str], date: str) -> None:
    titles = tuple(dict.fromkeys(name for name in named if name))
    if not mal_id.isdigit() or not titles or mal_id in subjects:
        return
    subjects[mal_id] = Subject(
        titles=titles,
        main=len(titles),
        type=_to_type(row["type"]),
        year=_to_year(row[date]),
        episodes=_to_count(row["episodes"]),
    )


def _load_anidb(data: Path) -> tuple[Candidate, ...]:
    titles: defaultdict[str, list[str]] = defaultdict(list)
    with _require(data, _ANIDB).open("rb") as dump:
        for one in read_titles(dump):
            titles[one.external_id].append(one.title)
    return tuple(Candidate(external_id=one, titles=tuple(named)) for one, named in titles.items())


def _load_anidb_records(data: Path, anidb: Sequence[Candidate]) -> dict[str, Candidate]:
    """Type and first year as bangumi-data has them, collected by hand and by nobody else's titles.

    AniDB's own records would say more (episodes, and mostly MyAnimeList's id itself): this is the harder case.
    """
    titles = {candidate.external_id: candidate.titles for candidate in anidb}
    records = {}
    for item in _read_json_lines(data, _BANGUMI):
        for site in item["sites"]:
            if site["site"] == "anidb" and site.get("id") in titles:
                external_id = site["id"]
                records[external_id] = Candidate(
                    external_id=external_id,
                    titles=titles[external_id],
                    type=_to_type(item["type"]),
                    year=_to_year(item["begin"]),
                )
    return records


def _read_anilist(data: Path) -> Iterator[Candidate]:
    for row in _read_csv(data, _ANILIST):
        named = [row["title"], row["english_title"], row["japanese_title"], *(row["synonyms"] or "").split(";")]
        if row["anime_id"].isdigit():
            yield Candidate(
                external_id=row["anime_id"],
                titles=tuple(dict.fromkeys(name for name in named if name)),
                type=_to_type(row["type"]),
                year=_to_count(row["season_year"]) or _to_year(row["start_date"]),
                episodes=_to_count(row["episodes"]),
            )


def _read_kitsu(data: Path) -> Iterator[Candidate]:
    """By name and by the name in its address: the synonyms of this snapshot are other sites', too."""
    with gzip.open(_require(data, _KITSU), "rb") as raw:
        entries = orjson.loads(raw.read())["catalog"]
    for entry in entries:
        if entry.get("kitsu_id"):
            slug = _LAST_NUMBER.sub("", entry.get("slug") or "").replace("-", " ")
            yield Candidate(
                external_id=str(entry["kitsu_id"]),
                titles=tuple(name for name in (entry["name"], slug) if name),
                type=_to_type(entry.get("subtype")),
                year=_to_count(entry.get("year")),
                episodes=_to_count(entry.get("episodeCount")),
            )


def _read_anime_planet(data: Path) -> Iterator[Candidate]:
    seen: set[str] = set()
    for row in _read_csv(data, _ANIME_PLANET):
        found = _POSTER.search(row["Poster"])
        if found and row["Title"] and found.group(1) not in seen:
            seen.add(found.group(1))
            yield Candidate(external_id=found.group(1), titles=(row["Title"],))


def _require(data: Path, name: str) -> Path:
    path = data / name
    if not path.is_file():
        raise InvalidInputError("--data", f"{path} is not there")
    return path


def _read_csv(data: Path, name: str) -> Iterator[dict[str, str]]:
    path = _require(data, name)
    csv.field_size_limit(_FIELD_MAX)
    opened: Callable[..., Any] = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            # A row that a crawl broke off has nothing in its last columns.
            yield {key: value or "" for key, value in row.items() if key is not None}


def _read_json_lines(data: Path, name: str) -> Iterator[dict[str, Any]]:
    with (
        _require(data, name).open("rb") as raw,
        zstandard.ZstdDecompressor().stream_reader(raw) as unpacked,
        io.TextIOWrapper(unpacked, encoding="utf-8") as lines,
    ):
        for line in lines:
            yield orjson.loads(line)


def _to_type(value: str | None) -> str | None:
    return _TYPES.get((value or "").strip().lower())


def _to_year(value: str | None) -> int | None:
    found = _YEAR.search(value or "")
    return int(found.group(0)) if found else None


def _to_count(value: Any) -> int | None:
    """13 of '13.0'; 0 and blank are not known."""
    text = str(value if value is not None else "").removesuffix(".0")
    return (int(text) or None) if text.isascii() and text.isdigit() else None
