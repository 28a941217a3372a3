"""What every picture encoder offers. Imports no model library.

Work is cut in two so that it can overlap: `preprocess` turns one picture into the encoder's input, on any thread;
`submit_prepared` starts a batch and returns at once where the device works by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol, TypeAlias

from numpy.typing import NDArray
from PIL import Image

from core.errors import NoTextTowerError
from core.recipe import EmbeddingRecipe
from inference.base import DenseRows

SETTING: Final = "IMAGE_EMBEDDING_MODEL"

# Part of every picture recipe: raise it when decoding changes what the encoders see.
DECODING_VERSION: Final = 1

Prepared: TypeAlias = NDArray[Any]
# Waits for a batch that was started and gives its rows. To be called once, in the order of the starts.
PendingRows: TypeAlias = Callable[[], DenseRows]


class PictureEncoder(Protocol):
    """Pictures, and with some models texts, to vectors of one space. Rows are in order and L2-normalised.

    One thread at a time may encode; any number may preprocess meanwhile.
    """

    @property
    def recipe(self) -> EmbeddingRecipe:
        """How the vectors come about."""

    @property
    def device(self) -> str:
        """cpu, mps, cuda or cuda:N."""

    @property
    def precision(self) -> str:
        """fp32, bf16 or fp16: what the model computes in. The vectors are float32 at any rate."""

    @property
    def has_text(self) -> bool:
        """True if texts have vectors in the space of the pictures."""

    @property
    def input_side(self) -> int:
        """Pixels of the shorter side that the encoder makes use of: what `decode_picture` is to leave at least."""

    def preprocess(self, image: Image.Image) -> Prepared:
        """The encoder's input for one RGB picture, all of one shape and type. Safe on any thread."""

    def submit_prepared(self, batch: Sequence[Prepared]) -> PendingRows:
        """Start a batch of preprocessed pictures. Raises ValueError for an empty one."""

    def encode_prepared(self, batch: Sequence[Prepared]) -> DenseRows:
        """Vectors of preprocessed pictures, (n, dimension) float32. Raises ValueError for an empty batch."""

    def encode_pictures(self, images: Sequence[Image.Image]) -> DenseRows:
        """Vectors of RGB pictures, (n, dimension) float32. Raises ValueError for none."""

    def encode_texts(self, texts: Sequence[str]) -> DenseRows:
        """Vectors of texts, to be compared with those of pictures.

        Raises NoTextTowerError if `has_text` is false, and ValueError for an empty text.
        """


def refuse_no_pictures(batch: Sequence[object]) -> None:
    """Raise ValueError for a batch of nothing."""
    if not batch:
        raise ValueError("there is no picture in the batch")


def build_no_text_error(name: str) -> NoTextTowerError:
    """The refusal of texts; the message says what to configure."""
    return NoTextTowerError(
        f"{SETTING}={name} knows pictures only, so pictures cannot be found by words. "
        f"Set {SETTING} to an OpenCLIP model, ARCHITECTURE/WEIGHTS, and index the pictures again"
    )
