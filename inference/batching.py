"""Which texts go through a model together, and which need not go at all. Pure but for the memo's memory.

A batch costs what its longest text costs times its size, so texts of like length go together and a batch is bounded by
padded tokens rather than by its number of texts. Equal passages are encoded once.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from inference.base import DenseRows, TextEncoder, refuse_empty

DEFAULT_MEMO_ENTRIES = 20_000
# Padded tokens of one pass of queries: more than a full dispatcher batch of ordinary ones.
QUERY_TOKEN_BUDGET = 4_096


def plan_batches(token_counts: Sequence[int], token_budget: int) -> list[list[int]]:
    """Positions of the texts of each batch, longest first.

    Longest length x size stays within `token_budget`; a text that alone exceeds it gets a batch of its own.
    """
    if token_budget < 1:
        raise ValueError("token_budget must be positive")
    batches: list[list[int]] = []
    capacity = 0
    # A stable sort: equal input gives equal batches, so that results can be repeated to the bit.
    for position in sorted(range(len(token_counts)), key=lambda index: -token_counts[index]):
        if not batches or len(batches[-1]) >= capacity:
            batches.append([])
            capacity = max(1, token_budget // max(1, token_counts[position]))
        batches[-1].append(position)
    return batches


class PassageMemo:
    """Vectors of passages seen lately, by recipe and text. Bounded, least recently used out first, thread-safe.

    Many titles share a passage ('Studios: Toei Animation.'), but seldom within one call.
    """

    def __init__(self, max_entries: int = DEFAULT_MEMO_ENTRIES) -> None:
        if max_entries < 0:
            raise ValueError("max_entries must not be negative")
        self._max_entries = max_entries
        self._rows: OrderedDict[bytes, DenseRows] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, key: bytes) -> DenseRows | None:
        """The row kept under a key of `build_memo_key`, shape (dimension,)."""
        with self._lock:
            row = self._rows.get(key)
            if row is not None:
                self._rows.move_to_end(key)
            return row

    def put(self, key: bytes, row: DenseRows) -> None:
        """Keep a copy of the row: a view would hold its whole batch in memory."""
        with self._lock:
            self._rows[key] = row.copy()
            self._rows.move_to_end(key)
            while len(self._rows) > self._max_entries:
                self._rows.popitem(last=False)


@dataclass(frozen=True)
class UniqueEncoded:
    """`dense`: (total, dimension) float32, a row for each text asked for, equal texts with equal rows.

    total = texts asked for; unique = distinct ones; from_memo = distinct ones that were remembered, so the model saw
    unique - from_memo.
    """

    dense: DenseRows
    total: int
    unique: int
    from_memo: int

    @property
    def encoded(self) -> int:
        """Texts that the model really saw."""
        return self.unique - self.from_memo


def build_memo_key(recipe_fingerprint: str, text: str) -> bytes:
    """16 bytes over recipe and text."""
    return hashlib.blake2b(f"{recipe_fingerprint}\0{text}".encode(), digest_size=16).digest()


def encode_unique(
    encoder: TextEncoder, texts: Sequence[str], *, token_budget: int, memo: PassageMemo | None = None
) -> UniqueEncoded:
    """Encode passages, each distinct one at most once and not at all if the memo has it. Raises as the encoder does."""
    refuse_empty(texts)
    distinct = list(dict.fromkeys(texts))
    keys = [build_memo_key(encoder.recipe.fingerprint, text) for text in distinct]
    rows = [memo.get(key) if memo is not None else None for key in keys]
    missing = [position for position, row in enumerate(rows) if row is None]
    table = np.empty((len(distinct), encoder.recipe.dimension), dtype=np.float32)
    for position, row in enumerate(rows):
        if row is not None:
            table[position] = row
    if missing:
        table[missing] = encoder.encode_passages([distinct[at] for at in missing], token_budget=token_budget).dense
        if memo is not None:
            for position in missing:
                memo.put(keys[position], table[position])
    place = {text: position for position, text in enumerate(distinct)}
    return UniqueEncoded(
        dense=table[[place[text] for text in texts]],
        total=len(texts),
        unique=len(distinct),
        from_memo=len(distinct) - len(missing),
    )
