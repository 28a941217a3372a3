"""(g): files that differ in content alone, and how its result is shown."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from benchmarks import downloads
from benchmarks.report import build_rows
from core.pictures import describe_picture
from tests.picture_host.lists import FAILING, build_mixed_list


def test_copies_have_contents_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many files as asked for, none like another, and each a picture."""
    source = tmp_path / "shared" / "images"
    source.mkdir(parents=True)
    downloads.draw_covers(source, 2)
    monkeypatch.setenv("AVS_SHARED_DATA", str(tmp_path / "shared"))
    size = downloads.write_pictures(tmp_path / "out", 7)
    files = [path.read_bytes() for path in sorted((tmp_path / "out").iterdir())]
    assert len({hashlib.sha256(data).hexdigest() for data in files}) == 7 and sum(map(len, files)) == size
    assert all(describe_picture(data, max_pixels=10**6).info.format == "JPEG" for data in files)


def test_a_mixed_list_has_every_way_to_fail() -> None:
    """A tenth fails, in all ways as often as each other, and the expected outcomes add up."""
    urls, expected = build_mixed_list(80, 4_000)
    assert len(set(urls)) == 4_000 == expected.total() and expected["fetched"] == 3_600
    assert set(expected) == {"fetched", "robots", *FAILING.values()}
    counts = [sum(f"/kind/{kind}/" in url for url in urls) for kind in FAILING]
    assert max(counts) - min(counts) <= 1


def test_the_aim_is_for_equal_work() -> None:
    """The ratio is judged against img2dataset without small copies; with them it is only shown."""
    side = {"seconds": 1.0, "per_s": 100.0, "cpu_ms": 2.0}
    result = {
        "ours": {**side, "per_s": 300.0},
        "img2dataset": side,
        "img2dataset_with_small_copies": {**side, "per_s": 50.0},
        "ratio": 3.0,
        "aim": downloads.AIM,
        "connections": 32,
    }
    rows = [(ratio, aim) for _, _, _, ratio, aim in build_rows({"g": result})]
    assert rows == [(3.0, 1.5), (6.0, None)]
