"""Signs of the uncanny, the noble and the clever. Each drawing fills about (-1, -1) to (1, 1) of its brush."""

from __future__ import annotations

import math

from covers.canvas import Brush
from covers.colours import BLACK, WHITE, Palette, fade, mix


def draw_star(brush: Brush, palette: Palette) -> None:
    """A large star and small ones."""
    brush.star(0, 0, 0.95, palette.accent)
    for x, y in ((-0.8, -0.7), (0.85, -0.6), (0.7, 0.85)):
        brush.star(x, y, 0.2, palette.second)


def draw_notebook(brush: Brush, palette: Palette) -> None:
    """A black book with an apple's red on it."""
    brush.polygon([(-0.62, -0.95), (0.7, -0.85), (0.62, 0.95), (-0.7, 0.85)], BLACK)
    brush.polygon([(-0.62, -0.95), (-0.45, -0.94), (-0.53, 0.86), (-0.7, 0.85)], mix(palette.accent, BLACK, 0.4))
    for y in (-0.5, -0.3, -0.1):
        brush.line([(-0.28, y), (0.42, y + 0.05)], fade(WHITE, 200), width=0.04)
    brush.circle(0.08, 0.42, 0.24, palette.accent)
    brush.line([(0.08, 0.2), (0.16, 0.06)], (110, 80, 50), width=0.05)


def draw_clock(brush: Brush, palette: Palette) -> None:
    """A clock's face."""
    brush.circle(0, 0, 0.95, palette.accent)
    brush.circle(0, 0, 0.8, mix(WHITE, palette.second, 0.12))
    for step in range(12):
        angle = math.tau * step / 12
        inner = 0.58 if step % 3 == 0 else 0.68
        ends = [(reach * math.sin(angle), -reach * math.cos(angle)) for reach in (inner, 0.74)]
        brush.line(ends, palette.land[2], width=0.05)
    brush.line([(0, 0), (0.3, -0.28)], BLACK, width=0.09)
    brush.line([(0, 0), (-0.16, -0.6)], BLACK, width=0.06)
    brush.circle(0, 0, 0.08, palette.accent)


def draw_fangs(brush: Brush, palette: Palette) -> None:
    """A red moon with bats."""
    brush.circle(0, -0.05, 0.85, mix((168, 20, 30), palette.accent, 0.25))
    for x, y, size in ((-0.45, -0.3, 0.5), (0.5, -0.05, 0.7), (-0.1, 0.45, 0.42)):
        wing = [
            (0, -0.1),
            (0.25, -0.28),
            (0.75, -0.2),
            (0.55, 0.02),
            (0.4, -0.02),
            (0.28, 0.14),
            (0.12, 0.06),
            (0, 0.22),
        ]
        for side in (-1, 1):
            brush.polygon([(x + side * a * size, y + b * size) for a, b in wing], BLACK)


def draw_wand(brush: Brush, palette: Palette) -> None:
    """A wand with its star, and sparks."""
    brush.line([(-0.75, 0.95), (0.25, -0.25)], mix(WHITE, palette.second, 0.3), width=0.11)
    brush.star(0.38, -0.42, 0.58, mix(palette.accent, (255, 226, 120), 0.4))
    brush.star(0.38, -0.42, 0.26, WHITE)
    for x, y, size in ((-0.55, -0.55, 0.2), (0.9, 0.3, 0.16), (-0.2, -0.95, 0.13), (0.5, 0.75, 0.12)):
        brush.star(x, y, size, palette.second, points=4, inner=0.3)


def draw_lens(brush: Brush, palette: Palette) -> None:
    """A magnifying glass over a print."""
    for step in range(4):
        brush.ring(-0.2, -0.2, 0.5 - 0.11 * step, fade(palette.ink, 150), width=0.035)
    brush.circle(-0.2, -0.2, 0.62, fade(mix(WHITE, palette.second, 0.3), 110))
    brush.ring(-0.2, -0.2, 0.72, palette.accent, width=0.12)
    brush.line([(0.32, 0.32), (0.92, 0.92)], mix(palette.land[2], BLACK, 0.3), width=0.2)


def draw_oni(brush: Brush, palette: Palette) -> None:
    """A demon's mask."""
    face = mix((190, 36, 34), palette.accent, 0.35)
    for side in (-1, 1):
        brush.polygon(
            [(side * 0.25, -0.55), (side * 0.75, -1.05), (side * 0.6, -0.3)], mix((245, 225, 170), WHITE, 0.2)
        )
    brush.polygon([(-0.75, -0.45), (0.75, -0.45), (0.82, 0.2), (0.4, 0.9), (-0.4, 0.9), (-0.82, 0.2)], face)
    for side in (-1, 1):
        brush.polygon([(side * 0.12, -0.05), (side * 0.62, -0.3), (side * 0.58, 0.05)], (255, 232, 150))
        brush.circle(side * 0.4, -0.07, 0.07, BLACK)
        brush.line([(side * 0.08, -0.2), (side * 0.66, -0.45)], BLACK, width=0.1)
        brush.polygon([(side * 0.18, 0.45), (side * 0.34, 0.45), (side * 0.26, 0.76)], WHITE)
    brush.box(-0.42, 0.4, 0.42, 0.47, BLACK)
    brush.polygon([(-0.1, 0.05), (0.1, 0.05), (0.18, 0.26), (-0.18, 0.26)], mix(face, BLACK, 0.3))


def draw_crown(brush: Brush, palette: Palette) -> None:
    """A crown with stones."""
    gold = mix((236, 190, 70), palette.accent, 0.2)
    brush.polygon([(-0.85, 0.6), (-0.98, -0.4), (-0.45, 0.1), (0, -0.7), (0.45, 0.1), (0.98, -0.4), (0.85, 0.6)], gold)
    brush.box(-0.85, 0.45, 0.85, 0.72, mix(gold, BLACK, 0.2))
    for x, y in ((-0.98, -0.45), (0, -0.76), (0.98, -0.45)):
        brush.circle(x, y, 0.11, palette.second)
    for x in (-0.5, 0.0, 0.5):
        brush.circle(x, 0.58, 0.09, palette.accent)


def draw_eye(brush: Brush, palette: Palette) -> None:
    """An eye that looks back."""
    steps = [math.pi * step / 24 for step in range(25)]
    upper = [(-math.cos(s), -0.6 * math.sin(s)) for s in steps]
    lower = [(math.cos(s), 0.5 * math.sin(s)) for s in steps]
    brush.polygon([*upper, *lower], mix(WHITE, palette.sky_bottom, 0.15))
    brush.circle(0, -0.04, 0.46, palette.accent)
    for step in range(12):
        angle = math.tau * step / 12
        brush.line(
            [
                (0.2 * math.cos(angle), -0.04 + 0.2 * math.sin(angle)),
                (0.43 * math.cos(angle), -0.04 + 0.43 * math.sin(angle)),
            ],
            mix(palette.accent, BLACK, 0.4),
            width=0.03,
        )
    brush.circle(0, -0.04, 0.2, BLACK)
    brush.circle(-0.14, -0.2, 0.08, WHITE)
    brush.line(upper, BLACK, width=0.08)
