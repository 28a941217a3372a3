"""A provider's own record of one id, as a candidate: what a dump of titles does not tell."""

from __future__ import annotations

from typing import Protocol

from core.enrichment import EnrichStage
from enrichment.linking.features import build_subject
from enrichment.providers.base import Answer, Candidate, Provider, Request


class Asker(Protocol):
    """What asks a provider; see enrichment.asking.ProviderClient."""

    def ask(self, request: Request, *, most_age_s: float) -> Answer:
        """A kept answer that is younger than this, or a new one."""
        ...


class RecordReader:
    """Asks for the metadata of an id. The answer is kept, so enriching does not ask for it once more."""

    def __init__(self, provider: Provider, client: Asker, *, most_age_s: float) -> None:
        self._provider = provider
        self._client = client
        self._most_age_s = most_age_s

    def __call__(self, external_id: str) -> Candidate | None:
        """None if the provider has no such id. Raises what asking and parsing raise."""
        stage = EnrichStage.METADATA
        requests = self._provider.plan(stage, external_id)
        answers = {one.key: self._client.ask(one, most_age_s=self._most_age_s) for one in requests}
        if not answers or all(answer.is_absent for answer in answers.values()):
            return None
        facts = self._provider.parse(stage, external_id, answers).facts
        if not facts:
            return None
        record = build_subject(facts)
        own = self._provider.info.id_space
        named = {space: str(value) for space, value in facts.get("external_ids", {}).items() if space != own}
        return Candidate(
            external_id=external_id,
            titles=record.titles,
            type=record.type,
            year=record.year,
            episodes=record.episodes,
            external_ids=named,
        )
