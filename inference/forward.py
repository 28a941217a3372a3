"""Token ids to hidden states to rows: what our two kinds of forward pass have in common.

Hidden states are kept packed, all tokens of a batch one after another without padding, so that pooling and sparse
weights need no mask. On a CPU the pass itself is packed too (`packed_bert`); elsewhere the model's own module runs on
padded input, which a GPU prefers to many small launches.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from inference.base import DenseRows, LoadOptions
from inference.batching import plan_batches
from inference.hardware import (
    Precision,
    build_probe_tokens,
    choose_device,
    choose_precision,
    list_precisions,
    settle_query_threads,
)
from inference.packed_bert import PackedBert
from inference.tokenization import TextTokenizer

DTYPES: dict[Precision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class Forward(Protocol):
    """A transformer from ids to the hidden states of its last layer, shape (sum of lengths, hidden size)."""

    def __call__(self, ids: Sequence[Sequence[int]]) -> Tensor:
        """Runs without gradients; the lists may differ in length."""


class PaddedForward:
    """The model's own module over padded input, on any device."""

    def __init__(self, module: Any, *, device: str, precision: Precision, pad_id: int) -> None:
        # `to` works in place, and the module may yet be built from in another precision.
        self._module = copy.deepcopy(module).to(device=device, dtype=DTYPES[precision]).eval()
        self._device = device
        self._pad_id = pad_id

    @torch.inference_mode()
    def __call__(self, ids: Sequence[Sequence[int]]) -> Tensor:
        """Pads on the right and drops the padding's states again."""
        width = max(len(row) for row in ids)
        padded = np.full((len(ids), width), self._pad_id, dtype=np.int64)
        mask = np.zeros((len(ids), width), dtype=np.bool_)
        for position, row in enumerate(ids):
            padded[position, : len(row)] = row
            mask[position, : len(row)] = True
        kept = torch.from_numpy(mask).to(self._device)
        states = self._module(
            input_ids=torch.from_numpy(padded).to(self._device), attention_mask=kept.long()
        ).last_hidden_state
        packed: Tensor = states[kept]
        return packed


class Batch(NamedTuple):
    """One pass: `positions` of its texts in the call, their `ids`, and `states` (sum of lengths, hidden size)."""

    positions: list[int]
    ids: list[list[int]]
    states: Tensor


@dataclass(frozen=True)
class ChosenForward:
    """A pass with where and in what it computes."""

    run: Forward
    device: str
    precision: Precision


def choose_forward(module: Any, *, tokenizer: Any, mode: str, options: LoadOptions) -> ChosenForward:
    """The quickest pass over this module here. `tokenizer` and `mode` (of pooling) are the model's own."""
    device = choose_device(options.device)
    pad_id = tokenizer.pad_token_id or 0
    probe = build_probe_tokens(len(tokenizer), purpose=options.purpose, parameters=_count_layer_parameters(module))
    lengths = [len(ids) for ids in probe]
    precision, forward = choose_precision(
        list_precisions(options.precision, device=device),
        build=lambda candidate: _build_forward(module, device=device, precision=candidate, pad_id=pad_id),
        run=lambda built: pool(built(probe), lengths, mode=mode),
        device=device,
        purpose=options.purpose,
    )
    if options.purpose == "query" and not options.threads and device == "cpu":
        settle_query_threads(lambda: forward(probe[:1]))
    return ChosenForward(forward, device, precision)


def _build_forward(module: Any, *, device: str, precision: Precision, pad_id: int) -> Forward:
    if device == "cpu" and PackedBert.supports(module):
        return PackedBert(module, dtype=DTYPES[precision])
    return PaddedForward(module, device=device, precision=precision, pad_id=pad_id)


def _count_layer_parameters(module: Any) -> int:
    """Parameters that every token passes through: all but the embedding tables."""
    return sum(weight.numel() for name, weight in module.named_parameters() if "embeddings" not in name)


def run_batches(
    tokenizer: TextTokenizer, forward: Forward, texts: Sequence[str], *, token_budget: int
) -> Iterator[Batch]:
    """Tokenise, plan by token budget and run, longest texts first."""
    ids = tokenizer.encode(texts)
    for positions in plan_batches([len(row) for row in ids], token_budget):
        chosen = [ids[position] for position in positions]
        yield Batch(positions, chosen, forward(chosen))


@torch.inference_mode()
def pool(states: Tensor, lengths: Sequence[int], *, mode: str) -> DenseRows:
    """Packed states to L2-normalised float32 rows (len(lengths), hidden size). `mode`: mean or cls (first token)."""
    counts = torch.tensor(lengths, device=states.device)
    if mode == "cls":
        rows = states[torch.cumsum(counts, 0) - counts].float()
    else:
        owner = torch.repeat_interleave(torch.arange(len(lengths), device=states.device), counts)
        sums = torch.zeros(len(lengths), states.shape[1], device=states.device)
        rows = sums.index_add_(0, owner, states.float()) / counts[:, None]
    pooled: DenseRows = torch.nn.functional.normalize(rows, dim=-1).cpu().numpy()
    return pooled
