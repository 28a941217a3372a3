"""Jobs of the pipeline."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from client.values.base import Value

_ENDED = frozenset({"completed", "failed", "cancelled"})


class DownloadProgress(Value):
    """URLs by state and, where they are over, by outcome; bytes that came; URLs and bytes a second."""

    states: dict[str, int] = Field(default_factory=dict)
    outcomes: dict[str, int] = Field(default_factory=dict)
    bytes: int = 0
    per_s: float = 0.0
    bytes_per_s: float = 0.0


class EnrichProgress(Value):
    """Parts of an enrich job (a stage of a title at a provider) by state; `known`: fresh enough before the job.

    `put_off`: why parts wait that are asked again later, by provider.
    """

    providers: dict[str, dict[str, int]] = Field(default_factory=dict)
    stages: dict[str, dict[str, int]] = Field(default_factory=dict)
    put_off: dict[str, dict[str, int]] = Field(default_factory=dict)


class JobProgress(Value):
    """Counts by stage and state, titles a second, seconds left (None: unknown), rows that are not done yet.

    `downloads` says more of a job that fetches pictures, `enrichment` of one that asks providers; None for others.
    """

    stages: dict[str, dict[str, int]] = Field(default_factory=dict)
    titles_per_s: float = 0.0
    seconds_left: float | None = None
    dead_letters: int = 0
    open_rows: int = 0
    downloads: DownloadProgress | None = None
    enrichment: EnrichProgress | None = None


class Job(Value):
    """A job: pending, running, completed, failed or cancelled. Lists of jobs come without `progress`."""

    id: str
    kind: str
    state: str
    params: dict[str, Any] = Field(default_factory=dict)
    message: str | None = None
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    progress: JobProgress | None = None

    @property
    def has_ended(self) -> bool:
        """True when it is completed, failed or cancelled."""
        return self.state in _ENDED


class JobList(Value):
    """The newest jobs first."""

    jobs: tuple[Job, ...]


class DeadLetter(Value):
    """Something that was given up, and why."""

    id: int
    stage: str
    slug: str | None = None
    reason: str
    detail: dict[str, Any] = Field(default_factory=dict)
    attempts: int = 0
    created_at: datetime


class DeadLetterList(Value):
    """The newest first."""

    dead_letters: tuple[DeadLetter, ...]
