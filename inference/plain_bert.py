"""The commonest kind of sentence-transformers model, loaded without that library.

Importing the library brings its training tools along; a worker without them starts sooner and is 160 MB smaller. It is
not needed for a BERT with mean or first-token pooling. Whatever a folder says that is not known here leaves it to
the library.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_CHAINS = (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"])
_POOLING_MODES = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls"}
_KNOWN_SETTINGS = {"__version__", "prompts", "default_prompt_name", "similarity_fn_name"}


@dataclass(frozen=True)
class PlainBert:
    """`module` and `tokenizer` are those of transformers; `mode` is the pooling's, `max_tokens` the model's own."""

    module: Any
    tokenizer: Any
    mode: str
    max_tokens: int
    dimension: int
    prompts: dict[str, str]


def load_plain_bert(folder: Path) -> PlainBert | None:
    """None if the library is needed. Raises OSError, ValueError and the like for broken files."""
    mode, max_tokens = _read_pooling_mode(folder), _read_max_tokens(folder)
    settings, config = _read(folder / "config_sentence_transformers.json"), _read(folder / "config.json")
    has_known_settings = set(settings) <= _KNOWN_SETTINGS and settings.get("default_prompt_name") is None
    is_bert = config.get("model_type") == "bert" and "auto_map" not in config
    if mode is None or max_tokens is None or not has_known_settings or not is_bert:
        return None
    if not (folder / "model.safetensors").exists() or (folder / "adapter_config.json").exists():
        return None
    from transformers import AutoTokenizer, BertModel

    return PlainBert(
        module=BertModel.from_pretrained(str(folder), local_files_only=True),
        tokenizer=AutoTokenizer.from_pretrained(str(folder), local_files_only=True, model_max_length=max_tokens),
        mode=mode,
        max_tokens=max_tokens,
        dimension=int(config["hidden_size"]),
        prompts=dict(settings.get("prompts") or {}),
    )


def _read_pooling_mode(folder: Path) -> str | None:
    """The mode if the chain is a transformer, a pooling of one known mode and perhaps a normalisation."""
    modules = _read(folder / "modules.json")
    if not isinstance(modules, list) or [module["type"].rpartition(".")[2] for module in modules] not in _CHAINS:
        return None
    if modules[0]["path"] or not all(module["type"].startswith("sentence_transformers.") for module in modules):
        return None
    pooling = _read(folder / modules[1]["path"] / "config.json")
    chosen = [name for name, value in pooling.items() if name != "word_embedding_dimension" and value is not False]
    return _POOLING_MODES.get(chosen[0]) if len(chosen) == 1 else None


def _read_max_tokens(folder: Path) -> int | None:
    """The limit of the transformer's settings if they say nothing else."""
    settings = _read(folder / "sentence_bert_config.json")
    limit = settings.pop("max_seq_length", None)
    return limit if isinstance(limit, int) and settings in ({}, {"do_lower_case": False}) else None


def _read(path: Path) -> Any:
    """The JSON in a file; an empty object where there is no file."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
