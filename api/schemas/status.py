"""Health, numbers and service information."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field


class CheckResponse(BaseModel):
    """One server or worker."""

    ok: bool
    required: bool
    ms: float | None
    reason: str | None


class HealthResponse(BaseModel):
    """Ready when every required check is well."""

    status: Literal["ready", "degraded", "unavailable"]
    checks: dict[str, CheckResponse]


class LiveResponse(BaseModel):
    """The process answers."""

    status: Literal["alive"]


class StatsResponse(BaseModel):
    """Sizes of the index, and what this web process has done."""

    titles: int
    points: int | None
    pictures: int | None = Field(description="Pictures that may be found; null while none are indexed.")
    generation: str | None
    is_optimised: bool | None
    search: dict[str, Any]


class ServiceInfo(BaseModel):
    """What this is and where to go."""

    name: str
    version: str
    links: dict[str, str]
