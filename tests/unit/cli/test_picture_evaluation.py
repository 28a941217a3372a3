"""`avs eval images` and `title-pictures` as commands: what a program reads is JSON and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import orjson
import pytest
from PIL import Image

from cli.main import run
from covers.album import load_documents
from evaluation.pictures.sets import SAMPLE


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three pictures and their manifest."""
    folder = tmp_path / "data" / "images"
    folder.mkdir(parents=True)
    lots = np.random.default_rng(3)
    for name in "abc":
        blocks = lots.integers(0, 255, (5, 5, 3), dtype=np.uint8)
        Image.fromarray(blocks).resize((80, 80), Image.Resampling.BICUBIC).save(folder / f"{name}.png")
    (folder / "manifest.csv").write_text("file\na.png\nb.png\nc.png\n")
    return folder.parent


def test_images_prints_json_only(data: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Not even the log of a model that was loaded stands before it."""
    code = run(["eval", "images", "--set", "shared", "--data", str(data), "--encoder", "fake", "--json"])
    assert code == 0
    report = orjson.loads(capfd.readouterr().out)
    assert report["reports"][0]["count"] == 3
    assert report["reports"][0]["changes"]["blur"]["success@1"] == 1.0
    assert report["not_measured"] == {}


def test_images_shows_a_table(data: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """For people."""
    assert run(["eval", "images", "--set", "shared", "--data", str(data), "--encoder", "fake"]) == 0
    shown = capfd.readouterr().out
    assert "shared pictures: 3 pictures" in shown
    assert "rotated by 5 degrees" in shown


def test_what_is_no_encoder_is_an_error(data: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Named with its option, and nothing measured."""
    assert run(["eval", "images", "--set", "shared", "--data", str(data), "--encoder", "none"]) != 0
    captured = capfd.readouterr()
    assert "--encoder" in captured.err
    assert captured.out == ""


def test_title_pictures_prints_json_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Here of two titles."""
    lines = SAMPLE.read_bytes().splitlines()
    chosen = [line for line, one in zip(lines, load_documents(SAMPLE), strict=True) if one.get("characters")][:2]
    sample = tmp_path / "sample.jsonl"
    sample.write_bytes(b"\n".join(chosen))
    monkeypatch.setattr("evaluation.pictures.grouping.SAMPLE", sample)
    monkeypatch.setenv("AVS_HOME", str(tmp_path))
    assert run(["eval", "title-pictures", "--encoder", "fake", "--json"]) == 0
    assert orjson.loads(capfd.readouterr().out)["titles"] == 2
