"""From bytes to RGB pixels, whatever the picture's own mode, rotation, palette or transparency.

Memory is what decoding costs: Pillow keeps four bytes a pixel for RGB, and a picture may have fifty million pixels. So
no more than two copies of one are there at a time, and what is made in between is made strip by strip.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Final

import numpy as np
from PIL import Image
from PIL.Image import Transpose

from core.pictures.budget import DecodeBudget
from core.pictures.inspecting import STORED_FORMATS, OpenedPicture, open_picture, refuse_damaged

_WHITE: Final = (255, 255, 255)
_UPRIGHT: Final = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}
# Pixels that are converted at once where more than one step leads to RGB.
_STRIP_PIXELS: Final = 1 << 18
# Bytes a pixel while a picture is decoded, as measured at 25 megapixels: its own pixels and their RGB copy, and what
# the decoder keeps beside them (libwebp's animation decoder two canvases and the frame, libavif its planes).
_BYTES_A_PIXEL: Final = {"WEBP": 18, "AVIF": 18}
_OWN_AND_COPY: Final = 9
# libjpeg keeps the coefficients of a JPEG in several scans, two bytes a band and pixel, also where it is made smaller.
_BYTES_A_COEFFICIENT: Final = 2


def decode_picture(
    data: bytes,
    *,
    max_pixels: int,
    least_side: int | None = None,
    max_bytes: int | None = None,
    formats: frozenset[str] = STORED_FORMATS,
    field: str = "picture",
) -> Image.Image:
    """RGB pixels of the first frame, upright, transparency over white.

    `least_side`: the shorter side, in pixels, that is enough for the caller. libjpeg then decodes a JPEG at 1/2, 1/4 or
    1/8 of its size where that leaves at least so much, at a fraction of the time. Raises PictureRefusedError.
    """
    opened = open_picture(data, max_pixels=max_pixels, max_bytes=max_bytes, formats=formats, field=field)
    with hold_pixels(opened, least_side=least_side, field=field, budget=None) as pixels:
        return pixels


@contextmanager
def lend_picture(
    data: bytes,
    *,
    budget: DecodeBudget,
    max_pixels: int,
    least_side: int | None = None,
    max_bytes: int | None = None,
    field: str = "picture",
) -> Iterator[Image.Image]:
    """As `decode_picture`, for as long as the block lasts: its memory counts in `budget` until then.

    Raises OverloadedError where the budget sends callers away, and PictureRefusedError.
    """
    opened = open_picture(data, max_pixels=max_pixels, max_bytes=max_bytes, formats=STORED_FORMATS, field=field)
    with hold_pixels(opened, least_side=least_side, field=field, budget=budget) as pixels:
        yield pixels


@contextmanager
def hold_pixels(
    opened: OpenedPicture, *, least_side: int | None, field: str, budget: DecodeBudget | None
) -> Iterator[Image.Image]:
    """Decode an opened picture. Raises PictureRefusedError where the data break off or the decoder gives up."""
    size = _estimate(opened, least_side=least_side, field=field)
    with nullcontext() if budget is None else budget.hold(size):
        with _as_refusal(opened, field=field):
            pixels = _load(opened)
        yield pixels


def estimate_memory(data: bytes, *, max_pixels: int, least_side: int | None = None, field: str = "picture") -> int:
    """Bytes of memory that `decode_picture` takes at its peak, by the header alone. Errs upwards.

    For who has to hold a budget before he knows whether he decodes at all. Raises PictureRefusedError.
    """
    opened = open_picture(data, max_pixels=max_pixels, max_bytes=None, formats=STORED_FORMATS, field=field)
    return _estimate(opened, least_side=least_side, field=field)


def _estimate(opened: OpenedPicture, *, least_side: int | None, field: str) -> int:
    """Tells the decoder how much is enough, and says what it will take for that."""
    image, info = opened.image, opened.info
    if least_side is not None:
        with _as_refusal(opened, field=field):
            image.draft(None, (least_side, least_side))
    size = image.width * image.height * _BYTES_A_PIXEL.get(info.format, _OWN_AND_COPY)
    if opened.scans > 1:
        size += info.width * info.height * len(image.getbands()) * _BYTES_A_COEFFICIENT
    return size


@contextmanager
def _as_refusal(opened: OpenedPicture, *, field: str) -> Iterator[None]:
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:
        # As for the header: the decoders have no error type of their own.
        raise refuse_damaged(opened.info.format, error, field=field) from error


def _load(opened: OpenedPicture) -> Image.Image:
    opened.image.load()
    rgb = _to_rgb(opened.image)
    # The picture's own pixels go before another copy is made.
    opened.image.close()
    turn = _UPRIGHT.get(opened.orientation)
    return rgb if turn is None else rgb.transpose(turn)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.has_transparency_data or image.mode.startswith("I"):
        return _lay_over_white(image)
    # A copy also where nothing is to be converted: the result must not keep the file's bytes and plug-in alive.
    return image.convert("RGB") if image.mode != "RGB" else image.copy()


def _lay_over_white(image: Image.Image) -> Image.Image:
    canvas = Image.new("RGB", image.size, _WHITE)
    rows = max(1, _STRIP_PIXELS // image.width)
    for top in range(0, image.height, rows):
        strip = image.crop((0, top, image.width, min(top + rows, image.height)))
        if strip.mode.startswith("I"):
            strip = _from_sixteen_bits(strip)
        rgba = strip.convert("RGBA")
        canvas.paste(rgba, (0, top), mask=rgba)
    return canvas


def _from_sixteen_bits(image: Image.Image) -> Image.Image:
    """8 bits of 16: Pillow's own conversion would cut off at 255 instead of dividing."""
    wide = np.asarray(image).astype(np.int32)
    narrow = Image.fromarray((wide.clip(0, 65535) >> 8).astype(np.uint8))
    if isinstance(clear := image.info.get("transparency"), int):
        alpha = Image.fromarray(np.where(wide == clear, 0, 255).astype(np.uint8))
        return Image.merge("LA", (narrow, alpha))
    return narrow
