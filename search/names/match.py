"""What is found among the names of titles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class NameMatch:
    """A title that a text names. `name` as stored; `similarity` is 1 when both are equal after folding."""

    slug: str
    name: str
    similarity: float
    kind: Literal["exact", "fuzzy"]
    adult: bool


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A title for what somebody has typed so far. `matched` is the name that fits, `title` the main one."""

    slug: str
    title: str
    matched: str
    type: str
    year: int | None
    kind: Literal["exact", "prefix", "word", "fuzzy"]
