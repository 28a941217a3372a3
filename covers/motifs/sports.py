"""Balls and gear. Each drawing fills about (-1, -1) to (1, 1) of its brush."""

from __future__ import annotations

import math

from covers.canvas import Brush
from covers.colours import BLACK, WHITE, Palette, mix


def draw_basketball(brush: Brush, palette: Palette) -> None:
    """Orange with its seams."""
    brush.circle(0, 0, 0.9, mix((226, 110, 34), palette.accent, 0.2))
    seam = mix(BLACK, palette.land[2], 0.3)
    brush.line([(-0.9, 0), (0.9, 0)], seam, width=0.05)
    brush.line([(0, -0.9), (0, 0.9)], seam, width=0.05)
    for side in (-1, 1):
        steps = [math.pi * (step / 16 - 0.5) * 0.62 for step in range(17)]
        brush.line([(side * (1.2 - 0.85 * math.cos(s)), 0.85 * math.sin(s) * 1.25) for s in steps], seam, width=0.05)


def draw_volleyball(brush: Brush, palette: Palette) -> None:
    """Panels in three colours."""
    brush.circle(0, 0, 0.9, mix(WHITE, palette.second, 0.1))
    for turn, colour in ((0, palette.accent), (math.tau / 3, palette.second), (math.tau * 2 / 3, palette.land[1])):
        inner = [(0.9 * math.cos(turn + s / 12), 0.9 * math.sin(turn + s / 12)) for s in range(14)]
        brush.polygon([(0, 0), *inner], colour)
        for share in (0.35, 0.7):
            ends = [(x * share, y * share) for x, y in inner]
            brush.line(ends, WHITE, width=0.03)
    brush.ring(0, 0, 0.9, palette.land[2], width=0.04)


def draw_football(brush: Brush, palette: Palette) -> None:
    """White with black patches."""
    brush.circle(0, 0, 0.9, WHITE)
    for step in range(6):
        x, y = (0, 0) if step == 5 else (0.72 * math.sin(math.tau * step / 5), -0.72 * math.cos(math.tau * step / 5))
        brush.polygon(
            [(x + 0.27 * math.sin(math.tau * c / 5), y - 0.27 * math.cos(math.tau * c / 5)) for c in range(5)], BLACK
        )
        brush.line([(0, 0), (x, y)], BLACK, width=0.03)
    brush.ring(0, 0, 0.92, palette.land[2], width=0.05)


def draw_baseball(brush: Brush, palette: Palette) -> None:
    """A ball and a bat."""
    brush.line([(-0.9, 0.9), (0.2, -0.2)], (168, 116, 62), width=0.14)
    brush.line([(0.2, -0.2), (0.85, -0.85)], (186, 132, 74), width=0.26)
    brush.circle(-0.35, -0.4, 0.42, WHITE)
    for side in (-1, 1):
        steps = [math.pi * (step / 12 - 0.5) * 0.7 for step in range(13)]
        seam = [(-0.35 + side * (0.52 - 0.36 * math.cos(s)), -0.4 + 0.36 * math.sin(s)) for s in steps]
        brush.line(seam, mix((200, 30, 40), palette.accent, 0.2), width=0.035)


def draw_gloves(brush: Brush, palette: Palette) -> None:
    """A pair of boxing gloves."""
    for x, shade in ((-0.42, 0.0), (0.38, 0.25)):
        red = mix(mix((200, 32, 36), palette.accent, 0.3), BLACK, shade)
        brush.ellipse(x, -0.25, 0.46, 0.52, red)
        brush.ellipse(x + 0.32, 0.02, 0.17, 0.3, mix(red, WHITE, 0.12))
        brush.box(x - 0.28, 0.2, x + 0.26, 0.72, mix(WHITE, palette.second, 0.3))
        brush.box(x - 0.28, 0.4, x + 0.26, 0.5, red)


def draw_racket(brush: Brush, palette: Palette) -> None:
    """A bat with its ball."""
    brush.line([(0.1, 0.2), (0.6, 0.95)], (150, 100, 58), width=0.2)
    brush.ellipse(-0.12, -0.25, 0.6, 0.66, palette.accent)
    brush.ellipse(-0.12, -0.25, 0.5, 0.56, mix(palette.accent, BLACK, 0.25))
    brush.circle(0.66, -0.62, 0.16, WHITE)


def draw_wheel(brush: Brush, palette: Palette) -> None:
    """A wheel with spokes."""
    brush.ring(0, 0, 0.95, BLACK, width=0.16)
    brush.ring(0, 0, 0.78, mix(WHITE, palette.second, 0.3), width=0.06)
    for step in range(12):
        angle = math.tau * step / 12
        brush.line(
            [(0, 0), (0.74 * math.cos(angle), 0.74 * math.sin(angle))], mix(WHITE, palette.second, 0.2), width=0.03
        )
    brush.circle(0, 0, 0.16, palette.accent)


def draw_skate(brush: Brush, palette: Palette) -> None:
    """A skate on its blade."""
    boot = mix(WHITE, palette.accent, 0.2)
    brush.polygon([(-0.5, -0.8), (0.05, -0.8), (0.1, -0.1), (0.75, 0.15), (0.8, 0.45), (-0.55, 0.45)], boot)
    brush.box(-0.6, 0.45, 0.85, 0.55, palette.land[2])
    brush.line([(-0.75, 0.75), (0.85, 0.75), (0.98, 0.62)], mix(WHITE, palette.land[2], 0.4), width=0.07)
    for x in (-0.4, 0.55):
        brush.line([(x, 0.55), (x, 0.75)], palette.land[2], width=0.07)
