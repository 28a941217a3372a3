"""What holds for every text encoder: the fake, MiniLM, a BGE-M3, and a model that runs through its library."""

from __future__ import annotations

import numpy as np
import pytest

from inference.base import TextEncoder
from inference.batching import PassageMemo, encode_unique
from inference.fake import FakeTextEncoder
from inference.registry import load_text_encoder

from .conftest import build_settings

TEXTS = [
    "giant robots fight on the moon",
    "a girl",
    "giant robots fight on the moon while a girl with a notebook keeps a quiet cafe in the walled city of titans",
    "pirates sail for treasure",
    "dark psychological thriller",
]
KINDS = ["fake", "minilm", "tiny_bge_m3", "tiny_max_pooling"]


@pytest.fixture(scope="module", params=KINDS)
def encoder(request: pytest.FixtureRequest) -> TextEncoder:
    """One encoder after another, loaded as a worker loads it."""
    if request.param == "fake":
        return FakeTextEncoder(template_version=1, own_lexical=True)
    name = request.param if request.param == "minilm" else str(request.getfixturevalue(request.param))
    return load_text_encoder(build_settings(text_embedding_model=name), template_version=1)


def test_shapes_types_and_norms(encoder: TextEncoder) -> None:
    """A float32 row of length one for each text, as wide as the recipe says."""
    dense = encoder.encode_passages(TEXTS, token_budget=512).dense
    assert dense.shape == (len(TEXTS), encoder.recipe.dimension)
    assert dense.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(dense, axis=1), 1, atol=1e-4)


def test_different_texts_differ(encoder: TextEncoder) -> None:
    """No two of these texts have the same vector."""
    dense = encoder.encode_passages(TEXTS, token_budget=512).dense
    assert (dense @ dense.T - np.eye(len(TEXTS))).max() < 0.999


def test_the_same_call_gives_the_same_rows(encoder: TextEncoder) -> None:
    """Encoding has no chance in it."""
    first, second = (encoder.encode_passages(TEXTS, token_budget=512).dense for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("token_budget", [1, 20, 60, 10_000])
def test_rows_do_not_depend_on_the_batches(encoder: TextEncoder, token_budget: int) -> None:
    """Whatever the budget and the order of the texts, each text keeps its vector, in the order asked for."""
    whole = encoder.encode_passages(TEXTS, token_budget=512).dense
    turned = encoder.encode_passages(TEXTS[::-1], token_budget=token_budget).dense[::-1]
    np.testing.assert_allclose(turned, whole, atol=2e-5)


def test_token_counts_are_within_the_limit(encoder: TextEncoder) -> None:
    """Counts grow with the text and stop at the limit."""
    short, long = encoder.count_tokens(["girl", "girl robots moon " * 500])
    assert 0 < short < long == encoder.max_tokens


def test_a_text_beyond_the_limit_is_cut(encoder: TextEncoder) -> None:
    """An overlong text is encoded, not refused."""
    assert np.isfinite(encoder.encode_passages(["robots " * 5_000], token_budget=64).dense).all()


@pytest.mark.parametrize("empty", ["", "  \n"])
def test_an_empty_text_is_refused(encoder: TextEncoder, empty: str) -> None:
    """No content means no vector, on both sides."""
    with pytest.raises(ValueError, match="text 1 is empty"):
        encoder.encode_passages(["a", empty], token_budget=64)
    with pytest.raises(ValueError, match="text 0 is empty"):
        encoder.encode_queries([empty])


def test_no_texts_give_no_rows(encoder: TextEncoder) -> None:
    """An empty list is not an error."""
    assert encoder.encode_passages([], token_budget=64).dense.shape == (0, encoder.recipe.dimension)
    assert encoder.encode_queries([]).dense.shape == (0, encoder.recipe.dimension)


def test_lexical_weights_come_with_the_recipe(encoder: TextEncoder) -> None:
    """An encoder with a lexical recipe gives ascending sparse vectors in order; one without refuses to."""
    if encoder.lexical_recipe is None:
        with pytest.raises(ValueError, match="no lexical weights"):
            encoder.encode_queries(TEXTS, with_lexical=True)
        return
    passages = encoder.encode_passages(TEXTS, token_budget=30, with_lexical=True).lexical
    queries = encoder.encode_queries(TEXTS, with_lexical=True).lexical
    assert passages is not None
    assert queries is not None
    assert encoder.encode_queries(TEXTS).lexical is None
    for passage, query in zip(passages, queries, strict=True):
        assert passage.indices.dtype == np.uint32
        assert passage.values.dtype == np.float32
        assert (np.diff(passage.indices.astype(np.int64)) > 0).all()
        np.testing.assert_array_equal(passage.indices, query.indices)


def test_equal_passages_are_encoded_once(encoder: TextEncoder) -> None:
    """`encode_unique` gives what the encoder gives, and the second time out of its memory."""
    memo = PassageMemo()
    doubled = [*TEXTS, *TEXTS]
    first = encode_unique(encoder, doubled, token_budget=512, memo=memo)
    second = encode_unique(encoder, doubled, token_budget=512, memo=memo)
    assert (first.total, first.unique, first.encoded, second.encoded) == (10, 5, 5, 0)
    np.testing.assert_array_equal(first.dense, second.dense)
    np.testing.assert_allclose(first.dense[:5], encoder.encode_passages(TEXTS, token_budget=512).dense, atol=2e-5)
