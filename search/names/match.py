"""What is found among the names of titles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SuggestionKind = Literal["exact", "prefix", "word", "fuzzy"]


@dataclass(frozen=True, slots=True)
class NameMatch:
    """A title that a text names.

    `name` as stored; `similarity` is 1 when both are equal after folding. A synonym may be anything that somebody once
    called the title.
    """

    slug: str
    name: str
    similarity: float
    kind: Literal["exact", "fuzzy"]
    adult: bool
    is_synonym: bool = False


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A title for what somebody has typed so far. `matched` is the name that fits, `title` the main one."""

    slug: str
    title: str
    matched: str
    type: str
    year: int | None
    kind: SuggestionKind
