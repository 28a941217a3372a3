"""The format of some bytes by their first bytes, and the size of a WebP without its decoder."""

from __future__ import annotations

import re
from typing import Final

# What a page may start with before its first tag: byte order marks and white space.
_LEADING: Final = b"\xef\xbb\xbf\xff\xfe\x00 \t\r\n\x0c"
_HEAD_BYTES: Final = 1024
_SVG: Final = re.compile(rb"<(?:[a-z]+:)?svg[\s>]")
_HTML: Final = re.compile(rb"<(?:!doctype\s+html|html|head|body|script)[\s>]")

_MAGIC: Final = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    # Pictures that we name in the refusal, and never decode.
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"\x00\x00\x01\x00", "ICO"),
    (b"8BPS", "PSD"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\x00\x00\x00\x0cJXL ", "JPEG XL"),
    (b"\x00\x00\x00\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
)
_BRANDS: Final = {b"avif": "AVIF", b"avis": "AVIF"} | dict.fromkeys(
    (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"), "HEIC"
)


def sniff_format(data: bytes) -> str | None:
    """Pillow's name of the format (JPEG, PNG, WEBP, ...), HTML or SVG; None for anything else."""
    for magic, name in _MAGIC:
        if data.startswith(magic):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp":
        return _sniff_brand(data)
    return _sniff_markup(data[:_HEAD_BYTES])


def _sniff_brand(data: bytes) -> str | None:
    """AVIF or HEIC by the brands of an ISO media file; the general brand mif1 is settled by the compatible ones."""
    end = min(int.from_bytes(data[:4], "big"), _HEAD_BYTES, len(data))
    brands = [data[8:12], *(data[start : start + 4] for start in range(16, end, 4))]
    names = [_BRANDS[brand] for brand in brands if brand in _BRANDS]
    return "AVIF" if "AVIF" in names else next(iter(names), None)


def _sniff_markup(head: bytes) -> str | None:
    # UTF-16 pages have a zero at every other byte.
    text = head.lstrip(_LEADING).replace(b"\x00", b"").lower()
    if not text.startswith(b"<"):
        return None
    found = [
        (match.start(), name) for pattern, name in ((_SVG, "SVG"), (_HTML, "HTML")) if (match := pattern.search(text))
    ]
    return min(found)[1] if found else None


def read_webp_size(data: bytes) -> tuple[int, int] | None:
    """Width and height as a WebP's header has them; None when it has none.

    Pillow's WebP plug-in asks for the memory of the whole canvas when it opens a file, so the size is read before.
    """
    kind, header = data[12:16], data[20:30]
    if len(header) < 10:
        return None
    if kind == b"VP8X":
        return 1 + int.from_bytes(header[4:7], "little"), 1 + int.from_bytes(header[7:10], "little")
    if kind == b"VP8L" and header[0] == 0x2F:
        bits = int.from_bytes(header[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 " and header[3:6] == b"\x9d\x01\x2a":
        return int.from_bytes(header[6:8], "little") & 0x3FFF, int.from_bytes(header[8:10], "little") & 0x3FFF
    return None
