"""The parts of the classical descriptor: where colours lie, which colours there are, edges and texture.

Everything works on whole batches of CIELAB pictures of SIDE x SIDE pixels as uint8, (n, SIDE, SIDE, 3), as Pillow's
littlecms writes them: L from 0 to 255, a and b as signed bytes. Three ideas make copies alike:

- Layouts are pooled over ever smaller central parts of the picture (`_SCALES`) and averaged, so that a crop around the
  centre shares most of what is pooled.
- A layout is split into the half that a mirror leaves as it is and the half that changes sign under it; of the second
  only the size is kept. A flipped picture has the same vector.
- Each part has its mean removed, or is a share of its sum: brightness moves little.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float32]
LabPictures: TypeAlias = NDArray[np.uint8]

SIDE: Final = 96
COLOUR_GRID: Final = 6
EDGE_GRID: Final = 6
EDGE_BINS: Final = 8
LIGHTNESS_BINS: Final = 6
CHROMA_BINS: Final = 7
TEXTURE_REACHES: Final = (1, 3)

_SCALES: Final = (1.0, 0.84, 0.7, 0.59, 0.5, 0.42)
# Width of a pooling window's bell, as a share of the distance between two windows.
_BELL: Final = 0.5
_TINY: Final = 1e-6
# Chroma of CIELAB at which the histogram's axis ends; few drawings go beyond.
_CHROMA_END: Final = 60.0
# Spread of lightness, and the least one that is stretched: a plain picture is not noise made large.
_LIGHTNESS_SPREAD: Final = 0.2
_LEAST_SPREAD: Final = 0.08


def _build_windows(grid: int) -> Floats:
    """Rows of weights over SIDE pixels, (scales, grid, SIDE), each with the sum 1."""
    places = (np.arange(SIDE) + 0.5) / SIDE - 0.5
    centres = (np.arange(grid) + 0.5) / grid - 0.5
    windows = []
    for scale in _SCALES:
        bells = np.exp(-0.5 * ((places[None] - centres[:, None] * scale) / (_BELL * scale / grid)) ** 2)
        bells *= np.abs(places) <= scale / 2 + 0.5 / SIDE
        windows.append(bells / bells.sum(axis=1, keepdims=True))
    return np.stack(windows).astype(np.float32)


_WINDOWS: Final = {grid: _build_windows(grid) for grid in {COLOUR_GRID, EDGE_GRID}}


def split_lab(pictures: LabPictures) -> Floats:
    """L, a and b as (n, 3, SIDE, SIDE), all in units of 100: L from 0 to 1, a and b around 0."""
    planes = np.empty((len(pictures), 3, SIDE, SIDE), dtype=np.float32)
    np.divide(pictures[..., 0], 255.0, out=planes[:, 0])
    np.divide(np.moveaxis(pictures.view(np.int8)[..., 1:], -1, 1), 100.0, out=planes[:, 1:])
    return planes


def describe_colour_layout(lab: Floats) -> Floats:
    """Where the colours lie, without the picture's mean colour: (n, 3 x grid x grid)."""
    layout = _pool(lab, COLOUR_GRID)
    layout -= layout.mean(axis=(2, 3), keepdims=True)
    return _fold(layout, layout[..., ::-1])


def describe_edges(lightness: Floats) -> Floats:
    """Where edges of which direction lie: (n, bins x grid x grid), from L as (n, SIDE, SIDE)."""
    layout = _pool(_build_edge_maps(lightness), EDGE_GRID)
    layout /= np.sqrt((layout**2).sum(axis=(1, 2, 3), keepdims=True)) + _TINY
    layout -= layout.mean(axis=(2, 3), keepdims=True)
    # In a mirror the direction t becomes pi - t.
    turned = layout[:, -np.arange(EDGE_BINS) % EDGE_BINS]
    return _fold(layout, turned[..., ::-1])


def describe_colours(lab: Floats) -> Floats:
    """Which colours there are, wherever they lie: roots of the shares in a histogram, (n, L x a x b bins).

    Lightness is measured from the picture's own mean, in its own spread. The axes of chroma are finer near grey.
    """
    planes = lab.reshape(len(lab), 3, SIDE // 2, 2, SIDE // 2, 2).mean(axis=(3, 5)).reshape(len(lab), 3, -1)
    light = planes[:, 0]
    spread = light.std(axis=1, keepdims=True) + _LEAST_SPREAD
    light = (light - light.mean(axis=1, keepdims=True)) / spread * _LIGHTNESS_SPREAD + 0.5
    chroma = np.sign(planes[:, 1:]) * np.sqrt(np.minimum(np.abs(planes[:, 1:]) * 100.0 / _CHROMA_END, 1.0))
    axes = (
        _place(light, LIGHTNESS_BINS),
        _place(chroma[:, 0] / 2 + 0.5, CHROMA_BINS),
        _place(chroma[:, 1] / 2 + 0.5, CHROMA_BINS),
    )
    return _count_between(axes, (LIGHTNESS_BINS, CHROMA_BINS, CHROMA_BINS))


def describe_texture(lightness: LabPictures) -> Floats:
    """Which small patterns there are: roots of the shares of local binary patterns, (n, reaches x classes).

    `lightness`: L as uint8. A pattern and its mirror image are one class; patterns with many changes are one class.
    """
    parts = [_count_patterns(lightness, reach) for reach in TEXTURE_REACHES]
    return np.concatenate(parts, axis=1)


def _pool(maps: Floats, grid: int) -> Floats:
    """Mean over the windows of every scale: (n, maps, SIDE, SIDE) to (n, maps, grid, grid)."""
    windows = _WINDOWS[grid]
    across = maps @ windows.reshape(-1, SIDE).T
    total = np.zeros((*maps.shape[:2], grid, grid), dtype=np.float32)
    for number, window in enumerate(windows):
        total += window @ across[..., number * grid : (number + 1) * grid]
    total /= len(windows)
    return total


def _fold(layout: Floats, mirrored: Floats) -> Floats:
    """What the mirror leaves, and the size of what it turns. The right half of both says nothing new."""
    half = layout.shape[-1] // 2
    even = (layout + mirrored)[..., :half]
    odd = np.abs(layout - mirrored)[..., :half]
    return np.concatenate([even.reshape(len(layout), -1), odd.reshape(len(layout), -1)], axis=1)


def _build_edge_maps(lightness: Floats) -> Floats:
    """Root of the gradient's length, shared out to the directions near its own: (n, bins, SIDE, SIDE)."""
    padded = np.pad(lightness, ((0, 0), (1, 1), (1, 1)), mode="edge")
    right = padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]
    down = padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]
    squared = right * right + down * down
    # Of the doubled angle, under which a direction and its opposite are one.
    cosine = (right * right - down * down) / (squared + _TINY)
    sine = 2 * right * down / (squared + _TINY)
    strength = np.sqrt(np.sqrt(squared))
    maps = np.empty((len(lightness), EDGE_BINS, SIDE, SIDE), dtype=np.float32)
    for number in range(EDGE_BINS):
        angle = 2 * np.pi * number / EDGE_BINS
        nearness = np.maximum(cosine * np.float32(np.cos(angle)) + sine * np.float32(np.sin(angle)), 0)
        np.multiply(nearness * nearness, strength, out=maps[:, number])
    return maps


def _place(values: Floats, bins: int) -> tuple[NDArray[np.int32], Floats]:
    """The bin below each value of 0 to 1, and how far it is on the way to the next one."""
    places = np.clip(values, 0, 1) * np.float32(bins - 1)
    below = np.minimum(places.astype(np.int32), bins - 2)
    return below, places - below


def _count_between(axes: tuple[tuple[NDArray[np.int32], Floats], ...], bins: tuple[int, ...]) -> Floats:
    """Histogram in which each value counts for all the bins around it, by nearness; roots of the shares."""
    count, pixels = axes[0][0].shape
    size = int(np.prod(bins))
    total = np.zeros(count * size)
    rows = np.arange(count, dtype=np.int32)[:, None] * size
    for corner in np.ndindex(*(2,) * len(bins)):
        places: NDArray[np.int32] = np.zeros((count, pixels), dtype=np.int32)
        weight: Floats = np.ones((count, pixels), dtype=np.float32)
        for step, (below, rest), length in zip(corner, axes, bins, strict=True):
            places = places * np.int32(length) + below + np.int32(step)
            weight = weight * (rest if step else 1 - rest)
        total += np.bincount((rows + places).ravel(), weights=weight.ravel(), minlength=count * size)
    shares: Floats = np.sqrt(total.reshape(count, size) / pixels).astype(np.float32)
    return shares


# Neighbours in a circle, as (down, right).
_CIRCLE: Final = ((-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1))


def _build_pattern_classes() -> NDArray[np.int32]:
    """The class of each of the 256 patterns."""
    mirror = [_CIRCLE.index((down, -right)) for down, right in _CIRCLE]
    names: dict[int, int] = {}
    classes = np.zeros(256, dtype=np.int32)
    for pattern in range(256):
        bits = [pattern >> place & 1 for place in range(8)]
        changes = sum(bits[place] != bits[place - 1] for place in range(8))
        mirrored = sum(bits[place] << mirror[place] for place in range(8))
        name = min(pattern, mirrored) if changes <= 2 else -1
        classes[pattern] = names.setdefault(name, len(names))
    return classes


_PATTERN_CLASSES: Final = _build_pattern_classes()
TEXTURE_CLASSES: Final = int(_PATTERN_CLASSES.max()) + 1


def _count_patterns(lightness: LabPictures, reach: int) -> Floats:
    """Shares of the classes of patterns at a distance of `reach` pixels, as roots: (n, classes)."""
    centre = lightness[:, reach:-reach, reach:-reach]
    height, width = centre.shape[1:]
    patterns = np.zeros(centre.shape, dtype=np.uint8)
    for place, (down, right) in enumerate(_CIRCLE):
        top, left = reach * (1 + down), reach * (1 + right)
        neighbour = lightness[:, top : top + height, left : left + width]
        patterns |= (neighbour >= centre).astype(np.uint8) << np.uint8(place)
    size = len(lightness) * 256
    rows = np.arange(len(lightness), dtype=np.int32)[:, None, None] * 256
    counts = np.bincount((rows + patterns).ravel(), minlength=size).reshape(-1, 256)
    shares = np.zeros((len(lightness), TEXTURE_CLASSES))
    for pattern, name in enumerate(_PATTERN_CLASSES):
        shares[:, name] += counts[:, pattern]
    roots: Floats = np.sqrt(shares / (height * width)).astype(np.float32)
    return roots
