"""What a caller asks for, as a value. Types and limits of single fields are checked before one is built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LIMIT_MAX = 1_000
LIMIT_DEFAULT = 20
# Deep pages cost what all the pages before them cost.
WINDOW_MAX = 10_000


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """One text search. None means: not said, so the plan chooses.

    `filters` is the caller's JSON (grammar in `search.filters`), `vectors` names with weights, `fields` the payload
    entries wanted, `min_score` the least similarity (a cosine).
    """

    query: str
    limit: int = LIMIT_DEFAULT
    offset: int = 0
    filters: Mapping[str, Any] | None = None
    min_score: float | None = None
    fields: tuple[str, ...] | None = None
    vectors: Mapping[str, float] | None = None
    include_adult: bool = False
