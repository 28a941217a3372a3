"""What happens to pictures on their way through the world: eight plain changes, and the heavy ones made of them.

Pure functions with fixed parameters: the same picture and lots give the same result. Lengths are shares of the
shorter side, so that a change is as strong for a large picture as for a small one.
"""

from __future__ import annotations

import io
import math
import random
from collections.abc import Callable, Mapping
from typing import Final

from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

Change = Callable[[Image.Image, random.Random], Image.Image]

JPEG_QUALITY: Final = 30
SCALE: Final = 0.5
CROP_SIDE: Final = 0.7
BRIGHTNESS: Final = 1.4
BLUR_RADIUS: Final = 1 / 128
ROTATION_DEGREES: Final = 5.0
WATERMARK: Final = "SAMPLE"
_WATERMARK_ALPHA: Final = 110
_PAPER: Final = (255, 255, 255)


def recompress(picture: Image.Image, lots: random.Random) -> Image.Image:
    """JPEG of quality 30."""
    return _recompress(picture, JPEG_QUALITY)


def shrink(picture: Image.Image, lots: random.Random) -> Image.Image:
    """Half the width and height."""
    size = (max(1, round(picture.width * SCALE)), max(1, round(picture.height * SCALE)))
    return picture.resize(size, Image.Resampling.LANCZOS)


def crop_centre(picture: Image.Image, lots: random.Random) -> Image.Image:
    """The middle: 70% of the width and of the height, which is 49% of the picture."""
    return _crop(picture, CROP_SIDE, across=0.5, down=0.5)


def brighten(picture: Image.Image, lots: random.Random) -> Image.Image:
    """Every channel times 1.4; what was light becomes white."""
    return ImageEnhance.Brightness(picture).enhance(BRIGHTNESS)


def blur(picture: Image.Image, lots: random.Random) -> Image.Image:
    """Gaussian, radius a 128th of the shorter side: 4 pixels of 512."""
    return picture.filter(ImageFilter.GaussianBlur(min(picture.size) * BLUR_RADIUS))


def add_watermark(picture: Image.Image, lots: random.Random) -> Image.Image:
    """A word in half-transparent white with a dark edge, three quarters of the width, at a height drawn by lot."""
    font = ImageFont.load_default(size=100)
    size = max(100 * 0.75 * picture.width / font.getlength(WATERMARK), 6)
    font = ImageFont.load_default(size=size)
    at = (picture.width * 0.125, lots.uniform(0.1, 0.75) * (picture.height - size))
    marked = picture.copy()
    pen = ImageDraw.Draw(marked, "RGBA")
    pen.text((at[0] + size / 25, at[1] + size / 25), WATERMARK, fill=(0, 0, 0, _WATERMARK_ALPHA), font=font)
    pen.text(at, WATERMARK, fill=(*_PAPER, _WATERMARK_ALPHA), font=font)
    return marked


def mirror(picture: Image.Image, lots: random.Random) -> Image.Image:
    """Left and right exchanged."""
    return ImageOps.mirror(picture)


def rotate(picture: Image.Image, lots: random.Random) -> Image.Image:
    """Five degrees to the left or right by lot, same size, white where the paper shows."""
    degrees = ROTATION_DEGREES * lots.choice((-1, 1))
    return picture.rotate(degrees, Image.Resampling.BICUBIC, fillcolor=_PAPER)


CHANGES: Final[Mapping[str, Change]] = {
    "JPEG quality 30": recompress,
    "half size": shrink,
    "centre crop 70%": crop_centre,
    "brightness x 1.4": brighten,
    "blur": blur,
    "watermark": add_watermark,
    "mirrored": mirror,
    "rotated by 5 degrees": rotate,
}


def spoil(picture: Image.Image, lots: random.Random, *, side: float, quality: int, mirrored: bool) -> Image.Image:
    """Several at once: a piece of `side` of the sides from anywhere, blurred, recoloured, perhaps mirrored, as JPEG."""
    piece = _crop(picture, side, across=lots.random(), down=lots.random())
    piece = blur(piece, lots)
    piece = ImageEnhance.Color(piece).enhance(lots.uniform(0.4, 1.6))
    piece = ImageEnhance.Brightness(piece).enhance(lots.uniform(0.7, 1.3))
    return _recompress(ImageOps.mirror(piece) if mirrored else piece, quality)


def build_heavy(area: float, *, quality: int = 15, mirrored: bool = True) -> Change:
    """`spoil` that leaves `area` of the picture, a share from 0 to 1."""

    def change(picture: Image.Image, lots: random.Random) -> Image.Image:
        return spoil(picture, lots, side=math.sqrt(area), quality=quality, mirrored=mirrored)

    return change


def apply_change(picture: Image.Image, change: Change, *, seed: str) -> Image.Image:
    """The change of an RGB picture, by lots that depend on the seed alone."""
    return change(picture, random.Random(seed))


def _crop(picture: Image.Image, side: float, *, across: float, down: float) -> Image.Image:
    width, height = max(1, round(picture.width * side)), max(1, round(picture.height * side))
    left, top = round((picture.width - width) * across), round((picture.height - height) * down)
    return picture.crop((left, top, left + width, top + height))


def _recompress(picture: Image.Image, quality: int) -> Image.Image:
    kept = io.BytesIO()
    picture.save(kept, "JPEG", quality=quality)
    return Image.open(kept).convert("RGB")
