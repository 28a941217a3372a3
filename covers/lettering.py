"""Names on pictures. The fonts come with packages: DejaVu with matplotlib, IPAex Gothic with matplotlib-fontja."""

from __future__ import annotations

import importlib.util
from enum import Enum
from functools import cache
from pathlib import Path

from PIL import ImageFont

from core.errors import ConfigurationError
from covers.canvas import Canvas
from covers.colours import Colour

_LINES_MAX = 4
_LEADING = 1.12


class Face(Enum):
    """A font: the package that brings it, and the file in it."""

    SANS = ("matplotlib", "mpl-data/fonts/ttf/DejaVuSans-Bold.ttf")
    SERIF = ("matplotlib", "mpl-data/fonts/ttf/DejaVuSerif-Bold.ttf")
    SLANTED = ("matplotlib", "mpl-data/fonts/ttf/DejaVuSans-BoldOblique.ttf")
    MONO = ("matplotlib", "mpl-data/fonts/ttf/DejaVuSansMono-Bold.ttf")
    JAPANESE = ("matplotlib_fontja", "fonts/ipaexg.ttf")


@cache
def load_font(face: Face, pixels: int) -> ImageFont.FreeTypeFont:
    """Raises ConfigurationError if its package is not installed."""
    package, name = face.value
    # Its location only: importing matplotlib would take longer than drawing.
    found = importlib.util.find_spec(package)
    places = list(found.submodule_search_locations or ()) if found else []
    if not places:
        raise ConfigurationError(f"{package} is not installed: pip install 'anime-vector-service[demo]'")
    return ImageFont.truetype(str(Path(places[0]) / name), pixels)


def write_block(
    canvas: Canvas, text: str, face: Face, *, box: tuple[float, float, float, float], ink: Colour, edge: Colour
) -> None:
    """Words in lines, as large as the box (left, top, right, bottom) allows, from its top left corner."""
    left, top, right, bottom = (value * canvas.scale for value in box)
    font, lines = _fit(text, face, width=right - left, height=bottom - top)
    y = top
    for line in lines:
        _write(canvas, (left, y), line, font, ink=ink, edge=edge)
        y += font.size * _LEADING


def write_column(
    canvas: Canvas, text: str, *, at: tuple[float, float], tall: float, size: float, ink: Colour, edge: Colour
) -> None:
    """The Japanese of a text from top to bottom, smaller where it would not fit in `tall`. `at` is the top middle."""
    letters = [letter for letter in text if _is_japanese(letter) or letter.isdigit()]
    if not any(map(_is_japanese, letters)):
        return
    pixels = max(int(min(size, tall / max(len(letters), 1) / 1.05) * canvas.scale), 6)
    font = load_font(Face.JAPANESE, pixels)
    y = at[1] * canvas.scale
    for letter in letters:
        shown = _UPRIGHT.get(letter, letter)
        _write(canvas, (at[0] * canvas.scale - font.getlength(shown) / 2, y), shown, font, ink=ink, edge=edge)
        y += pixels * 1.05


def write_line(
    canvas: Canvas, text: str, face: Face, *, at: tuple[float, float], size: float, ink: Colour, right: bool = False
) -> None:
    """One small line from `at`, or up to it where `right` is set."""
    font = load_font(face, max(int(size * canvas.scale), 6))
    x = at[0] * canvas.scale - (font.getlength(text) if right else 0)
    canvas.pen.text((x, at[1] * canvas.scale), text, fill=ink, font=font)


def choose_face(text: str, face: Face) -> Face:
    """The Japanese font where the other has no such letters."""
    return Face.JAPANESE if any(map(_is_japanese, text)) else face


# What lies flat in a line stands in a column.
_UPRIGHT = {"ー": "｜", "〜": "｜", "（": "︵", "）": "︶"}


def _is_japanese(letter: str) -> bool:
    # From the radicals on: kana, kanji and their punctuation.
    return ord(letter) >= 0x2E80


def _write(
    canvas: Canvas, at: tuple[float, float], text: str, font: ImageFont.FreeTypeFont, *, ink: Colour, edge: Colour
) -> None:
    canvas.pen.text(at, text, fill=ink, font=font, stroke_width=max(int(font.size) // 14, 1), stroke_fill=edge)


def _fit(text: str, face: Face, *, width: float, height: float) -> tuple[ImageFont.FreeTypeFont, list[str]]:
    pixels = int(height / _LEADING)
    while True:
        font = load_font(choose_face(text, face), pixels)
        lines = _wrap(text, font, width)
        fits = all(font.getlength(line) <= width for line in lines)
        if (fits and len(lines) <= _LINES_MAX and len(lines) * pixels * _LEADING <= height) or pixels <= 10:
            return font, lines
        pixels = int(pixels * 0.9)


def _wrap(text: str, font: ImageFont.FreeTypeFont, width: float) -> list[str]:
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
