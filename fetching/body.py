"""Reading a body: never more than the limit, on the line or unpacked, and never less than was announced."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from http.client import HTTPException, HTTPResponse

from fetching.errors import FetchReason, build_error

# What we ask for. Pictures come as they are; robots.txt and JSON come packed.
ACCEPT_ENCODING = "gzip"
_STEP = 65_536
_LARGE_STEP = 1_048_576
_GZIP = 16 + zlib.MAX_WBITS


def read_body(response: HTTPResponse, *, max_bytes: int, cut: bool = False) -> bytes:
    """The whole body, unpacked; with `cut` its first `max_bytes` bytes, however long it is.

    Raises FetchRefusedError (too-large, bad-encoding) or FetchFailedError (truncated-body); TimeoutError by the socket.
    The announced length is believed only where it refuses: what comes is counted.
    """
    encoding = (response.getheader("Content-Encoding") or "identity").strip().lower()
    # http.client has it from Content-Length; None for a chunked body or one that ends with the connection.
    announced = response.length
    if announced is not None and announced > max_bytes and not cut:
        raise build_error(FetchReason.TOO_LARGE, f"{announced} bytes were announced, {max_bytes} are the limit")
    try:
        if encoding in {"identity", ""}:
            return _read_plain(response, announced, max_bytes=max_bytes, cut=cut)
        return _read_packed(response, encoding, max_bytes=max_bytes, cut=cut)
    except (HTTPException, ConnectionError) as error:
        raise build_error(FetchReason.TRUNCATED_BODY, f"the connection ended within the body: {error!r}") from error


def _read_plain(response: HTTPResponse, announced: int | None, *, max_bytes: int, cut: bool) -> bytes:
    body = _collect(_build_reader(response, announced), max_bytes=max_bytes, cut=cut)
    # With a length announced, http.client ends a short body without a word; what is then left of it is not 0.
    if response.length and not cut:
        raise build_error(FetchReason.TRUNCATED_BODY, f"{response.length} bytes are missing")
    return body


def _read_packed(response: HTTPResponse, encoding: str, *, max_bytes: int, cut: bool) -> bytes:
    if encoding not in {"gzip", "x-gzip"}:
        raise build_error(FetchReason.BAD_ENCODING, f"Content-Encoding {encoding[:40]!r} was not asked for")
    unpacker = zlib.decompressobj(_GZIP)
    read_packed = _build_reader(response, response.length)
    packed = 0

    def read() -> bytes:
        nonlocal packed
        while not unpacker.eof:
            # Little is unpacked at a time: a few bytes may stand for gigabytes.
            piece = unpacker.unconsumed_tail or read_packed()
            packed += 0 if unpacker.unconsumed_tail else len(piece)
            if packed > max_bytes and not cut:
                raise build_error(FetchReason.TOO_LARGE, f"more than {max_bytes} bytes")
            unpacked = unpacker.decompress(piece, _STEP)
            if unpacked or not piece:
                return unpacked
        return b""

    try:
        body = _collect(read, max_bytes=max_bytes, cut=cut)
    except zlib.error as error:
        raise build_error(FetchReason.BAD_ENCODING, f"not gzip: {error}") from error
    if not unpacker.eof and not cut:
        raise build_error(FetchReason.TRUNCATED_BODY, "the gzip stream has no end")
    return body


def _build_reader(response: HTTPResponse, announced: int | None) -> Callable[[], bytes]:
    # Of known length: as much as is there of it, in large steps. Otherwise whatever has come.
    if announced is not None:
        return lambda: response.read(min(response.length or 0, _LARGE_STEP)) if response.length else b""
    return lambda: response.read1(_STEP)


def _collect(read: Callable[[], bytes], *, max_bytes: int, cut: bool) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while piece := read():
        pieces.append(piece)
        size += len(piece)
        if size > max_bytes:
            if cut:
                return b"".join(pieces)[:max_bytes]
            raise build_error(FetchReason.TOO_LARGE, f"more than {max_bytes} bytes")
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
