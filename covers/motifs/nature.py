"""Plants, animals and fire. Each drawing fills about (-1, -1) to (1, 1) of its brush."""

from __future__ import annotations

import math

from covers.canvas import Brush
from covers.colours import BLACK, WHITE, Palette, fade, mix


def draw_cat(brush: Brush, palette: Palette) -> None:
    """A cat's head."""
    fur = mix(palette.land[2], palette.accent, 0.25)
    for side in (-1, 1):
        brush.polygon([(side * 0.2, -0.45), (side * 0.72, -0.98), (side * 0.8, -0.1)], fur)
        brush.polygon([(side * 0.36, -0.5), (side * 0.64, -0.78), (side * 0.7, -0.3)], mix(palette.accent, WHITE, 0.3))
    brush.ellipse(0, 0.1, 0.85, 0.72, fur)
    for side in (-1, 1):
        brush.ellipse(side * 0.36, 0.0, 0.2, 0.22, mix(palette.second, WHITE, 0.3))
        brush.ellipse(side * 0.36, 0.0, 0.06, 0.2, BLACK)
        for lift in (-0.08, 0.06):
            brush.line([(side * 0.3, 0.4), (side * 1.0, 0.36 + lift)], fade(WHITE, 180), width=0.02)
    brush.polygon([(-0.1, 0.28), (0.1, 0.28), (0, 0.4)], mix(palette.accent, WHITE, 0.2))


def draw_dragon(brush: Brush, palette: Palette) -> None:
    """A long dragon in the sky."""
    steps = [step / 40 for step in range(41)]
    spine = [(-0.95 + 1.7 * s, 0.5 * math.sin(s * 7.5) * (1 - 0.3 * s)) for s in steps]
    for (x, y), s in zip(spine, steps, strict=True):
        brush.circle(x, y, 0.06 + 0.13 * s, palette.accent if round(s * 40) % 2 else mix(palette.accent, BLACK, 0.2))
    x, y = spine[-1]
    brush.ellipse(x + 0.12, y, 0.3, 0.2, palette.accent)
    for lift in (-0.3, -0.2):
        brush.line([(x, y - 0.1), (x - 0.25, y + lift - 0.1)], mix(WHITE, palette.second, 0.2), width=0.05)
    brush.circle(x + 0.16, y - 0.06, 0.05, WHITE)
    brush.circle(x + 0.17, y - 0.06, 0.025, BLACK)


def draw_petals(brush: Brush, palette: Palette) -> None:
    """A blossom and its falling petals."""
    pink = mix((250, 190, 205), palette.accent, 0.35)
    for step in range(5):
        angle = math.tau * step / 5 - math.pi / 2
        x, y = 0.42 * math.cos(angle), 0.42 * math.sin(angle)
        brush.circle(x, y, 0.36, mix(pink, WHITE, 0.1 * step))
    brush.circle(0, 0, 0.16, mix((250, 220, 110), palette.second, 0.2))
    for x, y in ((-0.9, -0.5), (0.85, -0.75), (0.95, 0.35), (-0.8, 0.8), (0.5, 0.95)):
        brush.ellipse(x, y, 0.13, 0.08, fade(pink, 230))


def draw_tree(brush: Brush, palette: Palette) -> None:
    """A broad old tree."""
    brush.polygon([(-0.16, 1), (-0.09, -0.1), (0.09, -0.1), (0.2, 1)], (96, 66, 46))
    leaf = mix((74, 130, 70), palette.second, 0.3)
    for x, y, radius in (
        (-0.5, -0.1, 0.42),
        (0.5, -0.12, 0.42),
        (0, -0.45, 0.52),
        (-0.3, -0.6, 0.34),
        (0.36, -0.58, 0.34),
    ):
        brush.circle(x, y, radius, mix(leaf, BLACK, 0.12 if y > -0.3 else 0.0))
    for x, y in ((-0.4, -0.2), (0.3, -0.5), (0.55, -0.05), (-0.05, -0.7)):
        brush.circle(x, y, 0.07, palette.accent)


def draw_flame(brush: Brush, palette: Palette) -> None:
    """A burning fist of fire."""
    for size, colour in (
        (1.0, palette.accent),
        (0.7, mix(palette.accent, (255, 210, 80), 0.6)),
        (0.4, (255, 244, 200)),
    ):
        steps = [step * math.pi / 20 for step in range(21)]
        low = [(size * 0.75 * math.cos(s), 0.3 + size * 0.65 * math.sin(s)) for s in steps]
        tongues = [(-0.72, -0.1), (-0.5, -0.5), (-0.34, -0.15), (0.02, -1.0), (0.3, -0.25), (0.55, -0.62), (0.74, 0.0)]
        brush.polygon([*low, *((x * size, 0.3 + (y - 0.3) * size) for x, y in tongues)], colour)


def draw_butterfly(brush: Brush, palette: Palette) -> None:
    """Wings in two colours."""
    for side in (-1, 1):
        brush.ellipse(side * 0.5, -0.34, 0.46, 0.5, palette.accent)
        brush.ellipse(side * 0.38, 0.4, 0.34, 0.42, mix(palette.accent, palette.second, 0.6))
        brush.ellipse(side * 0.55, -0.38, 0.22, 0.26, mix(palette.second, WHITE, 0.3))
        brush.circle(side * 0.4, 0.46, 0.12, WHITE)
        brush.line([(0, -0.5), (side * 0.2, -0.9)], BLACK, width=0.03)
    brush.ellipse(0, 0, 0.08, 0.6, BLACK)
