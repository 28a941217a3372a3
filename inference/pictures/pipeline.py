"""Stored pictures to rows: reading, decoding and preprocessing on a pool of threads, encoding on the caller's.

Threads are enough: Pillow, littlecms and numpy let go of Python's lock while they work. Nothing is read far ahead of
the encoder, so a million pictures need no more memory than a few batches, and a budget bounds what is decoded at once.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from core.pictures import DecodeBudget, lend_picture
from inference.pictures.base import PendingRows, PictureEncoder, Prepared

LoadBytes: TypeAlias = Callable[[], bytes]
Row: TypeAlias = NDArray[np.float32]

# Batches that are begun and not yet asked for: one is computed while the next one is on its way.
_IN_FLIGHT: Final = 2


@dataclass(frozen=True, slots=True)
class _Batch:
    """A batch on its way. `outcomes`: for each picture its error, or None where a row of `rows` is its outcome."""

    outcomes: list[Exception | None]
    rows: PendingRows | None


def encode_stored(
    encoder: PictureEncoder,
    loads: Sequence[LoadBytes],
    *,
    max_pixels: int,
    max_bytes: int | None = None,
    batch: int = 64,
    threads: int = 0,
) -> Iterator[Row | Exception]:
    """For each of `loads`, which give the bytes of a file, a unit vector or its error: in order, batch by batch.

    What goes wrong with one picture, in reading, decoding or preprocessing, is that picture's error and nobody else's;
    what goes wrong in the encoder is raised. `threads` 0: all cores beside a GPU, else half of them.
    """

    count = threads or _choose_threads(encoder.device)
    budget = DecodeBudget.of(max_pixels=max_pixels, places=count)

    def prepare(load: LoadBytes) -> Prepared:
        with lend_picture(
            load(), budget=budget, max_pixels=max_pixels, max_bytes=max_bytes, least_side=encoder.input_side
        ) as image:
            return encoder.preprocess(image)

    pool = ThreadPoolExecutor(count, thread_name_prefix="pictures")
    try:
        futures = _submit_ahead(pool, prepare, loads, ahead=2 * batch)
        in_flight: deque[_Batch] = deque()
        while chosen := list(islice(futures, batch)):
            in_flight.append(_start(encoder, chosen))
            if len(in_flight) >= _IN_FLIGHT:
                yield from _finish(in_flight.popleft())
        while in_flight:
            yield from _finish(in_flight.popleft())
    finally:
        # Also where the caller stops early: nothing is read on for nobody.
        pool.shutdown(wait=True, cancel_futures=True)


def _choose_threads(device: str) -> int:
    """On a CPU the encoder computes on the same cores, and waits for each one that decodes."""
    cores = os.cpu_count() or 1
    return max(1, cores // 2) if device == "cpu" else cores


def _submit_ahead(
    pool: ThreadPoolExecutor, prepare: Callable[[LoadBytes], Prepared], loads: Sequence[LoadBytes], *, ahead: int
) -> Iterator[Future[Prepared]]:
    """Futures in the order of `loads`, of which at most `ahead` are begun before they are taken."""
    waiting = iter(loads)
    begun = deque(pool.submit(prepare, load) for load in islice(waiting, ahead))
    while begun:
        taken = begun.popleft()
        # Another one is begun when this one is ready, so no more than `ahead` lie in memory.
        wait((taken,))
        begun.extend(pool.submit(prepare, load) for load in islice(waiting, 1))
        yield taken


def _start(encoder: PictureEncoder, futures: Sequence[Future[Prepared]]) -> _Batch:
    outcomes: list[Exception | None] = []
    prepared: list[Prepared] = []
    for future in futures:
        try:
            prepared.append(future.result())
            outcomes.append(None)
        except MemoryError:
            raise
        except Exception as error:
            # Handed on as this picture's outcome: one bad file must not stop the others, whatever is wrong with it.
            outcomes.append(error)
    return _Batch(outcomes, encoder.submit_prepared(prepared) if prepared else None)


def _finish(batch: _Batch) -> Iterator[Row | Exception]:
    rows = iter(batch.rows() if batch.rows else ())
    for outcome in batch.outcomes:
        yield next(rows) if outcome is None else outcome
