"""Which names hold a short run of characters: one sorted array for all, cut by runs.

Runs are two characters in Chinese, Japanese and Korean and three elsewhere, counted without spaces. A short name has
too few of them to survive a typing error, so names of up to SHORT characters have runs of two, with marks at both ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from search.names.folding import END, SPACE, Codes, Flags, FoldedNames, Places, find_cjk

SHORT = 8
Numbers = npt.NDArray[np.uint32]
Keys = npt.NDArray[np.uint64]

_MIX = np.uint64(0x9E3779B97F4A7C15)
_SHORT_SALT = np.uint64(0xD1B54A32D192ED03)
_EDGE = 1
_PARTS = 8
_BLOCK = 16_384


@dataclass(frozen=True, slots=True)
class Postings:
    """`names[starts[i]:starts[i + 1]]` are the names that hold the run `runs[i]`, in ascending order."""

    runs: Numbers
    starts: Places
    names: Numbers

    @property
    def nbytes(self) -> int:
        """Bytes of memory."""
        return self.runs.nbytes + self.starts.nbytes + self.names.nbytes

    def find(self, wanted: Numbers, *, cap: int, missing: int | None = None) -> tuple[Numbers, Numbers]:
        """Names that hold any of these runs, and how many of them each holds.

        Rare runs are used first, and no more once `cap` names were read. `missing`: a name may lack so many of them.
        """
        places = np.searchsorted(self.runs, wanted)
        places = places[places < len(self.runs)]
        places = places[np.isin(self.runs[places], wanted)]
        sizes = self.starts[places + 1] - self.starts[places]
        order = np.argsort(sizes, kind="stable")
        used = max(1, int(np.searchsorted(np.cumsum(sizes[order]), cap, side="right")))
        chosen = places[order[:used]]
        if not len(chosen):
            return np.empty(0, np.uint32), np.empty(0, np.uint32)
        lists = [self.names[self.starts[place] : self.starts[place + 1]] for place in chosen.tolist()]
        found = np.sort(np.concatenate(lists))
        begins = np.flatnonzero(_begin(found))
        names, counts = found[begins], np.diff(np.append(begins, len(found))).astype(np.uint32)
        if missing is None or missing >= len(lists) - 1:
            return names, counts
        is_full = counts >= len(lists) - missing
        return names[is_full], counts[is_full]


def cut_runs(text: Codes, *, is_short: bool) -> Numbers:
    """The different runs of one folded text."""
    single = FoldedNames(np.append(text, np.uint16(END)), np.array([0, len(text) + 1]))
    runs, _ = _cut_short(single) if is_short else _cut_long(single)
    return np.unique(runs)


def build_postings(folded: FoldedNames) -> Postings:
    """Sort all runs of all names. In parts, so that no more than an eighth is ever held twice."""
    parts: list[list[Keys]] = [[] for _ in range(_PARTS)]
    for keys in _iterate_keys(folded):
        which = keys >> np.uint64(61)
        for part in range(_PARTS):
            parts[part].append(keys[which == part])
    runs, sizes, names = [], [], []
    while parts:
        keys = np.concatenate([np.empty(0, np.uint64), *parts.pop(0)])
        keys.sort()
        keys = keys[_begin(keys)]
        found = (keys >> np.uint64(32)).astype(np.uint32)
        begins = np.flatnonzero(_begin(found))
        runs.append(found[begins])
        sizes.append(np.diff(np.append(begins, len(found))))
        names.append(keys.astype(np.uint32))
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.concatenate(sizes))])
    return Postings(np.concatenate(runs), starts, np.concatenate(names))


def count_characters(folded: FoldedNames) -> npt.NDArray[np.uint16]:
    """How many characters each name has without spaces, 65,535 at most."""
    spaces = np.concatenate([np.zeros(1, np.int64), np.cumsum(folded.codes == SPACE)])
    ends = folded.starts[1:] - 1
    counts = ends - folded.starts[:-1] - (spaces[ends] - spaces[folded.starts[:-1]])
    limited: npt.NDArray[np.uint16] = np.minimum(counts, 0xFFFF).astype(np.uint16)
    return limited


def _iterate_keys(folded: FoldedNames) -> Iterator[Keys]:
    lengths = count_characters(folded)
    for first in range(0, len(folded.starts) - 1, _BLOCK):
        last = min(first + _BLOCK, len(folded.starts) - 1)
        start, end = folded.starts[first], folded.starts[last]
        block = FoldedNames(folded.codes[start:end], folded.starts[first : last + 1] - start)
        is_short = lengths[first:last] <= SHORT
        for cut, belongs in ((_cut_short, is_short), (_cut_long, ~is_short)):
            runs, owners = cut(block)
            kept = belongs[owners]
            yield (runs[kept].astype(np.uint64) << np.uint64(32)) | (owners[kept] + first).astype(np.uint64)


def _begin(ordered: npt.NDArray[Any]) -> Flags:
    """Where another value begins in a sorted array."""
    flags: Flags = np.concatenate([np.ones(min(len(ordered), 1), bool), ordered[1:] != ordered[:-1]])
    return flags


def _cut_long(folded: FoldedNames) -> tuple[Numbers, Places]:
    codes, owners = _without_spaces(folded)
    second, third = np.roll(codes, -1), np.roll(codes, -2)
    is_cjk = find_cjk(codes)
    is_whole = (codes != END) & (second != END) & (is_cjk | (third != END))
    wide = codes.astype(np.uint64) | second.astype(np.uint64) << np.uint64(16)
    wide |= np.where(is_cjk, 0, third).astype(np.uint64) << np.uint64(32)
    return _hash(wide[is_whole]), owners[is_whole]


def _cut_short(folded: FoldedNames) -> tuple[Numbers, Places]:
    codes, owners = _without_spaces(folded)
    before = np.roll(codes, 1)
    before[0] = END
    wide = np.where(before == END, _EDGE, before).astype(np.uint64)
    wide |= np.where(codes == END, _EDGE, codes).astype(np.uint64) << np.uint64(16)
    return _hash(wide ^ _SHORT_SALT), owners


def _without_spaces(folded: FoldedNames) -> tuple[Codes, Places]:
    owners = np.repeat(np.arange(len(folded.starts) - 1), np.diff(folded.starts))
    kept = folded.codes != SPACE
    return folded.codes[kept], owners[kept]


def _hash(wide: Keys) -> Numbers:
    mixed = wide * _MIX
    mixed ^= mixed >> np.uint64(29)
    hashed: Numbers = ((mixed * _MIX) >> np.uint64(32)).astype(np.uint32)
    return hashed
