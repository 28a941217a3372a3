"""A deterministic encoder without a model: hashed bags of words, so that texts with common words are similar.

For unit tests and for trying the pipeline without any model (TEXT_EMBEDDING_MODEL=fake). It passes the same contract
tests as the real ones.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from core.recipe import EmbeddingRecipe
from core.words import hash_to_index
from inference.base import DenseRows, Encoded, SparseVector, build_sparse, refuse_empty

_WORD = re.compile(r"\w+")
_SPECIAL_TOKENS = 2


class FakeTextEncoder:
    """Each word is a fixed random direction; a text is the normalised sum of its words.

    `own_lexical` gives it sparse weights of its own (word counts), like BGE-M3's.
    """

    device = "cpu"
    precision = "fp32"

    def __init__(
        self, *, template_version: int, dimension: int = 64, max_tokens: int = 256, own_lexical: bool = False
    ) -> None:
        self.recipe = EmbeddingRecipe("fake", "1", dimension, template_version)
        self.lexical_recipe = EmbeddingRecipe("fake-lexical", "1", 0, template_version) if own_lexical else None
        self.max_tokens = max_tokens

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Words, with the two special tokens that a real tokenizer would add."""
        return [len(self._words(text)) + _SPECIAL_TOKENS for text in texts]

    def encode_passages(self, texts: Sequence[str], *, token_budget: int, with_lexical: bool = False) -> Encoded:
        """Rows in the order of the texts; the budget has no effect here."""
        if token_budget < 1:
            raise ValueError("token_budget must be positive")
        return self.encode_queries(texts, with_lexical=with_lexical)

    def encode_queries(self, texts: Sequence[str], *, with_lexical: bool = False) -> Encoded:
        """The same as for passages."""
        if with_lexical and self.lexical_recipe is None:
            raise ValueError("this encoder has no lexical weights")
        refuse_empty(texts)
        dense = np.zeros((len(texts), self.recipe.dimension), dtype=np.float32)
        for row, text in zip(dense, texts, strict=True):
            row[:] = self._encode(text)
        return Encoded(dense, [self._weigh(text) for text in texts] if with_lexical else None)

    def _words(self, text: str) -> list[str]:
        return (_WORD.findall(text.casefold()) or [text])[: self.max_tokens - _SPECIAL_TOKENS]

    def _encode(self, text: str) -> DenseRows:
        total = np.sum([_direction(word, self.recipe.dimension) for word in self._words(text)], axis=0)
        return np.asarray(total / np.linalg.norm(total), dtype=np.float32)

    def _weigh(self, text: str) -> SparseVector:
        counts = Counter(hash_to_index(word) for word in self._words(text))
        return build_sparse(counts)


@lru_cache(maxsize=50_000)
def _direction(word: str, dimension: int) -> DenseRows:
    seed = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "big")
    return np.random.default_rng(seed).standard_normal(dimension).astype(np.float32)
