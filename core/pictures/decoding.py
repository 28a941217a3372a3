"""From bytes to RGB pixels, whatever the picture's own mode, rotation, palette or transparency."""

from __future__ import annotations

from typing import Final

import numpy as np
from PIL import Image
from PIL.Image import Transpose

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
    return load_pixels(opened, least_side=least_side, field=field)


def load_pixels(opened: OpenedPicture, *, least_side: int | None, field: str) -> Image.Image:
    """Decode an opened picture. Raises PictureRefusedError where the data break off or the decoder gives up."""
    image = opened.image
    try:
        if least_side is not None:
            image.draft(None, (least_side, least_side))
        image.load()
        rgb = _to_rgb(image)
    except MemoryError:
        raise
    except Exception as error:
        # As for the header: the decoders have no error type of their own.
        raise refuse_damaged(opened.info.format, error, field=field) from error
    turn = _UPRIGHT.get(opened.orientation)
    return rgb if turn is None else rgb.transpose(turn)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        image = _from_sixteen_bits(image)
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        canvas = Image.new("RGB", image.size, _WHITE)
        canvas.paste(rgba, mask=rgba.getchannel("A"))
        return canvas
    # A copy also where nothing is to be converted: the result must not keep the file's bytes and plug-in alive.
    return image.convert("RGB") if image.mode != "RGB" else image.copy()


def _from_sixteen_bits(image: Image.Image) -> Image.Image:
    """8 bits of 16: Pillow's own conversion would cut off at 255 instead of dividing."""
    wide = np.asarray(image).astype(np.int32)
    narrow = Image.fromarray((wide.clip(0, 65535) >> 8).astype(np.uint8))
    if isinstance(clear := image.info.get("transparency"), int):
        alpha = Image.fromarray(np.where(wide == clear, 0, 255).astype(np.uint8))
        return Image.merge("LA", (narrow, alpha))
    return narrow
