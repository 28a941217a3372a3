"""Titles while typing."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from api.schemas.base import LenientQuery

LIMIT_MAX = 50
TEXT_MAX_CHARS = 200


class SuggestQuery(LenientQuery):
    """What somebody has typed so far."""

    q: str = Field(
        min_length=1,
        max_length=TEXT_MAX_CHARS,
        description="The beginning of a name, or of a word in it, in any language; typing errors are forgiven.",
    )
    limit: int = Field(10, ge=1, le=LIMIT_MAX, description="Most titles.")
    include_adult: bool = Field(False, description="Suggest adult titles too.")


class SuggestionItem(BaseModel):
    """A title that may be meant. `matched` is the name that fits, which may be a synonym."""

    id: str
    title: str
    matched: str
    type: str
    year: int | None
    kind: Literal["exact", "prefix", "word", "fuzzy"] = Field(
        description="The name itself, its beginning, the beginning of a word in it, or nearly its beginning."
    )


class SuggestResponse(BaseModel):
    """The best first, an entry a title."""

    suggestions: list[SuggestionItem]
