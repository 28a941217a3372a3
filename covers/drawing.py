"""The four kinds of pictures, composed of scenery, motif, people, lettering and frame."""

from __future__ import annotations

import random

from PIL import Image

from covers.canvas import Canvas
from covers.colours import BLACK, WHITE, Palette, build_palette, fade, mix
from covers.facts import CharacterFacts, TitleFacts
from covers.frames import draw_frame, print_as_of
from covers.lettering import Face, write_block, write_column, write_line
from covers.motifs import find_motif
from covers.people import build_cast, build_look, draw_bust, find_portrait_words
from covers.scenery import draw_scenery

COVER_SIZE = (384, 544)
THUMBNAIL_SIZE = (120, 170)
BANNER_SIZE = (960, 240)
PORTRAIT_SIZE = (240, 340)

_FACES = (Face.SANS, Face.SERIF, Face.SLANTED, Face.MONO)


def draw_cover(facts: TitleFacts) -> Image.Image:
    """What a title shows first."""
    palette, lots = build_palette(facts), facts.draw_lots("cover")
    canvas = Canvas(*COVER_SIZE)
    draw_scenery(canvas, facts, palette)
    _draw_subject(canvas, facts, palette, lots)
    draw_frame(canvas, facts, palette)
    _draw_names(canvas, facts, palette, lots)
    return print_as_of(canvas.finish(), facts.year, lots)


def draw_thumbnail(cover: Image.Image) -> Image.Image:
    """The cover, small."""
    return cover.resize(THUMBNAIL_SIZE, Image.Resampling.LANCZOS)


def draw_banner(facts: TitleFacts) -> Image.Image:
    """The same place and people in a strip, with the name."""
    palette, lots = build_palette(facts), facts.draw_lots("banner")
    canvas = Canvas(*BANNER_SIZE)
    draw_scenery(canvas, facts, palette)
    is_left = lots.random() < 0.5
    find_motif(facts)(canvas.at(0.16 if is_left else 0.84, 0.12, 0.09, turn=lots.uniform(-12, 12)), palette)
    for place, look in enumerate(build_cast(facts, palette)):
        x = 0.36 + 0.13 * place if is_left else 0.64 - 0.13 * place
        draw_bust(canvas.at(x, 0.17, 0.075, mirrored=place % 2 == 1), look)
    box = (0.6, 0.07, 0.97, 0.18) if is_left else (0.03, 0.07, 0.4, 0.18)
    write_block(canvas, facts.title_english, _choose_face(facts), box=box, ink=WHITE, edge=BLACK)
    return print_as_of(canvas.finish(), facts.year, lots)


def draw_portrait(facts: TitleFacts, character: CharacterFacts) -> Image.Image:
    """One character, with its name."""
    palette, lots = build_palette(facts), random.Random(f"{facts.series}:{character.name}:portrait")
    canvas = Canvas(*PORTRAIT_SIZE)
    canvas.fill_gradient(mix(palette.sky_top, WHITE, 0.25), mix(palette.sky_bottom, palette.accent, 0.2))
    canvas.glow(0.5, 0.5, 0.7, mix(palette.second, WHITE, 0.6), alpha=0.6)
    for _ in range(8):
        brush = canvas.at(lots.random(), lots.random() * canvas.tall, lots.uniform(0.02, 0.1))
        brush.star(0, 0, 1, fade(palette.accent, 90), points=lots.choice((4, 5, 6)))
    look = build_look(character.name, facts, palette, words=find_portrait_words(character))
    draw_bust(canvas.at(0.5, 0.72, 0.46, mirrored=lots.random() < 0.5), look)
    band = canvas.at(0, 0, 1)
    band.box(0, canvas.tall - 0.16, 1, canvas.tall, fade(BLACK, 150))
    box = (0.05, canvas.tall - 0.14, 0.95, canvas.tall - 0.02)
    write_block(canvas, character.name, _choose_face(facts), box=box, ink=WHITE, edge=BLACK)
    return canvas.finish()


def _draw_subject(canvas: Canvas, facts: TitleFacts, palette: Palette, lots: random.Random) -> None:
    cast, motif = build_cast(facts, palette), find_motif(facts)
    layout = lots.randrange(3)
    if layout == 0:
        motif(canvas.at(lots.uniform(0.35, 0.65), 0.5, lots.uniform(0.32, 0.4), turn=lots.uniform(-14, 14)), palette)
    size = (0.36, 0.27, 0.22)[len(cast) - 1] * lots.uniform(0.9, 1.12)
    for place, look in reversed(list(enumerate(cast))):
        x = 0.5 if len(cast) == 1 else 0.26 + 0.5 * place / (len(cast) - 1)
        y = (0.98 if layout == 0 else 0.8) + lots.uniform(-0.06, 0.05)
        draw_bust(canvas.at(x + lots.uniform(-0.06, 0.06), y, size, mirrored=lots.random() < 0.5), look)
    if layout > 0:
        x, y = (0.76 if layout == 1 else 0.24) + lots.uniform(-0.05, 0.05), lots.uniform(0.28, 0.4)
        motif(canvas.at(x, y, lots.uniform(0.17, 0.24), turn=lots.uniform(-25, 25)), palette)


def _draw_names(canvas: Canvas, facts: TitleFacts, palette: Palette, lots: random.Random) -> None:
    ink, edge = (WHITE, mix(palette.land[2], BLACK, 0.6)) if lots.random() < 0.6 else (palette.accent, WHITE)
    is_low = lots.random() < 0.65
    box = (0.09, canvas.tall - 0.36, 0.94, canvas.tall - 0.12) if is_low else (0.09, 0.1, 0.94, 0.3)
    if is_low:
        canvas.at(0, 0, 1).box(0, canvas.tall - 0.39, 1, canvas.tall, fade(mix(palette.land[2], BLACK, 0.3), 120))
    write_block(canvas, facts.title_english, _choose_face(facts), box=box, ink=ink, edge=edge)
    column_top = 0.1 if is_low else 0.34
    x = lots.choice((0.12, 0.9))
    write_column(
        canvas,
        facts.title_japanese,
        at=(x, column_top),
        tall=0.86,
        size=lots.uniform(0.06, 0.085),
        ink=WHITE,
        edge=mix(palette.land[2], BLACK, 0.5),
    )
    write_line(canvas, facts.studio, Face.SANS, at=(0.09, canvas.tall - 0.095), size=0.032, ink=WHITE)
    write_line(canvas, str(facts.year), Face.SANS, at=(0.93, canvas.tall - 0.095), size=0.032, ink=WHITE, right=True)


def _choose_face(facts: TitleFacts) -> Face:
    return facts.draw_series_lots("face").choice(_FACES)
