"""What all schemas stand on: strict bodies, lenient queries, and the problem document."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class StrictBody(BaseModel):
    """A text is no number and an unknown field is an error."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class LenientQuery(BaseModel):
    """Values from the address line are texts, so they are read leniently."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Problem(BaseModel):
    """RFC 9457 problem document."""

    type: str
    title: str
    status: int
    detail: str
    field: str | None = Field(None, description="Dotted path of the field that is to blame.")
    dependency: str | None = Field(None, description="The server that is away.")
    request_id: str | None
