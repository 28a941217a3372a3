"""Every mode, rotation and damage ends in the right pixels or in a refusal."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from core.pictures import STORED_FORMATS, PictureRefusedError, decode_picture
from tests.unit.core.pictures.drawing import draw_picture, save_picture

MANY = 10_000_000


def decode(data: bytes) -> NDArray[np.int32]:
    """RGB values (height, width, 3)."""
    image = decode_picture(data, max_pixels=MANY)
    assert image.mode == "RGB"
    return np.asarray(image).astype(np.int32)


@pytest.mark.parametrize("name", sorted(STORED_FORMATS))
def test_all_formats_show_the_same(name: str) -> None:
    """The same picture in any format decodes to nearly the same pixels."""
    image = draw_picture()
    difference = np.abs(decode(save_picture(image, name)) - np.asarray(image).astype(np.int32))
    assert difference.mean() < (12 if name == "GIF" else 6)


@pytest.mark.parametrize("mode", ["L", "1", "P", "CMYK", "LA", "RGBA"])
def test_modes(mode: str) -> None:
    """Grey, black and white, palette, print colours and opaque alpha come out as the picture that they show."""
    image = draw_picture()
    stored = image.convert(mode)
    data = save_picture(stored, "JPEG", quality=95) if mode == "CMYK" else save_picture(stored)
    expected = np.asarray(stored.convert("RGB")).astype(np.int32)
    assert np.abs(decode(data) - expected).mean() < 3


def test_sixteen_bits_are_divided() -> None:
    """A 16-bit grey ramp becomes an 8-bit ramp, not white from 256 on."""
    ramp = np.tile(np.linspace(0, 65535, 256).astype(np.uint16), (32, 1))
    row = decode(save_picture(Image.fromarray(ramp)))[0, :, 0]
    assert np.abs(row - np.arange(256)).max() <= 1


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "RGB", "I;16"])
def test_transparency_lies_over_white(mode: str) -> None:
    """What is transparent is white, by an alpha channel, by a palette entry and by one colour named transparent."""
    if mode in {"RGBA", "LA"}:
        data = save_picture(Image.new(mode, (40, 30), 0))
    elif mode == "I;16":
        data = save_picture(Image.fromarray(np.zeros((30, 40), dtype=np.uint16)), transparency=0)
    else:
        data = save_picture(Image.new(mode, (40, 30), 0), transparency=0 if mode == "P" else (0, 0, 0))
    assert (decode(data) == 255).all()


def test_half_transparent_is_mixed_with_white() -> None:
    """A half transparent red is pink."""
    pixel = decode(save_picture(Image.new("RGBA", (8, 8), (255, 0, 0, 128))))[4, 4]
    assert np.abs(pixel - np.array([255, 127, 127])).max() <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP"])
def test_upright_by_exif(orientation: int, name: str) -> None:
    """All eight EXIF orientations come out as the picture that was meant."""
    image = draw_picture(width=96, height=64)
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    stored = image if orientation == 1 else image.transpose(Image.Transpose(undo[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = decode(save_picture(stored, name, exif=exif, quality=95))
    assert found.shape == (64, 96, 3)
    assert np.abs(found - np.asarray(image).astype(np.int32)).mean() < 6


def test_broken_exif_turns_nothing() -> None:
    """Notes that cannot be read leave the picture as it lies."""
    data = save_picture(draw_picture(), "JPEG", exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff")
    assert decode(data).shape == (200, 320, 3)


@pytest.mark.parametrize(
    ("least", "size"), [(None, (1600, 800)), (100, (200, 100)), (101, (400, 200)), (900, (1600, 800))]
)
def test_draft_keeps_the_least_side(least: int | None, size: tuple[int, int]) -> None:
    """A JPEG is decoded at the smallest of 1/1, 1/2, 1/4 and 1/8 whose shorter side is still enough."""
    data = save_picture(draw_picture(width=1600, height=800), "JPEG")
    assert decode_picture(data, max_pixels=MANY, least_side=least).size == size


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("name", [*sorted(STORED_FORMATS), "progressive"])
def test_truncated_is_refused(name: str, share: float) -> None:
    """A file that breaks off is refused, also when it is decoded as a draft: nothing is half decoded."""
    image = draw_picture(width=640, height=480)
    data = save_picture(image, "JPEG", progressive=True) if name == "progressive" else save_picture(image, name)
    for least_side in (None, 64):
        with pytest.raises(PictureRefusedError) as caught:
            decode_picture(data[: int(len(data) * share)], max_pixels=MANY, least_side=least_side)
        assert caught.value.code_word == "truncated"


def test_pixels_outlive_the_file() -> None:
    """The result holds pixels only: no plug-in, no bytes of the file, no notes."""
    image = decode_picture(save_picture(draw_picture(), "JPEG", comment=b"secret"), max_pixels=MANY)
    assert type(image) is Image.Image
    assert not hasattr(image, "fp")
