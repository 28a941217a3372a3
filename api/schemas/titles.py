"""One title by its id."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from api.schemas.base import LenientQuery
from search.referring import IDENTIFIER_MAX_CHARS


class TitlePath(LenientQuery):
    """A slug, or `provider:id` such as mal:16498."""

    # Described here, checked where the title is looked up: an answer can then say which of many was meant.
    id: str = Field(
        description="Slug, or provider:id such as mal:16498.",
        json_schema_extra={"minLength": 1, "maxLength": IDENTIFIER_MAX_CHARS, "example": "shingeki-no-kyojin"},
    )


class TitleQuery(LenientQuery):
    """How to look a title up."""

    include_adult: bool = Field(False, description="Show an adult title too.")


class TitleResponse(BaseModel):
    """The document of a title with its id."""

    model_config = ConfigDict(extra="allow")

    id: str
    title: str
    adult: bool
