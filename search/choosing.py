"""Which vectors take part, with which weights, and how their lists are fused."""

from __future__ import annotations

import math
from collections.abc import Mapping

from core.errors import InvalidInputError
from core.settings import Settings
from core.vectors import BY_NAME
from search.plan import Fusion, PlannedVector
from search.ranking import DBSF_WEIGHTS, SEARCHABLE_VECTORS, WEIGHT_MAX


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


def choose_fusion(wanted: str | None, vectors: tuple[PlannedVector, ...], *, default: str) -> Fusion:
    """Qdrant's DBSF knows no weights, so a list takes part once to three times: other weights are refused."""
    if wanted is not None and wanted not in tuple(Fusion):
        raise InvalidInputError("fusion", f"is not known; known are {', '.join(Fusion)}")
    fits_dbsf = all(vector.weight in DBSF_WEIGHTS for vector in vectors)
    if wanted is None:
        # The caller's own weights decide where the default cannot take them.
        return Fusion(default) if default != Fusion.DBSF or fits_dbsf else Fusion.RRF
    if wanted == Fusion.DBSF and not fits_dbsf:
        known = ", ".join(f"{weight:g}" for weight in DBSF_WEIGHTS)
        raise InvalidInputError("fusion", f"dbsf takes whole weights only ({known}): change them, or use rrf or linear")
    return Fusion(wanted)


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
