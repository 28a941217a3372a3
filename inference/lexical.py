"""The text encoder's own sparse weights (BGE-M3) behind the protocol of lexical encoders."""

from __future__ import annotations

from collections.abc import Sequence

from core.recipe import EmbeddingRecipe
from inference.base import SparseVector, TextEncoder


class OwnLexicalEncoder:
    """Learned weights: the model has judged the rarity of words already, so the index must not do it again."""

    needs_idf = False

    def __init__(self, encoder: TextEncoder, *, token_budget: int) -> None:
        """Raises ValueError if the encoder has no sparse weights."""
        if encoder.lexical_recipe is None:
            raise ValueError(f"{encoder.recipe.encoder} has no lexical weights")
        self.recipe: EmbeddingRecipe = encoder.lexical_recipe
        self._encoder = encoder
        self._token_budget = token_budget

    def encode_passages(self, texts: Sequence[str]) -> list[SparseVector]:
        """One pass of the text encoder. Raises ValueError for an empty text."""
        encoded = self._encoder.encode_passages(texts, token_budget=self._token_budget, with_lexical=True)
        return encoded.lexical or []

    def encode_queries(self, texts: Sequence[str]) -> list[SparseVector]:
        """One pass; callers that want dense vectors too ask the text encoder for both at once."""
        return self._encoder.encode_queries(texts, with_lexical=True).lexical or []
