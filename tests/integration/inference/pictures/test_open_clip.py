"""OpenCLIP models give what the library gives, and a model that cannot be had is refused by name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.errors import ConfigurationError, ModelUnavailableError
from inference.pictures.base import PictureEncoder
from inference.pictures.open_clip_files import find_clip
from inference.registry import build_recipes, load_lexical_encoder, load_picture_encoder, load_text_encoder
from tests.unit.core.pictures.drawing import draw_picture

from ..conftest import build_settings
from .conftest import PIXELS, build_clip

PICTURES = [draw_picture(seed=seed, width=90 + 60 * seed, height=300 - 40 * seed) for seed in range(5)]
TEXTS = ["a red robot", "the sea at night", "a long line of words " * 20]


def load(name: str, **values: object) -> PictureEncoder:
    """As a worker loads it."""
    encoder = load_picture_encoder(build_settings(image_embedding_model=name, **values))
    assert encoder is not None
    return encoder


@pytest.mark.parametrize("kind", ["tiny_clip", "squashing_clip"])
def test_rows_are_those_of_the_library(kind: str, request: pytest.FixtureRequest) -> None:
    """Pictures and texts have the vectors of open_clip's own transform, tokenizer and model, also non-square ones."""
    import open_clip
    import torch

    folder = request.getfixturevalue(kind)
    model, transform = open_clip.create_model_from_pretrained(f"local-dir:{folder}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    with torch.inference_mode():
        pictures = model.eval().encode_image(torch.stack([transform(picture) for picture in PICTURES]), normalize=True)
        texts = model.encode_text(tokenizer(TEXTS), normalize=True)
    encoder = load(folder)
    rows = encoder.encode_pictures(PICTURES)
    # Where scaling and cropping are one step, a byte in some hundreds of pixels is rounded the other way.
    np.testing.assert_allclose(rows, pictures.numpy(), atol=1e-3 if kind == "tiny_clip" else 1e-5)
    assert (rows * pictures.numpy()).sum(axis=1).min() > 0.99999
    np.testing.assert_allclose(encoder.encode_texts(TEXTS), texts.numpy(), atol=1e-5)


def test_a_strip_is_cut_around_its_middle(tiny_clip: str) -> None:
    """A picture of one pixel's height and 100,000 pixels' width costs no memory and shows its middle."""
    strip = Image.new("RGB", (100_000, 1), "red")
    strip.paste(Image.new("RGB", (40, 1), "blue"), (49_980, 0))
    rows = load(tiny_clip).encode_pictures([strip, Image.new("RGB", (64, 64), "blue")])
    assert rows[0] @ rows[1] > 0.999


def test_a_checkpoint_of_ones_own(tmp_path: Path) -> None:
    """ARCHITECTURE/FILE takes open_clip's configuration and the file's weights."""
    import open_clip
    import torch

    torch.manual_seed(1)
    model = open_clip.create_model("RN50-quickgelu", load_weights=False)
    torch.save(model.state_dict(), tmp_path / "mine.pt")
    encoder = load(f"RN50-quickgelu/{tmp_path / 'mine.pt'}", model_warm_up=False)
    assert encoder.recipe.encoder == "RN50-quickgelu/mine.pt"
    assert encoder.recipe.dimension == 1024
    assert encoder.input_side == 2 * 224


def test_a_model_of_the_hub(tiny_clip: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """hf-hub:OWNER/NAME is loaded from the hub's cache, and the commit is its revision."""
    import huggingface_hub.constants

    commit = "0123456789abcdef0123456789abcdef01234567"
    model = tmp_path / "models--me--tiny"
    (model / "refs").mkdir(parents=True)
    (model / "refs" / "main").write_text(commit)
    shutil.copytree(tiny_clip, model / "snapshots" / commit)
    weights = model / "snapshots" / commit / "model.safetensors"
    weights.rename(weights.with_name("open_clip_model.safetensors"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    encoder = load("hf-hub:me/tiny")
    assert encoder.recipe.encoder == "me/tiny"
    assert encoder.recipe.revision.startswith(f"hub:{commit};")
    np.testing.assert_allclose(encoder.encode_pictures(PICTURES), load(tiny_clip).encode_pictures(PICTURES), atol=1e-6)


def test_the_recipe_follows_weights_and_pixels(tiny_clip: str, tmp_path: Path) -> None:
    """Other weights or other preprocessing are another recipe; the same files elsewhere are the same one."""
    first = load(tiny_clip).recipe
    copied = tmp_path / "a" / "tiny-clip"
    shutil.copytree(tiny_clip, copied)
    assert load(str(copied)).recipe == first
    config = json.loads((copied / "open_clip_config.json").read_text())
    (copied / "open_clip_config.json").write_text(json.dumps(config | {"preprocess_cfg": PIXELS}))
    changed = load(str(copied)).recipe
    assert changed.fingerprint != first.fingerprint
    assert changed.revision.split("pixels=")[1] != first.revision.split("pixels=")[1]


def test_bf16_gives_nearly_the_same(tiny_clip: str) -> None:
    """A precision that the setting names is used, and its rows are float32 of length one near those of fp32."""
    exact, rough = load(tiny_clip), load(tiny_clip, model_precision="bf16")
    assert rough.precision == "bf16"
    assert rough.recipe == exact.recipe
    rows = rough.encode_pictures(PICTURES)
    assert rows.dtype == np.float32
    assert (rows * exact.encode_pictures(PICTURES)).sum(axis=1).min() > 0.99
    assert (rough.encode_texts(TEXTS) * exact.encode_texts(TEXTS)).sum(axis=1).min() > 0.99


def test_auto_precision_is_measured(tiny_clip: str) -> None:
    """MODEL_PRECISION=auto ends in one of the precisions, for queries too."""
    settings = build_settings(image_embedding_model=tiny_clip, model_precision="auto")
    encoder = load_picture_encoder(settings, purpose="query")
    assert encoder is not None
    assert encoder.precision in {"fp32", "bf16", "fp16"}
    assert encoder.encode_pictures(PICTURES).shape == (5, 32)


def test_the_collection_of_titles_knows_the_picture_encoder(tiny_clip: str) -> None:
    """A set of recipes with pictures is another one than that without."""
    text = load_text_encoder(build_settings(text_embedding_model="fake"), template_version=1)
    lexical = load_lexical_encoder(build_settings(), text)
    with_pictures = build_recipes(text, lexical, load(tiny_clip))
    assert with_pictures.image == load(tiny_clip).recipe
    assert build_recipes(text, lexical).image is None
    assert with_pictures.fingerprint != build_recipes(text, lexical).fingerprint


def test_none_is_no_encoder() -> None:
    """IMAGE_EMBEDDING_MODEL=none gives no encoder, and is no error."""
    assert load_picture_encoder(build_settings(image_embedding_model="none")) is None


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("no-such-model", "neither a folder nor"),
        ("/no/such/folder", "neither a folder nor"),
        ("ViT-B-32/./missing.pt", "no file"),
        ("ViT-B-32/no-such-tag", "not a known tag"),
        ("NoSuchArchitecture/openai", "NoSuchArchitecture"),
    ],
)
def test_a_model_that_is_not_there_is_refused(name: str, reason: str) -> None:
    """The error names the setting, the value, the reason and the ways out; nothing else is loaded instead."""
    with pytest.raises(ModelUnavailableError, match="IMAGE_EMBEDDING_MODEL") as caught:
        load(name)
    assert name in str(caught.value)
    assert reason in str(caught.value)
    assert "visual_baseline" in str(caught.value)


def test_broken_folders_are_refused(tmp_path: Path) -> None:
    """A folder without a configuration, without weights, or with weights of another shape is refused."""
    with pytest.raises(ModelUnavailableError, match=r"open_clip_config\.json"):
        find_clip(str(tmp_path))
    folder = build_clip(tmp_path / "clip")
    (folder / "model.safetensors").rename(tmp_path / "kept")
    with pytest.raises(ModelUnavailableError, match="IMAGE_EMBEDDING_MODEL"):
        load(str(folder))
    (tmp_path / "kept").rename(folder / "model.safetensors")
    config = json.loads((folder / "open_clip_config.json").read_text())
    config["model_cfg"]["embed_dim"] = 48
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    with pytest.raises(ModelUnavailableError, match="size mismatch"):
        load(str(folder))
    (folder / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(ModelUnavailableError, match="IMAGE_EMBEDDING_MODEL"):
        load(str(folder))


def test_a_device_that_is_not_there_is_refused(tiny_clip: str) -> None:
    """MODEL_DEVICE is not silently replaced by the CPU."""
    with pytest.raises(ConfigurationError, match="MODEL_DEVICE"):
        load(tiny_clip, model_device="cuda:9")


@pytest.mark.parametrize(
    ("name", "expected"),
    [("ViT-B-32/openai", True), ("ViT-B-32/laion2b_s34b_b79k", False), ("ViT-L-14/laion2b_s32b_b82k", False)],
)
def test_weights_get_the_activation_that_they_were_trained_with(name: str, expected: bool) -> None:
    """OpenAI's weights want QuickGELU, which the plain architecture's configuration does not say; others do not."""
    from inference.pictures.open_clip_model import wants_quick_gelu

    source = find_clip(name)
    assert source.encoder == name
    assert wants_quick_gelu(source) is expected
