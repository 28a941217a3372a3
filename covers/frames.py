"""Frames, one a studio, and the look of a decade's print."""

from __future__ import annotations

import random
from collections.abc import Callable

from PIL import Image, ImageChops, ImageFilter

from covers.canvas import Canvas
from covers.colours import BLACK, WHITE, Palette, fade, mix
from covers.facts import TitleFacts

Draw = Callable[[Canvas, Palette], None]


def draw_frame(canvas: Canvas, facts: TitleFacts, palette: Palette) -> None:
    """Titles of a studio share their frame; films have a perforated edge on top of it."""
    random.Random(f"studio:{facts.studio}").choice(_FRAMES)(canvas, palette)
    if facts.kind == "MOVIE":
        _draw_perforation(canvas, palette)


def print_as_of(picture: Image.Image, year: int, lots: random.Random) -> Image.Image:
    """Flat and grainy before 1980, striped screens in the eighties, soft light from 2010 on."""
    if year < 1980:
        return _add_grain(picture.quantize(24).convert("RGB"), lots, strength=20)
    if year < 1990:
        return _add_lines(picture)
    if year < 2000:
        return _add_grain(picture, lots, strength=12)
    if year < 2010:
        return picture.filter(ImageFilter.UnsharpMask(2, 80, 2))
    soft = ImageChops.screen(picture, picture.filter(ImageFilter.GaussianBlur(6)).point(lambda value: value // 3))
    return Image.blend(picture, soft, 0.6)


def _draw_thin_line(canvas: Canvas, palette: Palette) -> None:
    edge, tall = 0.03, canvas.tall
    corners = [(edge, edge), (1 - edge, edge), (1 - edge, tall - edge), (edge, tall - edge), (edge, edge)]
    canvas.at(0, 0, 1).line(corners, fade(palette.ink, 210), width=0.006)


def _draw_white_border(canvas: Canvas, palette: Palette) -> None:
    brush, tall, wide = canvas.at(0, 0, 1), canvas.tall, 0.028
    paper = mix(WHITE, palette.accent, 0.06)
    brush.box(0, 0, 1, wide, paper)
    brush.box(0, tall - wide, 1, tall, paper)
    brush.box(0, 0, wide, tall, paper)
    brush.box(1 - wide, 0, 1, tall, paper)


def _draw_side_band(canvas: Canvas, palette: Palette) -> None:
    brush = canvas.at(0, 0, 1)
    brush.box(0, 0, 0.055, canvas.tall, palette.accent)
    brush.box(0.055, 0, 0.065, canvas.tall, palette.ink)


def _draw_corners(canvas: Canvas, palette: Palette) -> None:
    tall, reach, edge = canvas.tall, 0.16, 0.035
    brush = canvas.at(0, 0, 1)
    for x, y, dx, dy in (
        (edge, edge, 1, 1),
        (1 - edge, edge, -1, 1),
        (edge, tall - edge, 1, -1),
        (1 - edge, tall - edge, -1, -1),
    ):
        brush.line([(x, y + dy * reach), (x, y), (x + dx * reach, y)], palette.accent, width=0.012)
        brush.circle(x + dx * 0.03, y + dy * 0.03, 0.008, palette.ink)


def _draw_top_band(canvas: Canvas, palette: Palette) -> None:
    brush = canvas.at(0, 0, 1)
    brush.box(0, 0, 1, 0.06, mix(palette.land[2], BLACK, 0.3))
    for step in range(20):
        brush.polygon(
            [(step / 20, 0.06), ((step + 0.5) / 20, 0.085), ((step + 1) / 20, 0.06)], mix(palette.land[2], BLACK, 0.3)
        )


def _draw_slant(canvas: Canvas, palette: Palette) -> None:
    brush, tall = canvas.at(0, 0, 1), canvas.tall
    brush.polygon([(0, 0), (0.3, 0), (0, 0.3)], palette.accent)
    brush.polygon([(1, tall), (0.7, tall), (1, tall - 0.3)], palette.accent)
    brush.line([(0.34, 0), (0, 0.34)], palette.ink, width=0.008)


def _draw_perforation(canvas: Canvas, palette: Palette) -> None:
    brush = canvas.at(0, 0, 1)
    strip = mix(BLACK, palette.land[2], 0.1)
    brush.box(0, canvas.tall - 0.045, 1, canvas.tall, strip)
    for step in range(22):
        left = step / 22
        brush.box(left + 0.012, canvas.tall - 0.032, left + 0.032, canvas.tall - 0.013, mix(WHITE, strip, 0.2))


_FRAMES: tuple[Draw, ...] = (
    _draw_thin_line,
    _draw_white_border,
    _draw_side_band,
    _draw_corners,
    _draw_top_band,
    _draw_slant,
)


def _add_grain(picture: Image.Image, lots: random.Random, *, strength: int) -> Image.Image:
    # One tile of noise, laid next to itself: even, quick, and drawn by our own lots.
    tile = Image.frombytes("L", (64, 64), lots.randbytes(64 * 64)).point(lambda value: value * strength // 255)
    noise = Image.new("L", picture.size)
    for left in range(0, picture.width, 64):
        for top in range(0, picture.height, 64):
            noise.paste(tile, (left, top))
    return ImageChops.subtract(picture, Image.merge("RGB", (noise, noise, noise)))


def _add_lines(picture: Image.Image) -> Image.Image:
    dark = picture.point(lambda value: value * 7 // 8)
    lines = Image.new("L", (1, 3))
    lines.putpixel((0, 2), 255)
    mask = Image.new("L", picture.size)
    for top in range(0, picture.height, 3):
        mask.paste(255, (0, top + 2, picture.width, top + 3))
    return Image.composite(dark, picture, mask)
