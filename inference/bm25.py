"""BM25 as sparse vectors. The index multiplies in the IDF (Qdrant's IDF modifier), so weights here need no corpus.

Document side: term frequency saturated by k1 and normalised by length against a constant average, since a moving
average would change stored vectors. Query side: 1 for each occurrence. Words are folded (NFKC, case, Latin accents) and
stemmed as English; runs of Chinese, Japanese and Korean become character bigrams, for they have no spaces to cut at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain

import numpy as np

from core.recipe import EmbeddingRecipe
from core.words import hash_to_index, split_run, split_runs
from inference.base import SparseVector, build_sparse, refuse_empty

# Raise it when folding, stop words or hashing change: stored vectors would no longer match queries.
TOKENS_VERSION = 1

# The name in its recipe; the index weighs terms by rarity for this encoder only.
ENCODER = "bm25"


class Bm25Encoder:
    """`average_length` is in terms: the mean over the 39,736 titles of the full catalogue's lexical texts."""

    needs_idf = True

    def __init__(
        self, *, template_version: int, k1: float = 1.2, b: float = 0.75, average_length: float = 85.0
    ) -> None:
        self._k1 = k1
        self._b = b
        self._average_length = average_length
        revision = f"tokens{TOKENS_VERSION};k1={k1};b={b};avg={average_length}"
        self.recipe = EmbeddingRecipe(ENCODER, revision, 0, template_version)

    def encode_passages(self, texts: Sequence[str]) -> list[SparseVector]:
        """Saturated term frequencies. Raises ValueError for an empty text."""
        refuse_empty(texts)
        return [self._saturate(count_terms(text)) for text in texts]

    def encode_queries(self, texts: Sequence[str]) -> list[SparseVector]:
        """How often each term was asked for. Raises ValueError for an empty text."""
        refuse_empty(texts)
        return [build_sparse(count_terms(text)) for text in texts]

    def _saturate(self, terms: Counter[int]) -> SparseVector:
        indices, counts = build_sparse(terms)
        length = float(counts.sum())
        norm = self._k1 * (1.0 - self._b + self._b * length / self._average_length)
        return SparseVector(indices, (counts * (self._k1 + 1.0) / (counts + norm)).astype(np.float32))


def count_terms(text: str) -> Counter[int]:
    """{uint32 term id: occurrences}; ids that collide are summed."""
    return Counter(chain.from_iterable(map(_run_to_ids, split_runs(text))))


@lru_cache(maxsize=300_000)
def _run_to_ids(run: str) -> tuple[int, ...]:
    return tuple(hash_to_index(term) for term in split_run(run))
