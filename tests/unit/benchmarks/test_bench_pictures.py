"""The benchmarks of picture encoding: both sides do the same work, and without a GPU nothing is claimed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.gpu import picture_encoding as on_gpu
from benchmarks.picture_encoding import compare, draw_covers
from benchmarks.report import build_rows
from core.pictures import inspect_picture
from inference.pictures.fake import FakePictureEncoder


def test_covers_are_pictures_of_one_size(tmp_path: Path) -> None:
    """The drawn files are JPEGs at the size of a cover, the same on every run."""
    first, second = (draw_covers(tmp_path / name, 3) for name in ("a", "b") if (tmp_path / name).mkdir() is None)
    for one, other in zip(first, second, strict=True):
        info = inspect_picture(one.read_bytes(), max_pixels=10**6)
        assert (info.format, info.width, info.height) == ("JPEG", 425, 600)
        assert one.read_bytes() == other.read_bytes()


def test_both_sides_encode_every_picture(tmp_path: Path) -> None:
    """The result has the throughput of both sides and their ratio, and makes a line of the table."""
    loads = [path.read_bytes for path in draw_covers(tmp_path, 3)]
    result = compare(FakePictureEncoder(), loads, repeats=1)
    assert result["pictures"] == 3
    assert result["ratio"] == pytest.approx(result["end_to_end"]["per_s"] / result["bare"]["per_s"], abs=0.001)
    ((name, _, _, ratio, aim),) = build_rows({"h": {"aim": 0.9, "encoders": {"fake": result}}})
    assert name == "(h) stored pictures, bare fake"
    assert (ratio, aim) == (result["ratio"], 0.9)


def test_a_picture_that_fails_ends_the_benchmark(tmp_path: Path) -> None:
    """A side that did less than the other is not compared with it."""
    with pytest.raises(RuntimeError, match="0 of 1"):
        compare_broken(tmp_path)


def compare_broken(folder: Path) -> None:
    """A file that is good when it is prepared and cut afterwards."""
    (path,) = draw_covers(folder, 1)
    whole = path.read_bytes()
    reads = iter([whole])
    compare(FakePictureEncoder(), [lambda: next(reads, whole[:500])], repeats=1)


def test_without_a_gpu_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The script for a GPU gives no figures on a machine without one."""
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    on_gpu.main([])
    printed = json.loads(capsys.readouterr().out)
    assert printed["was_run"] is False
    assert "no GPU" in printed["reason"]
    assert "ours" not in printed


def test_sides_with_other_rows_are_not_compared() -> None:
    """Speed with other vectors is no speed."""
    rows = np.eye(2)
    with pytest.raises(RuntimeError, match="different rows"):
        on_gpu.check_alike({"ours": lambda: rows, "open_clip": lambda: rows[::-1]})
