"""Numbers that stand for a picture: by its bytes, by its looks, and by its colour."""

from __future__ import annotations

import hashlib
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.Image import Resampling

_SIDE: Final = 32
_LOW: Final = 8
# Pillow averages whole pixels down to three times the size before it filters.
_QUICK_GAP: Final = 3.0
_SIGN: Final = 1 << 63
_ALL: Final = 1 << 64


def _build_cosines() -> NDArray[np.float64]:
    """The lowest rows of the DCT-II of 32 values, (8, 32), scaled as scipy and imagehash do."""
    positions = np.arange(_SIDE) + 0.5
    frequencies = np.arange(_LOW)
    return 2.0 * np.cos(np.pi / _SIDE * np.outer(frequencies, positions))


_COSINES: Final = _build_cosines()


def hash_content(data: bytes) -> str:
    """SHA-256 of the bytes, 64 hex digits: the name of a content in the media store."""
    return hashlib.sha256(data).hexdigest()


def perceptual_hash(image: Image.Image, *, is_quick: bool = False) -> int:
    """64-bit pHash, unsigned and equal to `int(str(imagehash.phash(image)), 16)`. Few bits differ between copies.

    `is_quick` takes half the time, and now and then one bit more for one less.

    Written out here because it is two products of small matrices, and imagehash would bring scipy and PyWavelets into
    the web process.
    """
    gap = _QUICK_GAP if is_quick else None
    small = image.convert("L").resize((_SIDE, _SIDE), Resampling.LANCZOS, reducing_gap=gap)
    low = _COSINES @ np.asarray(small, dtype=np.float64) @ _COSINES.T
    bits = low > np.median(low)
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def hamming_distance(one: int, other: int) -> int:
    """Bits that differ between two perceptual hashes, 0 to 64; signed or unsigned, both alike."""
    return ((one ^ other) % _ALL).bit_count()


def to_signed(value: int) -> int:
    """An unsigned 64-bit number as the signed one of the same bits, for Postgres's bigint."""
    return value - _ALL if value >= _SIGN else value


def from_signed(value: int) -> int:
    """The unsigned 64-bit number of the same bits as a bigint."""
    return value % _ALL


def average_colour(image: Image.Image) -> str:
    """Mean colour as '#rrggbb': what a page shows until the picture is there."""
    rgb = image if image.mode == "RGB" else image.convert("RGB")
    red, green, blue = np.asarray(rgb.resize((1, 1), Resampling.BOX)).reshape(3)
    return f"#{red:02x}{green:02x}{blue:02x}"
