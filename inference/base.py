"""What every encoder offers, and the values that they return. Imports no model library.

Dense vectors are L2-normalised, so a dot product is a cosine. Sparse vectors have ascending, unique indices, as Qdrant
wants them. Text without content is refused: no content means no vector, never a zero vector.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from core.recipe import EmbeddingRecipe

DenseRows: TypeAlias = NDArray[np.float32]

# Queries come few and short and want an answer soon; passages come by the thousand and want throughput.
Purpose: TypeAlias = Literal["query", "bulk"]


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How a model is to be loaded: the settings of the same names, and what for.

    `max_tokens` and `threads` 0 mean the model's own limit and a choice by purpose.
    """

    template_version: int
    device: str = "auto"
    precision: str = "auto"
    threads: int = 0
    max_tokens: int = 0
    purpose: Purpose = "bulk"


class SparseVector(NamedTuple):
    """`indices`: uint32, ascending and unique. `values`: float32, one for each index. Empty when nothing is known."""

    indices: NDArray[np.uint32]
    values: NDArray[np.float32]


@dataclass(frozen=True)
class Encoded:
    """`dense`: (n, dimension) float32 with L2-normalised rows. `lexical`: n sparse vectors, or None."""

    dense: DenseRows
    lexical: list[SparseVector] | None


class TextEncoder(Protocol):
    """Texts to dense vectors and, with some models, to sparse ones in the same pass.

    All methods raise ValueError for an empty text and return rows in the order of the texts. Texts longer than
    `max_tokens` are cut.
    """

    @property
    def recipe(self) -> EmbeddingRecipe:
        """How the dense vectors come about."""

    @property
    def lexical_recipe(self) -> EmbeddingRecipe | None:
        """How the encoder's own sparse weights come about; None if it has none."""

    @property
    def max_tokens(self) -> int:
        """Longest text in tokens, special tokens included."""

    @property
    def device(self) -> str:
        """cpu, mps, cuda or cuda:N."""

    @property
    def precision(self) -> str:
        """fp32, bf16 or fp16: what the model computes in. The vectors are float32 at any rate."""

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens that the model sees of each text: special tokens included, cut at `max_tokens`."""

    def encode_passages(self, texts: Sequence[str], *, token_budget: int, with_lexical: bool = False) -> Encoded:
        """Encode stored texts in batches of at most `token_budget` padded tokens.

        Raises ValueError for `with_lexical` if the encoder has no sparse weights.
        """

    def encode_queries(self, texts: Sequence[str], *, with_lexical: bool = False) -> Encoded:
        """Encode what people search for. Same space as the passages."""


class LexicalEncoder(Protocol):
    """Texts to sparse vectors by their words. A text without any word gives an empty vector."""

    @property
    def recipe(self) -> EmbeddingRecipe:
        """How the sparse vectors come about; dimension 0."""

    @property
    def needs_idf(self) -> bool:
        """True if the index has to weigh query terms by their rarity (Qdrant's IDF modifier)."""

    def encode_passages(self, texts: Sequence[str]) -> list[SparseVector]:
        """Document side. Raises ValueError for an empty text."""

    def encode_queries(self, texts: Sequence[str]) -> list[SparseVector]:
        """Query side. Raises ValueError for an empty text."""


def refuse_empty(texts: Iterable[str]) -> None:
    """Raise ValueError that names the position of the first text without content."""
    for position, text in enumerate(texts):
        if not text or text.isspace():
            raise ValueError(f"text {position} is empty: no content means no vector")


def build_sparse(weights: Mapping[int, float]) -> SparseVector:
    """A sparse vector from {index: weight}."""
    indices = np.fromiter(weights.keys(), dtype=np.uint32, count=len(weights))
    values = np.fromiter(weights.values(), dtype=np.float32, count=len(weights))
    order = np.argsort(indices)
    return SparseVector(indices[order], values[order])
