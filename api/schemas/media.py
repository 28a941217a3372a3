"""Stored pictures, and pictures and documents to be indexed at once."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from api.picture_input import URL_MAX_CHARS
from api.schemas.base import LenientQuery, PlainText, StrictBody
from api.schemas.jobs import JobResponse

# Sizes that pages ask for: each is made once and kept, so nobody may ask for any other.
WIDTHS = (96, 192, 320, 640)
TAGS_MAX = 100
METADATA_MAX = 100
WAIT_MAX_S = 30.0


def _check_width(width: int) -> int:
    if width not in WIDTHS:
        raise ValueError(f"must be one of {', '.join(map(str, WIDTHS))}")
    return width


Width = Annotated[int, AfterValidator(_check_width), Field(json_schema_extra={"enum": list(WIDTHS)})]


class MediaPath(LenientQuery):
    """One content."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the picture, as search results name it.")


class MediaQuery(LenientQuery):
    """In which size."""

    width: Width | None = Field(None, description="A thumbnail of this width as WebP; the picture itself by default.")
    include_adult: bool = Field(False, description="Show pictures for adults too.")


class IndexBody(StrictBody):
    """One picture with an id of the caller's, or one title document."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"image_id": "poster-17", "image_url": "https://example.org/17.jpg", "tags": ["poster"]},
                {"image_id": "still-3", "image_data": "iVBORw0KGgo...", "title": "mal:1", "metadata": {"episode": 5}},
                {"document": {"title": "Akira", "type": "MOVIE", "year": 1988}},
            ]
        }
    )

    image_id: PlainText | None = Field(
        None, min_length=1, max_length=200, description="The caller's own id of the picture; the same id replaces it."
    )
    image_data: str | None = Field(None, description="The picture as base64 or as a data URL.")
    image_url: str | None = Field(
        None, min_length=1, max_length=URL_MAX_CHARS, description="Where the picture is to be fetched from."
    )
    metadata: dict[str, Any] | None = Field(
        None, max_length=METADATA_MAX, description="What comes back with the picture; never searched."
    )
    tags: list[Annotated[PlainText, Field(min_length=1, max_length=100)]] | None = Field(
        None, max_length=TAGS_MAX, description="Words to filter pictures by."
    )
    title: PlainText | None = Field(
        None, min_length=1, max_length=200, description="Slug or provider:id of the title that it belongs to, if any."
    )
    adult: bool | None = Field(None, description="A picture for adults; one of an adult title is in any case.")
    document: dict[str, Any] | None = Field(None, description="A title document, instead of a picture.")
    wait: float = Field(
        10.0, ge=0, le=WAIT_MAX_S, description="Seconds to wait until it is searchable; 202 with the job after them."
    )

    @model_validator(mode="after")
    def _is_one_of_two(self) -> Self:
        others = ("image_id", "image_data", "image_url", "metadata", "tags", "title", "adult")
        if self.document is None:
            if self.image_id is None:
                raise ValueError("takes image_id with a picture, or a document")
        elif given := [name for name in others if getattr(self, name) is not None]:
            raise ValueError(f"takes either a document or a picture: {given[0]} belongs to a picture")
        return self


class ImagePath(LenientQuery):
    """One picture."""

    image_id: PlainText = Field(
        min_length=1,
        max_length=URL_MAX_CHARS,
        description="The caller's own id (the address, if it was listed without one), or the id that searches show.",
    )


class RemovalResponse(BaseModel):
    """`removed_from` names the collections whose point went at once; the job sees to the rest."""

    id: str = Field(description="What searches called it.")
    removed: bool = Field(description="False if it was out before.")
    removed_from: list[str]
    job_id: str | None


class IndexResponse(BaseModel):
    """`id` is what searches call it: a picture's id, or the title's slug once the job has read the document."""

    id: str | None
    sha256: str | None = Field(description="Of the picture's content; see GET media/{sha256}.")
    searchable: bool = Field(description="True if searches find it from now on.")
    job: JobResponse
