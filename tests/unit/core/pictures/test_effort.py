"""Files that ask for more work than their size shows."""

from __future__ import annotations

import struct
import zlib

import pytest
from PIL import Image

from core.pictures import STORED_FORMATS, PictureRefusedError, decode_picture, inspect_picture
from core.pictures.effort import MeasuredBytes, TooManyPartsError, count_scans, has_too_many_scans
from tests.unit.core.pictures.drawing import draw_picture, save_picture

MANY = 10_000_000


def build_png_of_parts(count: int) -> bytes:
    """A good PNG with empty chunks of no meaning before its pixels."""
    data = save_picture(draw_picture(width=16, height=16))
    chunk = struct.pack(">I", 0) + b"avSt" + struct.pack(">I", zlib.crc32(b"avSt"))
    at = data.index(b"IDAT") - 4
    return data[:at] + chunk * count + data[at:]


def build_jpeg_of_parts(count: int) -> bytes:
    """A good JPEG with empty comments."""
    data = save_picture(draw_picture(width=16, height=16), "JPEG")
    return data[:2] + b"\xff\xfe\x00\x02" * count + data[2:]


def build_gif_of_parts(count: int) -> bytes:
    """A good GIF with comments of one byte between its frames."""
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    data = save_picture(frames[0], "GIF", save_all=True, append_images=frames[1:])
    at = data.rindex(b"\x21\xf9\x04")
    return data[:at] + b"\x21\xfe\x01a\x00" * count + data[at:]


@pytest.mark.parametrize("build", [build_png_of_parts, build_jpeg_of_parts, build_gif_of_parts])
def test_parts_are_bounded(build: object) -> None:
    """A few parts of no meaning are passed over, a hundred thousand are refused instead of walked through."""
    assert callable(build)
    assert decode_picture(build(20), max_pixels=MANY).size == (16, 16)
    with pytest.raises(PictureRefusedError, match="too many small parts") as caught:
        inspect_picture(build(100_000), max_pixels=MANY)
    assert caught.value.code_word == "truncated"


@pytest.mark.parametrize("name", sorted(STORED_FORMATS))
def test_large_pictures_are_far_from_the_bound(name: str) -> None:
    """A noisy picture of four megapixels, as many parts as its encoder makes, is decoded."""
    noise = Image.effect_noise((2000, 2000), 90).convert("RGB")
    frames = {"save_all": True, "append_images": [noise.rotate(90)]} if name == "GIF" else {}
    assert decode_picture(save_picture(noise, name, **frames), max_pixels=MANY).size == (2000, 2000)


def test_reading_ends() -> None:
    """A thousand reads are free, and one for each fifty bytes."""
    file = MeasuredBytes(bytes(5_000))
    for _ in range(1_100):
        file.read(1)
    with pytest.raises(TooManyPartsError):
        file.read(1)


def test_scans_by_pixels() -> None:
    """A large picture may have as many scans as encoders make, a small one more, none more than a hundred."""
    assert count_scans(save_picture(draw_picture(), "JPEG", progressive=True)) > 5
    assert not has_too_many_scans(14, pixels=50_000_000, max_pixels=50_000_000)
    assert has_too_many_scans(50, pixels=50_000_000, max_pixels=50_000_000)
    assert not has_too_many_scans(100, pixels=1_000_000, max_pixels=50_000_000)
    assert has_too_many_scans(101, pixels=100, max_pixels=50_000_000)
