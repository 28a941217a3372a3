"""Searches by picture as values. Types of single fields are checked before one is built, the rest by the plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from core.query_picture import QueryPicture
from search.request import ResultOptions

Target = Literal["titles", "pictures"]
LIMIT_DEFAULT = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureRequest(ResultOptions):
    """Titles, or pictures, by a picture or by a text in the space of pictures: one of the two."""

    limit: int = LIMIT_DEFAULT
    picture: QueryPicture | None = None
    query: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MultimodalRequest(ResultOptions):
    """Titles by a text and a picture; either may be absent. None for a weight: as measured.

    `vectors` may name those of texts and those of pictures; a side of which none is named keeps its own.
    """

    limit: int = LIMIT_DEFAULT
    query: str | None = None
    expand: bool = True
    picture: QueryPicture | None = None
    text_weight: float | None = None
    image_weight: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VisualRequest(ResultOptions):
    """What looks like a title (slug or `provider:id`), or like a picture of the pictures collection (its id)."""

    limit: int = LIMIT_DEFAULT
    like: str
    include_related: bool = False
