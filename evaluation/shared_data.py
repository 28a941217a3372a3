"""The data that evaluation reads beside the index: viewers' recommendations, and synopses of other sites.

Read from a path and never stored: facts only leave this module in figures.
"""

from __future__ import annotations

import csv
import gzip
import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson

from core.errors import InvalidInputError

_RECOMMENDATIONS = "gold/mal-recommendations/edges_2024-01-08.csv"
_VARIABLE = "AVS_SHARED_DATA"
# Longer fields than csv's own limit would be an error of the file, but synopses come near it.
_FIELD_MAX = 1_000_000


@dataclass(frozen=True, slots=True)
class Recommendation:
    """'If you liked the one, try the other', by MyAnimeList's ids, and by how many viewers."""

    first: int
    second: int
    votes: int


def find_data(given: Path | None) -> Path:
    """The folder given, else AVS_SHARED_DATA, else ../shared/data beside the checkout. Raises InvalidInputError."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    data = given or Path(os.environ.get(_VARIABLE, beside))
    if not data.is_dir():
        raise InvalidInputError("--data", f"{data} is not a folder; name it with --data or {_VARIABLE}")
    return data


def load_recommendations(data: Path) -> list[Recommendation]:
    """All pairs. Raises InvalidInputError if the file is not there or not what it should be."""
    path = _require(data, _RECOMMENDATIONS)
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            rows = csv.DictReader(lines)
            return [Recommendation(int(row["mal_id_a"]), int(row["mal_id_b"]), int(row["votes"])) for row in rows]
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInputError("--data", f"{path} has not the columns mal_id_a, mal_id_b, votes: {error}") from error


def load_other_synopses(data: Path) -> dict[int, tuple[str, ...]]:
    """Synopses by MyAnimeList's id from each site's snapshot. Raises InvalidInputError."""
    texts: dict[int, list[str]] = defaultdict(list)
    for name, read in _SYNOPSES.items():
        path = _require(data, name)
        try:
            for mal_id, text in read(path):
                texts[mal_id].append(text)
        except (KeyError, TypeError, ValueError, OSError) as error:
            raise InvalidInputError("--data", f"{path} cannot be read: {type(error).__name__}: {error}") from error
    return {mal_id: tuple(found) for mal_id, found in texts.items()}


def _require(data: Path, name: str) -> Path:
    path = data / name
    if not path.is_file():
        raise InvalidInputError("--data", f"{path} is not there")
    return path


def _read_table(id_column: str, text_column: str) -> Callable[[Path], Iterator[tuple[int, str]]]:
    def read(path: Path) -> Iterator[tuple[int, str]]:
        csv.field_size_limit(_FIELD_MAX)
        with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                # Some rows of every crawl have no id, or one that slipped in from another column.
                if row[text_column] and (mal_id := _to_id(row[id_column])):
                    yield mal_id, row[text_column]

    return read


def _read_json(key: str | None, id_name: str, text_name: str) -> Callable[[Path], Iterator[tuple[int, str]]]:
    def read(path: Path) -> Iterator[tuple[int, str]]:
        with gzip.open(path, "rb") as raw:
            whole = orjson.loads(raw.read())
        for entry in whole[key] if key else whole:
            if entry.get(text_name) and (mal_id := entry.get(id_name)):
                yield int(mal_id), entry[text_name]

    return read


def _to_id(text: str) -> int | None:
    whole = text.removesuffix(".0")
    return int(whole) if whole.isascii() and whole.isdigit() else None


_SYNOPSES: dict[str, Callable[[Path], Iterator[tuple[int, str]]]] = {
    "snapshots/anilist-2026-leorigasaki/anilist_seasonal_20260822.sfw.csv.gz": _read_table("mal_id", "synopsis"),
    "snapshots/kitsu-2026-animestream/catalog.json.gz": _read_json("catalog", "mal_id", "description"),
    "snapshots/mal-2021-synopsis-turing/anime_data.csv.gz": _read_table("code", "synopsis"),
    "snapshots/mal-2025-synopsis-gphat/output.json.gz": _read_json(None, "ID", "Sypnosis"),
}
