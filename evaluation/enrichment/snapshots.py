"""The same titles as seen by many sites at many times: real conflicts, and later truth, to measure merging on.

Beside the snapshots stand tables that were made by other hands: bangumi-data (types, days and names in Japan), AniDB's
titles, and the joined catalogue. All are read by MyAnimeList's id, from a path, and never stored.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import orjson
import zstandard
from lxml import etree

from core.errors import InvalidInputError
from enrichment.merging import SourceClaims
from evaluation.enrichment import snapshot_values as values
from evaluation.enrichment.recorded_facts import read_recorded
from indexing.sources.offline_database import translate_offline_database

Row = Mapping[str, Any]
Facts = dict[str, Any]
# MyAnimeList's ids by the ids at each site, from the catalogue: {'anidb': {'23': 1}}.
Ids = Mapping[str, Mapping[str, int]]
# (MyAnimeList's id, what is said of it).
Read = Callable[[Path, Ids], Iterator[tuple[int, Facts]]]

_CATALOGUE: Final = "catalogue/anime-39k.jsonl.zst"
# Recordings do not say when they were made; most are of the years around this one.
_RECORDED: Final = datetime(2023, 1, 1, tzinfo=UTC)
_FIELD_MAX: Final = 1_000_000
_POSTER: Final = re.compile(r"/([^/]+?)-\d+(?:-\d+x\d+)?\.\w+(?:\?.*)?$")
_LANGUAGE: Final = "{http://www.w3.org/XML/1998/namespace}lang"
_ANIDB_FIELDS: Final[Mapping[str, str]] = {"ja": "title_japanese", "en": "title_english"}
_BANGUMI_TYPES: Final[Mapping[str, str]] = {"tv": "TV", "movie": "MOVIE", "ova": "OVA", "web": "ONA"}
# What the catalogue has from MyAnimeList alone: no word of its own.
_FROM_MAL: Final = frozenset(
    {"title_english", "title_japanese", "genres", "themes", "demographics", "rating", "source", "licensors"}
)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One site at one time. `taken`: by what it holds, where a folder's name says another year."""

    name: str
    source: str
    taken: datetime
    path: str
    read: Read


@dataclass(frozen=True, slots=True)
class Observation:
    """What one snapshot says of one title."""

    snapshot: str
    claims: SourceClaims


def load_observations(data: Path) -> dict[int, list[Observation]]:
    """{MyAnimeList's id: what each snapshot says}. Raises InvalidInputError for files that are not as expected."""
    found: dict[int, list[Observation]] = defaultdict(list)
    documents = dict(_read_file(data, _CATALOGUE, _read_catalogue, {}))
    ids = _build_ids(documents)
    taken = datetime(2026, 5, 15, tzinfo=UTC)
    for mal_id, facts in sorted(documents.items()):
        own = {name: value for name, value in facts.items() if name not in _FROM_MAL}
        found[mal_id].append(Observation("catalogue", SourceClaims("catalogue", taken, own)))
    for snapshot in SNAPSHOTS:
        for mal_id, facts in _read_file(data, snapshot.path, snapshot.read, ids):
            said = {name: value for name, value in facts.items() if value not in (None, "", [], {})}
            claims = SourceClaims(snapshot.source, snapshot.taken, said)
            if mal_id in documents and said:
                found[mal_id].append(Observation(snapshot.name, claims))
    for provider, mal_id, facts in read_recorded(data, ids):
        found[mal_id].append(Observation(f"recorded-{provider}", SourceClaims(provider, _RECORDED, facts)))
    return dict(found)


def _read_file(data: Path, name: str, read: Read, ids: Ids) -> Iterator[tuple[int, Facts]]:
    path = data / name
    if not path.is_file():
        raise InvalidInputError("--data", f"{path} is not there")
    try:
        yield from read(path, ids)
    except (KeyError, TypeError, ValueError, OSError, etree.XMLSyntaxError) as error:
        raise InvalidInputError("--data", f"{path} cannot be read: {type(error).__name__}: {error}") from error


def _read_catalogue(path: Path, _ids: Ids) -> Iterator[tuple[int, Facts]]:
    for record in _read_lines(path):
        facts = translate_offline_database(record)
        mal_id = facts["external_ids"].get("mal")
        if isinstance(mal_id, int):
            yield mal_id, {name: value for name, value in facts.items() if value not in (None, "", "UNKNOWN", [], {})}


def _build_ids(documents: Mapping[int, Facts]) -> Ids:
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for mal_id, facts in documents.items():
        for space, value in facts["external_ids"].items():
            found[space][str(value)] = mal_id
    return found


def _read_lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as raw, zstandard.ZstdDecompressor().stream_reader(raw) as stream:
        for line in io.BufferedReader(stream):
            yield orjson.loads(line)


def _read_rows(path: Path) -> Iterator[dict[str, str]]:
    csv.field_size_limit(_FIELD_MAX)
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        yield from csv.DictReader(lines)


def _read_table(id_column: str, build: Callable[[Row], Facts]) -> Read:
    def read(path: Path, _ids: Ids) -> Iterator[tuple[int, Facts]]:
        for row in _read_rows(path):
            # Some rows of every crawl have no id, or one that slipped in from another column.
            if mal_id := values.read_count(row[id_column]):
                yield mal_id, build(row)

    return read


def _build_mal_2016(row: Row) -> Facts:
    return {
        "type": values.read_type(row["type"]),
        "episodes": values.read_count(row["episodes"]),
        **values.read_labels(values.read_names(row["genre"])),
    }


def _build_mal_2020(row: Row) -> Facts:
    aired = values.read_days(row["Aired"])
    return {
        "type": values.read_type(row["Type"]),
        "episodes": values.read_count(row["Episodes"]),
        "title_english": values.read_text(row["English name"]),
        "title_japanese": values.read_text(row["Japanese name"]),
        "aired": aired,
        "studios": values.read_names(row["Studios"]),
        "source": values.read_source(row["Source"]),
        "duration": values.read_minutes(row["Duration"]),
        "rating": values.read_rating(row["Rating"]),
        **values.read_season(row["Premiered"], aired),
        **values.read_labels(values.read_names(row["Genres"])),
    }


def _build_mal_2021(row: Row) -> Facts:
    return {
        "type": values.read_type(row["type"]),
        "rating": values.read_rating(row["rating"]),
        "studios": values.read_names(row["studios"], ";"),
        **values.read_season(row["premiered"]),
        **values.read_labels(values.read_names(row["genres"], ";")),
    }


def _read_mal_2024(path: Path, _ids: Ids) -> Iterator[tuple[int, Facts]]:
    """Its genres are words without commas between them: not read."""
    for row in _read_rows(path):
        yield (
            int(row["link"].split("/")[4]),
            {
                "episodes": values.read_count(row["episode"]),
                **values.read_season(row["season"]),
            },
        )


def _build_mal_2025(row: Row) -> Facts:
    aired = values.read_days(row["aired"])
    labels = [
        name for column in ("genres", "explicit_genres", "themes", "demographics") for name in row[column].split(",")
    ]
    return {
        "type": values.read_type(row["type"]),
        "status": values.read_status(row["status"]),
        "episodes": values.read_count(row["episodes"]),
        "title_english": values.read_text(row["title_english"]),
        "title_japanese": values.read_text(row["title_japanese"]),
        "aired": aired,
        "studios": values.read_names(row["studios"]),
        "source": values.read_source(row["source"]),
        "duration": values.read_minutes(row["duration"]),
        "rating": values.read_rating(row["rating"]),
        **values.read_season(row["premiered"], aired),
        **values.read_labels(name.strip() for name in labels if name.strip()),
    }


def _build_anilist(row: Row) -> Facts:
    studios = row["main_studios"] or row["studios"]
    return {
        "type": values.read_type(row["type"].replace("_", " ")),
        "status": values.read_status(row["status"].replace("_", " ")),
        "episodes": values.read_count(row["episodes"]),
        "title_english": values.read_text(row["english_title"]),
        "title_japanese": values.read_text(row["japanese_title"]),
        "aired": values.join_days(values.read_day(row["start_date"]), values.read_day(row["end_date"])),
        "studios": values.read_names(studios, ";"),
        "source": values.read_source(row["source"].replace("_", " ")),
        "duration": values.read_number(row["duration"]),
        **values.read_season(row["season"]),
        **values.read_labels(values.read_names(row["genres"], ";")),
    }


def _read_kitsu(path: Path, _ids: Ids) -> Iterator[tuple[int, Facts]]:
    """Without the rows that its crawler joined from several seasons: an error of the snapshot, not of the site."""
    with gzip.open(path, "rb") as raw:
        entries = orjson.loads(raw.read())["catalog"]
    for entry in entries:
        mal_id = values.read_count(entry.get("mal_id"))
        if mal_id is None or entry.get("_mergedSeasons") or not entry.get("kitsu_id"):
            continue
        rating = values.read_rating(entry.get("ageRating"))
        yield (
            mal_id,
            {
                "type": values.read_type(entry.get("subtype")),
                "status": values.read_status(entry.get("status")),
                "episodes": values.read_count(entry.get("episodeCount")),
                "duration": values.read_minutes(entry.get("runtime")),
                # Its PG covers children and teens alike: said only with a guide, which the snapshot has not.
                "rating": None if rating == "PG" else rating,
                **values.read_season(f"{entry.get('season')} {entry.get('year')}"),
                **values.read_labels(entry.get("genres") or ()),
            },
        )


def _read_anime_planet(path: Path, ids: Ids) -> Iterator[tuple[int, Facts]]:
    for row in _read_rows(path):
        match = _POSTER.search(row["Poster"])
        mal_id = ids["anime-planet"].get(match.group(1)) if match else None
        tags = values.read_names(row["genres"])
        if mal_id and tags:
            yield mal_id, {"source": values.read_based_on(tags), **values.read_labels(tags)}


def _read_bangumi(path: Path, _ids: Ids) -> Iterator[tuple[int, Facts]]:
    for entry in _read_lines(path):
        mal_id = next((values.read_count(site["id"]) for site in entry["sites"] if site["site"] == "mal"), None)
        if mal_id is None:
            continue
        english = (entry.get("titleTranslate") or {}).get("en") or [None]
        start, end = (values.read_time_in_japan(entry.get(day)) for day in ("begin", "end"))
        yield (
            mal_id,
            {
                "type": _BANGUMI_TYPES.get(entry["type"]),
                "aired": values.join_days(start, end if end != start else None),
                "title_japanese": values.read_text(entry["title"]) if entry.get("lang") == "ja" else None,
                "title_english": values.read_text(english[0]),
            },
        )


def _read_anidb_titles(path: Path, ids: Ids) -> Iterator[tuple[int, Facts]]:
    with gzip.open(path, "rb") as raw:
        for _, anime in etree.iterparse(raw, tag="anime", resolve_entities=False, no_network=True, load_dtd=False):
            mal_id = ids["anidb"].get(str(anime.get("aid")))
            if mal_id:
                yield mal_id, _read_official_titles(anime)
            anime.clear()


def _read_official_titles(anime: Any) -> Facts:
    """The first official one of each language."""
    facts: Facts = {}
    for title in anime.iterfind("title"):
        field = _ANIDB_FIELDS.get(str(title.get(_LANGUAGE)))
        if field and title.get("type") == "official":
            facts.setdefault(field, values.read_text(title.text))
    return facts


def _mal(name: str, taken: datetime, path: str, read: Read) -> Snapshot:
    return Snapshot(f"mal-{name}", "jikan", taken, f"snapshots/mal-{path}", read)


_PANDEY: Final = "2025-jikan-pandey/anime_data.csv.gz"
_SEASONAL: Final = "snapshots/anilist-2026-leorigasaki/anilist_seasonal_20260822.sfw.csv.gz"
# The older ones of one site first.
SNAPSHOTS: Final = (
    _mal(
        "2016",
        datetime(2016, 12, 1, tzinfo=UTC),
        "2016-cooperunion/anime.csv.gz",
        _read_table("anime_id", _build_mal_2016),
    ),
    # Their newest titles were registered in February, March and September of 2021.
    _mal(
        "2021a",
        datetime(2021, 2, 1, tzinfo=UTC),
        "2021-synopsis-turing/anime_data.csv.gz",
        _read_table("code", _build_mal_2021),
    ),
    _mal(
        "2021b",
        datetime(2021, 3, 20, tzinfo=UTC),
        "2020-hernan4444/anime.csv.gz",
        _read_table("anime_id", _build_mal_2020),
    ),
    _mal("2021c", datetime(2021, 9, 15, tzinfo=UTC), "2024-naxocist/animes_data.csv.gz", _read_mal_2024),
    _mal("2025", datetime(2025, 3, 20, tzinfo=UTC), _PANDEY, _read_table("mal_id", _build_mal_2025)),
    Snapshot(
        "kitsu-2026",
        "kitsu",
        datetime(2026, 1, 27, tzinfo=UTC),
        "snapshots/kitsu-2026-animestream/catalog.json.gz",
        _read_kitsu,
    ),
    Snapshot(
        "anilist-2026", "anilist", datetime(2026, 8, 22, tzinfo=UTC), _SEASONAL, _read_table("mal_id", _build_anilist)
    ),
    Snapshot(
        "anime-planet-2023",
        "anime-planet",
        datetime(2023, 3, 1, tzinfo=UTC),
        "snapshots/anime-planet-2023-chagouti/anime_planet.csv.gz",
        _read_anime_planet,
    ),
    Snapshot(
        "bangumi-data",
        "bangumi",
        datetime(2026, 6, 1, tzinfo=UTC),
        "id-mapping/bangumi-data/items.jsonl.zst",
        _read_bangumi,
    ),
    Snapshot(
        "anidb-titles",
        "anidb",
        datetime(2026, 6, 1, tzinfo=UTC),
        "id-mapping/anidb-titles/anime-titles.xml.gz",
        _read_anidb_titles,
    ),
)
