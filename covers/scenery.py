"""Where a title plays: the land under its sky, chosen by its labels and the words of its synopsis."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping

from covers.canvas import Brush, Canvas, Point
from covers.colours import WHITE, Palette, fade, mix
from covers.facts import TitleFacts

Draw = Callable[[Canvas, Palette, random.Random], None]


def draw_scenery(canvas: Canvas, facts: TitleFacts, palette: Palette) -> None:
    """Sky, light and land. Titles of a series share the place, each sees it differently."""
    lots = facts.draw_lots("scenery")
    canvas.fill_gradient(palette.sky_top, palette.sky_bottom, middle=mix(palette.sky_top, palette.sky_bottom, 0.45))
    _draw_light(canvas, palette, lots)
    find_place(facts)(canvas, palette, lots)


def find_place(facts: TitleFacts) -> Draw:
    """The first place whose words the title has; without any the series draws lots."""
    for words_of_title in (facts.themes | facts.words, facts.labels):
        for draw, words in _PLACES.items():
            if not words_of_title.isdisjoint(words):
                return draw
    return facts.draw_series_lots("place").choice((_draw_hills, _draw_rays, _draw_bubbles, _draw_city))


def _draw_light(canvas: Canvas, palette: Palette, lots: random.Random) -> None:
    x, y = lots.uniform(0.15, 0.85), lots.uniform(0.12, 0.5) * canvas.tall
    radius = lots.uniform(0.08, 0.24)
    canvas.glow(x, y, radius * 3, mix(palette.sky_bottom, WHITE, 0.4), alpha=0.75)
    brush = canvas.at(x, y, radius)
    if palette.is_dark:
        for _ in range(lots.randrange(30, 90)):
            star = canvas.at(lots.random(), lots.random() * canvas.tall * 0.8, lots.uniform(0.001, 0.0045))
            star.circle(0, 0, 1, fade(WHITE, lots.randrange(120, 255)))
        brush.circle(0, 0, 1, mix(palette.ink, palette.second, 0.25))
        if lots.random() < 0.6:
            brush.circle(lots.choice((-0.38, 0.38)), -0.12, 0.92, palette.sky_top)
        return
    brush.circle(0, 0, 1, mix(WHITE, palette.accent, lots.choice((0.08, 0.35, 0.85))))
    for _ in range(lots.randrange(2, 6)):
        cloud = canvas.at(lots.random(), lots.uniform(0.08, 0.5) * canvas.tall, lots.uniform(0.05, 0.12))
        for puff in (-0.9, 0.0, 0.9):
            cloud.ellipse(puff, 0.1 * abs(puff), 0.9, 0.42 - 0.1 * abs(puff), fade(WHITE, 120))


def _draw_ridge(
    canvas: Canvas, lots: random.Random, *, level: float, rough: float, waves: float, colour: tuple[int, int, int]
) -> None:
    phases = [lots.uniform(0, math.tau) for _ in range(4)]
    points: list[Point] = []
    for step in range(65):
        x = step / 64
        height = sum(math.sin(x * waves * 2**octave + phase) / 2**octave for octave, phase in enumerate(phases))
        points.append((x, (level - rough * height) * canvas.tall))
    canvas.at(0, 0, 1).polygon([(0, canvas.tall), *points, (1, canvas.tall)], colour)


def _draw_hills(canvas: Canvas, palette: Palette, lots: random.Random) -> None:
    for layer, colour in enumerate(palette.land):
        level = 0.58 + 0.13 * layer + lots.uniform(-0.04, 0.04)
        _draw_ridge(canvas, lots, level=level, rough=0.035, waves=lots.uniform(3, 7), colour=colour)


def _draw_mountains(canvas: Canvas, palette: Palette, lots: random.Random) -> None:
    peaks = canvas.at(0, 0, 1)
    for layer, colour in enumerate(palette.land[:2]):
        for _ in range(4):
            x, width = lots.uniform(-0.1, 1.1), lots.uniform(0.2, 0.45)
            top = (lots.uniform(0.3, 0.48) + 0.14 * layer) * canvas.tall
            peaks.polygon([(x - width, canvas.tall), (x, top), (x + width, canvas.tall)], colour)
            cap = 0.18 if layer == 0 else 0.1
            ridge = (canvas.tall - top) * cap
            shape = [(x, top), (x + width * cap, top + ridge), (x, top + ridge * 0.7), (x - width * cap, top + ridge)]
            peaks.polygon(shape, mix(WHITE, palette.sky_bottom, 0.2))
    _draw_ridge(canvas, lots, level=0.86, rough=0.02, waves=5, colour=palette.land[2])


def _draw_city(canvas: Canvas, palette: Palette, lots: random.Random) -> None:
    brush = canvas.at(0, 0, 1)
    for layer, colour in enumerate(palette.land):
        x = -0.02
        while x < 1:
            width = lots.uniform(0.05, 0.13)
            top = canvas.tall * (lots.uniform(0.36, 0.62) + 0.13 * layer)
            brush.box(x, top, x + width, canvas.tall, colour)
            if layer:
                _draw_windows(brush, palette, lots, box=(x, top, x + width, canvas.tall))
            x += width + lots.uniform(0, 0.02)


def _draw_windows(
    brush: Brush, palette: Palette, lots: random.Random, *, box: tuple[float, float, float, float]
) -> None:
    left, top, right, bottom = box
    lit = mix(palette.accent, WHITE, 0.5) if palette.is_dark else mix(palette.sky_bottom, WHITE, 0.4)
    y = top + 0.02
    while y < bottom:
        x = left + 0.012
        while x < right - 0.015:
            if lots.random() < 0.4:
                brush.box(x, y, x + 0.01, y + 0.014, fade(lit, 200))
            x += 0.022
        y += 0.03


def _draw_sea(canvas: Canvas, palette: Palette, lots: random.Random) -> None:
    level = lots.uniform(0.55, 0.68)
    brush = canvas.at(0, 0, 1)
    brush.box(0, level * canvas.tall, 1, canvas.tall, palette.land[1])
    for _ in range(40):
        x, y = lots.random(), lots.uniform(level + 0.01, 1) * canvas.tall
        reach = 0.02 + 0.12 * (y / canvas.tall - level)
        brush.line([(x - reach, y), (x + reach, y)], fade(mix(palette.sky_bottom, WHITE, 0.5), 130), width=0.004)
    _draw_ridge(canvas, lots, level=0.9, rough=0.012, waves=14, colour=palette.land[2])


def _draw_forest(canvas: Canvas, palette: Palette, lots: random.Random) -> None:
    for layer, colour in enumerate(palette.land):
        base = canvas.tall * (0.72 + 0.12 * layer)
        _draw_ridge(canvas, lots, level=0.72 + 0.12 * layer, rough=0.01, waves=6, colour=colour)
        for _ in range(12 - 3 * layer):
            tree = canvas.at(lots.random(), base, lots.uniform(0.09, 0.16) * (1 + 0.35 * layer))
            for step in range(3):
                top = -1.6 + 0.42 * step
                tree.polygon([(-0.26 - 0.1 * step, top + 0.75), (0, top), (0.26 + 0.1 * step, top + 0.75)], colour)
            tree.box(-0.06, -0.1, 0.06, 0.2, colour)


def _draw_space(canvas: Canvas, palette: Palette, lots: random.Random) -> None:
    for _ in range(120):
        star = canvas.at(lots.random(), lots.random() * canvas.tall, lots.uniform(0.001, 0.005))
        star.circle(0, 0, 1, fade(WHITE, lots.randrange(90, 255)))
    planet = canvas.at(lots.uniform(0.1, 0.9), lots.uniform(0.7, 0.95) * canvas.tall, lots.uniform(0.3, 0.5))
    planet.circle(0, 0, 1, palette.land[0])
    planet.ellipse(-0.2, -0.2, 0.72, 0.66, fade(mix(palette.land[0], WHITE, 0.3), 90))
    if lots.random() < 0.6:
        tilted = canvas.at(planet.x, planet.y, planet.size, turn=lots.uniform(-30, 30))
        for reach in (1.35, 1.55, 1.7):
            tilted.line(_arc(reach, 0.28, start=math.pi, end=math.tau), fade(palette.second, 170), width=0.03)


def _draw_school(canvas: Canvas, palette: Palette, lots: random.Random) -> None:
    _draw_hills(canvas, palette, lots)
    school = canvas.at(lots.uniform(0.35, 0.65), 0.72 * canvas.tall, 0.36)
    wall = mix(palette.land[0], WHITE, 0.45)
    school.box(-1, -0.5, 1, 0.3, wall)
    school.box(-0.22, -0.8, 0.22, 0.3, mix(wall, WHITE, 0.3))
    school.circle(0, -0.6, 0.1, palette.land[2])
    school.circle(0, -0.6, 0.08, WHITE)
    for row in (-0.38, -0.08):
        for column in (-0.9, -0.68, -0.46, 0.32, 0.54, 0.76):
            school.box(column, row, column + 0.14, row + 0.17, palette.land[1])
    _draw_ridge(canvas, lots, level=0.82, rough=0.01, waves=5, colour=palette.land[2])


def _draw_desert(canvas: Canvas, palette: Palette, lots: random.Random) -> None:
    for layer in range(3):
        colour = mix(palette.land[layer], palette.accent, 0.3)
        level = 0.6 + 0.12 * layer
        _draw_ridge(canvas, lots, level=level, rough=0.045, waves=lots.uniform(1.5, 3.5), colour=colour)


def _draw_old_japan(canvas: Canvas, palette: Palette, lots: random.Random) -> None:
    _draw_mountains(canvas, palette, lots)
    gate = canvas.at(lots.uniform(0.25, 0.75), 0.72 * canvas.tall, lots.uniform(0.16, 0.24))
    red = mix((190, 52, 36), palette.accent, 0.3)
    for x in (-0.6, 0.6):
        gate.box(x - 0.08, -0.7, x + 0.08, 0.9, red)
    gate.polygon([(-1.1, -0.98), (1.1, -0.98), (1, -0.75), (-1, -0.75)], red)
    gate.box(-0.8, -0.5, 0.8, -0.36, red)
    _draw_ridge(canvas, lots, level=0.84, rough=0.015, waves=4, colour=palette.land[2])


def _draw_castle(canvas: Canvas, palette: Palette, lots: random.Random) -> None:
    _draw_hills(canvas, palette, lots)
    castle = canvas.at(lots.uniform(0.3, 0.7), 0.68 * canvas.tall, lots.uniform(0.22, 0.32))
    stone = mix(palette.land[1], palette.ink if palette.is_dark else WHITE, 0.25)
    for x, top in ((-0.8, -0.5), (0.8, -0.6), (0.0, -1.1), (-0.4, -0.8), (0.42, -0.3)):
        castle.box(x - 0.18, top, x + 0.18, 0.5, stone)
        castle.polygon([(x - 0.24, top), (x, top - 0.5), (x + 0.24, top)], palette.accent)
    castle.box(-0.95, -0.1, 0.95, 0.5, stone)
    castle.ellipse(0, 0.4, 0.16, 0.3, palette.land[2])
    _draw_ridge(canvas, lots, level=0.8, rough=0.02, waves=6, colour=palette.land[2])


def _draw_rays(canvas: Canvas, palette: Palette, lots: random.Random) -> None:
    brush = canvas.at(lots.uniform(0.3, 0.7), lots.uniform(0.35, 0.6) * canvas.tall, 2.0)
    count = lots.choice((9, 12, 16))
    for step in range(count):
        start = math.tau * step / count
        ends = [(math.cos(start + width), math.sin(start + width)) for width in (0, math.pi / count)]
        brush.polygon([(0, 0), *ends], fade(palette.land[0] if step % 2 else palette.second, 90))


def _draw_bubbles(canvas: Canvas, palette: Palette, lots: random.Random) -> None:
    for _ in range(16):
        brush = canvas.at(lots.random(), lots.random() * canvas.tall, lots.uniform(0.03, 0.2))
        brush.circle(0, 0, 1, fade(lots.choice((palette.second, palette.accent, WHITE, palette.land[0])), 70))


def _arc(across: float, down: float, *, start: float, end: float) -> list[Point]:
    steps = [start + (end - start) * step / 32 for step in range(33)]
    return [(across * math.cos(step), down * math.sin(step)) for step in steps]


_PLACES: Mapping[Draw, frozenset[str]] = {
    _draw_space: frozenset({"space", "space opera", "space travel", "spaceship", "planet", "galaxy", "spacecraft"}),
    _draw_old_japan: frozenset(
        {
            "samurai",
            "feudal japan",
            "edo period",
            "shrine maiden",
            "japanese mythology",
            "youkai",
            "shrine",
            "historical",
        }
    ),
    _draw_desert: frozenset({"desert", "wasteland", "post-apocalyptic"}),
    _draw_castle: frozenset(
        {"medieval", "palace", "royalty", "aristocracy", "kingdom", "princess", "castle", "isekai"}
    ),
    _draw_sea: frozenset({"ocean", "pirates", "coastal", "ships", "island", "sea", "swimming", "harbour", "beach"}),
    _draw_school: frozenset({"school", "high school", "school club", "middle school", "boarding school"}),
    _draw_mountains: frozenset({"winter", "mountain", "snow", "travel", "journey", "alps"}),
    _draw_forest: frozenset({"forest", "animals", "countryside", "rural", "fairy tale", "nature", "wood"}),
    _draw_city: frozenset(
        {"tokyo", "cyberpunk", "police", "urban fantasy", "organized crime", "detective", "city", "mafia"}
    ),
}
