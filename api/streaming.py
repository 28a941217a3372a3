"""Long answers line by line, so that neither side holds the whole in memory. A caller that goes away ends the work."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import orjson
from flask import Response, request

from api.compression import StreamCompressor, choose_encoding
from api.problems import build_error_document

STREAM_TYPE = "application/x-ndjson"
# Lines travel together up to this size: one at a time would cost a write and a chunk each.
_PIECE_BYTES = 16_384


def stream_ndjson(rows: Iterator[bytes], *, tail: Callable[[], bytes]) -> Response:
    """{"result": ...} for each row, then {"summary": ...} with what `tail` says after the last one. Rows are JSON.

    The status is out before the last row is made, so an error on the way is the last line instead: {"problem": ...}. A
    stream without either was cut off. Rows that have a `close` are closed whatever happens.
    """
    encoding = choose_encoding(request.environ)
    pieces = _gather(_write_lines(rows, tail))
    response = Response(pieces if encoding is None else _compress(pieces, StreamCompressor(encoding)))
    response.content_type = STREAM_TYPE
    if encoding is not None:
        response.headers["Content-Encoding"] = encoding
    response.vary.add("Accept-Encoding")
    # nginx would hold the lines back otherwise.
    response.headers["X-Accel-Buffering"] = "no"
    return response


def _write_lines(rows: Iterator[bytes], tail: Callable[[], bytes]) -> Iterator[bytes]:
    try:
        for row in rows:
            yield b'{"result":' + row + b"}\n"
        yield b'{"summary":' + tail() + b"}\n"
    except Exception as error:  # the status is out: the last line is the only place left to say it
        yield orjson.dumps({"problem": build_error_document(error)}) + b"\n"
    finally:
        _close(rows)


def _gather(lines: Iterator[bytes]) -> Iterator[bytes]:
    """Lines joined to pieces."""
    try:
        waiting: list[bytes] = []
        size = 0
        for line in lines:
            waiting.append(line)
            size += len(line)
            if size >= _PIECE_BYTES:
                yield b"".join(waiting)
                waiting, size = [], 0
        if waiting:
            yield b"".join(waiting)
    finally:
        _close(lines)


def _compress(pieces: Iterator[bytes], compressor: StreamCompressor) -> Iterator[bytes]:
    try:
        for piece in pieces:
            yield compressor.compress(piece)
        yield compressor.finish()
    finally:
        _close(pieces)


def _close(iterator: Iterator[bytes]) -> None:
    """End a generator now, not when the collector comes."""
    if (close := getattr(iterator, "close", None)) is not None:
        close()
