"""Where titles are at providers."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from client.values.base import Value


class LinkCandidate(Value):
    """A title of the provider that may be the one."""

    external_id: str
    titles: tuple[str, ...] = ()
    type: str | None = None
    year: int | None = None
    episodes: int | None = None
    probability: float | None = None
    why: tuple[str, ...] = ()


class Link(Value):
    """One title at one provider. `state`: linked, doubtful, none or refused; `method`: mapping, titles or person."""

    id: str
    provider: str
    state: str
    external_id: str | None = None
    method: str
    probability: float
    decided_by: str | None = None
    decided_at: datetime | None = None
    candidates: tuple[LinkCandidate, ...] = ()


class ListedLink(Link):
    """With what helps to decide."""

    title: str
    type: str | None = None
    year: int | None = None
    episodes: int | None = None
    adult: bool = False


class LinkList(Value):
    """The most probable first. `counts`: {provider: {state: links}}."""

    links: tuple[ListedLink, ...] = ()
    counts: dict[str, dict[str, int]] = Field(default_factory=dict)


class LinkDecision(Value):
    """`job_id`: the job that brings it into the title; None if it was decided so before."""

    link: Link
    job_id: str | None = None


class LinkWithdrawn(Value):
    """`changed`: somebody had decided."""

    id: str
    provider: str
    changed: bool
    job_id: str | None = None
