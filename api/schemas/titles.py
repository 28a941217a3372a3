"""One title by its id."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from api.schemas.base import LenientQuery


class TitlePath(LenientQuery):
    """A slug, or `provider:id` such as mal:16498."""

    id: str = Field(description="Slug, or provider:id such as mal:16498.")


class TitleQuery(LenientQuery):
    """How to look a title up."""

    include_adult: bool = Field(False, description="Show an adult title too.")


class TitleResponse(BaseModel):
    """The document of a title with its id."""

    model_config = ConfigDict(extra="allow")

    id: str
    title: str
    adult: bool
