"""AniDB's dump of titles."""

from __future__ import annotations

import gzip
import io
import os
from pathlib import Path

import pytest

from enrichment.providers.anidb_titles import DumpTitle, read_titles
from enrichment.providers.base import ShapeChangedError

_DEFAULT_DATA = Path(__file__).parents[5] / "shared" / "data"
_DUMP = """<?xml version="1.0" encoding="UTF-8"?>
<!-- Created: today -->
<animetitles>
  <anime aid="1">
    <title type="main" xml:lang="x-jat">Hoshi no Machi</title>
    <title type="official" xml:lang="ja">星の町</title>
    <title type="syn" xml:lang="en">The Stars` Town</title>
    <title type="short" xml:lang="en"> </title>
  </anime>
  <anime aid="22"><title type="main" xml:lang="x-jat">Tsuki no Machi</title></anime>
</animetitles>""".encode()


def _read(dump: bytes, **options: int) -> list[DumpTitle]:
    return list(read_titles(io.BytesIO(dump), **options))


@pytest.mark.parametrize("dump", [_DUMP, gzip.compress(_DUMP)])
def test_titles_in_all_languages(dump: bytes) -> None:
    """Packed or not, every title that says something comes with its id, kind and language."""
    assert _read(dump) == [
        DumpTitle("1", "main", "x-jat", "Hoshi no Machi"),
        DumpTitle("1", "official", "ja", "星の町"),
        DumpTitle("1", "syn", "en", "The Stars' Town"),
        DumpTitle("22", "main", "x-jat", "Tsuki no Machi"),
    ]


@pytest.mark.parametrize(
    ("dump", "problem"),
    [
        (b"", "is no whole dump"),
        (_DUMP[:300], "is no whole dump"),
        (gzip.compress(_DUMP)[:-20], "is no whole dump"),
        (gzip.compress(_DUMP)[:60] + b"\x00" * 60, "is no whole dump"),
        (b"\x1f\x8b", "is no whole dump"),
        (b"<html><body>Sorry</body></html>", "holds no titles"),
        (b"<animetitles/>", "holds no titles"),
        (_DUMP.replace(b'aid="22"', b'aid="x"'), "is 'x', no number"),
        (_DUMP.replace(b"<animetitles>", b'<!DOCTYPE a [<!ENTITY x "y">]><animetitles>'), "has a DOCTYPE"),
    ],
)
def test_what_is_no_whole_dump_is_refused(dump: bytes, problem: str) -> None:
    """Half a dump, a page in its place and one with entities end in an error that says so."""
    with pytest.raises(ShapeChangedError, match=problem):
        _read(dump)


def test_bomb_is_stopped_at_the_limit() -> None:
    """A dump that unpacks to more than it may is left at the limit, not when memory is full."""
    bomb = gzip.compress(b"<animetitles>" + b" " * 5_000_000 + b"</animetitles>")
    with pytest.raises(ShapeChangedError, match="larger than any dump"):
        _read(bomb, max_bytes=1_000_000)


def test_titles_come_before_the_dump_is_read_to_its_end() -> None:
    """It is a stream: the first titles are there while the rest is still to be read."""
    entry = b'<anime aid="1"><title type="main" xml:lang="ja">x</title></anime>'
    stream = io.BytesIO(b"<animetitles>" + entry * 50_000)
    titles = read_titles(stream)
    assert next(titles).external_id == "1"
    assert stream.tell() < len(stream.getvalue()) / 2
    with pytest.raises(ShapeChangedError):
        list(titles)


def test_a_real_dump_is_read_whole() -> None:
    """86,798 titles of 15,323 anime, each with a main title."""
    data = Path(os.environ.get("AVS_SHARED_DATA", _DEFAULT_DATA))
    if not data.is_dir():
        pytest.skip(f"no shared data at {data}; AVS_SHARED_DATA names it")
    with (data / "id-mapping/anidb-titles/anime-titles.xml.gz").open("rb") as dump:
        titles = list(read_titles(dump))
    assert len(titles) == 86_798
    assert len({title.external_id for title in titles}) == 15_323
    assert len({title.external_id for title in titles if title.kind == "main"}) == 15_323
