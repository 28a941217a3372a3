"""Which vectors take part, with which weights, and how their lists are fused."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from core.errors import InvalidInputError
from core.settings import Settings
from core.vectors import BY_NAME, PICTURE_VECTORS
from search.plan import Fusion, PlannedVector
from search.ranking import DBSF_WEIGHTS, SEARCHABLE_VECTORS, WEIGHT_MAX


def choose_vectors(
    wanted: Mapping[str, float] | None,
    settings: Settings,
    *,
    defaults: Mapping[str, float],
    fusion: str | None,
    known: Sequence[str] = SEARCHABLE_VECTORS,
) -> tuple[PlannedVector, ...]:
    """The caller's vectors or the default ones, in one order, so that plans that ask for the same are equal.

    `known`: those that this kind of search has a query for.

    Default weights are made to fit the `fusion` that the caller names; his own have to fit it.
    """
    if wanted is None:
        wanted = {name: weight for name, weight in defaults.items() if _is_served(name, settings)}
        if fusion == Fusion.DBSF:
            wanted = {name: float(max(1, round(weight))) for name, weight in wanted.items()}
    elif not wanted:
        raise InvalidInputError("vectors", "names no vector")
    chosen = [_plan_vector(name, weight, settings, known) for name, weight in wanted.items()]
    return tuple(sorted(chosen, key=lambda vector: known.index(vector.name)))


def choose_fusion(wanted: str | None, vectors: tuple[PlannedVector, ...], *, default: str) -> Fusion:
    """Qdrant's DBSF knows no weights, so a list takes part once to three times: other weights are refused."""
    if wanted is None:
        return Fusion(default)
    if wanted not in tuple(Fusion):
        raise InvalidInputError("fusion", f"is not known; known are {', '.join(Fusion)}")
    if wanted == Fusion.DBSF and any(vector.weight not in DBSF_WEIGHTS for vector in vectors):
        known = ", ".join(f"{weight:g}" for weight in DBSF_WEIGHTS)
        raise InvalidInputError("fusion", f"dbsf takes whole weights only ({known}): change them, or use rrf or linear")
    return Fusion(wanted)


def _plan_vector(name: str, weight: float, settings: Settings, known: Sequence[str]) -> PlannedVector:
    if name not in BY_NAME:
        names = ", ".join(sorted(known))
        raise InvalidInputError(f"vectors.{ascii(name)[1:-1][:80]}", f"is not a vector; known are {names}")
    if name not in known:
        needed = "needs a picture" if name in PICTURE_VECTORS else "has no query here"
        raise InvalidInputError(f"vectors.{name}", f"{needed}; this search takes {', '.join(sorted(known))}")
    if not _is_served(name, settings):
        raise InvalidInputError(f"vectors.{name}", "sparse vectors are turned off (ENABLE_SPARSE_VECTORS)")
    if not math.isfinite(weight) or not 0 < weight <= WEIGHT_MAX:
        raise InvalidInputError(f"vectors.{name}", f"the weight must be above 0 and at most {WEIGHT_MAX:g}")
    return PlannedVector(name, float(weight), BY_NAME[name].priority)


def _is_served(name: str, settings: Settings) -> bool:
    return settings.enable_sparse_vectors or not BY_NAME[name].is_sparse
