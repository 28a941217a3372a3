"""Music, games, food and blades. Each drawing fills about (-1, -1) to (1, 1) of its brush."""

from __future__ import annotations

from covers.canvas import Brush
from covers.colours import BLACK, WHITE, Palette, fade, mix


def draw_note(brush: Brush, palette: Palette) -> None:
    """Two notes over their staff."""
    for y in (-0.5, -0.25, 0.0, 0.25, 0.5):
        brush.line(
            [(-1, y + 0.12), (-0.3, y - 0.05), (0.4, y + 0.1), (1, y - 0.06)], fade(palette.ink, 110), width=0.02
        )
    for x in (-0.42, 0.46):
        brush.ellipse(x, 0.58, 0.28, 0.2, palette.accent)
        brush.box(x + 0.18, -0.7, x + 0.28, 0.58, palette.accent)
    brush.polygon([(-0.24, -0.85), (0.74, -1), (0.74, -0.7), (-0.24, -0.55)], palette.accent)


def draw_brush(brush: Brush, palette: Palette) -> None:
    """A brush and what it painted."""
    for step, colour in enumerate((palette.second, palette.accent, WHITE)):
        y = 0.75 - 0.22 * step
        brush.line(
            [(-0.95, y), (-0.3, y - 0.2), (0.2, y + 0.1), (0.9 - 0.2 * step, y - 0.1)], fade(colour, 210), width=0.16
        )
    brush.line([(0.75, -0.95), (0.05, 0.05)], (150, 98, 60), width=0.11)
    brush.line([(0.16, -0.1), (0.02, 0.1)], (200, 200, 206), width=0.17)
    brush.polygon([(-0.1, 0.02), (0.14, 0.18), (-0.22, 0.46)], palette.accent)


def draw_bowl(brush: Brush, palette: Palette) -> None:
    """A steaming bowl with chopsticks."""
    for x in (-0.35, 0.0, 0.35):
        brush.line([(x, -0.4), (x + 0.1, -0.6), (x - 0.08, -0.78), (x + 0.04, -0.98)], fade(WHITE, 170), width=0.06)
    brush.line([(0.1, -0.25), (0.98, -0.75)], (128, 62, 40), width=0.06)
    brush.line([(0.2, -0.2), (0.99, -0.58)], (128, 62, 40), width=0.06)
    brush.ellipse(0, -0.1, 0.9, 0.22, mix((240, 205, 130), palette.accent, 0.15))
    brush.polygon([(-0.92, -0.08), (0.92, -0.08), (0.6, 0.65), (-0.6, 0.65)], palette.accent)
    brush.box(-0.4, 0.65, 0.4, 0.78, mix(palette.accent, BLACK, 0.3))
    for x in (-0.5, 0.0, 0.5):
        brush.ring(x, 0.22, 0.16, WHITE, width=0.04)


def draw_mask(brush: Brush, palette: Palette) -> None:
    """The two masks of the stage."""
    for x, y, colour, smile in ((-0.35, -0.12, mix(WHITE, palette.accent, 0.15), 1), (0.42, 0.2, palette.second, -1)):
        brush.ellipse(x, y, 0.52, 0.68, colour)
        for eye in (-0.2, 0.2):
            brush.ellipse(x + eye, y - 0.16, 0.12, 0.08, BLACK)
        mouth = [(x - 0.28, y + 0.3 - 0.1 * smile), (x, y + 0.3 + 0.14 * smile), (x + 0.28, y + 0.3 - 0.1 * smile)]
        brush.line(mouth, BLACK, width=0.08)


def draw_cards(brush: Brush, palette: Palette) -> None:
    """A fan of three cards."""
    for step, colour in enumerate((palette.second, palette.land[1], palette.accent)):
        x, lean = -0.5 + 0.5 * step, -0.28 + 0.28 * step
        corners = [
            (x - 0.34 + lean, -0.75),
            (x + 0.34 + lean, -0.75 + 0.1 * lean),
            (x + 0.3 - lean, 0.72),
            (x - 0.36 - lean, 0.72),
        ]
        brush.polygon(corners, WHITE)
        brush.line([*corners, corners[0]], mix(colour, BLACK, 0.3), width=0.03)
        brush.polygon([(x, -0.38), (x + 0.2, 0), (x, 0.38), (x - 0.2, 0)], colour)


def draw_sword(brush: Brush, palette: Palette) -> None:
    """A blade across the sheet."""
    brush.polygon([(0.98, -0.98), (0.84, -1.0), (-0.42, 0.26), (-0.3, 0.42)], mix(WHITE, palette.sky_top, 0.2))
    brush.polygon([(0.98, -0.98), (-0.36, 0.34), (-0.3, 0.42)], mix(WHITE, palette.sky_top, 0.45))
    brush.line([(-0.58, 0.14), (-0.18, 0.56)], palette.accent, width=0.11)
    brush.line([(-0.4, 0.36), (-0.92, 0.88)], mix(palette.land[2], BLACK, 0.4), width=0.13)
    for step in range(4):
        x = -0.5 - 0.12 * step
        brush.line([(x - 0.05, -x - 0.06), (x + 0.05, -x + 0.04)], palette.second, width=0.03)


def draw_cup(brush: Brush, palette: Palette) -> None:
    """A cup of tea."""
    for x in (-0.3, 0.05):
        brush.line([(x, -0.45), (x + 0.1, -0.62), (x - 0.06, -0.78), (x + 0.06, -0.95)], fade(WHITE, 190), width=0.06)
    brush.ring(0.68, 0.1, 0.28, palette.accent, width=0.1)
    brush.polygon([(-0.72, -0.28), (0.66, -0.28), (0.5, 0.55), (-0.54, 0.55)], palette.accent)
    brush.ellipse(-0.03, -0.28, 0.69, 0.12, mix((150, 90, 50), palette.second, 0.2))
    brush.ellipse(0, 0.68, 0.98, 0.12, mix(WHITE, palette.accent, 0.25))
