"""The mean of a title's pictures against its best one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from covers.album import load_documents
from evaluation.pictures.grouping import (
    BEST,
    BETTER,
    CHANGED,
    GROUP,
    KINDS,
    MEAN,
    TitlePicture,
    build_ways,
    evaluate_grouping,
    list_title_pictures,
)
from evaluation.pictures.sets import SAMPLE, Item
from inference.pictures.fake import FakePictureEncoder


def make_picture(title: str, kind: str) -> TitlePicture:
    """No file is read."""
    return TitlePicture(title, kind, Item(kind, Path(), kind))


def test_ways_hold_what_they_say() -> None:
    """One mean of all, one mean of characters beside one of the rest, every picture for itself, and both together."""
    pictures = [make_picture("a", kind) for kind in ("cover", "banner", "character")] + [make_picture("b", "cover")]
    ways = build_ways(pictures, np.eye(4, dtype=np.float32), ["a", "b"])
    assert ways[MEAN][0] == pytest.approx(np.array([[1, 1, 1, 0]]) / np.sqrt(3))
    assert ways[BETTER][0] == pytest.approx(np.array([[2**-0.5, 2**-0.5, 0, 0], [0, 0, 1, 0]]))
    assert ways[BEST][0] == pytest.approx(np.eye(4)[:3])
    assert ways[GROUP][0] == pytest.approx(np.concatenate([ways[BEST][0], ways[BETTER][0]]))
    assert [rows[1].shape for rows in (ways[MEAN], ways[BETTER], ways[BEST], ways[GROUP])] == [(1, 4)] * 3 + [(2, 4)]


def test_every_kind_and_change_is_measured(tmp_path: Path) -> None:
    """On two titles with characters; a plain copy is found by the best picture always."""
    sample = tmp_path / "sample.jsonl"
    lines = [
        line
        for line, document in zip(SAMPLE.read_bytes().splitlines(), load_documents(SAMPLE), strict=True)
        if len(document.get("characters", ())) > 2
    ]
    sample.write_bytes(b"\n".join(lines[:2]))
    pictures = list_title_pictures(tmp_path / "covers", sample)
    told: list[int] = []
    report = evaluate_grouping(pictures, FakePictureEncoder(), seed=7, progress=told.append)
    assert sum(told) == len(pictures) == report.pictures
    assert report.titles == 2
    assert set(report.means) == set(report.tests) == set(KINDS)
    assert all(set(changes) == set(CHANGED) for changes in report.means.values())
    assert report.means["banner"]["JPEG quality 30"][GROUP]["success@1"] == 1.0
    assert report.to_json()["titles"] == 2
