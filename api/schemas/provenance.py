"""Why a title says what it says, and what persons said of it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from api.schemas.base import LenientQuery, PlainText, StrictBody
from api.schemas.titles import TitlePath
from core.overrides import NOTE_MAX_CHARS, OVERRIDABLE_FIELDS


class WeighedShown(BaseModel):
    """A value, or an element of a list, with those who say so."""

    value: Any
    sources: list[str]
    confidence: float | None = Field(description="How probable it is, 0 to 1.")


class FieldReasons(BaseModel):
    """One field of a title."""

    value: Any = Field(description="As in the document; null where it was left out or emptied.")
    sources: list[str] = Field(
        description="Whose word it is, the most trusted first: providers, catalogue, override or synthesis."
    )
    confidence: float | None = Field(description="How probable it is that the value is right; null where nobody knows.")
    at: str | None = Field(description="When the newest of the sources said so.")
    method: str = Field(description="How it was chosen.")
    conflict: bool = Field(description="Sources say things that cannot both be right.")
    others: list[WeighedShown] = Field(description="Values that were not taken; long ones are cut.")
    elements: list[WeighedShown] = Field(description="Of lists: the elements, the first thirty.")
    note: str | None = Field(description="What was left out, and why.")


class ProvenanceResponse(BaseModel):
    """A title's fields with their reasons, and its quality. Quality is null until the title was merged once."""

    id: str
    quality: float | None = Field(description="0 to 100.")
    quality_parts: dict[str, float] = Field(
        description="0 to 1 each: completeness, agreement, freshness, depth, pictures."
    )
    model_version: int | None = Field(description="Of what is known of the sources; 0: what comes with the service.")
    merged_at: str | None
    fields: dict[str, FieldReasons]


class OverridePath(TitlePath):
    """One field of one title."""

    field: PlainText = Field(
        min_length=1,
        max_length=64,
        description="A field of the document, but not external_ids.",
        json_schema_extra={"enum": list(OVERRIDABLE_FIELDS), "example": "episodes"},
    )


class OverrideBody(StrictBody):
    """What a person says."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"value": 26, "note": "counted"}, {"value": None, "note": "of another title"}]}
    )

    value: Any = Field(description="In the form of the document's field; null: the field shall be empty.")
    note: PlainText | None = Field(None, min_length=1, max_length=NOTE_MAX_CHARS, description="Why.")


class OverrideShown(BaseModel):
    """What a person said of a field."""

    value: Any
    by: str = Field(description="Name of the API key, or who called the command.")
    at: str
    note: str | None


class OverrideListResponse(BaseModel):
    """All of one title, by field."""

    id: str
    overrides: dict[str, OverrideShown]


class OverrideResponse(BaseModel):
    """`job_id`: the job that brings it into the document and the index; null if nothing had to change."""

    id: str
    field: str
    changed: bool
    job_id: str | None


class ProvenanceQuery(LenientQuery):
    """How to look a title up."""

    include_adult: bool = Field(False, description="Explain an adult title too.")
