"""AniDB's daily dump of titles in all languages (anime-titles.xml.gz), read as a stream in bounded memory."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from lxml import etree

from enrichment.providers.anidb_elements import LANG, clean
from enrichment.providers.base import ShapeChangedError
from enrichment.providers.xml_reader import SAFE_OPTIONS

_NAME: Final = "anidb"
_GZIP: Final = b"\x1f\x8b"
# The dump unpacks to 7 MB; a bomb to as much as it likes.
_MAX_BYTES: Final = 256 * 1024 * 1024
_MAX_TITLE_CHARS: Final = 1_000


@dataclass(frozen=True, slots=True)
class DumpTitle:
    """One title. `kind`: main, official, syn, short, kana or card; `language` as AniDB has it, such as x-jat."""

    external_id: str
    kind: str
    language: str
    title: str


def read_titles(dump: BinaryIO, *, max_bytes: int = _MAX_BYTES) -> Iterator[DumpTitle]:
    """The titles of a dump, packed or not, in its order. `dump` can seek; it stays open.

    max_bytes  most bytes of XML that are read
    Raises ShapeChangedError, maybe in the middle: for what is no whole dump, has a DOCTYPE, is too large or is empty.
    """
    count = 0
    try:
        for title in _iterate(_Bounded(_unpack(dump), max_bytes)):
            count += 1
            yield title
    except (etree.XMLSyntaxError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ShapeChangedError(_NAME, "/animetitles", f"is no whole dump: {error}") from error
    if not count:
        raise ShapeChangedError(_NAME, "/animetitles", "holds no titles")


def _unpack(dump: BinaryIO) -> BinaryIO:
    start = dump.read(len(_GZIP))
    dump.seek(-len(start), 1)
    return gzip.GzipFile(fileobj=dump) if start == _GZIP else dump  # type: ignore[return-value]


class _Bounded:
    """Reads at most so many bytes, and says when there are more."""

    def __init__(self, stream: BinaryIO, max_bytes: int) -> None:
        self._stream = stream
        self._left = max_bytes

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise ShapeChangedError(_NAME, "/animetitles", "is larger than any dump of titles")
        return data


def _iterate(stream: _Bounded) -> Iterator[DumpTitle]:
    for _, anime in etree.iterparse(stream, events=("end",), tag="anime", **SAFE_OPTIONS):
        if anime.getroottree().docinfo.internalDTD is not None:
            raise ShapeChangedError(_NAME, "/", "has a DOCTYPE, which is refused")
        external_id = anime.get("aid") or ""
        if not external_id.isascii() or not external_id.isdigit():
            raise ShapeChangedError(_NAME, "/animetitles/anime/@aid", f"is {external_id[:50]!r}, no number")
        for title in anime.iterfind("title"):
            text = clean(title.text)
            if text and len(text) <= _MAX_TITLE_CHARS:
                yield DumpTitle(external_id, title.get("type") or "", title.get(LANG) or "", text)
        # What was read is let go, and the place that it had in its parent.
        anime.clear()
        while anime.getprevious() is not None:
            del anime.getparent()[0]
