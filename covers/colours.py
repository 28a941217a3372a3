"""Colours by genre: each genre has a mood, each series its own shade of it, each title a step aside."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping
from dataclasses import dataclass

from covers.facts import TitleFacts

Colour = tuple[int, int, int]
Ink = tuple[int, int, int] | tuple[int, int, int, int]

WHITE: Colour = (255, 255, 255)
BLACK: Colour = (12, 12, 18)


@dataclass(frozen=True, slots=True)
class Mood:
    """Hues in degrees: of the sky, of the horizon, of what stands out. `light` of the sky from 0 (night) to 1."""

    sky: int
    horizon: int
    accent: int
    light: float
    strength: float = 0.6


@dataclass(frozen=True, slots=True)
class Palette:
    """`land` goes from far to near; `ink` is readable on the sky; `is_dark` says that the sky is."""

    sky_top: Colour
    sky_bottom: Colour
    land: tuple[Colour, Colour, Colour]
    accent: Colour
    second: Colour
    ink: Colour
    is_dark: bool


# In the order in which they decide: the rarer the genre, the more it says.
_MOODS: Mapping[str, Mood] = {
    "horror": Mood(280, 350, 0, 0.12, 0.5),
    "mecha": Mood(215, 28, 45, 0.32, 0.6),
    "sports": Mood(205, 190, 22, 0.72, 0.8),
    "music": Mood(265, 330, 48, 0.42, 0.65),
    "samurai": Mood(8, 40, 355, 0.72, 0.5),
    "space": Mood(235, 275, 190, 0.16, 0.6),
    "sci-fi": Mood(222, 185, 320, 0.24, 0.6),
    "suspense": Mood(200, 20, 350, 0.18, 0.4),
    "mystery": Mood(188, 160, 42, 0.26, 0.45),
    "avant garde": Mood(60, 300, 175, 0.66, 0.55),
    "boys love": Mood(200, 320, 280, 0.78, 0.5),
    "romance": Mood(330, 25, 345, 0.8, 0.6),
    "supernatural": Mood(255, 100, 140, 0.28, 0.55),
    "slice of life": Mood(160, 50, 15, 0.84, 0.45),
    "fantasy": Mood(190, 285, 40, 0.56, 0.5),
    "comedy": Mood(48, 30, 200, 0.82, 0.8),
    "adventure": Mood(200, 45, 30, 0.68, 0.65),
    "action": Mood(15, 45, 350, 0.42, 0.75),
    "drama": Mood(230, 25, 40, 0.46, 0.45),
}
_PLAIN = Mood(210, 40, 10, 0.6, 0.4)


def build_palette(facts: TitleFacts) -> Palette:
    """The mood of the most telling genre, turned by the series and a little by the title."""
    mood = next((mood for label, mood in _MOODS.items() if label in facts.themes), _PLAIN)
    series, own = facts.draw_series_lots("palette"), facts.draw_lots("palette")
    turn = series.uniform(-28, 28) + own.uniform(-9, 9)
    light = min(max(mood.light + series.uniform(-0.1, 0.1) + own.uniform(-0.06, 0.06), 0.08), 0.9)
    strength = min(max(mood.strength + series.uniform(-0.12, 0.12), 0.2), 0.9)
    is_dark = light < 0.5
    depth = light * 0.55
    return Palette(
        sky_top=build_colour(mood.sky + turn, light * 0.8, strength),
        sky_bottom=build_colour(mood.horizon + turn, min(light + 0.18, 0.92), strength),
        land=(
            build_colour(mood.horizon + turn + 15, depth + 0.17, strength * 0.6),
            build_colour(mood.sky + turn - 15, depth + 0.05, strength * 0.7),
            build_colour(mood.sky + turn, depth * 0.5 + 0.02, strength * 0.8),
        ),
        accent=build_colour(mood.accent + turn + series.uniform(-20, 20), 0.55, 0.85),
        second=build_colour(mood.accent + turn + 150, 0.6, 0.6),
        ink=(250, 248, 240) if is_dark else build_colour(mood.sky + turn, 0.12, 0.6),
        is_dark=is_dark,
    )


def build_colour(hue: float, light: float, strength: float) -> Colour:
    """From hue in degrees, lightness and saturation from 0 to 1."""
    red, green, blue = colorsys.hls_to_rgb(hue % 360 / 360, min(max(light, 0.0), 1.0), min(max(strength, 0.0), 1.0))
    return round(red * 255), round(green * 255), round(blue * 255)


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """`share` of the other in the one."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def fade(colour: Colour, alpha: int) -> Ink:
    """The colour with an alpha of 0 to 255."""
    return (*colour, alpha)
