"""Compression of answers: zstd where the caller names it, else gzip, where it pays.

Measured on pages of 20 titles (28 KB): zstd at level 1 takes 55 us and leaves 31%, gzip at level 1 takes 210 us and
leaves 33%. RFC 9659 allows windows of 8 MB; level 1 stays far below.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal

import zstandard
from werkzeug.http import parse_accept_header

Encoding = Literal["zstd", "gzip"]

# Below these a compressed answer saves less time on the wire than it costs here.
ZSTD_MIN_BYTES = 2_048
GZIP_MIN_BYTES = 8_192
MIN_BYTES: Mapping[Encoding, int] = {"zstd": ZSTD_MIN_BYTES, "gzip": GZIP_MIN_BYTES}
_ZSTD_LEVEL = 1
_GZIP_LEVEL = 1
_GZIP_WBITS = 31
# Ordinary callers send one of a few short headers; others are parsed each time.
_KNOWN_HEADERS = 256
_KNOWN_HEADER_MAX_CHARS = 200


def choose_encoding(environ: Mapping[str, Any]) -> Encoding | None:
    """What the caller would rather have; zstd if both are equal to him, None if he takes neither."""
    header: str = environ.get("HTTP_ACCEPT_ENCODING", "")
    if not header:
        return None
    return _choose_known(header) if len(header) <= _KNOWN_HEADER_MAX_CHARS else _choose(header)


def is_worth_compressing(size_bytes: int, mimetype: str) -> bool:
    """True for JSON and HTML that somebody could get compressed: caches must be told so."""
    return size_bytes >= ZSTD_MIN_BYTES and (mimetype.endswith("json") or mimetype == "text/html")


def compress(data: bytes, encoding: Encoding) -> bytes:
    """The whole of an answer, quickly rather than small."""
    if encoding == "zstd":
        # A compressor is not safe between threads, and making one costs 4 us.
        return zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress(data)
    compressor = zlib.compressobj(_GZIP_LEVEL, wbits=_GZIP_WBITS)
    return compressor.compress(data) + compressor.flush()


class StreamCompressor:
    """Compresses an answer piece by piece; the reader can read each piece as soon as it is there."""

    def __init__(self, encoding: Encoding) -> None:
        self._zstd = zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compressobj() if encoding == "zstd" else None
        self._gzip = zlib.compressobj(_GZIP_LEVEL, wbits=_GZIP_WBITS)

    def compress(self, piece: bytes) -> bytes:
        """All of the piece."""
        if self._zstd is not None:
            return self._zstd.compress(piece) + self._zstd.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
        return self._gzip.compress(piece) + self._gzip.flush(zlib.Z_SYNC_FLUSH)

    def finish(self) -> bytes:
        """What ends the stream."""
        return self._zstd.flush() if self._zstd is not None else self._gzip.flush()


def _choose(header: str) -> Encoding | None:
    accepted = parse_accept_header(header.lower())
    gzip, zstd = accepted["gzip"], accepted["zstd"] if "zstd" in header.lower() else 0
    if zstd > 0 and zstd >= gzip:
        return "zstd"
    return "gzip" if gzip > 0 else None


_choose_known = lru_cache(_KNOWN_HEADERS)(_choose)
