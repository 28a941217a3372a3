"""Which vectors take part, with which weights, and how their lists are fused."""

from __future__ import annotations

import math
from collections.abc import Mapping

from core.errors import InvalidInputError
from core.settings import Settings
from core.vectors import BY_NAME
from search.plan import Fusion, PlannedVector
from search.ranking import SEARCHABLE_VECTORS, WEIGHT_MAX


def choose_vectors(
    wanted: Mapping[str, float] | None, settings: Settings, *, defaults: Mapping[str, float], field: str = "vectors"
) -> tuple[PlannedVector, ...]:
    """The caller's vectors or the default ones, in one order, so that plans that ask for the same are equal."""
    if wanted is None:
        wanted = {name: weight for name, weight in defaults.items() if _is_served(name, settings)}
    elif not wanted:
        raise InvalidInputError(field, "names no vector")
    chosen = [_plan_vector(name, weight, settings, field) for name, weight in wanted.items()]
    return tuple(sorted(chosen, key=lambda vector: SEARCHABLE_VECTORS.index(vector.name)))


def choose_fusion(wanted: str | None, weights: Mapping[str, float] | None) -> Fusion:
    """RRF unless said otherwise. DBSF knows no weights: different ones are refused rather than passed over."""
    if wanted is None:
        return Fusion.RRF
    if wanted not in tuple(Fusion):
        raise InvalidInputError("fusion", f"is not known; known are {', '.join(Fusion)}")
    fusion = Fusion(wanted)
    if fusion is Fusion.DBSF and weights is not None and len(set(weights.values())) > 1:
        raise InvalidInputError("fusion", "dbsf takes no weights: give all vectors the same, or use rrf or linear")
    return fusion


def _plan_vector(name: str, weight: float, settings: Settings, field: str) -> PlannedVector:
    if name not in BY_NAME:
        known = ", ".join(sorted(SEARCHABLE_VECTORS))
        raise InvalidInputError(f"{field}.{ascii(name)[1:-1][:80]}", f"is not a vector; known are {known}")
    if name not in SEARCHABLE_VECTORS:
        raise InvalidInputError(f"{field}.{name}", "cannot be searched by text or by title")
    if not _is_served(name, settings):
        raise InvalidInputError(f"{field}.{name}", "sparse vectors are turned off (ENABLE_SPARSE_VECTORS)")
    if not math.isfinite(weight) or not 0 < weight <= WEIGHT_MAX:
        raise InvalidInputError(f"{field}.{name}", f"the weight must be above 0 and at most {WEIGHT_MAX:g}")
    return PlannedVector(name, float(weight), BY_NAME[name].priority)


def _is_served(name: str, settings: Settings) -> bool:
    return settings.enable_sparse_vectors or not BY_NAME[name].is_sparse
