"""The changes that pictures are measured under: named, pure, and as strong as their names say."""

from __future__ import annotations

import random

import numpy as np
import pytest
from PIL import Image, ImageStat

from evaluation.pictures import changes
from evaluation.pictures.changes import CHANGES, apply_change, build_heavy


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    """Smooth colours with a dark bar at the left, 200 by 120."""
    y, x = np.mgrid[0:120, 0:200]
    pixels = np.stack([x, y * 2, 255 - x], axis=2).astype(np.uint8)
    pixels[:, :20] = 10
    return Image.fromarray(pixels)


@pytest.mark.parametrize("name", CHANGES)
def test_changes_are_pure_and_repeatable(picture: Image.Image, name: str) -> None:
    """The picture itself stays as it is, and the same seed gives the same copy, which differs from it."""
    before = picture.tobytes()
    copies = [apply_change(picture, CHANGES[name], seed="7:x") for _ in range(2)]
    assert picture.tobytes() == before
    assert copies[0].mode == "RGB"
    assert copies[0].tobytes() == copies[1].tobytes()
    assert copies[0].tobytes() != before


def test_eight_changes_have_the_sizes_that_they_promise(picture: Image.Image) -> None:
    """Half size is half, the crop keeps 70% of both sides, all the others keep the size."""
    sizes = {name: apply_change(picture, change, seed="1").size for name, change in CHANGES.items()}
    assert len(sizes) == 8
    assert sizes.pop("half size") == (100, 60)
    assert sizes.pop("centre crop 70%") == (140, 84)
    assert set(sizes.values()) == {(200, 120)}


def test_brightness_and_mirror_do_what_they_say(picture: Image.Image) -> None:
    """The mean rises by about the factor where nothing is clipped; mirroring twice is nothing."""
    dark = picture.point(lambda value: value // 2)
    bright = changes.brighten(dark, random.Random(1))
    assert ImageStat.Stat(bright).mean[0] == pytest.approx(ImageStat.Stat(dark).mean[0] * 1.4, rel=0.02)
    lots = random.Random(1)
    assert changes.mirror(changes.mirror(picture, lots), lots).tobytes() == picture.tobytes()


def test_rotation_shows_paper_in_the_corners(picture: Image.Image) -> None:
    """White where nothing was; either way round by lot."""
    turned = {apply_change(picture, changes.rotate, seed=str(seed)).tobytes() for seed in range(8)}
    assert len(turned) == 2
    assert apply_change(picture, changes.rotate, seed="1").getpixel((0, 0)) == (255, 255, 255) or apply_change(
        picture, changes.rotate, seed="1"
    ).getpixel((199, 0)) == (255, 255, 255)


def test_heavy_change_leaves_the_area_that_is_asked_for(picture: Image.Image) -> None:
    """40% of the pixels, from a place that depends on the seed."""
    heavy = build_heavy(0.4)
    piece = apply_change(picture, heavy, seed="1")
    assert piece.width * piece.height == pytest.approx(0.4 * 200 * 120, rel=0.03)
    assert piece.tobytes() != apply_change(picture, heavy, seed="2").tobytes()


def test_a_picture_of_one_pixel_survives_everything() -> None:
    """The smallest picture there is."""
    for change in (*CHANGES.values(), build_heavy(0.1)):
        copy = apply_change(Image.new("RGB", (1, 1)), change, seed="1")
        assert min(copy.size) >= 1
