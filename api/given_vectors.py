"""The checks between vectors that a caller made and the params of their job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from api.schemas.admin import GivenPoint
from core.errors import ConflictError, InvalidInputError
from core.recipe import RecipeSet
from core.vectors import TEXT_VECTORS
from search.referring import check_identifier
from storage.database.titles import TitleRepository

# All that a float32 holds; the rest of a double is bytes in Postgres.
_DIGITS = 7
_LENGTH_MIN = 1e-6


class GivenRecipeError(ConflictError):
    """The vectors were made by another recipe than those in the index."""

    code = "recipe-mismatch"


def build_given_params(
    recipe: str, points: Sequence[GivenPoint], *, recipes: RecipeSet, titles: TitleRepository
) -> dict[str, Any]:
    """Params of a job of kind `vectors`: slugs and vectors of length 1. Raises InvalidInputError, GivenRecipeError."""
    if recipe != recipes.text.fingerprint:
        raise GivenRecipeError(
            f"the live index is made by {recipes.text.fingerprint} ({recipes.text.encoder}), the vectors by {recipe}"
        )
    identifiers = [check_identifier(point.id, f"points.{place}.id") for place, point in enumerate(points)]
    slugs = titles.resolve_slugs(identifiers)
    taken: dict[str, int] = {}
    checked = []
    for place, point in enumerate(points):
        slug = slugs.get(identifiers[place])
        if slug is None:
            raise InvalidInputError(f"points.{place}.id", "names no title")
        if slug in taken:
            raise InvalidInputError(f"points.{place}.id", f"names the same title as points.{taken[slug]}.id")
        taken[slug] = place
        vectors = _check_vectors(point.vectors, f"points.{place}.vectors", dimension=recipes.text.dimension)
        checked.append({"id": slug, "vectors": vectors})
    return {"recipe": recipe, "points": checked}


def _check_vectors(vectors: Mapping[str, Sequence[float]], where: str, *, dimension: int) -> dict[str, list[float]]:
    checked = {}
    for name, numbers in vectors.items():
        place = f"{where}.{ascii(name)[1:-1][:80]}"
        if name not in TEXT_VECTORS:
            raise InvalidInputError(place, f"is no vector of texts; known are {', '.join(TEXT_VECTORS)}")
        if len(numbers) != dimension:
            raise InvalidInputError(place, f"has {len(numbers)} numbers, the index has {dimension}")
        checked[name] = _bring_to_length_1(numbers, place)
    return checked


def _bring_to_length_1(numbers: Sequence[float], place: str) -> list[float]:
    with np.errstate(over="ignore"):
        vector = np.asarray(numbers, dtype=np.float32).astype(np.float64)
    if not np.isfinite(vector).all():
        raise InvalidInputError(place, "holds a number that is not finite as a float32")
    length = float(np.linalg.norm(vector))
    if length < _LENGTH_MIN:
        raise InvalidInputError(place, "has no direction: its length is 0")
    rounded: list[float] = np.round(vector / length, _DIGITS).tolist()
    return rounded
