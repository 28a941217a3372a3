"""What a new generation must show before searches are answered from it.

Nothing is missing, exact neighbours are those of the live generation, and graphs find them.

Ties are no differences: at the end of a list, titles of equal similarity may change places.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from qdrant_client import models

from core.identity import point_id
from core.settings import Settings
from core.vectors import TITLE_VECTORS, Priority, VectorSpec
from indexing.gold import GateError, GoldCheck, GoldFigures
from storage.database.copying import LedgerCopyRepository
from storage.database.generations import Generation
from storage.database.ledger import LedgerRepository
from storage.vectors.schema import get_search_ef
from storage.vectors.store import VectorStore

_TOP = 10
# Similarities that differ by less are equal: both come from float32 vectors.
_TIE = 1e-5
# Requests in one round trip: searches wait meanwhile, for a laptop's Qdrant answers one query at a time.
_BATCH = 16
_EXACT = models.SearchParams(exact=True, quantization=models.QuantizationSearchParams(ignore=True))


@dataclass(frozen=True, slots=True)
class VectorFigures:
    """Of one vector: recall@10 of the graphs against exact search, and the share of exact top 10s that stayed."""

    sampled: int
    recall: float
    overlap: float


@dataclass(frozen=True, slots=True)
class GateReport:
    """What was measured, and why the generation is refused: `faults` is empty if it is not."""

    titles: int
    points: int
    vectors: dict[str, VectorFigures] = field(default_factory=dict)
    gold: GoldFigures | None = None
    faults: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """True if searches may be answered from the new generation."""
        return not self.faults

    def to_json(self) -> dict[str, Any]:
        """For the log and the job."""
        return asdict(self)


class Gate:
    """Compares a new generation with the live one of the same recipes."""

    def __init__(
        self,
        settings: Settings,
        *,
        copies: LedgerCopyRepository,
        ledger: LedgerRepository,
        store: VectorStore,
        gold: GoldCheck | None = None,
    ) -> None:
        self._settings = settings
        self._gold = gold
        self._copies = copies
        self._ledger = ledger
        self._store = store

    def check(self, old: Generation, new: Generation, *, measures: bool = True) -> GateReport:
        """The report. Without `measures` only titles and points are counted. Raises GateError if it cannot measure."""
        faults: list[str] = []
        # The ledger first: what is written in between is then only in the second count.
        titles = self._ledger.count(new.collection)
        points = self._store.count(new.collection)
        if points < titles:
            faults.append(f"{titles - points} points are missing")
        if missing := self._copies.list_missing(old.collection, new.collection):
            faults.append(f"titles are missing that the live generation has: {', '.join(missing)}")
        figures = self._measure_all(old.collection, new.collection) if measures else {}
        faults.extend(fault for spec in _DENSE if (fault := self._judge(spec, figures.get(spec.name))))
        gold = self._gold.measure(old, new) if measures and self._gold is not None else None
        if gold is not None and gold.after < gold.before:
            faults.append(f"{gold.after} of {gold.queries} gold queries are answered, {gold.before} were before")
        return GateReport(titles, points, figures, gold, tuple(faults))

    def _judge(self, spec: VectorSpec, figures: VectorFigures | None) -> str | None:
        if figures is None:
            return None
        if figures.overlap < self._settings.reindex_min_overlap:
            return f"{spec.name}: {figures.overlap:.3f} of the exact top 10 are those of the live generation"
        # Vectors of lower priority are quantized harder on purpose; their recall is reported.
        if spec.priority is Priority.HIGH and figures.recall < self._settings.reindex_min_recall:
            return f"{spec.name}: recall@10 {figures.recall:.3f} is below {self._settings.reindex_min_recall:g}"
        return None

    def _measure_all(self, old: str, new: str) -> dict[str, VectorFigures]:
        measured = {spec.name: self._measure(old, new, spec) for spec in _DENSE}
        return {name: figures for name, figures in measured.items() if figures is not None}

    def _measure(self, old: str, new: str, spec: VectorSpec) -> VectorFigures | None:
        """None for a vector that nobody has."""
        slugs = self._copies.sample(new, spec.name, self._settings.reindex_samples)
        if not slugs:
            return None
        ids = [point_id(slug) for slug in slugs]
        records = self._store.retrieve(new, ids, with_payload=False, with_vectors=[spec.name])
        queries = [record.vector[spec.name] for record in records if isinstance(record.vector, dict)]
        if not queries:
            raise GateError(f"none of the {len(ids)} titles sampled has its {spec.name}")
        exact_old, exact_new = (self._ask(name, queries, spec, params=_EXACT) for name in (old, new))
        found = self._ask(new, queries, spec, params=self._get_params(spec))
        return VectorFigures(
            sampled=len(queries),
            recall=_compare(exact_new, found),
            overlap=_compare(exact_old, exact_new),
        )

    def _get_params(self, spec: VectorSpec) -> models.SearchParams:
        assert spec.priority is not None, "dense vectors have a priority"
        quantization = models.QuantizationSearchParams(rescore=True, oversampling=2.0)
        return models.SearchParams(hnsw_ef=get_search_ef(self._settings, spec.priority), quantization=quantization)

    def _ask(
        self, collection: str, queries: Sequence[Any], spec: VectorSpec, *, params: models.SearchParams
    ) -> list[list[models.ScoredPoint]]:
        requests = [
            models.QueryRequest(query=query, using=spec.name, limit=_TOP, params=params, with_payload=False)
            for query in queries
        ]
        answers: list[list[models.ScoredPoint]] = []
        for start in range(0, len(requests), _BATCH):
            answers += self._store.query_batch(collection, requests[start : start + _BATCH])
        return answers


_DENSE = [spec for spec in TITLE_VECTORS if spec.priority is not None]


def _compare(expected: Sequence[list[models.ScoredPoint]], found: Sequence[list[models.ScoredPoint]]) -> float:
    """The mean share of expected hits that were found; one that ties with the last expected hit counts as one."""
    shares = [_share(wanted, got) for wanted, got in zip(expected, found, strict=True) if wanted]
    return sum(shares) / len(shares) if shares else 1.0


def _share(wanted: list[models.ScoredPoint], got: list[models.ScoredPoint]) -> float:
    names, last = {hit.id for hit in wanted}, wanted[-1].score
    right = sum(hit.id in names or abs(hit.score - last) <= _TIE for hit in got)
    return min(right, len(wanted)) / len(wanted)
