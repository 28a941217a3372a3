"""The bytes that are served: pictures of every form, and what pretends to be one. Made from code."""

from __future__ import annotations

import colorsys
import io
import random
import zlib
from functools import lru_cache
from typing import Any

from PIL import Image, ImageDraw

_SIDE = 120
_BASES = 16
_EXIF_ORIENTATION = 0x0112
SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>0</script></svg>'
HTML = b"<!doctype html><html><head><title>Not here</title></head><body><p>Log in first.</p></body></html>"


def draw(seed: int, *, width: int = _SIDE, height: int = _SIDE) -> Image.Image:
    """An RGB picture of a few shapes; other seeds give other pictures."""
    chance = random.Random(seed)
    image = Image.new("RGB", (width, height), _draw_colour(chance))
    canvas = ImageDraw.Draw(image)
    for _ in range(7):
        left, top = chance.randrange(width), chance.randrange(height)
        box = (left, top, left + chance.randrange(8, width), top + chance.randrange(8, height))
        chance.choice((canvas.rectangle, canvas.ellipse))(box, fill=_draw_colour(chance))
    return image


def save(image: Image.Image, form: str, **options: Any) -> bytes:
    """The picture as a file of the given Pillow format."""
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def build_jpeg(number: int) -> bytes:
    """The `number`-th JPEG: one of a few pictures, with its number in a comment, so that no two files are equal."""
    base = _build_base(number % _BASES)
    comment = b"picture %d" % number
    return base[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2) + comment + base[2:]


def build_long_jpeg(size: int) -> bytes:
    """A good JPEG of exactly this size: what is too much lies behind its end."""
    base = _build_base(0)
    return base + bytes(size - len(base))


def build_animated(form: str) -> bytes:
    """Three frames; the first is `draw(0)`."""
    frames = [draw(seed) for seed in range(3)]
    return save(frames[0], form, save_all=True, append_images=frames[1:], duration=100, loop=0)


def build_rotated() -> bytes:
    """A JPEG stored lying on its side, 90 x 60, that EXIF says to show upright, 60 x 90."""
    exif = Image.Exif()
    exif[_EXIF_ORIENTATION] = 6
    return save(draw(5, width=90, height=60), "JPEG", exif=exif.tobytes())


def build_deep_png() -> bytes:
    """A 16-bit greyscale PNG."""
    image = Image.new("I;16", (_SIDE, _SIDE))
    image.putdata([x * 65_535 // (_SIDE * _SIDE) for x in range(_SIDE * _SIDE)])
    return save(image, "PNG")


def build_clear_png() -> bytes:
    """A PNG whose right half is transparent."""
    image = draw(6).convert("RGBA")
    image.paste((0, 0, 0, 0), (_SIDE // 2, 0, _SIDE, _SIDE))
    return save(image, "PNG")


@lru_cache(maxsize=1)
def build_bomb() -> bytes:
    """A PNG of 100 megapixels in a few kilobytes."""
    return save(Image.new("1", (10_000, 10_000)), "PNG", compress_level=9)


@lru_cache(maxsize=1)
def build_gzip_bomb() -> bytes:
    """64 MB of zeros, packed with gzip into some 64 KB."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    return b"".join(packer.compress(bytes(1_000_000)) for _ in range(64)) + packer.flush()


@lru_cache(maxsize=1)
def build_noise(size: int) -> bytes:
    """Bytes that no packer makes smaller."""
    return random.Random(0).randbytes(size)


def pack(data: bytes) -> bytes:
    """The data in gzip."""
    packer = zlib.compressobj(6, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


@lru_cache(maxsize=_BASES)
def _build_base(seed: int) -> bytes:
    return save(draw(seed), "JPEG", quality=85)


def _draw_colour(chance: random.Random) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(chance.random(), chance.uniform(0.4, 1), chance.uniform(0.3, 1))
    return round(red * 255), round(green * 255), round(blue * 255)
