"""Tiny OpenCLIP checkpoints that are built here, since no model hub is reached in tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

MODEL = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 64, "layers": 2, "width": 64, "head_width": 32, "patch_size": 16},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}
PIXELS = {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4], "interpolation": "bilinear", "resize_mode": "squash"}


def build_clip(folder: Path, *, pixels: dict[str, Any] | None = None) -> Path:
    """A folder with a two-layer CLIP of fixed random weights."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(5)
    model = open_clip.CLIP(**MODEL)
    with torch.no_grad():
        # Larger than usual, so that rows differ from picture to picture.
        model.visual.conv1.weight.mul_(6)
        model.token_embedding.weight.mul_(20)
    save_file({name: weight.contiguous() for name, weight in model.state_dict().items()}, folder / "model.safetensors")
    config = {"model_cfg": MODEL, "preprocess_cfg": pixels or {}}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="session")
def tiny_clip(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The usual preprocessing: the shorter side is scaled, the middle cropped."""
    return str(build_clip(tmp_path_factory.mktemp("clip") / "tiny-clip"))


@pytest.fixture(scope="session")
def squashing_clip(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Other mean, deviation, interpolation and resize mode."""
    return str(build_clip(tmp_path_factory.mktemp("clip") / "squashing-clip", pixels=PIXELS))
