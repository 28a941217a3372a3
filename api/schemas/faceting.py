"""Counts of values."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from api.schemas.base import StrictBody
from api.schemas.filtering import FiltersField
from search.facets import FACET_FIELDS, FIELDS_MAX, LIMIT_MAX


class FacetBody(StrictBody):
    """Which fields to count, and among which titles."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"fields": ["genres", "year:decade"], "filters": {"type": "TV", "score": {"gte": 8}}, "limit": 5}
            ]
        }
    )

    fields: list[Annotated[str, Field(json_schema_extra={"enum": list(FACET_FIELDS)})]] = Field(
        min_length=1, max_length=FIELDS_MAX, description="Each once."
    )
    filters: FiltersField | None = Field(None, description="As of a search: count only titles that pass.")
    limit: int = Field(20, ge=1, le=LIMIT_MAX, description="Most values of each field, the most frequent first.")
    include_adult: bool = Field(False, description="Count adult titles too.")


class FacetValue(BaseModel):
    """A value, and how many titles have it."""

    value: str | int | bool
    count: int


class FacetResponse(BaseModel):
    """Exact counts. A title with several values of a field is counted at each of them."""

    facets: dict[str, list[FacetValue]]
    total: int = Field(description="Titles that pass the filters.")
