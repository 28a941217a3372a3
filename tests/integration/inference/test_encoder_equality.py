"""Our forward passes give what the libraries give, and models are loaded or refused as promised."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from core.errors import ConfigurationError, ModelUnavailableError
from inference.model_files import find_model
from inference.registry import load_text_encoder

from .conftest import WORDS, build_settings

TEXTS = [" ".join(WORDS[start : start + 1 + start % 9]) for start in range(20)] + ["鬼滅の刃", "  spaced \n out "]


def least_cosine(left: np.ndarray, right: np.ndarray) -> float:
    """The worst agreement of two tables of unit rows."""
    return float((left * right).sum(axis=1).min())


@pytest.fixture(scope="module")
def minilm_rows() -> np.ndarray:
    """MiniLM's vectors by the library."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(find_model("minilm", revision="main").folder), device="cpu")
    return np.asarray(model.encode([*TEXTS, "robots " * 900]))


def test_minilm_equals_the_library(minilm_rows: np.ndarray) -> None:
    """Direct and through sentence-transformers, MiniLM's float32 vectors are the same, cut texts included."""
    encoder = load_text_encoder(build_settings(text_embedding_model="minilm"), template_version=1)
    dense = encoder.encode_passages([*TEXTS, "robots " * 900], token_budget=300).dense
    assert least_cosine(dense, minilm_rows) > 0.9999


@pytest.mark.parametrize("precision", ["bf16", "auto"])
def test_lower_precision_stays_close(minilm_rows: np.ndarray, precision: str) -> None:
    """What auto chooses, and bf16 by name, agree with float32 as one recipe promises."""
    settings = build_settings(text_embedding_model="minilm", model_precision=precision)
    encoder = load_text_encoder(settings, template_version=1, purpose="query")
    assert least_cosine(encoder.encode_queries(TEXTS).dense, minilm_rows[:-1]) > 0.999
    assert encoder.precision in {"bf16", "fp32"}


def test_bge_m3_equals_the_library(tiny_bge_m3: Path) -> None:
    """Dense rows and sparse weights are those that FlagEmbedding's own encode returns."""
    from FlagEmbedding import BGEM3FlagModel

    library = BGEM3FlagModel(str(tiny_bge_m3), use_fp16=False, devices="cpu")
    expected = library.encode(TEXTS, return_dense=True, return_sparse=True, max_length=64)
    encoder = load_text_encoder(build_settings(text_embedding_model=str(tiny_bge_m3)), template_version=1)
    found = encoder.encode_passages(TEXTS, token_budget=100, with_lexical=True)
    assert least_cosine(found.dense, expected["dense_vecs"]) > 0.9999
    assert found.lexical is not None
    assert any(len(vector.indices) for vector in found.lexical)
    for vector, weights in zip(found.lexical, expected["lexical_weights"], strict=True):
        wanted = {int(token): float(weight) for token, weight in weights.items()}
        assert dict(zip(vector.indices.tolist(), vector.values.tolist(), strict=True)) == pytest.approx(
            wanted, abs=1e-5
        )


def test_the_padded_pass_equals_the_packed_one(tiny_xlm_roberta: Path) -> None:
    """The pass that GPUs use gives the states that the CPU's gives."""
    from transformers import XLMRobertaModel

    from inference.forward import PaddedForward, pool
    from inference.packed_bert import PackedBert

    module = XLMRobertaModel.from_pretrained(tiny_xlm_roberta).eval()
    ids = [[0, 9, 8, 7, 6, 2], [0, 5, 2], [0, 7, 2], [0, 11, 12, 13, 14, 15, 16, 2]]
    lengths = [len(row) for row in ids]
    padded = PaddedForward(module, device="cpu", precision="fp32", pad_id=1)(ids)
    packed = PackedBert(module, dtype=padded.dtype)(ids)
    np.testing.assert_allclose(packed.numpy(), padded.numpy(), atol=1e-4)
    for mode in ("mean", "cls"):
        assert least_cosine(pool(packed, lengths, mode=mode), pool(padded, lengths, mode=mode)) > 0.9999


def test_prompts_of_a_model_are_used(tiny_max_pooling: Path) -> None:
    """A model with prompts gets them on each side, as the library's encode_query and encode_document do."""
    from sentence_transformers import SentenceTransformer

    library = SentenceTransformer(str(tiny_max_pooling), device="cpu")
    encoder = load_text_encoder(build_settings(text_embedding_model=str(tiny_max_pooling)), template_version=1)
    queries = encoder.encode_queries(TEXTS).dense
    passages = encoder.encode_passages(TEXTS, token_budget=100).dense
    assert least_cosine(queries, library.encode_query(TEXTS, normalize_embeddings=True)) > 0.9999
    assert least_cosine(passages, library.encode_document(TEXTS, normalize_embeddings=True)) > 0.9999
    assert least_cosine(queries, passages) < 0.9999


def test_a_cut_is_part_of_the_recipe(tiny_bge_m3: Path) -> None:
    """PASSAGE_MAX_TOKENS changes vectors, hence the recipe; a limit that cuts nothing does not."""
    encoders = [
        load_text_encoder(
            build_settings(text_embedding_model=str(tiny_bge_m3), passage_max_tokens=limit), template_version=1
        )
        for limit in (0, 64, 9_999, 8)
    ]
    assert [encoder.max_tokens for encoder in encoders] == [64, 64, 64, 8]
    prints = [encoder.recipe.fingerprint for encoder in encoders]
    assert prints[0] == prints[1] == prints[2] != prints[3]


def test_broken_weights_are_refused(tiny_bge_m3: Path, tmp_path: Path) -> None:
    """A folder whose weights cannot be read is a named error, not a model with random weights."""
    folder = tmp_path / "broken"
    shutil.copytree(tiny_bge_m3, folder)
    (folder / "model.safetensors").write_bytes(b"not a model")
    with pytest.raises(ModelUnavailableError, match="not a usable model"):
        load_text_encoder(build_settings(text_embedding_model=str(folder)), template_version=1)


def test_a_truncated_head_is_refused(tiny_bge_m3: Path, tmp_path: Path) -> None:
    """So is a BGE-M3 whose sparse head cannot be read."""
    folder = tmp_path / "headless"
    shutil.copytree(tiny_bge_m3, folder)
    (folder / "sparse_linear.pt").write_bytes(b"")
    with pytest.raises(ModelUnavailableError, match="not a usable model"):
        load_text_encoder(build_settings(text_embedding_model=str(folder)), template_version=1)


@pytest.mark.parametrize("device", ["tpu", "cuda:99", "cuda:x"])
def test_a_device_that_is_not_there_is_refused(device: str) -> None:
    """MODEL_DEVICE is obeyed or refused, never replaced by the CPU."""
    with pytest.raises(ConfigurationError, match="MODEL_DEVICE"):
        load_text_encoder(build_settings(text_embedding_model="minilm", model_device=device), template_version=1)
