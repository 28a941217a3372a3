"""All places where a word of a name begins, in the order of what follows: what somebody types is looked up in it.

Chinese, Japanese and Korean have no spaces between words, so there every character is such a place.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from search.names.folding import END, SPACE, Codes, FoldedNames, Places, find_cjk

# Places are sorted by so many characters; longer prefixes are compared one character after the other.
_SORTED = 4
_ALL = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Beginnings:
    """`places` point into the codes of the folded names; `weights` say, at each, how well known its name is."""

    codes: Codes
    places: npt.NDArray[np.uint32]
    weights: npt.NDArray[np.uint16]

    @property
    def nbytes(self) -> int:
        """Bytes of memory, without the codes."""
        return self.places.nbytes + self.weights.nbytes

    def find(self, prefix: Codes, *, limit: int) -> Places:
        """Places where this begins, those of the best known names first."""
        head = prefix[:_SORTED]
        low = _pack(head)
        high = low | (_ALL >> (16 * len(head)))
        start = bisect_left(self.places, low, key=self._key_at)
        end = bisect_left(self.places, high + 1, lo=start, key=self._key_at)
        chosen = np.arange(start, end)
        for step in range(_SORTED, len(prefix)):
            chosen = chosen[self._look(chosen, step) == prefix[step]]
        if len(chosen) > limit:
            chosen = chosen[np.argpartition(self.weights[chosen], len(chosen) - limit)[-limit:]]
        order = np.argsort(self.weights[chosen], kind="stable")[::-1]
        return self.places[chosen[order]].astype(np.int64)

    def _key_at(self, place: np.uint32) -> int:
        return _pack(_cut_at_end(self.codes[place : int(place) + _SORTED]))

    def _look(self, chosen: Places, step: int) -> Codes:
        # Names end with END, which no prefix holds, so a place that has not matched so far never gets beyond one.
        return self.codes.take(self.places[chosen].astype(np.int64) + step, mode="clip")


def build_beginnings(folded: FoldedNames, popularity: npt.NDArray[np.float32]) -> Beginnings:
    """Find and sort all places. `popularity` of each name, 0 to 1."""
    codes = folded.codes
    before = np.roll(codes, 1)
    before[:1] = END
    is_letter = (codes != END) & (codes != SPACE)
    places = np.flatnonzero(is_letter & ((before == END) | (before == SPACE) | find_cjk(codes)))
    places = places[np.argsort(_pack_all(codes, places), kind="stable")]
    owners = np.searchsorted(folded.starts, places, side="right") - 1
    # The beginning of a whole name counts as much as a good deal of popularity.
    is_whole = folded.starts[owners] == places
    weights = (popularity[owners] * 0.75 + is_whole * np.float32(0.25)) * 0xFFFF
    return Beginnings(codes, places.astype(np.uint32), weights.astype(np.uint16))


def _pack(codes: Codes) -> int:
    packed = 0
    for index, code in enumerate(codes.tolist()):
        packed |= code << (16 * (3 - index))
    return packed


def _cut_at_end(codes: Codes) -> Codes:
    ends = np.flatnonzero(codes == END)
    return codes[: ends[0]] if len(ends) else codes


def _pack_all(codes: Codes, places: Places) -> npt.NDArray[np.uint64]:
    packed = np.zeros(len(places), np.uint64)
    is_open = np.ones(len(places), bool)
    for step in range(_SORTED):
        code = codes.take(places + step, mode="clip")
        is_open &= code != END
        packed |= np.where(is_open, code, 0).astype(np.uint64) << np.uint64(16 * (3 - step))
    return packed
