"""What a job of enrichment is about: which stages of which providers, by the workflow, the settings and its params."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core.enrichment import EnrichStage
from core.errors import ConfigurationError, InvalidInputError
from core.providers import why_not
from core.settings import Settings
from enrichment.providers.base import ProviderInfo
from enrichment.workflow import StagePlan, Workflow
from storage.database.enrich_wants import Scope, ScopePart


class ScopeBuilder:
    """Knows the workflow, what each provider has to say, and which of them may be asked."""

    def __init__(self, settings: Settings, workflow: Workflow, infos: Mapping[str, ProviderInfo]) -> None:
        self._workflow = workflow
        self._infos = infos
        self._missing = {
            name: reason for name in workflow.provider_names if (reason := why_not(settings, name)) is not None
        }

    @property
    def configured(self) -> list[str]:
        """Providers of the workflow that may be asked."""
        return [name for name in self._workflow.provider_names if name not in self._missing and name in self._infos]

    def build(self, *, providers: Sequence[str] | None = None, stages: Sequence[str] | None = None) -> Scope:
        """The scope of these providers and stages (None: all that may be asked).

        Raises InvalidInputError for names that are unknown or that no stage of the workflow has, and
        ConfigurationError where a provider that was named, or every provider, is not configured.
        """
        self._check_providers(providers)
        self._check_stages(stages)
        wanted = set(self.configured if providers is None else providers)
        parts = [
            self._build_part(plan, name)
            for plan in self._workflow.stages
            if stages is None or plan.name in stages
            for name in plan.providers
            if name in wanted and plan.name in self._infos[name].stages
        ]
        if not parts:
            raise InvalidInputError("stages", "none of the providers has anything to say about these stages")
        return self._build(tuple(parts))

    def build_empty(self) -> Scope:
        """Nothing is asked: titles are merged again."""
        return self._build(())

    def _build(self, parts: tuple[ScopePart, ...]) -> Scope:
        poor = self._workflow.poor
        dead_s = self._workflow.retries.dead.total_seconds()
        return Scope(parts=parts, dead_s=dead_s, poor_quality=poor.quality, poor_factor=poor.factor)

    def _build_part(self, plan: StagePlan, provider: str) -> ScopePart:
        return ScopePart(
            provider=provider,
            stage=plan.name.value,
            airing_s=plan.ages.airing.total_seconds(),
            upcoming_s=plan.ages.upcoming.total_seconds(),
            recent_s=plan.ages.recent.total_seconds(),
            finished_s=plan.ages.finished.total_seconds(),
            parser_version=self._infos[provider].parser_version,
        )

    def _check_providers(self, providers: Sequence[str] | None) -> None:
        if providers is None:
            if not self.configured:
                reasons = "; ".join(f"{name}: {reason}" for name, reason in self._missing.items())
                raise ConfigurationError(f"no provider is configured ({reasons})")
            return
        known = self._workflow.provider_names
        if unknown := sorted(set(providers) - set(known)):
            raise InvalidInputError("providers", f"unknown: {', '.join(unknown)}; there are {', '.join(known)}")
        for name in providers:
            if name in self._missing:
                raise ConfigurationError(f"{name} is not configured: {self._missing[name]}")

    def _check_stages(self, stages: Sequence[str] | None) -> None:
        known = [stage.value for stage in self._workflow.stage_names]
        if stages is not None and (unknown := sorted(set(stages) - set(known))):
            there = "is no stage of the workflow" if unknown[0] in set(EnrichStage) else "is no stage"
            raise InvalidInputError("stages", f"{unknown[0]} {there}; there are {', '.join(known)}")
