"""The vectors of one query text, and the call that makes those of many at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from core.errors import ConflictError
from messaging.query_call import EncodedQueries, SparseRow


class RecipeMismatchError(ConflictError):
    """The query worker makes other vectors than those in the index: no answer is better than a wrong one."""

    code = "recipe-mismatch"


@dataclass(frozen=True, slots=True, eq=False)
class EncodedQuery:
    """`dense` is float32 of shape (dimension,); `recipes` the text fingerprint of the RecipeSet that it was made by."""

    recipes: str
    dense: NDArray[np.float32]
    lexical: SparseRow | None


class QueryEncoder(Protocol):
    """Encodes texts together, in their order; called from one thread only."""

    def encode(self, texts: Sequence[str], timeout_s: float) -> EncodedQueries:
        """Raises DependencyUnavailableError or DeadlineExceededError."""


def encode_each(encoder: QueryEncoder, texts: list[str], timeout_s: float) -> list[EncodedQuery]:
    """One value a text: what the embedding dispatcher calls."""
    encoded = encoder.encode(texts, timeout_s)
    lexical: Sequence[SparseRow | None] = encoded.lexical or [None] * len(texts)
    # Each row is copied: a view would keep the vectors of the whole batch alive with it.
    return [
        EncodedQuery(recipes=encoded.recipes, dense=row.copy(), lexical=terms)
        for row, terms in zip(encoded.dense, lexical, strict=True)
    ]
