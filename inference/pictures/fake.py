"""A deterministic encoder without a model: the picture itself at 8 x 8 pixels, so that copies are similar.

For tests and for trying the pipeline (IMAGE_EMBEDDING_MODEL=fake). It passes the contract tests of the real ones.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

import numpy as np
from PIL import Image, ImageColor
from PIL.Image import Resampling

from core.recipe import EmbeddingRecipe
from inference.base import DenseRows, refuse_empty
from inference.pictures.base import (
    DECODING_VERSION,
    PendingRows,
    Prepared,
    build_no_text_error,
    refuse_no_pictures,
)

_SIDE: Final = 8
_DIMENSION: Final = _SIDE * _SIDE * 3
# No mean of whole numbers equals it, so no picture has a zero vector.
_GREY: Final = 127.5


class FakePictureEncoder:
    """Pictures with like colours at like places are similar.

    A text that names a colour of CSS ("red") has the vector of a plain picture of that colour; other words have fixed
    random directions. `has_text=False` makes it an encoder without a text tower.
    """

    device = "cpu"
    precision = "fp32"
    input_side = 32

    def __init__(self, *, has_text: bool = True) -> None:
        self.recipe = EmbeddingRecipe("fake-pictures", "1", _DIMENSION, DECODING_VERSION)
        self.has_text = has_text

    def preprocess(self, image: Image.Image) -> Prepared:
        """uint8 of shape (8, 8, 3)."""
        return np.asarray(image.convert("RGB").resize((_SIDE, _SIDE), Resampling.BOX))

    def submit_prepared(self, batch: Sequence[Prepared]) -> PendingRows:
        """Computed at once."""
        rows = self.encode_prepared(batch)
        return lambda: rows

    def encode_prepared(self, batch: Sequence[Prepared]) -> DenseRows:
        """Pixels around a medium grey, as unit vectors."""
        refuse_no_pictures(batch)
        return _normalise(np.stack(batch).reshape(len(batch), _DIMENSION).astype(np.float32) - _GREY)

    def encode_pictures(self, images: Sequence[Image.Image]) -> DenseRows:
        """Preprocess, then encode."""
        return self.encode_prepared([self.preprocess(image) for image in images])

    def encode_texts(self, texts: Sequence[str]) -> DenseRows:
        """The sum of the words' directions."""
        if not self.has_text:
            raise build_no_text_error("fake")
        refuse_empty(texts)
        return _normalise(np.stack([np.sum([_direction(word) for word in text.split()], axis=0) for text in texts]))


def _direction(word: str) -> DenseRows:
    colour = ImageColor.colormap.get(word.lower())
    if isinstance(colour, str):
        return (np.tile(np.array(ImageColor.getrgb(colour)[:3], dtype=np.float32), _SIDE * _SIDE) - _GREY) / _GREY
    seed = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "big")
    return np.random.default_rng(seed).standard_normal(_DIMENSION).astype(np.float32)


def _normalise(rows: DenseRows) -> DenseRows:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)
