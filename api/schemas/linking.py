"""Where titles are at providers, and what persons decide about it."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from api.schemas.base import LenientQuery, PlainText, StrictBody
from api.schemas.titles import TitlePath
from core.links import EXTERNAL_ID_CHARS, LINK_PROVIDERS

_PAGE_MAX = 200
_PROVIDERS: dict[str, Any] = {"enum": list(LINK_PROVIDERS)}
State = Literal["linked", "doubtful", "none", "refused"]


class LinksQuery(LenientQuery):
    """Which links, and which part of the list."""

    state: State = Field("doubtful", description="Doubtful ones wait for a person.")
    provider: PlainText | None = Field(None, description="Of this provider only.", json_schema_extra=_PROVIDERS)
    limit: int = Field(50, ge=1, le=_PAGE_MAX, description="So many.")
    offset: int = Field(0, ge=0, le=1_000_000, description="Behind the first so many.")


class LinkPath(TitlePath):
    """One title at one provider."""

    provider: PlainText = Field(description="Name of the provider.", json_schema_extra=_PROVIDERS)


class LinkBody(StrictBody):
    """A person's decision: the id, or that the provider does not have the title."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"external_id": "16498"}, {"refuse": True}]})

    external_id: PlainText | None = Field(
        None, min_length=1, max_length=EXTERNAL_ID_CHARS, description="As in the address of the provider's page."
    )
    refuse: bool = Field(False, description="None of the provider's titles is this one.")

    @model_validator(mode="after")
    def _is_one_of_two(self) -> Self:
        if (self.external_id is None) is not self.refuse:
            raise ValueError("takes either external_id, or refuse")
        return self


class CandidateShown(BaseModel):
    """A title of the provider that may be the one. What the provider does not show is null."""

    external_id: str
    titles: list[str]
    type: str | None
    year: int | None
    episodes: int | None
    probability: float | None = Field(description="That it is the title, 0 to 1; null where tables name it.")
    why: list[str] = Field(description="What speaks for and against it.")


class LinkShown(BaseModel):
    """One title at one provider."""

    id: str = Field(description="Slug of the title.")
    provider: str
    state: State
    external_id: str | None
    method: str = Field(description="mapping (tables of ids), titles or person.")
    probability: float
    decided_by: str | None = Field(description="The person, by the name of the API key or of the account.")
    decided_at: str | None
    candidates: list[CandidateShown] = Field(description="The most probable first.")


class ListedLinkShown(LinkShown):
    """With what helps to decide."""

    title: str
    type: str | None
    year: int | None
    episodes: int | None
    adult: bool


class LinkListResponse(BaseModel):
    """The most probable first. `counts`: {provider: {state: links}}."""

    links: list[ListedLinkShown]
    counts: dict[str, dict[str, int]]


class LinkResponse(BaseModel):
    """`job_id`: the job that brings the decision into the title; null if it was decided so before."""

    link: LinkShown
    job_id: str | None


class LinkWithdrawnResponse(BaseModel):
    """`changed`: somebody had decided. The title is looked for again when it is next enriched."""

    id: str
    provider: str
    changed: bool
    job_id: str | None
