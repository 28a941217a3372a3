"""A model's own scaling and cropping, in one step where that gives the same pixels.

OpenCLIP's usual transform scales the whole picture until its shorter side fits, and then throws away what lies beyond
the middle square. Scaling the middle alone gives the same pixels, and of a cover a third less of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from PIL import Image
from PIL.Image import Resampling

Shape: TypeAlias = Callable[[Image.Image], Image.Image]

# A strip one pixel wide would be made 224 pixels wide and as many times longer: beyond this only its middle counts.
_LONGEST_SHAPE: Final = 16


def build_shape(steps: Sequence[Any]) -> Shape:
    """What open_clip's transform does before it makes numbers, for RGB pictures. `steps`: those of its `Compose`."""
    side = _find_square(steps)
    if side is not None:
        resampling = Resampling[steps[0].interpolation.name]
        return lambda image: scale_middle(image, side, resampling)

    def run(image: Image.Image) -> Image.Image:
        shaped = shorten(image)
        for step in steps:
            shaped = step(shaped)
        return shaped

    return run


def scale_middle(image: Image.Image, side: int, resampling: Resampling) -> Image.Image:
    """The middle square of the picture scaled to `side` as its shorter side; sizes are rounded as torchvision does."""
    width, height = image.size
    longer = int(side * max(width, height) / min(width, height))
    scaled = (side, longer) if width <= height else (longer, side)
    left, top = (round((length - side) / 2.0) for length in scaled)
    across, down = width / scaled[0], height / scaled[1]
    box = (
        left * across,
        top * down,
        min(float(width), (left + side) * across),
        min(float(height), (top + side) * down),
    )
    return image.resize((side, side), resampling, box=box)


def shorten(image: Image.Image) -> Image.Image:
    """The middle of a strip of more than 16 to 1; any other picture as it is."""
    width, height = image.size
    longest = _LONGEST_SHAPE * min(width, height)
    if max(width, height) <= longest:
        return image
    left, top = max(0, (width - longest) // 2), max(0, (height - longest) // 2)
    return image.crop((left, top, left + min(width, longest), top + min(height, longest)))


def _find_square(steps: Sequence[Any]) -> int | None:
    """The side in pixels if the steps are: shorter side to `side`, middle square of `side`, RGB. Else None."""
    from torchvision.transforms import CenterCrop, Resize

    if len(steps) != 3 or not isinstance(steps[0], Resize) or not isinstance(steps[1], CenterCrop):
        return None
    resize, crop = steps[0], steps[1]
    is_square = isinstance(resize.size, int) and tuple(crop.size) == (resize.size, resize.size)
    return resize.size if is_square and resize.max_size is None else None
