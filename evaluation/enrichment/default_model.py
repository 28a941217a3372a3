"""The model that comes with the package: numbers learned from all snapshots, of the sources that a service asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from core.enrichment import ID_SPACES, SOURCE_CATALOGUE
from enrichment.merging import MergeModel
from enrichment.merging.model import FieldModel
from evaluation.enrichment.held_out import build_cases
from evaluation.enrichment.merging import learn_model
from evaluation.enrichment.snapshots import Observation

_SOURCES: Final = frozenset({*ID_SPACES, SOURCE_CATALOGUE})
# Seen on fewer titles, a source is as good as unknown.
_LEAST_SEEN: Final = 5.0


def build_default_model(observations: Mapping[int, Sequence[Observation]]) -> MergeModel:
    """Learned from both halves of the titles; without the tables that only measure (bangumi-data)."""
    learned = learn_model(observations, build_cases(observations))
    return MergeModel({name: _narrow(field) for name, field in learned.fields.items()}, learned.titles)


def _narrow(field: FieldModel) -> FieldModel:
    sources = {
        name: quality for name, quality in field.sources.items() if _is_ours(name) and quality.seen >= _LEAST_SEEN
    }
    copies = {pair: share for pair, share in field.copies.items() if all(map(_is_ours, pair.split("|")))}
    in_conflict = {name: weight for name, weight in field.in_conflict.items() if name in sources}
    return replace(field, sources=sources, copies=copies, in_conflict=in_conflict)


def _is_ours(source: str) -> bool:
    """Also what a source implies: 'jikan:aired'."""
    return source.partition(":")[0] in _SOURCES
