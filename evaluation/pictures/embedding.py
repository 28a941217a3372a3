"""Vectors of pictures and of their changed copies, by the encoders that the index itself uses."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from core.pictures import decode_picture
from evaluation.pictures.changes import Change, apply_change
from evaluation.pictures.sets import MAX_PIXELS, Item
from inference.pictures.base import PictureEncoder, Prepared

Rows = NDArray[np.float32]
# Told how many more pictures are done.
Progress = Callable[[int], None]

# Few enough that the encoder's inputs of a group with all its copies are small in memory.
_TOGETHER = 16


@dataclass(frozen=True)
class Vectors:
    """Unit rows in the order of the items: of the pictures as an index holds them, and of each change of them."""

    stored: Rows
    changed: Mapping[str, Rows]


def embed(
    encoder: PictureEncoder,
    items: Sequence[Item],
    changes: Mapping[str, Change],
    *,
    seed: int,
    progress: Progress,
) -> Vectors:
    """Each picture decoded as the pipeline does, and each of its changed copies, made from the whole picture."""
    rows: list[Rows] = []
    prepare = partial(_prepare, encoder, changes, seed)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for group in _split(items):
            prepared = list(pool.map(prepare, group))
            rows.append(encoder.encode_prepared([one for own in prepared for one in own]))
            progress(len(group))
    together = np.concatenate(rows).reshape(len(items), len(changes) + 1, -1)
    return Vectors(together[:, 0], {name: together[:, place] for place, name in enumerate(changes, start=1)})


def rank(queries: Rows, stored: Rows, *, depth: int) -> NDArray[np.int64]:
    """For each query the places of the `depth` nearest stored rows, nearest first; exact."""
    similarities = queries @ stored.T
    return np.argsort(-similarities, axis=1, kind="stable")[:, :depth]


def _prepare(encoder: PictureEncoder, changes: Mapping[str, Change], seed: int, item: Item) -> list[Prepared]:
    data = item.path.read_bytes()
    stored = decode_picture(data, max_pixels=MAX_PIXELS, least_side=encoder.input_side)
    whole = decode_picture(data, max_pixels=MAX_PIXELS)
    copies = (apply_change(whole, change, seed=f"{seed}:{name}:{item.name}") for name, change in changes.items())
    return [encoder.preprocess(picture) for picture in (stored, *copies)]


def _split(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), _TOGETHER):
        yield items[start : start + _TOGETHER]
