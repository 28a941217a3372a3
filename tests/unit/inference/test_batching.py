"""Batches by token budget, and equal passages encoded once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.base import Encoded
from inference.batching import PassageMemo, build_memo_key, encode_unique, plan_batches
from inference.fake import FakeTextEncoder


class CountingEncoder(FakeTextEncoder):
    """A fake that remembers what it was asked for."""

    def __init__(self) -> None:
        super().__init__(template_version=1)
        self.seen: list[str] = []

    def encode_passages(self, texts, *, token_budget: int, with_lexical: bool = False) -> Encoded:  # type: ignore[no-untyped-def]
        self.seen.extend(texts)
        return super().encode_passages(texts, token_budget=token_budget, with_lexical=with_lexical)


@given(counts=st.lists(st.integers(1, 600), max_size=200), budget=st.integers(1, 4_000))
def test_every_text_is_in_one_batch_within_the_budget(counts: list[int], budget: int) -> None:
    """Every position comes once, and only a text that is alone may exceed the budget."""
    batches = plan_batches(counts, budget)
    assert sorted(position for batch in batches for position in batch) == list(range(len(counts)))
    for batch in batches:
        padded = max(counts[position] for position in batch) * len(batch)
        assert padded <= budget or len(batch) == 1


@given(counts=st.lists(st.integers(1, 600), max_size=200), budget=st.integers(1, 4_000))
def test_batches_go_from_long_to_short(counts: list[int], budget: int) -> None:
    """Texts of like length go together, longest first."""
    order = [counts[position] for batch in plan_batches(counts, budget) for position in batch]
    assert order == sorted(counts, reverse=True)


def test_a_budget_below_one_is_refused() -> None:
    """A budget that nothing fits is an error, not an endless plan."""
    with pytest.raises(ValueError, match="token_budget"):
        plan_batches([1], 0)


def test_equal_passages_are_encoded_once_in_a_call() -> None:
    """Three equal texts cost one and get equal rows in the order asked for."""
    encoder = CountingEncoder()
    result = encode_unique(encoder, ["a b", "c", "a b", "a b"], token_budget=100)
    assert encoder.seen == ["a b", "c"]
    assert (result.total, result.unique, result.from_memo, result.encoded) == (4, 2, 0, 2)
    expected = encoder.encode_queries(["a b", "c", "a b", "a b"]).dense
    np.testing.assert_array_equal(result.dense, expected)


def test_equal_passages_are_remembered_across_calls() -> None:
    """A second call with the same memo shows the model only what is new."""
    encoder, memo = CountingEncoder(), PassageMemo()
    first = encode_unique(encoder, ["a", "b"], token_budget=100, memo=memo)
    second = encode_unique(encoder, ["b", "c"], token_budget=100, memo=memo)
    assert encoder.seen == ["a", "b", "c"]
    assert (second.unique, second.from_memo, second.encoded) == (2, 1, 1)
    np.testing.assert_array_equal(first.dense[1], second.dense[0])


def test_the_memo_forgets_the_least_recently_used() -> None:
    """The memo stays within its bound and keeps what was asked for last."""
    memo = PassageMemo(max_entries=2)
    keys = [build_memo_key("recipe", text) for text in "abc"]
    memo.put(keys[0], np.zeros(2, dtype=np.float32))
    memo.put(keys[1], np.zeros(2, dtype=np.float32))
    assert memo.get(keys[0]) is not None
    memo.put(keys[2], np.zeros(2, dtype=np.float32))
    assert len(memo) == 2
    assert memo.get(keys[0]) is not None
    assert memo.get(keys[1]) is None


def test_a_memo_row_does_not_hold_its_batch() -> None:
    """What is kept is a copy, so that a change of the batch does not reach it."""
    memo = PassageMemo()
    table = np.ones((2, 3), dtype=np.float32)
    memo.put(b"key", table[0])
    table[0] = 7
    kept = memo.get(b"key")
    assert kept is not None
    assert kept.base is None
    assert kept.tolist() == [1, 1, 1]


def test_memo_keys_differ_by_recipe_and_text() -> None:
    """Vectors of one recipe are never given for another."""
    assert len({build_memo_key(recipe, text) for recipe in ("x", "y") for text in ("a", "b")}) == 4


def test_no_texts_give_no_rows() -> None:
    """An empty call is fine and has the right shape."""
    result = encode_unique(CountingEncoder(), [], token_budget=100, memo=PassageMemo())
    assert result.dense.shape == (0, 64)
    assert result.total == 0


def test_an_empty_passage_is_refused() -> None:
    """No content means no vector."""
    with pytest.raises(ValueError, match="text 1 is empty"):
        encode_unique(CountingEncoder(), ["a", "  "], token_budget=100)
