"""OpenCLIP models: the architecture, weights, preprocessing and tokenizer that a name stands for.

The preprocessing is the model's own, up to the step that makes numbers of pixels: that one is done on the device.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import open_clip
import torch
from open_clip.pretrained import download_pretrained_from_hf
from PIL import Image

from core.errors import ServiceError
from core.recipe import EmbeddingRecipe
from core.settings import Settings
from inference.base import DenseRows, Purpose, refuse_empty
from inference.hardware import (
    Precision,
    choose_device,
    choose_precision,
    list_precisions,
    set_threads,
    settle_query_threads,
)
from inference.pictures.base import DECODING_VERSION, PendingRows, Prepared, refuse_no_pictures
from inference.pictures.open_clip_files import HUB, ClipSource, find_clip, hash_preprocessing, refuse
from inference.pictures.shaping import Shape, build_shape
from inference.pictures.torch_towers import Normalisation, Towers

_TEXT_BATCH: Final = 64
_PROBES: Final[dict[Purpose, int]] = {"query": 1, "bulk": 8}


class OpenClipEncoder:
    """A PictureEncoder with a text tower. Build it with `load_open_clip`."""

    has_text = True

    def __init__(
        self,
        *,
        recipe: EmbeddingRecipe,
        towers: Towers,
        shape: Shape,
        tokenize: Callable[[list[str]], torch.Tensor],
        input_side: int,
        device: str,
        precision: Precision,
    ) -> None:
        self.recipe = recipe
        self.device = device
        self.precision = precision
        self.input_side = input_side
        self._towers = towers
        self._shape = shape
        self._tokenize = tokenize

    def preprocess(self, image: Image.Image) -> Prepared:
        """uint8 of shape (height, width, 3), scaled and cropped as the model wants it."""
        return np.asarray(self._shape(image))

    def submit_prepared(self, batch: Sequence[Prepared]) -> PendingRows:
        """On a GPU the batch is sent and computed while the caller goes on."""
        refuse_no_pictures(batch)
        return self._towers.submit(batch)

    def encode_prepared(self, batch: Sequence[Prepared]) -> DenseRows:
        """Start and wait."""
        return self.submit_prepared(batch)()

    def encode_pictures(self, images: Sequence[Image.Image]) -> DenseRows:
        """Preprocess, then encode."""
        return self.encode_prepared([self.preprocess(image) for image in images])

    def encode_texts(self, texts: Sequence[str]) -> DenseRows:
        """By the text tower; a text longer than its context is cut."""
        refuse_empty(texts)
        if not texts:
            return np.zeros((0, self.recipe.dimension), dtype=np.float32)
        starts = range(0, len(texts), _TEXT_BATCH)
        return np.concatenate(
            [self._towers.encode_tokens(self._tokenize(list(texts[start : start + _TEXT_BATCH]))) for start in starts]
        )


@dataclass(frozen=True)
class ClipParts:
    """What open_clip gives: the model in float32 on the CPU, its transform and its tokenizer."""

    model: Any
    transform: Any
    tokenizer: Any
    revision: str


def load_open_clip(name: str, settings: Settings, *, purpose: Purpose) -> OpenClipEncoder:
    """Raises ModelUnavailableError that names IMAGE_EMBEDDING_MODEL if the model cannot be had or used."""
    source = find_clip(name)
    set_threads(settings.model_threads, purpose=purpose)
    device = choose_device(settings.model_device)
    try:
        return build_encoder(_load(source), settings, encoder=source.encoder, device=device, purpose=purpose)
    except (ServiceError, MemoryError):
        raise
    except Exception as error:
        # Model libraries raise whatever comes to hand; the caller needs one type and the cause.
        cause = f"{type(error).__name__}: {str(error).rstrip('.')}"
        raise refuse(name, f"open_clip {open_clip.__version__} says {cause}") from error


def _load(source: ClipSource) -> ClipParts:
    model, transform = open_clip.create_model_from_pretrained(
        source.model,
        pretrained=source.weights,
        # The library only warns where the weights of a tag were trained with the other activation.
        force_quick_gelu=wants_quick_gelu(source),
        return_transform=True,
    )
    revision = source.revision
    if source.model.startswith(HUB):
        # Nothing is loaded twice: the files lie in the hub's cache now.
        path = download_pretrained_from_hf(source.model.removeprefix(HUB))
        # The cache of the hub names folders by commit.
        revision = f"hub:{Path(path).parent.name}"
    return ClipParts(model, transform, open_clip.get_tokenizer(source.model), revision)


def wants_quick_gelu(source: ClipSource) -> bool:
    """True for weights of a tag that were trained with QuickGELU."""
    config = open_clip.get_pretrained_cfg(source.model, source.weights) if source.weights else {}
    return bool(config.get("quick_gelu", False))


def build_encoder(
    loaded: ClipParts, settings: Settings, *, encoder: str, device: str, purpose: Purpose
) -> OpenClipEncoder:
    """The quickest encoder for this model on this device. `encoder`: the name in the recipe."""
    *shaping, _, normalise = loaded.transform.transforms
    normalisation = Normalisation(tuple(map(float, normalise.mean)), tuple(map(float, normalise.std)))
    shape = build_shape(shaping)
    size = np.asarray(shape(Image.new("RGB", (256, 256)))).shape
    candidates = list_precisions(settings.model_precision, device=device)
    probe = _build_probe(size, _PROBES[purpose])
    precision, towers = choose_precision(
        candidates,
        build=lambda candidate: Towers(
            loaded.model,
            device=device,
            precision=candidate,
            normalisation=normalisation,
            owns_model=len(candidates) == 1,
        ),
        run=lambda built: built.submit(probe)(),
        device=device,
        purpose=purpose,
    )

    def encode_one() -> DenseRows:
        return towers.submit(probe[:1])()

    if purpose == "query" and not settings.model_threads and device == "cpu":
        settle_query_threads(encode_one)
    revision = f"{loaded.revision};pixels={hash_preprocessing(loaded.model.visual.preprocess_cfg)}"
    return OpenClipEncoder(
        recipe=EmbeddingRecipe(encoder, revision, encode_one().shape[1], DECODING_VERSION),
        towers=towers,
        shape=shape,
        tokenize=loaded.tokenizer,
        input_side=2 * min(size[:2]),
        device=device,
        precision=precision,
    )


def _build_probe(size: tuple[int, ...], count: int) -> list[Prepared]:
    """Pictures of coarse noise, always the same."""
    noise = np.random.default_rng(7).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
    return [np.asarray(Image.fromarray(cells).resize((size[1], size[0]))) for cells in noise]
