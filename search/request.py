"""What a caller asks for, as values. Types of single fields are checked before one is built, the rest by the plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

LIMIT_MAX = 1_000
LIMIT_DEFAULT = 20
# A streamed answer may be longer: it is never in memory as a whole.
STREAM_LIMIT_MAX = 10_000
# Deep pages cost what all the pages before them cost.
WINDOW_MAX = 10_000
BATCH_MAX = 1_000
REFERENCES_MAX = 100
# The first page of a cursor.
CURSOR_START = "*"

Order = Literal["asc", "desc"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultOptions:
    """What every search takes. None means: not said, so the plan chooses.

    `filters` is the caller's JSON (grammar in `search.filters`), `vectors` names with weights, `fields` the payload
    entries wanted, `min_score` the least similarity (a cosine), `boost` how strongly `search_boost_factor` counts,
    `diversity` 0 (none) to 1, `sort` a field with its order.
    """

    limit: int = LIMIT_DEFAULT
    offset: int = 0
    cursor: str | None = None
    filters: Mapping[str, Any] | None = None
    min_score: float | None = None
    fields: tuple[str, ...] | None = None
    vectors: Mapping[str, float] | None = None
    fusion: str | None = None
    boost: float | None = None
    diversity: float = 0.0
    sort: tuple[str, Order] | None = None
    explain: bool = False
    include_adult: bool = False
    limit_max: int = LIMIT_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRequest(ResultOptions):
    """A search by text; without one it lists what passes the filters. `expand`: read structure out of the text."""

    query: str | None = None
    expand: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarRequest(ResultOptions):
    """Titles like the positive ones and unlike the negative ones: slugs or `provider:id`.

    `include_related`: list sequels, prequels and other relatives of the positive ones too.
    """

    positive: tuple[str, ...]
    negative: tuple[str, ...] = ()
    include_related: bool = False
