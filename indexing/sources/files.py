"""Opens a catalogue file and yields its raw records with the place where each stands.

JSON (an array, or an object with `data`), JSONL and CSV, each plain, .gz or .zst. A line that cannot be read is
yielded with the reason instead of a value, so that one bad line never hides the rest.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import orjson
import zstandard

from core.errors import InvalidInputError

# A cell of a real catalogue holds a synopsis; the csv module's own limit of 128 kB is for hostile files.
_MAX_LINE_BYTES = 4_000_000
_CHUNK_BYTES = 1 << 20
# Packed bytes may unfold by a factor of thousands: few at a time.
_PACKED_BYTES = 1 << 14


@dataclass(frozen=True, slots=True)
class RawRecord:
    """One record of a file: `line` counts from 1 (items, for a JSON array). Either `value` or `fault` is set."""

    line: int
    value: dict[str, Any] | None = None
    fault: str | None = None


def read_records(path: Path) -> Iterator[RawRecord]:
    """All records of the file. Raises InvalidInputError when the file as a whole cannot be read."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    packing = suffixes.pop() if suffixes and suffixes[-1] in {".gz", ".zst"} else ""
    kind = suffixes[-1] if suffixes else ""
    readers = {".json": _read_json, ".jsonl": _read_jsonl, ".ndjson": _read_jsonl, ".csv": _read_csv}
    if kind not in readers:
        raise InvalidInputError("file", f"{path.name}: expected .json, .jsonl or .csv, plain, .gz or .zst")
    try:
        with path.open("rb") as raw, _unpack(raw, packing) as stream:
            yield from readers[kind](stream)
    except (OSError, EOFError, zlib.error, zstandard.ZstdError) as error:
        raise InvalidInputError("file", f"{path.name}: {error}") from error


def _unpack(raw: IO[bytes], packing: str) -> IO[bytes]:
    if packing == ".gz":
        return cast(IO[bytes], gzip.open(raw))
    if packing == ".zst":
        return io.BufferedReader(_ZstdStream(raw), _CHUNK_BYTES)
    return raw


class _ZstdStream(io.RawIOBase):
    """The frames of a .zst file. Unlike zstandard's own reader it tells a file that was cut off from a whole one."""

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw = raw
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._is_between_frames = True
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            packed = self._frame.unused_data or self._raw.read(_PACKED_BYTES)
            if not packed:
                if self._is_between_frames:
                    return 0
                raise EOFError("the file ends in the middle: it was cut off")
            if self._frame.eof:
                self._frame = zstandard.ZstdDecompressor().decompressobj()
            self._ready = memoryview(self._frame.decompress(packed))
            self._is_between_frames = self._frame.eof
        size = min(len(buffer), len(self._ready))
        buffer[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size


def _read_jsonl(stream: IO[bytes]) -> Iterator[RawRecord]:
    for number, line in enumerate(_iterate_lines(stream), start=1):
        text = line.removeprefix(b"\xef\xbb\xbf").strip() if number == 1 else line.strip()
        if not text:
            continue
        if len(line.rstrip(b"\r\n")) > _MAX_LINE_BYTES:
            yield RawRecord(number, fault=f"longer than {_MAX_LINE_BYTES} bytes")
            continue
        try:
            yield _check_object(number, orjson.loads(text))
        except orjson.JSONDecodeError as error:
            yield RawRecord(number, fault=f"not JSON: {error}")


def _iterate_lines(stream: IO[bytes]) -> Iterator[bytes]:
    """Lines, of which one that is too long is held no further than shows that it is."""
    while line := stream.readline(_MAX_LINE_BYTES + 2):
        rest = line
        while rest and not rest.endswith(b"\n"):
            rest = stream.readline(_CHUNK_BYTES)
        yield line


def _read_json(stream: IO[bytes]) -> Iterator[RawRecord]:
    try:
        content = orjson.loads(stream.read().removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        raise InvalidInputError("file", f"not JSON: {error}") from error
    items = content.get("data") if isinstance(content, dict) else content
    if not isinstance(items, list):
        raise InvalidInputError("file", "expected a JSON array, or an object with an array named `data`")
    for number, item in enumerate(items, start=1):
        yield _check_object(number, item)


def _check_object(number: int, value: Any) -> RawRecord:
    if isinstance(value, dict):
        return RawRecord(number, value=value)
    return RawRecord(number, fault=f"expected an object, found {type(value).__name__}")


def _read_csv(stream: IO[bytes]) -> Iterator[RawRecord]:
    csv.field_size_limit(_MAX_LINE_BYTES)
    text = io.TextIOWrapper(stream, "utf-8-sig", errors="replace", newline="")
    reader = csv.DictReader(text, restkey="")
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield RawRecord(reader.line_num, fault=f"not CSV: {error}")
            continue
        if row.pop("", None) is not None and len(row) != len(reader.fieldnames or ()) - 1:
            yield RawRecord(reader.line_num, fault="more cells than columns")
        elif None in row.values():
            yield RawRecord(reader.line_num, fault="fewer cells than columns")
        else:
            yield RawRecord(reader.line_num, value=dict(row))
