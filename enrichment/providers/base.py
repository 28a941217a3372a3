"""What a provider is: requests to build, answers to parse, limits and a licence to obey.

A provider never touches the network, a clock or a database. `enrichment.asking` asks what `plan` or `parse` names, and
hands the answers back, fresh or kept: so parsing can be done again without fetching.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, Protocol

from core.enrichment import EnrichStage
from core.errors import PermanentError, TransientError
from core.providers import Limit

__all__ = [
    "Answer",
    "BlockedError",
    "Candidate",
    "Fault",
    "Limit",
    "Parsed",
    "Provider",
    "ProviderInfo",
    "ProviderUnavailableError",
    "Request",
    "ShapeChangedError",
    "cut_search",
]

# Addresses have an end, and so have keys of an index.
_MAX_SEARCH_CHARS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderInfo:
    """What a provider declares of itself.

    name            as in ENRICH settings, claims and provenance
    id_space        whose ids its titles have, as in external_ids (Jikan's are MyAnimeList's: 'mal')
    stages          what it has something to say about
    limits          core.providers.PROVIDER_LIMITS[name]: all hold at once; also retuned by what its answers say
    can_search      False: titles are linked by tables, or by a dump of its titles (AniDB)
    obeys_robots    True for pages that are made for people
    parser_version  grows when the same answers give other facts: `avs enrich reparse` reads kept answers again
    """

    name: str
    id_space: str
    stages: frozenset[EnrichStage]
    limits: tuple[Limit, ...]
    can_search: bool
    licence: str
    terms_url: str
    obeys_robots: bool = False
    parser_version: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request to a provider. `key` names it for ever: answers are kept under it; no secret is in it.

    path     appended to the provider's base URL; with `query` already encoded into it
    body     a JSON body: the request is a POST then
    headers  also secret ones (a token): never stored
    absent   statuses that mean that the provider has nothing here, which is an answer
    """

    key: str
    path: str
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    accept: str = "application/json"
    absent: frozenset[int] = frozenset({404})


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a provider answered to the request of this key, now or some time ago. `body` is unpacked bytes."""

    key: str
    status: int
    body: bytes
    media_type: str | None
    fetched_at: datetime

    @property
    def is_absent(self) -> bool:
        """The provider said that it has nothing there."""
        return self.status >= 400


@dataclass(frozen=True, slots=True)
class Fault:
    """A value that was not taken: where in the answer (or which field), what was wrong. `shape`: the answer's form."""

    field: str
    problem: str
    kind: Literal["value", "shape"] = "value"


@dataclass(frozen=True, slots=True)
class Parsed:
    """What answers say about one stage.

    facts   {field of core.document.AnimeDocument: value as in its JSON}, only valid ones; see enrichment.validation
    faults  what was not taken
    more    requests that are still to be asked (further pages); parse again with all answers
    """

    facts: Mapping[str, Any]
    faults: tuple[Fault, ...] = ()
    more: tuple[Request, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A title as a provider's search (or title dump) shows it, for linking. `titles`: in all languages."""

    external_id: str
    titles: tuple[str, ...]
    type: str | None = None
    year: int | None = None
    episodes: int | None = None
    # Ids at other providers, where it names them: {'mal': '5114'}.
    external_ids: Mapping[str, str] = field(default_factory=dict)


class ShapeChangedError(PermanentError):
    """An answer has not the form that we know: nothing of it can be used. Names provider and field."""

    code = "provider-shape-changed"

    def __init__(self, provider: str, field_path: str, problem: str) -> None:
        super().__init__(f"{provider}: {field_path}: {problem}")
        self.provider = provider
        self.field_path = field_path
        self.problem = problem


class BlockedError(PermanentError):
    """The provider's protection against robots answered. It is respected: the title is left alone for a long while."""

    code = "provider-blocked"


class ProviderUnavailableError(TransientError):
    """The provider cannot be asked now: away, limiting, or its circuit is open. Its parts wait; others go on."""

    code = "provider-unavailable"

    def __init__(self, provider: str, reason: str, *, retry_after_s: float) -> None:
        super().__init__(f"{provider} cannot be asked now: {reason}", retry_after_s=retry_after_s)
        self.provider = provider
        self.reason = reason


class Provider(Protocol):
    """One source of facts. Everything is pure and raises ShapeChangedError or BlockedError for answers of no use."""

    @property
    def info(self) -> ProviderInfo:
        """What it declares of itself."""

    def plan(self, stage: EnrichStage, external_id: str) -> tuple[Request, ...]:
        """The first requests of a stage. The same request may serve several stages: it is asked once."""

    def parse(self, stage: EnrichStage, external_id: str, answers: Mapping[str, Answer]) -> Parsed:
        """Facts from the answers so far, by key: all that `plan` and `more` of earlier calls named are there."""

    def plan_search(self, title: str) -> Request | None:
        """A search by title; None if it has none."""

    def parse_search(self, answer: Answer) -> Sequence[Candidate]:
        """The titles that a search found, the best first; those that cannot be read are left out."""


def cut_search(title: str) -> str:
    """As much of a title as is searched for: no search is better for more of it."""
    return title[:_MAX_SEARCH_CHARS].strip()
