"""The workflow: which stages, of which providers, how old an answer may be, when to try again, and what beat starts.

One TOML file says it all; `workflow.toml` beside this module is the one that is used unless ENRICH_WORKFLOW names
another. A file that says something impossible is refused as a whole, by the place in it that is wrong.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from core.enrichment import ID_SPACES, EnrichStage
from core.errors import ConfigurationError
from core.providers import Limit
from core.settings import Settings

DEFAULT_PATH: Final = Path(__file__).with_name("workflow.toml")
_UNITS: Final = {"s": 1.0, "min": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?) ?(s|min|h|d|w)")

ScheduleWork = Literal["airing", "finished", "new", "retry", "merge", "dump", "learn", "prune"]


def parse_duration(given: object) -> timedelta:
    """'6 h', '10 min', '0.5 s'. Raises ValueError."""
    match = _DURATION.fullmatch(given.strip()) if isinstance(given, str) else None
    if match is None:
        raise ValueError("must be a time such as '90 s', '10 min', '6 h', '30 d' or '2 w'")
    duration = timedelta(seconds=float(match[1]) * _UNITS[match[2]])
    if not duration:
        raise ValueError("must be longer than nothing")
    return duration


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Ages(_Part):
    """How old a provider's word may be, by kind of title."""

    airing: Duration
    upcoming: Duration
    recent: Duration
    finished: Duration


class StagePlan(_Part):
    """One stage: who is asked for it, and how often."""

    name: EnrichStage
    providers: tuple[str, ...] = Field(min_length=1)
    ages: Ages


class PoorTitles(_Part):
    """Finished titles of lower quality than this grow old faster: after `factor` of their age."""

    quality: float = Field(50, ge=0, le=100)
    factor: float = Field(0.5, gt=0, le=1)


class Retries(_Part):
    """Waits before a part is asked again."""

    failed: tuple[Duration, ...] = Field(min_length=1)
    blocked: Duration
    dead: Duration

    def get_wait(self, attempts: int) -> timedelta:
        """After so many failures in a row."""
        return self.failed[min(max(attempts, 1), len(self.failed)) - 1]


class Patience(_Part):
    """How long to wait for providers that do not answer or answer slowly; see workflow.toml."""

    provider: Duration
    garbage_titles: int = Field(5, ge=1)
    garbage_pause: Duration
    merge: Duration
    index: Duration


class LimitPlan(_Part):
    """At most `amount` requests in `period`, `burst` of them at once."""

    amount: float = Field(gt=0)
    period: Duration
    burst: int = Field(1, ge=1)


class ProviderPlan(_Part):
    """How one provider is asked. `limits` None: its own."""

    lanes: int = Field(1, ge=1, le=16)
    limits: tuple[LimitPlan, ...] | None = Field(None, min_length=1)


class SchedulePlan(_Part):
    """One entry of beat. `most`: titles in one run; `always`: also without ENRICH_AUTO."""

    what: ScheduleWork
    every: Duration
    most: int = Field(1_000, ge=1, le=10_000)
    always: bool = False


class Workflow(_Part):
    """Everything that can be changed about enrichment without changing code."""

    stages: tuple[StagePlan, ...] = Field(min_length=1)
    poor: PoorTitles = PoorTitles()
    retries: Retries
    patience: Patience
    providers: Mapping[str, ProviderPlan] = Field(default_factory=dict)
    schedules: Mapping[str, SchedulePlan] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        named = {one for stage in self.stages for one in stage.providers} | set(self.providers)
        if unknown := sorted(named - set(ID_SPACES)):
            raise ValueError(f"unknown providers: {', '.join(unknown)}; there are {', '.join(ID_SPACES)}")
        for stage in self.stages:
            if len(set(stage.providers)) < len(stage.providers):
                raise ValueError(f"the stage {stage.name} names a provider twice")
        names = [stage.name for stage in self.stages]
        if len(set(names)) < len(names):
            raise ValueError("a stage is listed twice")
        return self

    @property
    def stage_names(self) -> tuple[EnrichStage, ...]:
        """The stages in their order."""
        return tuple(stage.name for stage in self.stages)

    @property
    def provider_names(self) -> tuple[str, ...]:
        """The providers that some stage asks, in the order of their first mention."""
        return tuple(dict.fromkeys(name for stage in self.stages for name in stage.providers))

    def get_provider(self, name: str) -> ProviderPlan:
        """How this provider is asked."""
        return self.providers.get(name) or ProviderPlan()

    def get_limits(self, name: str, declared: tuple[Limit, ...]) -> tuple[Limit, ...]:
        """The limits that the workflow sets for a provider, its own where it sets none."""
        limits = self.get_provider(name).limits
        if limits is None:
            return declared
        return tuple(Limit(one.amount, one.period.total_seconds(), one.burst) for one in limits)


def parse_workflow(text: str, *, source: str = "the workflow") -> Workflow:
    """A workflow from TOML. Raises ConfigurationError that names each place that is wrong."""
    try:
        return Workflow.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"ENRICH_WORKFLOW: {source} is no TOML: {error}") from error
    except ValidationError as error:
        faults = "; ".join(_describe(detail) for detail in error.errors(include_url=False, include_input=False)[:10])
        raise ConfigurationError(f"ENRICH_WORKFLOW: {source}: {faults}") from error


def load_workflow(settings: Settings) -> Workflow:
    """The workflow that the settings name, or ours. Raises ConfigurationError."""
    path = settings.enrich_workflow or DEFAULT_PATH
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"ENRICH_WORKFLOW: {path} cannot be read: {error}") from error
    return parse_workflow(text, source=str(path))


def _describe(detail: Mapping[str, Any]) -> str:
    place = ".".join(str(part) for part in detail["loc"])
    problem = str(detail["msg"]).removeprefix("Value error, ")
    return f"{place}: {problem}" if place else problem
