"""BGE-M3 and its fine-tuned kin: dense vectors and sparse token weights from one pass.

FlagEmbedding loads the model; its parts are then run by our own batches. Its `encode` pads by number of texts, runs the
first batch twice to find a batch size, and forces float32 on a CPU. The results are the same, and a test says so.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from FlagEmbedding import BGEM3FlagModel
from torch import Tensor

from core.recipe import EmbeddingRecipe
from inference.base import Encoded, LoadOptions, SparseVector, refuse_empty
from inference.batching import QUERY_TOKEN_BUDGET
from inference.forward import Batch, ChosenForward, choose_forward, pool, run_batches
from inference.model_files import ModelFiles, describe_revision
from inference.tokenization import TextTokenizer

_POOLING = "cls"


class BgeM3Encoder:
    """A TextEncoder with sparse weights of its own: for each token id its largest weight in the text."""

    def __init__(
        self,
        *,
        recipe: EmbeddingRecipe,
        tokenizer: TextTokenizer,
        forward: ChosenForward,
        sparse_linear: torch.nn.Linear,
        unused_ids: Sequence[int],
    ) -> None:
        """`unused_ids`: special tokens, which get no sparse weight."""
        self.recipe = recipe
        self.lexical_recipe = EmbeddingRecipe(f"{recipe.encoder}-sparse", recipe.revision, 0, recipe.template_version)
        self.device = forward.device
        self.precision = forward.precision
        self.max_tokens = tokenizer.max_tokens
        self._tokenizer = tokenizer
        self._forward = forward.run
        # A copy: when FlagEmbedding's object goes, it moves its modules back to the CPU.
        self._sparse_linear = copy.deepcopy(sparse_linear).to(forward.device).float().eval()
        self._unused_ids = np.array(sorted(unused_ids))

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """With special tokens, cut at `max_tokens`."""
        return self._tokenizer.count(texts)

    def encode_passages(self, texts: Sequence[str], *, token_budget: int, with_lexical: bool = False) -> Encoded:
        """Dense rows and, if asked for, sparse weights, in the order of the texts."""
        refuse_empty(texts)
        dense = np.empty((len(texts), self.recipe.dimension), dtype=np.float32)
        lexical: dict[int, SparseVector] = {}
        for batch in run_batches(self._tokenizer, self._forward, texts, token_budget=token_budget):
            dense[batch.positions] = pool(batch.states, [len(ids) for ids in batch.ids], mode=_POOLING)
            if with_lexical:
                lexical.update(zip(batch.positions, self._weigh(batch), strict=True))
        return Encoded(dense, [lexical[position] for position in range(len(texts))] if with_lexical else None)

    def encode_queries(self, texts: Sequence[str], *, with_lexical: bool = False) -> Encoded:
        """The same as for passages: BGE-M3 wants no instruction before queries."""
        return self.encode_passages(texts, token_budget=QUERY_TOKEN_BUDGET, with_lexical=with_lexical)

    def _weigh(self, batch: Batch) -> list[SparseVector]:
        weights = _weigh_tokens(self._sparse_linear, batch.states)
        ends = np.cumsum([len(ids) for ids in batch.ids])[:-1]
        return [
            self._keep_largest(np.array(ids), part)
            for ids, part in zip(batch.ids, np.split(weights, ends), strict=True)
        ]

    def _keep_largest(self, ids: np.ndarray[Any, Any], weights: np.ndarray[Any, Any]) -> SparseVector:
        kept = (weights > 0) & ~np.isin(ids, self._unused_ids)
        indices, place = np.unique(ids[kept], return_inverse=True)
        largest = np.zeros(len(indices), dtype=np.float32)
        np.maximum.at(largest, place, weights[kept])
        return SparseVector(indices.astype(np.uint32), largest)


@torch.inference_mode()
def _weigh_tokens(sparse_linear: torch.nn.Linear, states: Tensor) -> np.ndarray[Any, Any]:
    """A weight >= 0 for each token of the packed states."""
    weights: np.ndarray[Any, Any] = torch.relu(sparse_linear(states.float())).squeeze(-1).cpu().numpy()
    return weights


def load_bge_m3(files: ModelFiles, options: LoadOptions) -> BgeM3Encoder:
    """Raises OSError, ValueError and the like if the files are no such model.

    FlagEmbedding makes up random sparse weights where sparse_linear.pt is missing; the registry brings only folders
    that have it.
    """
    loaded = BGEM3FlagModel(str(files.folder), use_fp16=False, devices="cpu")
    module, library_tokenizer = loaded.model.model, loaded.tokenizer
    own_limit = int(min(library_tokenizer.model_max_length, _count_positions(module.config)))
    tokenizer = TextTokenizer(library_tokenizer, max_tokens=min(own_limit, options.max_tokens or own_limit))
    revision = describe_revision(files, max_tokens=tokenizer.max_tokens, own_limit=own_limit)
    special = ("cls_token_id", "eos_token_id", "pad_token_id", "unk_token_id")
    ids = [getattr(library_tokenizer, name) for name in special]
    return BgeM3Encoder(
        recipe=EmbeddingRecipe(files.encoder, revision, module.config.hidden_size, options.template_version),
        tokenizer=tokenizer,
        forward=choose_forward(module, tokenizer=library_tokenizer, mode=_POOLING, options=options),
        sparse_linear=loaded.model.sparse_linear,
        unused_ids=[number for number in ids if number is not None],
    )


def _count_positions(config: Any) -> int:
    # XLM-RoBERTa counts positions from the padding id on, so the first ones of its table are never used.
    return int(config.max_position_embeddings) - int(config.pad_token_id) - 1
