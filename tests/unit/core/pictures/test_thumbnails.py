"""Small copies."""

from __future__ import annotations

import pytest

from core.pictures import inspect_picture, make_thumbnail
from tests.unit.core.pictures.drawing import draw_picture


@pytest.mark.parametrize(
    ("size", "width", "expected"),
    [
        ((640, 400), 160, (160, 100)),
        ((640, 400), 640, (640, 400)),
        ((100, 60), 320, (100, 60)),
        ((4000, 2), 100, (100, 1)),
        ((10, 20000), 10, (8, 16383)),
    ],
)
def test_size(size: tuple[int, int], width: int, expected: tuple[int, int]) -> None:
    """A thumbnail has the wanted width, keeps its proportions, and is never larger than the picture or the format."""
    info = inspect_picture(make_thumbnail(draw_picture(width=size[0], height=size[1]), width=width), max_pixels=10**7)
    assert (info.width, info.height, info.format) == (*expected, "WEBP")


def test_width_below_one() -> None:
    """No width, no thumbnail."""
    with pytest.raises(ValueError, match="width 0"):
        make_thumbnail(draw_picture(), width=0)
