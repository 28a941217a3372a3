"""People as silhouettes with hair, eyes and clothes: the same look on a cover and on a character's own picture."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from covers.canvas import Brush
from covers.colours import BLACK, WHITE, Colour, Palette, build_colour, fade, mix
from covers.facts import CharacterFacts, TitleFacts

_SKINS: tuple[Colour, ...] = ((255, 224, 200), (246, 208, 180), (232, 186, 150), (206, 152, 116), (255, 232, 214))
_GIRL = frozenset({"girl", "woman", "she", "her", "princess", "sister", "daughter", "mother", "lady", "queen", "witch"})
_OLD = frozenset({"old", "elderly", "grandfather", "grandmother", "professor", "veteran"})
_ROBOT = frozenset({"robot", "android", "machine", "cyborg"})


@dataclass(frozen=True, slots=True)
class Look:
    """`hair_shape` and `collar` are numbers of shapes below; `eye_size` is a share of the head."""

    skin: Colour
    hair: Colour
    eyes: Colour
    clothes: Colour
    trim: Colour
    hair_shape: int
    collar: int
    eye_size: float


def build_look(name: str, facts: TitleFacts, palette: Palette, *, words: frozenset[str] = frozenset()) -> Look:
    """The look of one person of a series: the same in all its titles."""
    lots = random.Random(f"{facts.series}:{name}")
    hair = build_colour(lots.uniform(0, 360), lots.uniform(0.16, 0.7), lots.uniform(0.15, 0.8))
    if words & _OLD:
        hair = mix(hair, WHITE, 0.75)
    shapes = (3, 4, 5) if words & _GIRL else (0, 1, 2, 3, 4, 5)
    return Look(
        skin=mix(palette.second, WHITE, 0.5) if words & _ROBOT else lots.choice(_SKINS),
        hair=hair,
        eyes=build_colour(lots.uniform(0, 360), 0.42, 0.7),
        clothes=mix(build_colour(lots.uniform(0, 360), lots.uniform(0.2, 0.75), 0.5), palette.accent, 0.3),
        trim=lots.choice((palette.second, palette.accent, WHITE)),
        hair_shape=lots.choice(shapes),
        collar=lots.randrange(3),
        eye_size=lots.uniform(0.15, 0.22),
    )


def build_cast(facts: TitleFacts, palette: Palette) -> list[Look]:
    """Who stands on the cover: known characters first, else one to three whom nobody named."""
    known = [build_look(one.name, facts, palette, words=one.words) for one in facts.characters[:3]]
    number = facts.draw_series_lots("cast").choice((1, 1, 2, 3))
    return known or [build_look(f"somebody {place}", facts, palette) for place in range(number)]


def find_portrait_words(character: CharacterFacts) -> frozenset[str]:
    """The words of a character that are shown."""
    return character.words & (_GIRL | _OLD | _ROBOT)


def draw_bust(brush: Brush, look: Look) -> None:
    """Head and shoulders: the head is around (0, -0.35); the body goes on to y = 3, which is the sheet's end."""
    _draw_hair_behind(brush, look)
    shoulders = [(-1.05, 3), (-1.0, 1.2), (-0.86, 0.62), (-0.5, 0.42), (0.5, 0.42), (0.86, 0.62), (1.0, 1.2), (1.05, 3)]
    brush.polygon(shoulders, look.clothes)
    brush.polygon([(-0.17, 0.1), (0.17, 0.1), (0.2, 0.5), (0, 0.62), (-0.2, 0.5)], mix(look.skin, BLACK, 0.12))
    _draw_collar(brush, look)
    face = [(0.46 * math.cos(step * math.pi / 12), -0.42 - 0.46 * math.sin(step * math.pi / 12)) for step in range(13)]
    brush.polygon([*face, (-0.42, -0.1), (-0.1, 0.24), (0.1, 0.24), (0.42, -0.1)], look.skin)
    _draw_face(brush, look)
    _draw_fringe(brush, look)


def _draw_face(brush: Brush, look: Look) -> None:
    for side in (-1, 1):
        x, size = side * 0.21, look.eye_size
        brush.ellipse(x, -0.2, size * 0.62, size * 0.8, WHITE)
        brush.ellipse(x, -0.19, size * 0.46, size * 0.74, look.eyes)
        brush.ellipse(x, -0.17, size * 0.22, size * 0.42, BLACK)
        brush.circle(x - 0.03, -0.25, size * 0.17, WHITE)
        brush.line([(x - 0.13, -0.3), (x, -0.35), (x + 0.13, -0.3)], mix(look.hair, BLACK, 0.6), width=0.035)
        brush.line([(x - 0.12, -0.45), (x + 0.1, -0.46)], mix(look.hair, BLACK, 0.3), width=0.025)
        brush.ellipse(side * 0.27, 0.02, 0.08, 0.04, fade((240, 120, 110), 90))
    brush.line([(-0.07, 0.1), (0, 0.12), (0.07, 0.1)], mix(look.skin, (150, 40, 40), 0.6), width=0.025)


def _draw_collar(brush: Brush, look: Look) -> None:
    if look.collar == 0:
        brush.polygon([(-0.5, 0.42), (0, 0.95), (0.5, 0.42), (0.3, 0.36), (0, 0.68), (-0.3, 0.36)], look.trim)
    elif look.collar == 1:
        brush.polygon([(-0.3, 0.36), (0.3, 0.36), (0.36, 0.52), (0, 0.62), (-0.36, 0.52)], look.trim)
        brush.line([(0, 0.6), (0, 3)], look.trim, width=0.05)
    else:
        brush.polygon([(-0.3, 0.38), (0.12, 3), (-0.12, 3), (-0.5, 0.42)], look.trim)
        brush.polygon([(0.3, 0.38), (-0.02, 3), (0.2, 3), (0.5, 0.42)], mix(look.trim, BLACK, 0.15))


def _draw_hair_behind(brush: Brush, look: Look) -> None:
    shade = mix(look.hair, BLACK, 0.25)
    if look.hair_shape == 3:
        brush.polygon([(-0.6, -0.6), (0.6, -0.6), (0.78, 0.95), (-0.78, 0.95)], shade)
    elif look.hair_shape == 4:
        for side in (-1, 1):
            brush.ellipse(side * 0.78, 0.1, 0.2, 0.62, shade)
            brush.circle(side * 0.56, -0.5, 0.12, look.trim)
    elif look.hair_shape == 5:
        brush.ellipse(0, -0.2, 0.64, 0.58, shade)
    elif look.hair_shape == 2:
        brush.polygon([(0.2, -0.9), (0.95, -0.5), (0.7, 0.5), (0.5, -0.2)], shade)


def _draw_fringe(brush: Brush, look: Look) -> None:
    top = [(0.54 * math.cos(s * math.pi / 12), -0.46 - 0.52 * math.sin(s * math.pi / 12)) for s in range(13)]
    if look.hair_shape == 0:
        spikes = [
            (0.8, -0.75),
            (0.5, -0.95),
            (0.52, -1.25),
            (0.2, -1.0),
            (0.0, -1.32),
            (-0.2, -1.0),
            (-0.55, -1.22),
            (-0.5, -0.92),
            (-0.82, -0.7),
        ]
        brush.polygon([(0.54, -0.3), *spikes, (-0.54, -0.3), (-0.3, -0.62), (0, -0.4), (0.3, -0.62)], look.hair)
    elif look.hair_shape == 1:
        brush.polygon([*top, (-0.5, -0.25), (-0.36, -0.55), (0.1, -0.72), (0.5, -0.3)], look.hair)
    else:
        locks = [
            (-0.54, 0.05),
            (-0.38, -0.45),
            (-0.18, -0.3),
            (-0.06, -0.55),
            (0.12, -0.3),
            (0.38, -0.45),
            (0.54, 0.05),
        ]
        brush.polygon([*top, *locks], look.hair)
    brush.line([(-0.26, -0.8), (0, -0.88), (0.26, -0.8)], fade(WHITE, 70), width=0.06)
