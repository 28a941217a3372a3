"""Search by picture, by text and picture, and by what looks like a title or a picture."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field, WithJsonSchema

from api.picture_input import URL_MAX_CHARS
from api.schemas.base import LenientQuery
from api.schemas.filtering import FiltersField, TargetFiltersField
from api.schemas.searching import (
    FIELDS_MAX,
    READ_WEIGHTS,
    Cursor,
    FusionName,
    OptionsBody,
    QueryText,
    SortBody,
    describe_vectors,
    describe_weights,
)
from core.vectors import PICTURE_VECTORS
from search.checks import PAYLOAD_FIELDS, SORT_FIELDS
from search.pictures.fields import PICTURES
from search.pictures.request import LIMIT_DEFAULT, Target
from search.ranking import COMPARABLE_VECTORS, PICTURE_WEIGHTS, SIDE_WEIGHTS, WEIGHT_MAX
from search.referring import IDENTIFIER_MAX_CHARS
from search.request import LIMIT_MAX, STREAM_LIMIT_MAX, WINDOW_MAX

_SHOWN_FIELDS: list[Any] = sorted(PAYLOAD_FIELDS | PICTURES.payload)
_SORTED_FIELDS: list[Any] = list(dict.fromkeys((*SORT_FIELDS, *PICTURES.sortable)))
PictureWeights = Annotated[
    dict[str, float],
    READ_WEIGHTS,
    WithJsonSchema(describe_vectors(PICTURE_VECTORS, defaults=describe_weights(PICTURE_WEIGHTS))),
]
AnyWeights = Annotated[
    dict[str, float],
    READ_WEIGHTS,
    WithJsonSchema(
        describe_vectors(COMPARABLE_VECTORS, defaults="those of a text search and those of a search by picture")
    ),
]
ShownField = Annotated[str, Field(json_schema_extra={"enum": _SHOWN_FIELDS})]
_TARGET = "Titles, by their pictures; or the pictures themselves, which have fields and filters of their own."
_FUSION = "How the vectors' lists become one: by default max, the best cosine."


class TargetSortBody(SortBody):
    """Order by a field of numbers or dates; what lacks it comes last, equals by relevance."""

    field: str = Field(description="What to sort by.", json_schema_extra={"enum": _SORTED_FIELDS})


class PictureBody(OptionsBody):
    """What every search with a picture takes."""

    image_data: str | None = Field(None, description="The picture as base64 or as a data URL: JPEG, PNG or WebP.")
    image_url: str | None = Field(
        None, min_length=1, max_length=URL_MAX_CHARS, description="Where the picture is to be fetched from."
    )
    limit: int = Field(
        LIMIT_DEFAULT,
        ge=1,
        le=STREAM_LIMIT_MAX,
        description=f"Results on a page: at most {LIMIT_MAX}, or {STREAM_LIMIT_MAX} as application/x-ndjson.",
    )
    top_k: int | None = Field(None, ge=1, le=STREAM_LIMIT_MAX, description="Another name of limit.")
    include_metadata: bool = Field(True, description="False: results without payload, but for their ids.")


class ImageSearchBody(PictureBody):
    """A search by one picture: image_data, image_url or the file `image`; or by a text that says what is to be seen."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"image_url": "https://example.org/screenshot.jpg"},
                {
                    "image_data": "data:image/png;base64,iVBORw0KGgo...",
                    "target": "pictures",
                    "filters": {"kind": "cover"},
                },
                {"query": "a girl in a red coat in the snow", "limit": 20, "filters": {"year": {"gte": 2010}}},
            ]
        }
    )

    query: QueryText | None = Field(
        None, description="What is to be seen, in words, instead of a picture; needs an encoder that knows text."
    )
    target: Target = Field("titles", description=_TARGET)
    filters: TargetFiltersField | None = Field(
        None, description="What a result has to be; see Filters, PictureFilters."
    )
    fields: list[ShownField] | None = Field(
        None, max_length=FIELDS_MAX, description="Payload entries wanted; all by default."
    )
    vectors: PictureWeights | None = None
    fusion: FusionName | None = Field(None, description=_FUSION)
    sort: TargetSortBody | None = None


class MultimodalBody(PictureBody):
    """A search for titles by a text and a picture; either may be absent."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"query": "like this one, but in space", "image_url": "https://example.org/cover.jpg"},
                {"query": "school band", "image_data": "iVBORw0KGgo...", "text_weight": 0.3, "image_weight": 0.7},
            ]
        }
    )

    query: QueryText | None = Field(None, description="What to look for, in the searcher's own words.")
    expand: bool = Field(True, description="Read titles, years, genres, studios and the like out of the text.")
    text_weight: float | None = Field(
        None, ge=0, le=WEIGHT_MAX, description=f"How much the text counts; 0: not at all. Default {SIDE_WEIGHTS[0]:g}."
    )
    image_weight: float | None = Field(
        None, ge=0, le=WEIGHT_MAX, description=f"How much the picture counts. Default {SIDE_WEIGHTS[1]:g}."
    )
    filters: FiltersField | None = Field(None, description="What a title has to be; see Filters.")
    vectors: AnyWeights | None = None


class VisualQuery(LenientQuery):
    """How to look for what looks alike."""

    target: Target = Field("titles", description=_TARGET)
    limit: int = Field(LIMIT_DEFAULT, ge=1, le=LIMIT_MAX, description="Results on a page.")
    offset: int = Field(0, ge=0, le=WINDOW_MAX, description="Results to pass over.")
    cursor: Cursor | None = Field(None, description="`*` begins; then next_cursor of the page before. Stable.")
    min_score: float | None = Field(None, ge=-1, le=1, description="Least similarity (a cosine) of a result.")
    fields: str | None = Field(
        None,
        max_length=2_000,
        description="Payload entries wanted, joined by commas.",
        json_schema_extra={"example": "title,year"},
    )
    diversity: float = Field(0.0, ge=0, le=1, description="Unlike results rather than the nearest (MMR); 0: off.")
    explain: bool = Field(False, description="Say for each result what each vector added to its score.")
    include_adult: bool = Field(False, description="Show adult titles and pictures too.")
    include_related: bool = Field(False, description="Titles only: also sequels, prequels and other relatives.")


class VisualPath(LenientQuery):
    """A title or a picture."""

    # Described here, checked where it is looked up, as for titles.
    id: str = Field(
        description="Slug or provider:id of a title, or the id of an indexed picture.",
        json_schema_extra={"minLength": 1, "maxLength": IDENTIFIER_MAX_CHARS, "example": "cowboy-bebop"},
    )
