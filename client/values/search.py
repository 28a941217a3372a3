"""Titles, pages of results, and how they came about."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from client.values.base import Value


class SearchResult(Value):
    """One title, or picture, found.

    `score` is what the list is ordered by and is comparable within one answer only; `similarity` is the best cosine
    among the dense vectors used, None when there was none. `explanation` comes with `explain`, `distance` with
    `distance`.
    """

    id: str
    score: float
    similarity: float | None = None
    payload: dict[str, Any] = Field(default_factory=dict)
    explanation: dict[str, Any] | None = None
    distance: float | None = None


class QueryInfo(Value):
    """How an answer came about: the text that was embedded, vectors with their weights, times in milliseconds by step.

    `understood` is what was read out of the text; `cache` says what was remembered (`result`, `vector`, `none`, ...).
    `positive` and `negative` are the slugs that similar titles were asked for, `picture` says what pictures were
    compared with, and the weights how much text and picture counted.
    """

    query: str | None = None
    vectors: dict[str, float] = Field(default_factory=dict)
    fusion: str | None = None
    rrf_k: int | None = None
    boost: float | None = None
    diversity: float | None = None
    sort: dict[str, Any] | None = None
    filters: dict[str, Any] | None = None
    target: str | None = None
    picture: dict[str, str] | None = None
    text_weight: float | None = None
    image_weight: float | None = None
    understood: dict[str, Any] | None = None
    positive: tuple[str, ...] | None = None
    negative: tuple[str, ...] | None = None
    relatives_left_out: int | None = None
    cache: str | None = None
    cache_hit: bool = False
    took_ms: dict[str, float] = Field(default_factory=dict)


class StreamSummary(Value):
    """What an answer says beside its results. At least `total_found` titles match when `total_is_exact` is false."""

    total_found: int
    total_is_exact: bool
    query_info: QueryInfo = Field(default_factory=QueryInfo)


class SearchAnswer(StreamSummary):
    """A page of results. `next_cursor` comes with `cursor` and is None on the last page."""

    results: tuple[SearchResult, ...]
    next_cursor: str | None = None


class BatchAnswer(Value):
    """One answer a search, in their order."""

    answers: tuple[SearchAnswer, ...]


class StreamLine(Value):
    """A line of a stream: one of these."""

    result: SearchResult | None = None
    summary: StreamSummary | None = None
    problem: dict[str, Any] | None = None


class Title(Value):
    """The stored document of a title; entries that are not named here are in `extra`."""

    id: str
    title: str
    adult: bool = False
    title_english: str | None = None
    title_japanese: str | None = None
    synonyms: tuple[str, ...] = ()
    synopsis: str | None = None
    type: str | None = None
    status: str | None = None
    season: str | None = None
    year: int | None = None
    episodes: int | None = None
    rating: str | None = None
    score: float | None = None
    genres: tuple[str, ...] = ()
    themes: tuple[str, ...] = ()
    demographics: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    studios: tuple[str, ...] = ()
    external_ids: dict[str, int | str] = Field(default_factory=dict)
