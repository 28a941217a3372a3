"""The service: titles merged, written and reported."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from core.log import Event, Log
from enrichment.merging import MergedTitle, merge_title
from enrichment.titles.building import BuiltTitle, build_title
from enrichment.titles.hiding import hide_relatives
from enrichment.titles.models import ModelKeeper, UsedModel
from enrichment.titles.sources import Synthesis, build_sources, has_facts, hash_inputs
from enrichment.titles.writing import TitleWriter
from storage.database.merge_inputs import MergeInputRepository, MergeInputs
from storage.database.provenance import ProvenanceRepository
from storage.database.session import Database

# By slug, texts from several texts, where there are any; never raises for what a model does.
Synthesise = Callable[[Mapping[str, MergeInputs]], Mapping[str, Synthesis]]
_log = Log("merging")


@dataclass(frozen=True, slots=True)
class MergeReport:
    """Slugs: of titles whose document is another one now, of the others, and of those that cannot be merged, with why.

    A slug that no title has is in none of them.
    """

    changed: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Run:
    """One call: everything that must not change in its middle, and what was built before the locks were taken."""

    used: UsedModel
    now: datetime
    syntheses: Mapping[str, Synthesis] = field(default_factory=dict)
    ready: dict[str, BuiltTitle] = field(default_factory=dict)

    def hash(self, inputs: MergeInputs) -> str:
        synthesis = self.syntheses.get(inputs.slug)
        return hash_inputs(inputs, model_version=self.used.version, synthesis=synthesis, today=self.now.date())

    def build(self, inputs: MergeInputs) -> BuiltTitle:
        """What was built of the same inputs already, else anew: somebody changed them meanwhile."""
        hashed = self.hash(inputs)
        if hashed not in self.ready:
            self.ready[hashed] = self._build(hide_relatives(inputs))
        return self.ready[hashed]

    def _build(self, inputs: MergeInputs) -> BuiltTitle:
        """Where no provider says anything there is nothing to merge: the catalogue's words stay as they came."""
        merged = MergedTitle()
        if has_facts(inputs):
            sources = build_sources(inputs, self.syntheses.get(inputs.slug))
            merged = merge_title(sources, self.used.model, current=inputs.document)
        return build_title(inputs, merged, now=self.now)


class TitleMerger:
    """Makes titles of claims. Idempotent; a title whose inputs are those of its last merging is passed over."""

    def __init__(
        self,
        database: Database,
        *,
        models: ModelKeeper | None = None,
        synthesise: Synthesise | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._inputs = MergeInputRepository(database)
        self._provenance = ProvenanceRepository(database)
        self._writer = TitleWriter(database)
        self._models = models or ModelKeeper(database)
        self._synthesise = synthesise
        self._clock = clock

    def merge(self, slugs: Sequence[str]) -> MergeReport:
        """Merge these titles, a transaction for all of them: some dozens at a time.

        Raises DependencyUnavailableError; then nothing of them was written.
        """
        used, inputs = self._models.get(), self._inputs.load(slugs)
        run = _Run(used, self._clock(), self._synthesise(inputs) if self._synthesise else {})
        failed = self._prepare(run, inputs)
        ready = [slug for slug in inputs if slug not in failed]
        written = self._writer.write(ready, build=run.build, hash_inputs=run.hash, model_version=run.used.version)
        _log.info(
            Event.ENRICH_MERGED,
            changed=len(written.changed),
            unchanged=len(written.unchanged),
            failed=len(failed),
        )
        return MergeReport(written.changed, written.unchanged, failed)

    def _prepare(self, run: _Run, inputs: Mapping[str, MergeInputs]) -> dict[str, str]:
        """Do the work before anybody is kept waiting; returns which titles cannot be merged, and why."""
        last = self._provenance.load_last(list(inputs))
        failed: dict[str, str] = {}
        for slug, one in inputs.items():
            if slug in last and last[slug].inputs_hash == run.hash(one):
                continue
            try:
                run.build(one)
            except Exception as error:  # one title's facts must not keep the others from being written
                _log.error(Event.TITLE_FAILED, error=error, slug=slug, stage="merge")
                failed[slug] = f"{type(error).__name__}: {error}"[:500]
        return failed
