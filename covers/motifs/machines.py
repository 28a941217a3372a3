"""Things that people built. Each drawing fills about (-1, -1) to (1, 1) of its brush."""

from __future__ import annotations

import math

from covers.canvas import Brush
from covers.colours import BLACK, WHITE, Palette, mix


def draw_robot(brush: Brush, palette: Palette) -> None:
    """A giant from the chest up, with horns and lit eyes."""
    steel, dark = mix(palette.land[0], WHITE, 0.5), mix(palette.land[2], BLACK, 0.2)
    brush.polygon([(-1, 1), (-0.95, 0.2), (-0.5, -0.02), (0.5, -0.02), (0.95, 0.2), (1, 1)], steel)
    for side in (-1, 1):
        brush.polygon([(side * 0.5, 0.05), (side * 1.05, -0.15), (side * 1.15, 0.4), (side * 0.6, 0.5)], palette.accent)
        brush.polygon(
            [(side * 0.1, -0.75), (side * 0.62, -1.15), (side * 0.24, -0.62)], mix(palette.second, WHITE, 0.3)
        )
    brush.polygon(
        [(-0.4, -0.6), (0, -0.85), (0.4, -0.6), (0.42, -0.15), (0.2, 0.05), (-0.2, 0.05), (-0.42, -0.15)],
        mix(steel, WHITE, 0.3),
    )
    brush.box(-0.34, -0.48, 0.34, -0.28, dark)
    for x in (-0.19, 0.19):
        brush.ellipse(x, -0.38, 0.11, 0.06, palette.accent)
    brush.polygon([(-0.3, 0.25), (0.3, 0.25), (0.16, 0.6), (-0.16, 0.6)], dark)
    brush.circle(0, 0.4, 0.11, palette.second)


def draw_rocket(brush: Brush, palette: Palette) -> None:
    """A rocket on its flame."""
    brush.polygon([(-0.2, 0.5), (0, 1.1), (0.2, 0.5)], mix(palette.accent, (255, 220, 120), 0.5))
    brush.polygon([(-0.28, 0.55), (-0.34, -0.3), (0, -1), (0.34, -0.3), (0.28, 0.55)], mix(WHITE, palette.second, 0.12))
    for side in (-1, 1):
        brush.polygon([(side * 0.28, 0.1), (side * 0.68, 0.72), (side * 0.24, 0.56)], palette.accent)
    brush.polygon([(-0.2, -0.58), (0, -1), (0.2, -0.58)], palette.accent)
    brush.circle(0, -0.22, 0.16, palette.land[2])
    brush.circle(0, -0.22, 0.11, mix(palette.second, WHITE, 0.4))


def draw_plane(brush: Brush, palette: Palette) -> None:
    """A propeller plane from below."""
    body = mix(palette.accent, WHITE, 0.1)
    brush.polygon([(-1, -0.2), (1, -0.2), (0.9, 0.1), (-0.9, 0.1)], body)
    brush.ellipse(0, 0.05, 0.17, 0.8, mix(body, BLACK, 0.15))
    brush.polygon([(-0.4, 0.72), (0.4, 0.72), (0.34, 0.88), (-0.34, 0.88)], body)
    brush.ellipse(0, -0.78, 0.4, 0.04, mix(WHITE, palette.land[2], 0.3))
    for x in (-0.62, 0.62):
        brush.circle(x, -0.05, 0.12, WHITE)
        brush.circle(x, -0.05, 0.07, palette.second)


def draw_train(brush: Brush, palette: Palette) -> None:
    """The front of a train on its track."""
    brush.polygon([(-0.3, 0.5), (0.3, 0.5), (0.7, 1.05), (-0.7, 1.05)], palette.land[2])
    brush.polygon(
        [(-0.6, 0.6), (-0.62, -0.55), (-0.35, -0.9), (0.35, -0.9), (0.62, -0.55), (0.6, 0.6)],
        mix(WHITE, palette.second, 0.25),
    )
    brush.box(-0.61, 0.05, 0.61, 0.32, palette.accent)
    for side in (-1, 1):
        brush.polygon(
            [(side * 0.06, -0.6), (side * 0.5, -0.5), (side * 0.5, -0.05), (side * 0.06, -0.05)], palette.land[2]
        )
        brush.circle(side * 0.42, 0.44, 0.1, (255, 238, 170))
    brush.box(-0.22, -0.84, 0.22, -0.7, BLACK)


def draw_ship(brush: Brush, palette: Palette) -> None:
    """A ship under sail."""
    brush.box(-0.04, -0.95, 0.04, 0.5, (94, 66, 44))
    sail = mix(WHITE, palette.accent, 0.15)
    brush.polygon([(-0.1, -0.85), (-0.1, 0.3), (-0.85, 0.3)], sail)
    brush.polygon([(0.1, -0.85), (0.75, 0.05), (0.1, 0.3)], mix(sail, palette.second, 0.25))
    brush.polygon([(0.04, -0.98), (0.4, -0.88), (0.04, -0.78)], palette.accent)
    brush.polygon([(-1, 0.42), (1, 0.42), (0.7, 0.9), (-0.68, 0.9)], mix((110, 70, 46), palette.land[2], 0.3))
    for x in (-0.5, 0.0, 0.5):
        brush.circle(x, 0.64, 0.08, palette.second)


def draw_gear(brush: Brush, palette: Palette) -> None:
    """A cogwheel in a cogwheel."""
    for x, y, size, colour in ((-0.2, -0.15, 0.75, palette.second), (0.55, 0.55, 0.45, palette.accent)):
        for step in range(10):
            angle = math.tau * step / 10
            points = [
                (x + size * reach * math.cos(angle + offset), y + size * reach * math.sin(angle + offset))
                for reach, offset in ((0.8, -0.2), (1.08, -0.13), (1.08, 0.13), (0.8, 0.2))
            ]
            brush.polygon(points, colour)
        brush.circle(x, y, size * 0.86, colour)
        brush.circle(x, y, size * 0.5, mix(colour, BLACK, 0.5))
        brush.circle(x, y, size * 0.22, mix(colour, WHITE, 0.5))


def draw_umbrella(brush: Brush, palette: Palette) -> None:
    """An open umbrella."""
    for step in range(6):
        start = math.pi + math.pi * step / 6
        points = [
            (0.95 * math.cos(start + s * math.pi / 48), 0.1 + 0.95 * math.sin(start + s * math.pi / 48))
            for s in range(9)
        ]
        brush.polygon([(0, 0.1), *points], palette.accent if step % 2 else mix(palette.accent, WHITE, 0.55))
    brush.line([(0, -0.95), (0, 0.85), (0.1, 0.98), (0.24, 0.9)], palette.land[2], width=0.06)
