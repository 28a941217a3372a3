"""Any sentence-transformers text model, by folder; MiniLM is one of them.

Most models are a transformer, mean or first-token pooling and perhaps a normalisation. Those are run directly, for the
library's own `encode` spends more on a short query than the model does. Other chains of modules go through the library.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from core.recipe import EmbeddingRecipe
from inference.base import DenseRows, Encoded, LoadOptions, refuse_empty
from inference.batching import QUERY_TOKEN_BUDGET, plan_batches
from inference.forward import DTYPES, Forward, choose_forward, pool, run_batches
from inference.hardware import Precision, choose_device, list_precisions
from inference.model_files import ModelFiles, describe_revision
from inference.plain_bert import load_plain_bert
from inference.tokenization import TextTokenizer

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_FALLBACK_MAX_TOKENS = 8_192
_POOLING_MODES = frozenset({"mean", "cls"})
_DIRECT_MODALITY = {"text": {"method": "forward", "method_output_name": "last_hidden_state"}}
_PASSAGE_PROMPTS = ("document", "passage", "corpus")


class Rows(Protocol):
    """Texts to L2-normalised rows, in the order of the texts."""

    def encode(self, texts: Sequence[str], *, token_budget: int) -> DenseRows:
        """Shape (len(texts), dimension), float32."""


class SentenceTransformerEncoder:
    """A TextEncoder without sparse weights. Build it with `load_sentence_transformer`."""

    lexical_recipe = None

    def __init__(
        self,
        *,
        recipe: EmbeddingRecipe,
        tokenizer: TextTokenizer,
        rows: Rows,
        device: str,
        precision: Precision,
        query_prompt: str = "",
        passage_prompt: str = "",
    ) -> None:
        self.recipe = recipe
        self.device = device
        self.precision = precision
        self.max_tokens = tokenizer.max_tokens
        self._tokenizer = tokenizer
        self._rows = rows
        self._query_prompt = query_prompt
        self._passage_prompt = passage_prompt

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """With special tokens and the passage prompt, cut at `max_tokens`."""
        return self._tokenizer.count([self._passage_prompt + text for text in texts])

    def encode_passages(self, texts: Sequence[str], *, token_budget: int, with_lexical: bool = False) -> Encoded:
        """Dense rows in the order of the texts."""
        return self._encode(texts, self._passage_prompt, token_budget=token_budget, with_lexical=with_lexical)

    def encode_queries(self, texts: Sequence[str], *, with_lexical: bool = False) -> Encoded:
        """As passages, with the model's prompt for queries where it has one."""
        return self._encode(texts, self._query_prompt, token_budget=QUERY_TOKEN_BUDGET, with_lexical=with_lexical)

    def _encode(self, texts: Sequence[str], prompt: str, *, token_budget: int, with_lexical: bool) -> Encoded:
        if with_lexical:
            raise ValueError(f"{self.recipe.encoder} has no lexical weights")
        refuse_empty(texts)
        if not texts:
            return Encoded(np.zeros((0, self.recipe.dimension), dtype=np.float32), None)
        return Encoded(self._rows.encode([prompt + text for text in texts], token_budget=token_budget), None)


class DirectRows:
    """Tokenizer, transformer and pooling without the library between them."""

    def __init__(self, *, tokenizer: TextTokenizer, forward: Forward, mode: str, dimension: int) -> None:
        self._tokenizer = tokenizer
        self._forward = forward
        self._mode = mode
        self._dimension = dimension

    def encode(self, texts: Sequence[str], *, token_budget: int) -> DenseRows:
        """In batches of at most `token_budget` padded tokens."""
        rows = np.empty((len(texts), self._dimension), dtype=np.float32)
        for batch in run_batches(self._tokenizer, self._forward, texts, token_budget=token_budget):
            rows[batch.positions] = pool(batch.states, [len(ids) for ids in batch.ids], mode=self._mode)
        return rows


class LibraryRows:
    """The library's `encode`, one call for each planned batch."""

    def __init__(self, *, model: SentenceTransformer, tokenizer: TextTokenizer, dimension: int) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._dimension = dimension

    def encode(self, texts: Sequence[str], *, token_budget: int) -> DenseRows:
        """In batches of at most `token_budget` padded tokens."""
        rows = np.empty((len(texts), self._dimension), dtype=np.float32)
        for positions in plan_batches(self._tokenizer.count(texts), token_budget):
            chosen = [texts[position] for position in positions]
            rows[positions] = self._model.encode(
                chosen, prompt="", batch_size=len(chosen), normalize_embeddings=True, show_progress_bar=False
            )
        return rows


def load_sentence_transformer(files: ModelFiles, options: LoadOptions) -> SentenceTransformerEncoder:
    """Raises OSError, ValueError and the like if the files are no such model."""
    plain = load_plain_bert(files.folder)
    if plain is None:
        return _load_by_library(files, options)
    own_limit = min(plain.max_tokens, _FALLBACK_MAX_TOKENS)
    tokenizer = TextTokenizer(plain.tokenizer, max_tokens=min(own_limit, options.max_tokens or own_limit))
    chosen = choose_forward(plain.module, tokenizer=plain.tokenizer, mode=plain.mode, options=options)
    rows = DirectRows(tokenizer=tokenizer, forward=chosen.run, mode=plain.mode, dimension=plain.dimension)
    return _build_encoder(
        files,
        options,
        _Parts(rows, tokenizer, own_limit, plain.dimension, chosen.device, chosen.precision),
        plain.prompts,
    )


def _load_by_library(files: ModelFiles, options: LoadOptions) -> SentenceTransformerEncoder:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(files.folder), device="cpu", local_files_only=True)
    own_limit = min(int(model.max_seq_length or _FALLBACK_MAX_TOKENS), _FALLBACK_MAX_TOKENS)
    tokenizer = TextTokenizer(model.tokenizer, max_tokens=min(own_limit, options.max_tokens or own_limit))
    dimension = int(model.get_embedding_dimension() or 0)
    rows: Rows
    if is_direct(model):
        mode = model[1].pooling_mode
        chosen = choose_forward(model[0].model, tokenizer=model.tokenizer, mode=mode, options=options)
        device, precision = chosen.device, chosen.precision
        rows = DirectRows(tokenizer=tokenizer, forward=chosen.run, mode=mode, dimension=dimension)
    else:
        device = choose_device(options.device)
        # Unmeasured, since such a chain gives no hold on token ids: the GPU's own precision, and fp32 on a CPU.
        precision = list_precisions(options.precision, device=device)[0 if device == "cpu" else -1]
        model.max_seq_length = tokenizer.max_tokens
        model.to(device=device, dtype=DTYPES[precision])
        rows = LibraryRows(model=model, tokenizer=tokenizer, dimension=dimension)
    return _build_encoder(
        files, options, _Parts(rows, tokenizer, own_limit, dimension, device, precision), model.prompts
    )


class _Parts(NamedTuple):
    """What both ways of loading come to."""

    rows: Rows
    tokenizer: TextTokenizer
    own_limit: int
    dimension: int
    device: str
    precision: Precision


def _build_encoder(
    files: ModelFiles, options: LoadOptions, parts: _Parts, all_prompts: Mapping[str, str]
) -> SentenceTransformerEncoder:
    prompts = {name: prompt for name, prompt in all_prompts.items() if prompt}
    revision = describe_revision(files, max_tokens=parts.tokenizer.max_tokens, own_limit=parts.own_limit)
    return SentenceTransformerEncoder(
        recipe=EmbeddingRecipe(files.encoder, revision, parts.dimension, options.template_version),
        tokenizer=parts.tokenizer,
        rows=parts.rows,
        device=parts.device,
        precision=parts.precision,
        query_prompt=prompts.get("query", ""),
        passage_prompt=next((prompts[name] for name in _PASSAGE_PROMPTS if name in prompts), ""),
    )


def is_direct(model: SentenceTransformer) -> bool:
    """True if the model is a plain transformer, one of our pooling modes and perhaps a normalisation."""
    modules = list(model)
    names = [type(module).__name__ for module in modules]
    if names not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        return False
    transformer, pooling = modules[0], modules[1]
    return (
        transformer.modality_config == _DIRECT_MODALITY
        and not transformer.processing_kwargs
        and transformer.query_expansion is None
        and transformer.query_length is None
        and transformer.document_length is None
        and pooling.pooling_mode in _POOLING_MODES
        and pooling.include_prompt
        and model.truncate_dim is None
    )
