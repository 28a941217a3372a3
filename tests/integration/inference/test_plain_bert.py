"""The short way to load a common model: taken for MiniLM, left for anything that is not exactly known."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from inference.model_files import find_model
from inference.plain_bert import load_plain_bert

ROOT = Path(__file__).resolve().parents[3]
CODE = (
    "import sys\n"
    "from core.settings import Settings\n"
    "from inference.registry import load_text_encoder\n"
    "load_text_encoder(Settings(text_embedding_model='minilm'), template_version=1).encode_queries(['a robot'])\n"
    "print(sorted({'sentence_transformers', 'sklearn', 'pandas', 'datasets'} & set(sys.modules)))\n"
)


def test_minilm_needs_no_library() -> None:
    """A worker with MiniLM imports neither sentence-transformers nor what that brings along."""
    done = subprocess.run([sys.executable, "-c", CODE], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("config.json", {"model_type": "mpnet"}),
        ("config.json", {"auto_map": {"AutoModel": "own.Model"}}),
        ("1_Pooling/config.json", {"pooling_mode_max_tokens": True}),
        ("1_Pooling/config.json", {"include_prompt": True}),
        ("sentence_bert_config.json", {"do_lower_case": True}),
        ("sentence_bert_config.json", {"max_seq_length": None}),
        ("config_sentence_transformers.json", {"default_prompt_name": "query"}),
        ("config_sentence_transformers.json", {"truncate_dim": 8}),
    ],
)
def test_what_is_not_known_is_left_to_the_library(tmp_path: Path, name: str, change: dict[str, object]) -> None:
    """Another architecture, pooling or setting is never run the short way."""
    folder = tmp_path / "model"
    shutil.copytree(find_model("minilm", revision="main").folder, folder)
    path = folder / name
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    assert load_plain_bert(folder) is None
