"""Scaling the middle alone gives the pixels of open_clip's own transform."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.Image import Resampling

from inference.pictures.shaping import build_shape, scale_middle, shorten
from tests.unit.core.pictures.drawing import draw_picture

SIZES = [(425, 600), (600, 425), (500, 500), (64, 64), (30, 47), (1000, 333), (65, 64), (640, 363), (201, 2999)]


def build_steps(mode: str, interpolation: str, size: Any = 64) -> list[Any]:
    """What open_clip does before it makes numbers."""
    from open_clip.transform import image_transform

    return image_transform(size, False, resize_mode=mode, interpolation=interpolation).transforms[:-2]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("mode", ["shortest", "squash", "longest"])
def test_equal_to_the_library(size: tuple[int, int], interpolation: str, mode: str) -> None:
    """Pixel for pixel but for rounding, by no more than one of 255."""
    picture = draw_picture(width=size[0], height=size[1])
    steps = build_steps(mode, interpolation)
    expected = picture
    for step in steps:
        expected = step(expected)
    found = np.asarray(build_shape(steps)(picture)).astype(int)
    assert found.shape == (64, 64, 3)
    difference = np.abs(found - np.asarray(expected).astype(int))
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.01


def test_other_shapes_take_the_library_s_way() -> None:
    """A model with an input that is not square is not handled by the short cut."""
    found = build_shape(build_steps("shortest", "bicubic", (48, 96)))(draw_picture(width=300, height=200))
    assert found.size == (96, 48)


@pytest.mark.parametrize("size", [(1, 4_000_000), (4_000_000, 1)])
@pytest.mark.parametrize("mode", ["shortest", "squash", "longest"])
def test_strips_cost_nothing(size: tuple[int, int], mode: str) -> None:
    """A picture of one pixel by millions is shaped without a large picture in between."""
    assert build_shape(build_steps(mode, "bicubic"))(Image.new("RGB", size, "red")).size == (64, 64)


def test_only_strips_are_cut() -> None:
    """Up to 16 to 1 a picture stays; beyond, its middle is left."""
    assert shorten(Image.new("RGB", (160, 10))).size == (160, 10)
    assert shorten(Image.new("RGB", (10, 1000))).size == (10, 160)


def test_smaller_pictures_are_scaled_up() -> None:
    """One pixel is enough."""
    assert scale_middle(Image.new("RGB", (1, 1), "red"), 32, Resampling.BICUBIC).getpixel((31, 31)) == (255, 0, 0)
