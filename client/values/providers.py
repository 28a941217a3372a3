"""The health of the providers of enrichment."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from client.values.base import Value


class ProviderLimit(Value):
    """At most `amount` requests in `period_s` seconds; `left` could be made at this moment.

    `present_amount` and `present_per_minute` are what is kept to now: less after refusals, for some hours.
    """

    amount: float
    period_s: float
    burst: int
    left: float
    present_amount: float
    present_per_minute: float


class ProviderRequests(Value):
    """Requests since a full hour by outcome; all but ok, not-modified and absent are errors."""

    since: datetime
    requests: int
    errors: int
    error_rate: float | None = None
    latency_ms: float | None = None
    outcomes: dict[str, int] = Field(default_factory=dict)


class ProviderHealth(Value):
    """One provider. `limits`, pause and circuit are None while nobody can tell (see `ProviderHealthList.gate`).

    `parts` counts stages of titles by state; the first failed or blocked one may be asked for again at `retry_at`.
    """

    name: str
    configured: bool
    why_not: str | None = None
    limits: tuple[ProviderLimit, ...] | None = None
    paused_s: float | None = None
    pause_reason: str | None = None
    circuit: str | None = None
    circuit_s: float | None = None
    circuit_reason: str | None = None
    failures: int | None = None
    hour: ProviderRequests
    day: ProviderRequests
    newest_answer_at: datetime | None = None
    newest_answer_age_s: float | None = None
    answers: int = 0
    answers_bytes: int = 0
    parts: dict[str, int] = Field(default_factory=dict)
    retry_at: datetime | None = None


class ProviderHealthList(Value):
    """All providers. `gate` is 'ok', or says why nobody can ask now."""

    gate: str
    providers: tuple[ProviderHealth, ...]
