"""How much work a file may make. Size in bytes and pixels bounds neither: a few bytes can ask for the same work again.

A progressive JPEG names its scans, each of which goes over all pixels: a hundred bytes a scan, so 10 MB of them would
keep a core busy for hours. And all formats are made of parts that Pillow walks through in Python, some microseconds
each, which may be as small as three bytes.
"""

from __future__ import annotations

import io
from typing import Final

# Encoders make about ten scans. A large picture may have fewer than a small one: together they go over no more pixels
# than this many of the largest pictures have.
_MOST_SCANS: Final = 100
_MOST_PASSES: Final = 16
_START_OF_SCAN: Final = b"\xff\xda"
# Bytes a part that are allowed in a long file (a GIF's have 255, two reads each), and parts that any file may have.
_BYTES_A_READ: Final = 50
_FREE_READS: Final = 1_000


class TooManyPartsError(ValueError):
    """A file is chopped into more parts than any encoder makes."""


class MeasuredBytes(io.BytesIO):
    """A file in memory that ends the reading when it is asked for too many small pieces."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._left = _FREE_READS + len(data) // _BYTES_A_READ

    def read(self, size: int | None = -1, /) -> bytes:
        """As BytesIO; raises TooManyPartsError."""
        self._left -= 1
        if self._left < 0:
            raise TooManyPartsError("it is made of too many small parts")
        return super().read(size)


def count_scans(data: bytes) -> int:
    """Scans of a JPEG. Within one 0xff is followed by 0 or a restart mark; a thumbnail in the notes adds one or two."""
    return data.count(_START_OF_SCAN)


def has_too_many_scans(scans: int, *, pixels: int, max_pixels: int) -> bool:
    """True for more scans than any encoder makes, or for more than a picture of so many pixels may cost."""
    return scans > _MOST_SCANS or pixels * scans > _MOST_PASSES * max_pixels
