"""A sheet to draw on, in units of its width, and brushes that draw a shape anywhere on it at any size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from PIL import Image, ImageDraw, ImageOps

from covers.colours import Colour, Ink

# Drawn larger and reduced: that is all the smoothing there is.
OVERSAMPLING = 2
Point = tuple[float, float]


class Canvas:
    """`width` and `height` are the pixels of the finished picture; x goes from 0 to 1, y from 0 to `tall`."""

    def __init__(self, width: int, height: int) -> None:
        self.scale = width * OVERSAMPLING
        self.tall = height / width
        self.image = Image.new("RGB", (width * OVERSAMPLING, height * OVERSAMPLING))

    @cached_property
    def pen(self) -> ImageDraw.ImageDraw:
        """Blends colours that have an alpha into what is there."""
        return ImageDraw.Draw(self.image, "RGBA")

    def fill_gradient(self, top: Colour, bottom: Colour, *, middle: Colour | None = None) -> None:
        """The whole sheet, from top to bottom."""
        ramp = Image.linear_gradient("L").resize(self.image.size)
        self.image.paste(ImageOps.colorize(ramp, top, bottom, mid=middle))

    def glow(self, x: float, y: float, radius: float, colour: Colour, *, alpha: float = 1.0) -> None:
        """A light that fades out at `radius`."""
        side = max(round(2 * radius * self.scale), 2)
        fading = Image.radial_gradient("L").resize((side, side)).point(lambda value: max(0, 255 - value * 1.42) * alpha)
        corner = (round((x - radius) * self.scale), round((y - radius) * self.scale))
        self.image.paste(Image.new("RGB", (side, side), colour), corner, fading)

    def at(self, x: float, y: float, size: float, *, turn: float = 0.0, mirrored: bool = False) -> Brush:
        """A brush whose (0, 0) is here and whose unit is `size`; `turn` is in degrees, clockwise."""
        return Brush(self, x, y, size, math.radians(turn), mirrored)

    def finish(self) -> Image.Image:
        """The picture in its own size."""
        return self.image.reduce(OVERSAMPLING)


@dataclass(frozen=True)
class Brush:
    """Draws in its own coordinates: (0, 0) is the middle, y goes down, 1 is `size` widths of the canvas."""

    canvas: Canvas
    x: float
    y: float
    size: float
    turn: float = 0.0
    mirrored: bool = False

    def polygon(self, points: Sequence[Point], fill: Ink) -> None:
        """A filled outline."""
        self.canvas.pen.polygon([self._place(point) for point in points], fill=fill)

    def circle(self, x: float, y: float, radius: float, fill: Ink) -> None:
        """A disc."""
        self.ellipse(x, y, radius, radius, fill)

    def ring(self, x: float, y: float, radius: float, ink: Ink, *, width: float) -> None:
        """A circle's line; `width` goes inwards."""
        middle_x, middle_y = self._place((x, y))
        far = radius * self.size * self.canvas.scale
        box = (middle_x - far, middle_y - far, middle_x + far, middle_y + far)
        self.canvas.pen.ellipse(box, outline=ink, width=self._thick(width))

    def ellipse(self, x: float, y: float, across: float, down: float, fill: Ink) -> None:
        """Half-axes `across` and `down`; turns with the brush."""
        steps = [step * math.pi / 24 for step in range(48)]
        self.polygon([(x + across * math.cos(step), y + down * math.sin(step)) for step in steps], fill)

    def box(self, left: float, top: float, right: float, bottom: float, fill: Ink) -> None:
        """A rectangle."""
        self.polygon([(left, top), (right, top), (right, bottom), (left, bottom)], fill)

    def line(self, points: Sequence[Point], ink: Ink, *, width: float) -> None:
        """A line through the points, round at its joints and ends."""
        placed = [self._place(point) for point in points]
        thick = self._thick(width)
        self.canvas.pen.line(placed, fill=ink, width=thick, joint="curve")
        if len(ink) == 3:
            # Ends of a translucent line would show where they overlap it.
            for x, y in (placed[0], placed[-1]):
                self.canvas.pen.ellipse((x - thick / 2, y - thick / 2, x + thick / 2, y + thick / 2), fill=ink)

    def star(self, x: float, y: float, radius: float, fill: Ink, *, points: int = 5, inner: float = 0.42) -> None:
        """A star with one point up."""
        corners = []
        for step in range(points * 2):
            reach = radius if step % 2 == 0 else radius * inner
            angle = math.pi * step / points
            corners.append((x + reach * math.sin(angle), y - reach * math.cos(angle)))
        self.polygon(corners, fill)

    def _place(self, point: Point) -> Point:
        x, y = (-point[0] if self.mirrored else point[0]), point[1]
        turned_x = x * math.cos(self.turn) - y * math.sin(self.turn)
        turned_y = x * math.sin(self.turn) + y * math.cos(self.turn)
        scale = self.canvas.scale
        return (self.x + turned_x * self.size) * scale, (self.y + turned_y * self.size) * scale

    def _thick(self, width: float) -> int:
        return max(1, round(width * self.size * self.canvas.scale))
