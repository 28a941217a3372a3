"""Formats, sizes and refusals by the first bytes alone."""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from core.errors import InvalidInputError
from core.pictures import QUERY_FORMATS, STORED_FORMATS, PictureRefusedError, decode_picture, inspect_picture
from core.pictures.sniffing import read_webp_size
from tests.unit.core.pictures.drawing import draw_picture, save_picture

MANY = 10_000_000


def build_png_header(width: int, height: int) -> bytes:
    """A PNG of any size that has hardly any bytes."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"\0" * 16) + chunk(b"IEND", b"")


@pytest.mark.parametrize("name", sorted(STORED_FORMATS))
def test_format_by_content(name: str) -> None:
    """Every stored format is known by its bytes, with its media type and its size."""
    info = inspect_picture(save_picture(draw_picture(), name), max_pixels=MANY)
    assert (info.format, info.media_type) == (name, f"image/{name.lower()}")
    assert (info.width, info.height, info.frames) == (320, 200, 1)


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "empty"),
        (b"hello, world", "not-a-picture"),
        (b'{"error": "not found"}', "not-a-picture"),
        (b"%PDF-1.7", "not-a-picture"),
        (b"\n  <!DOCTYPE html><html><body>404</body></html>", "html"),
        (b"<html lang=en><svg></svg></html>", "html"),
        ("<!doctype html><p>".encode("utf-16"), "html"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"></svg>', "svg"),
        (b"<svg:svg xmlns:svg='http://www.w3.org/2000/svg'>", "svg"),
        (b"<rss><channel></channel></rss>", "not-a-picture"),
        (b"II*\x00\x08\x00\x00\x00", "unsupported-format"),
        (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic", "unsupported-format"),
        (b"\xff\xd8\xff", "truncated"),
        (b"\x89PNG\r\n\x1a\n", "truncated"),
        (b"GIF89a", "truncated"),
        (b"RIFF\x00\x00\x00\x00WEBP", "truncated"),
        (b"\x00\x00\x00\x1cftypavif\x00\x00\x00\x00avifmif1miaf", "truncated"),
        (b"BM", "truncated"),
    ],
)
def test_refusals(data: bytes, word: str) -> None:
    """Each kind of wrong bytes has its own code word, and the refusal is an input error of the named field."""
    with pytest.raises(PictureRefusedError) as caught:
        inspect_picture(data, max_pixels=MANY, field="image_data")
    assert caught.value.code_word == word
    assert caught.value.field == "image_data"
    assert isinstance(caught.value, InvalidInputError)


def test_formats_of_queries() -> None:
    """A format that is stored but not taken in a query is refused by name."""
    with pytest.raises(PictureRefusedError, match="GIF; allowed are JPEG, PNG, WEBP") as caught:
        inspect_picture(save_picture(draw_picture(), "GIF"), max_pixels=MANY, formats=QUERY_FORMATS)
    assert caught.value.code_word == "unsupported-format"


def test_bytes_are_counted() -> None:
    """One byte above the limit is refused, the limit itself is not."""
    data = save_picture(draw_picture())
    assert inspect_picture(data, max_pixels=MANY, max_bytes=len(data)).format == "PNG"
    with pytest.raises(PictureRefusedError) as caught:
        inspect_picture(data, max_pixels=MANY, max_bytes=len(data) - 1)
    assert caught.value.code_word == "too-large"


def test_bomb_is_refused_by_its_header(recwarn: pytest.WarningsRecorder) -> None:
    """A picture of 100 and one of 10,000 megapixels are refused without a decode, also beyond Pillow's own limit."""
    for side in (10_000, 100_000):
        with pytest.raises(PictureRefusedError) as caught:
            decode_picture(build_png_header(side, side), max_pixels=50_000_000)
        assert caught.value.code_word == "too-many-pixels"
    assert not recwarn.list


def test_limits_do_not_meet() -> None:
    """The limit of one call changes nothing for another call, nor Pillow's value for the whole process."""
    before = Image.MAX_IMAGE_PIXELS
    data = save_picture(draw_picture())
    with pytest.raises(PictureRefusedError):
        inspect_picture(data, max_pixels=320 * 200 - 1)
    assert inspect_picture(data, max_pixels=320 * 200).width == 320
    assert before == Image.MAX_IMAGE_PIXELS


@pytest.mark.parametrize("options", [{}, {"lossless": True}, {"exif": b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x00"}])
def test_webp_size_before_its_decoder(options: dict[str, object]) -> None:
    """The three kinds of WebP headers are read without the decoder, which would ask for the canvas first."""
    assert read_webp_size(save_picture(draw_picture(), "WEBP", **options)) == (320, 200)


def test_webp_bomb() -> None:
    """A WebP that claims 16384 x 16384 pixels is refused before its decoder sees it."""
    data = b"RIFF\x1e\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x00\x00\x00\x00" + b"\xff\x3f\x00" * 2
    with pytest.raises(PictureRefusedError) as caught:
        inspect_picture(data, max_pixels=MANY)
    assert caught.value.code_word == "too-many-pixels"


@pytest.mark.parametrize("name", ["GIF", "WEBP", "PNG", "AVIF"])
def test_animated(name: str) -> None:
    """An animated picture is known as one, and its first frame is what is decoded."""
    first, second = (Image.new("RGB", (64, 48), colour) for colour in ("red", "blue"))
    data = save_picture(first, name, save_all=True, append_images=[second], duration=100)
    assert inspect_picture(data, max_pixels=MANY).frames == 2
    red, _, blue = decode_picture(data, max_pixels=MANY).getpixel((30, 20))
    assert red > 240
    assert blue < 15


def test_size_as_a_viewer_sees_it() -> None:
    """Width and height of a picture that a camera turned are swapped, as its pixels are after the decode."""
    exif = Image.Exif()
    exif[0x0112] = 6
    data = save_picture(draw_picture(), "JPEG", exif=exif)
    info = inspect_picture(data, max_pixels=MANY)
    assert (info.width, info.height) == decode_picture(data, max_pixels=MANY).size == (200, 320)


@given(st.binary(max_size=300), st.sampled_from([b"", *(save_picture(draw_picture(), n)[:60] for n in STORED_FORMATS)]))
def test_any_bytes_are_answered(tail: bytes, head: bytes) -> None:
    """Whatever the bytes are, the answer is a picture or a refusal, never another error."""
    try:
        decode_picture(head + tail, max_pixels=MANY)
    except PictureRefusedError as refused:
        assert refused.code_word


@pytest.mark.parametrize(("repeated", "is_taken"), [(0, True), (50, True), (5_000, False)])
def test_scans_of_a_jpeg_are_counted(repeated: int, *, is_taken: bool) -> None:
    """A progressive JPEG with thousands of scans, each a walk over all of its pixels, is refused by its header."""
    data = save_picture(draw_picture(), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    file = data[:-2] + repeated * data[last:-2] + data[-2:]
    if is_taken:
        assert inspect_picture(file, max_pixels=MANY).format == "JPEG"
        return
    with pytest.raises(PictureRefusedError, match="scans") as caught:
        inspect_picture(file, max_pixels=MANY)
    assert caught.value.code_word == "too-many-pixels"
