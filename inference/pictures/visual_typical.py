"""The mean of the descriptor over pictures that show nothing in particular: what every picture has in common.

Taken off each descriptor, it lets cosines of unlike pictures lie around 0 instead of 0.5. It is measured on pictures
drawn here from code (dead leaves: shapes of all sizes that cover one another, whose statistics are those of pictures of
the world), so no one's pictures are in it. `python -m inference.pictures.visual_typical` writes the file anew; then
raise the revision in `visual_baseline`.
"""

from __future__ import annotations

import colorsys
import json
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

TYPICAL_PATH: Final = Path(__file__).with_name("visual_typical.json")
PICTURES: Final = 256
_CANVAS: Final = 256
_SHAPES: Final = 220
_DIGITS: Final = 4


def load_typical() -> NDArray[np.float32]:
    """Mean of the parts, one after another, as `visual_baseline` joins them."""
    return np.array(json.loads(TYPICAL_PATH.read_text(encoding="ascii")), dtype=np.float32)


def draw_leaves(seed: int) -> Image.Image:
    """RGB picture: a sky of two colours, and shapes and strokes in a few colours that cover one another."""
    chance = np.random.default_rng(seed)
    palette = _pick_palette(chance)
    image = _draw_sky(chance, palette)
    canvas = ImageDraw.Draw(image)
    for _ in range(int(chance.integers(8, _SHAPES))):
        # Sizes by a power law, so that a part of the picture looks like the whole.
        reach = 4.0 / np.sqrt(chance.uniform(0.0006, 1.0))
        x, y = chance.uniform(0, _CANVAS, 2)
        angles = np.sort(chance.uniform(0, 2 * np.pi, int(chance.integers(3, 7))))
        corners = [(float(x + reach * np.cos(angle)), float(y + reach * np.sin(angle))) for angle in angles]
        fill = _vary(chance, palette[chance.integers(len(palette))])
        kind = chance.random()
        if kind < 0.4:
            stretch = chance.uniform(0.4, 1.6)
            canvas.ellipse((x - reach, y - reach * stretch, x + reach, y + reach * stretch), fill=fill)
        elif kind < 0.7:
            canvas.polygon(corners, fill=fill)
        else:
            canvas.line(corners, fill=fill, width=int(chance.integers(1, 5)), joint="curve")
    softness = float(chance.choice([0.0, 0.6, 1.5]))
    return image.filter(ImageFilter.GaussianBlur(softness)) if softness else image


def measure_typical(describe: Callable[[list[Image.Image]], NDArray[np.float32]]) -> list[float]:
    """Mean of `describe`'s rows over the drawn pictures, rounded as it is stored."""
    total = np.sum(
        [
            describe([draw_leaves(seed) for seed in range(start, start + 32)]).sum(axis=0)
            for start in range(0, PICTURES, 32)
        ],
        axis=0,
    )
    return [round(float(value), _DIGITS) for value in total / PICTURES]


def _pick_palette(chance: np.random.Generator) -> NDArray[np.float64]:
    """A few colours around one or two hues, most of them far from pure: (colours, 3) in 0 to 255."""
    hues = chance.uniform(0, 1, 2)
    colours = [
        colorsys.hsv_to_rgb(
            (chance.choice(hues) + chance.normal(0, 0.06)) % 1, chance.beta(1.2, 2.2), chance.beta(1.6, 1)
        )
        for _ in range(int(chance.integers(3, 8)))
    ]
    return np.array(colours) * 255


def _draw_sky(chance: np.random.Generator, palette: NDArray[np.float64]) -> Image.Image:
    top, bottom = (palette[chance.integers(len(palette))] for _ in range(2))
    share = np.linspace(0, 1, _CANVAS)[:, None, None]
    rows = np.broadcast_to(top * (1 - share) + bottom * share, (_CANVAS, _CANVAS, 3))
    return Image.fromarray(rows.astype(np.uint8))


def _vary(chance: np.random.Generator, colour: NDArray[np.float64]) -> tuple[int, int, int]:
    red, green, blue = np.clip(colour + chance.normal(0, 10, 3), 0, 255).astype(int)
    return int(red), int(green), int(blue)


if __name__ == "__main__":
    from inference.pictures.visual_baseline import describe_parts, prepare_picture

    measured = measure_typical(lambda images: describe_parts(np.stack([prepare_picture(image) for image in images])))
    TYPICAL_PATH.write_text(json.dumps(measured) + "\n", encoding="ascii")
