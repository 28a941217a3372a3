"""Texts to token ids with a copy of a model's own tokenizer.

A copy, because the library switches padding and cutting on the shared one at every call. The work is done in Rust with
the interpreter lock released, so tokenising runs beside encoding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tokenizers import Tokenizer


class TextTokenizer:
    """Token ids without padding, special tokens included, cut at `max_tokens`."""

    def __init__(self, tokenizer: Any, *, max_tokens: int) -> None:
        """`tokenizer`: a fast tokenizer of transformers."""
        self.max_tokens = max_tokens
        self._tokenizer = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_tokens)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text."""
        return [encoding.ids for encoding in self._tokenizer.encode_batch_fast(list(texts))]

    def count(self, texts: Sequence[str]) -> list[int]:
        """How many ids `encode` gives for each text."""
        return [len(ids) for ids in self.encode(texts)]
