"""The local pipeline with providers that fail on purpose: all lanes at once, one attempt a request, no circuit."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from enrichment.asking.building import build_clients
from enrichment.asking.client import AskOptions
from enrichment.building import Enrichment
from messaging.names import TASK_ENRICH_LANE
from storage.provider_gate import GateOptions, ProviderGate
from tests.integration.enrichment.local_pipeline import LocalPipeline


class TrialPipeline(LocalPipeline):
    """Nobody waits for a second try, and no number of failures keeps a provider from being asked."""

    def build(self) -> Enrichment:
        """A worker of its own, whose clients are impatient."""
        enrichment = super().build()
        settings = self.settings
        enrichment.__dict__["clients"] = build_clients(
            settings,
            enrichment.providers,
            self.database,
            gate=ProviderGate(settings, options=GateOptions(threshold=1_000_000)),
            options=AskOptions(
                timeout_s=settings.enrich_timeout_s, max_bytes=settings.enrich_max_answer_bytes, attempts=1
            ),
            limits=enrichment.get_limits(),
        )
        return enrichment

    def drain(self) -> None:
        """As always, but for lanes: those of all providers run at once."""
        with ThreadPoolExecutor() as threads:
            while self.hints.sent:
                lanes = [one for one in self.hints.sent if one[0] == TASK_ENRICH_LANE]
                if not lanes:
                    self.step()
                    continue
                for one in lanes:
                    self.hints.sent.remove(one)
                for running in [threads.submit(self.do, task, arguments) for task, arguments in lanes]:
                    running.result()

    def enrich(self, slugs: list[str], **params: Any) -> uuid.UUID:
        """Run a job over these titles to its end, and index nothing."""
        job = self.run(ids=slugs, then_index=False, **params)
        assert job.is_closed, self.query("SELECT provider, state, reason, count(*) FROM enrich_parts GROUP BY 1, 2, 3")
        return job.id

    def load_documents(self) -> dict[str, Mapping[str, Any]]:
        """All documents by slug."""
        return {row.slug: row.document for row in self.query("SELECT slug, document FROM titles ORDER BY slug")}

    def close(self) -> None:
        """Close all connections."""
        for client in self.enrichment.clients.values():
            client.close()
        self.database.close()
