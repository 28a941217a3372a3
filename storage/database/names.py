"""The names of titles, as the search keeps them in memory: read as a stream, then only what has changed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Row, text

from storage.database.session import Database

_BATCH = 2_000
# The most followed title of the largest catalogue has about four million members.
_MEMBERS_SCALE = math.log10(4_000_000)
# Where nobody has counted members, as for four titles of ten and some of the best known ones: what is well known has
# many synonyms and a good score. Fitted on 14,909 titles with members (r = 0.80), and a little below them.
_BASE, _PER_SYNONYMS, _PER_SCORE = 0.1, 0.2, 0.027

_COLUMNS = """
    slug, document ->> 'title' AS title, document ->> 'title_english' AS english,
    document ->> 'title_japanese' AS japanese, CAST(document -> 'synonyms' AS text) AS synonyms,
    CAST(document -> 'studios' AS text) AS studios,
    CAST(document -> 'genres' AS text) AS genres, CAST(document -> 'themes' AS text) AS themes,
    CAST(document -> 'tags' AS text) AS tags, document ->> 'type' AS type,
    CAST(document ->> 'year' AS integer) AS year, CAST(document ->> 'members' AS bigint) AS members,
    CAST(document ->> 'score' AS double precision) AS score, adult, excluded, version
"""
_ALL = text(f"SELECT {_COLUMNS} FROM titles")  # noqa: S608 - our own text
_CHANGED = text(f"SELECT {_COLUMNS} FROM titles WHERE updated_at >= :since ORDER BY updated_at LIMIT :limit")  # noqa: S608
_MOMENT = text("SELECT now() - make_interval(secs => :overlap_s)")


@dataclass(frozen=True, slots=True)
class TitleNames:
    """One title by its names, the main one first; the first `main_count` of them are titles, the others synonyms.

    `popularity` is between 0 and 1; `labels` are its genres, themes and tags.
    """

    slug: str
    names: tuple[str, ...]
    main_count: int
    type: str
    year: int | None
    popularity: float
    adult: bool
    excluded: bool
    version: int
    studios: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()


class NameRepository:
    """Reads names from `titles`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def fetch_all(self) -> Iterator[list[TitleNames]]:
        """Every title, excluded ones too, in batches of one consistent reading; the server keeps the rest meanwhile."""
        with self._database.begin() as connection:
            options = {"stream_results": True, "max_row_buffer": _BATCH}
            for rows in connection.execute(_ALL, execution_options=options).partitions(_BATCH):
                yield [_read(row) for row in rows]

    def fetch_changed(self, since: datetime, *, limit: int) -> list[TitleNames]:
        """Titles stored at or after this moment, the longest ago first."""
        with self._database.begin() as connection:
            return [_read(row) for row in connection.execute(_CHANGED, {"since": since, "limit": limit})]

    def get_moment(self, *, overlap_s: float) -> datetime:
        """The server's time, less the longest that a transaction may have been open: what it stored looks that old."""
        with self._database.begin() as connection:
            moment: datetime = connection.execute(_MOMENT, {"overlap_s": overlap_s}).scalar_one()
            return moment


def _read(row: Row[Any]) -> TitleNames:
    main = tuple(dict.fromkeys(name for name in (row.title, row.english, row.japanese) if name))
    names = tuple(dict.fromkeys([*main, *_read_list(row.synonyms)]))
    return TitleNames(
        slug=row.slug,
        names=names,
        main_count=len(main),
        type=row.type,
        year=row.year,
        popularity=measure_popularity(row.members, synonyms=len(names) - len(main), score=row.score),
        adult=row.adult,
        excluded=row.excluded,
        version=row.version,
        studios=_read_list(row.studios),
        labels=tuple(dict.fromkeys((*_read_list(row.genres), *_read_list(row.themes), *_read_list(row.tags)))),
    )


def _read_list(value: str | None) -> tuple[str, ...]:
    return () if value is None else tuple(orjson.loads(value))


def measure_popularity(members: int | None, *, synonyms: int, score: float | None) -> float:
    """How well known a title is, 0 to 1; estimated where nobody counts members."""
    if members is not None:
        known = math.log10(1 + members) / _MEMBERS_SCALE
    else:
        known = _BASE + _PER_SYNONYMS * math.log10(1 + synonyms) + _PER_SCORE * (score or 0.0)
    return round(min(1.0, known), 4)
