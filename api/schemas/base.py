"""What all schemas stand on: strict bodies, lenient queries, and the problem document."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from core.text import find_text_fault

# As `core.text` has it, for readers and machines; white space is no control character.
CONTROLS = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"


def _refuse_controls(text: str) -> str:
    if fault := find_text_fault(text):
        raise ValueError(fault)
    return text


# A text that Postgres can keep.
PlainText = Annotated[str, AfterValidator(_refuse_controls), Field(json_schema_extra={"pattern": rf"^[^{CONTROLS}]*$"})]


class StrictBody(BaseModel):
    """A text is no number and an unknown field is an error."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class LenientQuery(BaseModel):
    """Values from the address line are texts, so they are read leniently."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Fault(BaseModel):
    """One thing that is wrong with a request."""

    field: str = Field(description="Dotted path, such as filters.must.year.gte; `body` for the whole.")
    reason: str


class Problem(BaseModel):
    """RFC 9457 problem document."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:avs:problem:invalid-input",
                    "title": "The request has a value that cannot be used",
                    "status": 422,
                    "detail": "filters.year: the range is empty: gte 2010, lte 2000",
                    "field": "filters.year",
                    "reason": "the range is empty: gte 2010, lte 2000",
                    "request_id": "4c1f0f2e9b6a4c1f8e2d7a6b5c4d3e2f",
                }
            ]
        }
    )

    type: str = Field(description="urn:avs:problem: and a short name; does not change.")
    title: str = Field(description="The same for all problems of a type.")
    status: int
    detail: str = Field(description="What is wrong this time, for people.")
    request_id: str | None = Field(description="What to ask about; every log line of the request has it.")
    # Absent rather than null where they have no meaning.
    field: str = Field("", description="Dotted path of the field that is to blame; with 400 and 422.")
    reason: str = Field("", description="What is wrong with that field.")
    errors: list[Fault] = Field([], description="All fields that are to blame, the first ten, where several are known.")
    dependency: str = Field("", description="The server that is away; with 503.")
