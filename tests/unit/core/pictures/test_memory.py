"""What decoding takes of memory: bounded for each kind of picture, and never more than was reckoned with."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from core.pictures import PictureRefusedError, estimate_memory
from tests.unit.core.pictures.drawing import draw_picture, save_picture

# Bytes a pixel beside the picture: the decoder's tables and what an allocator rounds up. A few megabytes, all in all.
SLACK = 2.0

if not Path("/proc/self/clear_refs").exists():
    pytest.skip("peaks are read from Linux's /proc", allow_module_level=True)


@pytest.fixture(scope="module")
def measured() -> dict[str, dict[str, dict[str, float]]]:
    """{kind: {whole, described: {peak, estimate}}}, bytes a pixel."""
    root = Path(__file__).parents[4]
    program = [sys.executable, "-m", "tests.unit.core.pictures.peak_memory"]
    done = subprocess.run(program, cwd=root, capture_output=True, text=True, check=True)
    found: dict[str, dict[str, dict[str, float]]] = json.loads(done.stdout)
    return found


def test_no_picture_takes_more_than_was_reckoned_with(measured: dict[str, dict[str, dict[str, float]]]) -> None:
    """For every kind the peak stays within the estimate, by which the budget lets pictures in."""
    over = {
        (kind, how): one
        for kind, ways in measured.items()
        for how, one in ways.items()
        if one["peak"] > one["estimate"] + SLACK
    }
    assert not over


@pytest.mark.parametrize("kind", ["JPEG", "JPEG turned", "CMYK", "RGB", "RGBA", "LA", "P", "I;16", "I;16 transparent"])
def test_two_copies_at_most(measured: dict[str, dict[str, dict[str, float]]], kind: str) -> None:
    """The picture and its RGB copy, four bytes a pixel each: nothing of its size is made in between."""
    for one in measured[kind].values():
        assert one["peak"] < 8 + SLACK


def test_a_draft_is_reckoned_as_small_as_it_is() -> None:
    """A JPEG made smaller counts the pixels that are left; one in several scans all of its coefficients as well."""
    image = draw_picture(width=1_600, height=1_600)
    for options, whole, small in (({}, 9.0, 9.0 / 64), ({"progressive": True}, 15.0, 6.0 + 9.0 / 64)):
        data = save_picture(image, "JPEG", **options)
        pixels = 1_600 * 1_600
        assert estimate_memory(data, max_pixels=pixels) / pixels == pytest.approx(whole)
        assert estimate_memory(data, max_pixels=pixels, least_side=128) / pixels == pytest.approx(small)


def test_what_is_no_picture_has_no_estimate() -> None:
    """Nothing is reckoned for bytes that are refused."""
    with pytest.raises(PictureRefusedError) as caught:
        estimate_memory(b"hello", max_pixels=100, field="image")
    assert caught.value.field == "image"
