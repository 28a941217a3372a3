"""Health and numbers."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from client.values.base import Value


class Check(Value):
    """One server or worker; `ms` is how long it took to answer."""

    ok: bool
    required: bool
    ms: float | None = None
    reason: str | None = None


class Health(Value):
    """`ready`, `degraded` (a part that searches can do without is away) or `unavailable`."""

    status: str
    checks: dict[str, Check] = Field(default_factory=dict)

    @property
    def is_ready(self) -> bool:
        """True when searches are answered."""
        return self.status in ("ready", "degraded")


class Alive(Value):
    """The process answers."""

    status: str


class Stats(Value):
    """Sizes of the index, and in `search` what the answering process has done. Adult titles are not counted."""

    titles: int
    points: int | None = None
    pictures: int | None = None
    generation: str | None = None
    is_optimised: bool | None = None
    search: dict[str, Any] = Field(default_factory=dict)
