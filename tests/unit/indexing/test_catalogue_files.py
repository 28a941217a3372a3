"""Readers of catalogue files: every form and packing, and what they say of broken ones."""

from __future__ import annotations

import gzip
import io
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard

from core.errors import InvalidInputError
from indexing.sources.files import RawRecord, read_records

_ROWS = [{"title": "Monster", "year": "2004"}, {"title": "進撃の巨人", "year": "2013"}]
_BOM = "\ufeff"


def _jsonl(rows: list[Any]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


_FORMS: dict[str, str] = {
    "array.json": json.dumps(_ROWS),
    "data.json": json.dumps({"license": "x", "data": _ROWS}, ensure_ascii=False),
    "lines.jsonl": _jsonl(_ROWS),
    "lines.ndjson": _jsonl(_ROWS),
    "last-line-without-end.jsonl": _jsonl(_ROWS).rstrip("\n"),
    "windows.jsonl": _jsonl(_ROWS).replace("\n", "\r\n"),
    "table.csv": "title,year\nMonster,2004\n進撃の巨人,2013\n",
    "quoted.csv": 'title,year\r\n"Monster","2004"\r\n"進撃の巨人",2013\r\n',
}
_PACK: dict[str, Callable[[bytes], bytes]] = {"": bytes, ".gz": gzip.compress, ".zst": zstandard.compress}


@pytest.mark.parametrize("bom", ["", _BOM], ids=["plain", "bom"])
@pytest.mark.parametrize("packing", _PACK, ids=["unpacked", "gz", "zst"])
@pytest.mark.parametrize("name", _FORMS)
def test_every_form_gives_the_same_records(tmp_path: Path, name: str, packing: str, bom: str) -> None:
    """JSON, JSONL and CSV, packed or not, with or without a byte order mark, give the same values in order."""
    path = tmp_path / f"{name}{packing}"
    path.write_bytes(_PACK[packing]((bom + _FORMS[name]).encode()))
    assert [record.value for record in read_records(path)] == _ROWS


def test_several_frames_are_one_file(tmp_path: Path) -> None:
    """Packed files that were appended to each other are read to the end."""
    first, second = (_jsonl([row]).encode() for row in _ROWS)
    for packing in (".gz", ".zst"):
        path = tmp_path / f"two.jsonl{packing}"
        path.write_bytes(_PACK[packing](first) + _PACK[packing](second))
        assert [record.value for record in read_records(path)] == _ROWS


def test_a_large_packed_file_is_read_whole(tmp_path: Path) -> None:
    """Many times the size of any buffer, in one frame, written by a streaming packer."""
    path = tmp_path / "large.jsonl.zst"
    with path.open("wb") as raw, zstandard.ZstdCompressor().stream_writer(raw) as packer:
        packer.write(_jsonl([{"title": f"Title {number}", "synopsis": "x" * 100} for number in range(20_000)]).encode())
    records = list(read_records(path))
    assert len(records) == 20_000 and records[-1].value == {"title": "Title 19999", "synopsis": "x" * 100}


def test_a_broken_line_does_not_hide_the_rest(tmp_path: Path) -> None:
    """A line that is not JSON, or not an object, is reported with its number; blank ones are passed over."""
    path = tmp_path / "mixed.jsonl"
    lines = [
        b'{"title": "One"}',
        b'{"title": "Tw',
        b"",
        b'"a string"',
        b"[1]",
        b"\xff\xfe\x00",
        b'{"title": "\\ud800"}',
        b'{"title": "Two"}',
    ]
    path.write_bytes(b"\n".join(lines))
    records = list(read_records(path))
    assert [record.line for record in records if record.value] == [1, 8]
    faults = {record.line: record.fault for record in records if record.fault}
    assert sorted(faults) == [2, 4, 5, 6, 7]
    assert faults[2] is not None and faults[2].startswith("not JSON")
    assert faults[4] == "expected an object, found str"
    assert faults[5] == "expected an object, found list"


def test_an_endless_line_is_refused_alone(tmp_path: Path) -> None:
    """A line of megabytes is no record, and the one after it is read."""
    path = tmp_path / "long.jsonl"
    path.write_text(json.dumps({"title": "x" * 4_000_001}) + "\n" + json.dumps({"title": "One"}))
    first, second = read_records(path)
    assert first.fault == "longer than 4000000 bytes"
    assert second == RawRecord(2, value={"title": "One"})


def test_an_endless_line_is_never_held_whole(tmp_path: Path) -> None:
    """A packed file of a few kilobytes that unfolds into one huge line costs no more memory than a line may have."""
    path = tmp_path / "bomb.jsonl.gz"
    path.write_bytes(gzip.compress(b"x" * 60_000_000 + b'\n{"title": "Next"}\n', 1))
    tracemalloc.start()
    first, second = read_records(path)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert first.fault == "longer than 4000000 bytes" and second == RawRecord(2, value={"title": "Next"})
    assert peak_bytes < 20_000_000


def test_items_of_an_array_that_are_no_objects_are_reported(tmp_path: Path) -> None:
    """In a JSON array the number counts items."""
    path = tmp_path / "items.json"
    path.write_text('[{"title": "One"}, null, 7, {"title": "Two"}]')
    records = list(read_records(path))
    assert [(record.line, record.fault) for record in records if record.fault] == [
        (2, "expected an object, found NoneType"),
        (3, "expected an object, found int"),
    ]


@pytest.mark.parametrize("content", ["", "{", '{"titles": []}', '{"data": {}}', "7", "null"])
def test_a_json_file_without_an_array_is_refused_whole(tmp_path: Path, content: str) -> None:
    """There is nothing to go on with."""
    path = tmp_path / "broken.json"
    path.write_text(content)
    with pytest.raises(InvalidInputError, match="file"):
        list(read_records(path))


@pytest.mark.parametrize("packing", [".gz", ".zst"])
@pytest.mark.parametrize("cut", [0.3, 0.9, 0.999])
@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_a_file_that_was_cut_off_is_told(tmp_path: Path, packing: str, cut: float, kind: str) -> None:
    """Half of a download is never taken for the whole catalogue, whatever was read before the cut."""
    path = tmp_path / f"half.{kind}{packing}"
    text = io.StringIO()
    text.write("title,n\n" if kind == "csv" else "")
    for number in range(30_000):
        text.write(f"t{number},{number**3}\n" if kind == "csv" else f'{{"title": "t{number}", "n": {number**3}}}\n')
    packed = _PACK[packing](text.getvalue().encode())
    path.write_bytes(packed[: int(len(packed) * cut)])
    titles: list[str] = []
    with pytest.raises(InvalidInputError, match=r"half\."):
        titles.extend(record.value["title"] for record in read_records(path) if record.value)
    assert titles == [f"t{number}" for number in range(len(titles))] and len(titles) > 1_000


@pytest.mark.parametrize("packing", [".gz", ".zst"])
def test_a_file_that_is_not_packed_as_named_is_refused(tmp_path: Path, packing: str) -> None:
    """A wrong suffix, or damage in the middle, is an error that names the file."""
    path = tmp_path / f"plain.jsonl{packing}"
    path.write_text(_jsonl(_ROWS))
    with pytest.raises(InvalidInputError, match=r"plain\.jsonl"):
        list(read_records(path))
    damaged = bytearray(_PACK[packing](_jsonl([{"n": number**5} for number in range(5_000)]).encode()))
    middle = len(damaged) // 2
    damaged[middle : middle + 60] = b"\xff" * 60
    path.write_bytes(damaged)
    with pytest.raises(InvalidInputError, match=r"plain\.jsonl"):
        list(read_records(path))


@pytest.mark.parametrize("name", ["titles.xlsx", "titles", "titles.gz", "titles.json.bz2", "titles.csv.zip"])
def test_an_unknown_suffix_is_refused(tmp_path: Path, name: str) -> None:
    """The message says which suffixes there are."""
    path = tmp_path / name
    path.write_text("[]")
    with pytest.raises(InvalidInputError, match=r"expected \.json, \.jsonl or \.csv"):
        list(read_records(path))


def test_suffixes_may_be_in_capitals(tmp_path: Path) -> None:
    """TITLES.JSON.GZ is a packed JSON file too."""
    path = tmp_path / "TITLES.JSON.GZ"
    path.write_bytes(gzip.compress(json.dumps(_ROWS).encode()))
    assert [record.value for record in read_records(path)] == _ROWS


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """No traceback of the operating system's, but our error with the name."""
    with pytest.raises(InvalidInputError, match=r"absent\.json"):
        list(read_records(tmp_path / "absent.json"))


def test_empty_files_hold_no_records(tmp_path: Path) -> None:
    """An empty JSONL or CSV file, packed or not, is a catalogue of nothing."""
    for kind in ("jsonl", "csv"):
        for packing, pack in _PACK.items():
            path = tmp_path / f"empty.{kind}{packing}"
            path.write_bytes(pack(b""))
            assert list(read_records(path)) == []


def test_rows_of_a_table_with_missing_or_extra_cells(tmp_path: Path) -> None:
    """An empty cell is a value; a row that is too short or too long is reported with its line, the rest goes in."""
    path = tmp_path / "table.csv"
    path.write_text('title,year,score\nOne,,8.1\nTwo,2004\nThree,2005,7,9\n"Four\nlines",2006,6\n')
    records = list(read_records(path))
    assert [record.value for record in records if record.value] == [
        {"title": "One", "year": "", "score": "8.1"},
        {"title": "Four\nlines", "year": "2006", "score": "6"},
    ]
    assert [(record.line, record.fault) for record in records if record.fault] == [
        (3, "fewer cells than columns"),
        (4, "more cells than columns"),
    ]


def test_a_table_with_a_nameless_first_column(tmp_path: Path) -> None:
    """Data frames write their index as a column without a name; it is passed over."""
    path = tmp_path / "frame.csv"
    path.write_text(",title,year\n0,One,2004\n1,Two,2005\n")
    assert [record.value for record in read_records(path)] == [
        {"title": "One", "year": "2004"},
        {"title": "Two", "year": "2005"},
    ]


def test_a_table_that_is_not_utf8_loses_no_row(tmp_path: Path) -> None:
    """A byte that is no UTF-8 becomes a replacement character; the row stays."""
    path = tmp_path / "latin.csv"
    path.write_bytes("title,year\nPokémon,1997\nMonster,2004\n".encode("latin-1"))
    assert [record.value["title"] for record in read_records(path) if record.value] == ["Pok\ufffdmon", "Monster"]
