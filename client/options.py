"""What searches take beside their question. Whatever is not given is left to the service's defaults.

| option | |
|---|---|
| `limit`, `offset` | page; up to 1,000 results, `offset + limit` up to 10,000 |
| `cursor` | `"*"` begins a listing that is stable under writes; then `next_cursor` of the page before |
| `filters` | `{"genres": "action", "year": {"gte": 2010}, "must_not": {...}}`, see docs/api.md |
| `min_score` | least similarity (a cosine, -1 to 1) |
| `fields` | payload entries wanted |
| `vectors` | names, or names with weights |
| `fusion` | `rrf`, `dbsf`, `linear` or `max` |
| `boost` | how strongly `search_boost_factor` counts, from 0 |
| `diversity` | 0 (off) to 1: unlike results rather than the nearest |
| `sort` | `{"field": "score", "order": "desc"}` |
| `explain` | say what each vector added to each score |
| `include_adult` | show adult titles too |
| `expand` | read titles, years, genres and the like out of the text (searches by text) |
| `include_related` | also sequels and other relatives (similar titles) |
| `include_metadata` | false: ids without payload (searches by picture) |
| `text_weight`, `image_weight` | how much the text and the picture count (searches by both) |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Required, TypedDict

Fusion = Literal["rrf", "dbsf", "linear", "max"]
Target = Literal["titles", "pictures"]
Distance = Literal["cosine", "dot", "euclid"]
VectorWeights = Sequence[str] | Mapping[str, float]


class Sort(TypedDict, total=False):
    """Order by a field of numbers or dates; titles that lack it come last."""

    field: Required[str]
    order: Literal["asc", "desc"]


class PageOptions(TypedDict, total=False):
    """Which part of the list."""

    limit: int
    offset: int
    cursor: str


class ShownOptions(TypedDict, total=False):
    """What is found and what is said of it, for every kind of search."""

    min_score: float
    fields: Sequence[str]
    diversity: float
    explain: bool
    include_adult: bool


class RankOptions(ShownOptions, total=False):
    """How several lists become one."""

    fusion: Fusion
    boost: float


class FilterOptions(RankOptions, total=False):
    """What only questions with a body take."""

    filters: Mapping[str, Any]
    vectors: VectorWeights
    sort: Sort


class TextOptions(FilterOptions, total=False):
    """A text search, whatever part of its list is wanted."""

    expand: bool


class SearchOptions(TextOptions, PageOptions, total=False):
    """A text search."""


class SearchQuery(SearchOptions, total=False):
    """One search of a batch. Without `query` it lists what passes the filters."""

    query: str


class RelativeOptions(RankOptions, total=False):
    """Titles like one title, whatever part of the list is wanted."""

    include_related: bool


class SimilarOptions(RelativeOptions, PageOptions, total=False):
    """Titles like one title."""


class CombinedOptions(FilterOptions, total=False):
    """Titles like several, whatever part of the list is wanted."""

    include_related: bool


class SimilarBatchOptions(CombinedOptions, PageOptions, total=False):
    """Titles like several."""


class ImageOptions(FilterOptions, PageOptions, total=False):
    """A search by a picture, or by words for one."""

    include_metadata: bool


class MultimodalOptions(ImageOptions, total=False):
    """A search by text and picture."""

    expand: bool
    text_weight: float
    image_weight: float


class VisualOptions(ShownOptions, PageOptions, total=False):
    """What looks like a title or a picture."""

    include_related: bool
