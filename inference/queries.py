"""Query texts -> vectors, for the dedicated query worker."""

from __future__ import annotations

from collections.abc import Sequence

from core.recipe import RecipeSet
from inference.base import Encoded, LexicalEncoder, TextEncoder

_WARM_UP_TEXTS = ("a quiet story about growing up", "dark psychological thriller with a genius protagonist")


class QueryEncodingService:
    """Dense and lexical vectors of queries, in one pass where the text encoder makes both."""

    def __init__(self, text: TextEncoder, lexical: LexicalEncoder, recipes: RecipeSet) -> None:
        self._text = text
        self._lexical = lexical
        self._is_one_pass = text.lexical_recipe is not None and text.lexical_recipe == recipes.lexical
        self.recipes = recipes

    def encode(self, texts: Sequence[str]) -> Encoded:
        """Unit vectors of shape (n, dimension) and one sparse vector a text."""
        encoded = self._text.encode_queries(texts, with_lexical=self._is_one_pass)
        if encoded.lexical is not None:
            return encoded
        return Encoded(dense=encoded.dense, lexical=self._lexical.encode_queries(texts))

    def warm_up(self) -> None:
        """Run the model once at the sizes that queries come in, so that the first real one is not slow."""
        for count in (1, 8, 32):
            self.encode([*_WARM_UP_TEXTS * count][:count])
