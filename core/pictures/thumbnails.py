"""Small copies of a picture."""

from __future__ import annotations

import io
from typing import Final

from PIL import Image
from PIL.Image import Resampling

MEDIA_TYPE: Final = "image/webp"
_QUALITY: Final = 80
# What the WebP format can hold.
_MOST_PIXELS_A_SIDE: Final = 16383


def make_thumbnail(image: Image.Image, *, width: int) -> bytes:
    """WebP of at most `width` pixels across, never larger than the picture; its proportions stay."""
    if width < 1:
        raise ValueError(f"width {width} is below 1 pixel")
    scale = min(1.0, width / image.width, _MOST_PIXELS_A_SIDE / image.height)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    rgb = image if image.mode == "RGB" else image.convert("RGB")
    small = rgb.resize(size, Resampling.LANCZOS, reducing_gap=3.0) if size != image.size else rgb
    target = io.BytesIO()
    small.save(target, "WEBP", quality=_QUALITY)
    return target.getvalue()
