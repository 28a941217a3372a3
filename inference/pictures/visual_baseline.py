"""`visual_baseline`: a classical descriptor of pictures, for machines without the weights of a model.

It finds copies: recompressed, smaller, cropped, brighter, blurred, marked, turned or flipped. It knows nothing of what
is shown, and no texts. Pillow (with littlecms for CIELAB) and numpy are all it needs. How the parts were chosen, and
what they reach: docs/decisions/0011.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from PIL import Image, ImageCms
from PIL.Image import Resampling

from core.recipe import EmbeddingRecipe
from inference.base import DenseRows
from inference.pictures import visual_parts as parts
from inference.pictures.base import (
    DECODING_VERSION,
    PendingRows,
    Prepared,
    build_no_text_error,
    refuse_no_pictures,
)
from inference.pictures.visual_typical import load_typical

NAME: Final = "visual_baseline"
# Raise it when any number of the descriptor changes.
REVISION: Final = "1"

# Share of each part in the cosine of two pictures, in the order of `describe_parts`.
_SHARES: Final = (0.15, 0.30, 0.35, 0.20)
_WIDTHS: Final = (
    3 * parts.COLOUR_GRID**2,
    parts.EDGE_BINS * parts.EDGE_GRID**2,
    parts.LIGHTNESS_BINS * parts.CHROMA_BINS**2,
    parts.TEXTURE_CLASSES * len(parts.TEXTURE_REACHES),
)
DIMENSION: Final = sum(_WIDTHS)
# A batch is worked on in pieces of this size: their numbers stay in the processor's cache.
_PIECE: Final = 32
_TINY: Final = 1e-6


class VisualBaseline:
    """Colour layout, edges, colours and texture of a picture as one unit vector."""

    device = "cpu"
    precision = "fp32"
    has_text = False
    # A draft of libjpeg's is good enough: measured, it moves the vector by less than a recompression does.
    input_side = parts.SIDE

    def __init__(self) -> None:
        self.recipe = EmbeddingRecipe(NAME, REVISION, DIMENSION, DECODING_VERSION)
        self._typical = load_typical()

    def preprocess(self, image: Image.Image) -> Prepared:
        """CIELAB as uint8 of shape (SIDE, SIDE, 3)."""
        return prepare_picture(image)

    def submit_prepared(self, batch: Sequence[Prepared]) -> PendingRows:
        """Computed at once."""
        rows = self.encode_prepared(batch)
        return lambda: rows

    def encode_prepared(self, batch: Sequence[Prepared]) -> DenseRows:
        """Each part without what all pictures have in common, scaled to its share."""
        refuse_no_pictures(batch)
        pieces = [np.stack(batch[start : start + _PIECE]) for start in range(0, len(batch), _PIECE)]
        return np.concatenate([self._weigh(describe_parts(piece)) for piece in pieces])

    def encode_pictures(self, images: Sequence[Image.Image]) -> DenseRows:
        """Preprocess, then encode."""
        return self.encode_prepared([self.preprocess(image) for image in images])

    def encode_texts(self, texts: Sequence[str]) -> DenseRows:
        """Refused: raises NoTextTowerError."""
        raise build_no_text_error(NAME)

    def _weigh(self, rows: DenseRows) -> DenseRows:
        rows = rows - self._typical
        start = 0
        for width, share in zip(_WIDTHS, _SHARES, strict=True):
            part = rows[:, start : start + width]
            part *= np.sqrt(share) / (np.linalg.norm(part, axis=1, keepdims=True) + _TINY)
            start += width
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def prepare_picture(image: Image.Image) -> parts.LabPictures:
    """The whole picture, whatever its proportions, at SIDE x SIDE pixels in CIELAB."""
    rgb = image if image.mode == "RGB" else image.convert("RGB")
    small = rgb.resize((parts.SIDE, parts.SIDE), Resampling.BILINEAR)
    converted = ImageCms.applyTransform(small, _TO_LAB)
    if converted is None:
        raise RuntimeError("littlecms converted in place, which nobody asked for")
    return np.asarray(converted)


def describe_parts(pictures: parts.LabPictures) -> DenseRows:
    """The raw parts side by side, (n, DIMENSION), from pictures as `prepare_picture` gives them."""
    lab = parts.split_lab(pictures)
    return np.concatenate(
        [
            parts.describe_colour_layout(lab),
            parts.describe_edges(lab[:, 0]),
            parts.describe_colours(lab),
            parts.describe_texture(pictures[..., 0]),
        ],
        axis=1,
    )


_TO_LAB: Final = ImageCms.buildTransform(
    ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), inMode="RGB", outMode="LAB"
)
