"""BERT, RoBERTa and XLM-RoBERTa encoders (MiniLM, E5, BGE, BGE-M3) without padding, for CPUs.

The same arithmetic as in transformers, arranged for short texts: all tokens of a batch go through the linear layers as
one matrix, query, key and value in one product, and only attention is done per group of equally long texts, without
a mask. Weights in bfloat16 are laid out once for the CPU's matrix units rather than at every call.
docs/decisions/0003-encoders.md has the measurements.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, groupby
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

# By class, since a wrapped module (an adapter, say) has the same configuration and other weights.
_CLASSES = frozenset({"BertModel", "RobertaModel", "XLMRobertaModel"})


class PackedBert:
    """Takes over the weights of a transformers module; shares them with it where the type is the same."""

    @staticmethod
    def supports(module: Any) -> bool:
        """True for plain encoders: absolute positions, GELU, no cross-attention."""
        config = module.config
        return (
            type(module).__name__ in _CLASSES
            and config.hidden_act == "gelu"
            and getattr(config, "position_embedding_type", None) in {None, "absolute"}
            and not getattr(config, "is_decoder", False)
            and not getattr(config, "add_cross_attention", False)
        )

    def __init__(self, module: Any, *, dtype: torch.dtype) -> None:
        config = module.config
        weights = {name: tensor.detach() for name, tensor in module.state_dict().items()}
        self._dtype = dtype
        self._epsilon = config.layer_norm_eps
        # RoBERTa counts positions from the padding token's id on.
        self._first_position = 0 if config.model_type == "bert" else config.pad_token_id + 1
        self._words = weights["embeddings.word_embeddings.weight"]
        token_type = weights["embeddings.token_type_embeddings.weight"][0]
        self._positions = weights["embeddings.position_embeddings.weight"] + token_type
        self._norm = _Norm(weights, "embeddings.LayerNorm", dtype=self._words.dtype, epsilon=self._epsilon)
        self._layers = [
            _Layer(weights, f"encoder.layer.{number}", config=config, dtype=dtype)
            for number in range(config.num_hidden_layers)
        ]

    @torch.inference_mode()
    def __call__(self, ids: Sequence[Sequence[int]]) -> Tensor:
        """Hidden states of the last layer, shape (sum of lengths, hidden size).

        Quickest when texts of one length stand side by side.
        """
        lengths = [len(row) for row in ids]
        flat = torch.tensor(list(chain.from_iterable(ids)))
        positions = torch.cat([torch.arange(length) for length in lengths]) + self._first_position
        groups = [(length, len(list(run))) for length, run in groupby(lengths)]
        states = self._norm(self._words[flat] + self._positions[positions]).to(self._dtype)
        for layer in self._layers:
            states = layer(states, groups)
        return states


class _Layer:
    """One transformer layer over packed states."""

    def __init__(self, weights: dict[str, Tensor], prefix: str, *, config: Any, dtype: torch.dtype) -> None:
        attention = f"{prefix}.attention.self"
        names = [f"{attention}.{part}" for part in ("query", "key", "value")]
        self._heads = config.num_attention_heads
        self._width = config.hidden_size
        self._joint = _Linear(weights, names, dtype=dtype)
        self._output = _Linear(weights, [f"{prefix}.attention.output.dense"], dtype=dtype)
        self._rise = _Linear(weights, [f"{prefix}.intermediate.dense"], dtype=dtype, gelu=True)
        self._fall = _Linear(weights, [f"{prefix}.output.dense"], dtype=dtype)
        epsilon = config.layer_norm_eps
        self._attention_norm = _Norm(weights, f"{prefix}.attention.output.LayerNorm", dtype=dtype, epsilon=epsilon)
        self._norm = _Norm(weights, f"{prefix}.output.LayerNorm", dtype=dtype, epsilon=epsilon)

    def __call__(self, states: Tensor, groups: Sequence[tuple[int, int]]) -> Tensor:
        attended = self._output(self._attend(self._joint(states), groups))
        states = self._attention_norm(attended + states)
        return self._norm(self._fall(self._rise(states)) + states)

    def _attend(self, joint: Tensor, groups: Sequence[tuple[int, int]]) -> Tensor:
        """`groups`: (length, number of texts) in order; each attends within its own texts only."""
        parts = []
        start = 0
        for length, count in groups:
            part = joint[start : start + length * count]
            query, key, value = part.view(count, length, 3, self._heads, -1).permute(2, 0, 3, 1, 4)
            mixed = functional.scaled_dot_product_attention(query, key, value)
            parts.append(mixed.transpose(1, 2).reshape(length * count, self._width))
            start += length * count
        return parts[0] if len(parts) == 1 else torch.cat(parts)


class _Norm:
    def __init__(self, weights: dict[str, Tensor], name: str, *, dtype: torch.dtype, epsilon: float) -> None:
        self._weight = weights[f"{name}.weight"].to(dtype)
        self._bias = weights[f"{name}.bias"].to(dtype)
        self._epsilon = epsilon

    def __call__(self, states: Tensor) -> Tensor:
        return functional.layer_norm(states, self._weight.shape, self._weight, self._bias, self._epsilon)


class _Linear:
    """One product for one or several linear layers side by side, with GELU behind it if asked for."""

    def __init__(
        self, weights: dict[str, Tensor], names: Sequence[str], *, dtype: torch.dtype, gelu: bool = False
    ) -> None:
        weight = _join([weights[f"{name}.weight"] for name in names]).to(dtype)
        self._bias = _join([weights[f"{name}.bias"] for name in names]).to(dtype)
        self._gelu = gelu
        self._is_packed = dtype is torch.bfloat16 and _can_pack()
        # What torch.compile does when it freezes a model for a CPU: oneDNN would rearrange the matrix at each call.
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous()) if self._is_packed else weight

    def __call__(self, states: Tensor) -> Tensor:
        if self._is_packed:
            name, algorithm = ("gelu", "none") if self._gelu else ("none", "")
            product: Tensor = torch.ops.mkldnn._linear_pointwise(states, self._weight, self._bias, name, [], algorithm)
            return product
        product = functional.linear(states, self._weight, self._bias)
        return functional.gelu(product) if self._gelu else product


def _join(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _can_pack() -> bool:
    operators = torch.ops.mkldnn
    needed = ("_reorder_linear_weight", "_linear_pointwise", "_is_mkldnn_bf16_supported")
    return (
        bool(torch.backends.mkldnn.enabled)
        and all(hasattr(operators, name) for name in needed)
        and bool(operators._is_mkldnn_bf16_supported())
    )
