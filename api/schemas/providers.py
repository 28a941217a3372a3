"""How things stand with the providers of enrichment."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class LimitShown(BaseModel):
    """A limit of a provider, shared by all workers, and what is left of it."""

    amount: float = Field(description="Requests in a period, as declared.")
    period_s: float
    burst: int = Field(description="So many may come at once.")
    left: float = Field(description="Requests that could be made at this moment.")
    present_amount: float = Field(description="Smaller than `amount` while the provider says so in its answers.")
    present_per_minute: float = Field(description="The rate that is kept; refusals make it smaller for some hours.")


class RequestsShown(BaseModel):
    """Requests that were made since a full hour. Answers that were kept and still fresh are none."""

    since: str
    requests: int
    errors: int = Field(description="All outcomes but ok, not-modified and absent.")
    error_rate: float | None
    latency_ms: float | None = Field(description="Mean, from the sending to the last byte.")
    outcomes: dict[str, int]


class ProviderShown(BaseModel):
    """One provider. What the gate knows is null while Redis is away."""

    name: str
    configured: bool
    why_not: str | None = Field(description="Which setting keeps it from being asked.")
    limits: list[LimitShown] | None
    paused_s: float | None = Field(description="Nobody asks for so long: it asked for that, or keeps robots out.")
    pause_reason: str | None
    circuit: Literal["closed", "open", "half-open"] | None
    circuit_s: float | None
    circuit_reason: str | None
    failures: int | None = Field(description="Failures in a row.")
    hour: RequestsShown = Field(description="This clock hour and the one before.")
    day: RequestsShown = Field(description="This clock hour and the 24 before.")
    newest_answer_at: str | None
    newest_answer_age_s: float | None
    answers: int = Field(description="Answers that are kept.")
    answers_bytes: int = Field(description="Their size, unpacked.")
    parts: dict[str, int] = Field(description="Stages of titles that were asked for here, by state.")
    retry_at: str | None = Field(description="When the first of the failed and blocked parts may be asked for again.")


class ProviderListResponse(BaseModel):
    """All providers, also those that are not configured."""

    gate: str = Field(description="'ok', or why nobody can ask now.")
    providers: list[ProviderShown]
