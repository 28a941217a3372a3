"""64-bit hashes of names and of words, thousands at a time, and texts packed into one run of bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from search.names.folding import END, SPACE, Codes, FoldedNames, Places, encode

Hashes = npt.NDArray[np.uint64]
_WEIGHTS = 4_096
_SEED = 20_261_121


@dataclass(frozen=True, slots=True)
class PackedTexts:
    """Many texts as UTF-8 in one run of bytes: a twentieth of the objects, and nothing for the collector to walk."""

    data: bytes
    starts: npt.NDArray[np.int64]

    @property
    def nbytes(self) -> int:
        """Bytes of memory."""
        return len(self.data) + self.starts.nbytes

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, index: int) -> str:
        return self.data[self.starts[index] : self.starts[index + 1]].decode()


def pack_texts(texts: Sequence[str]) -> PackedTexts:
    """Texts without lone surrogates."""
    encoded = [text.encode() for text in texts]
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum([len(one) for one in encoded], dtype=np.int64)])
    return PackedTexts(b"".join(encoded), starts)


def hash_names(folded: FoldedNames) -> Hashes:
    """A hash a name, over its characters without spaces."""
    kept = folded.codes != SPACE
    before = np.concatenate([np.zeros(1, np.int64), np.cumsum(kept)])
    return _hash(folded.codes[kept], before[folded.starts[:-1]])


def hash_name(text: str) -> int:
    """The same for one folded text, without the steps that only many need."""
    codes = encode(text.replace(" ", "")).astype(np.uint64)
    return int(((codes + np.uint64(1)) * np.resize(_weights(), len(codes))).sum(dtype=np.uint64))


def hash_words(folded: FoldedNames) -> tuple[Hashes, Places]:
    """A hash for each word of each name, and the index of its name."""
    codes = folded.codes
    is_gap = (codes == END) | (codes == SPACE)
    is_begin = ~is_gap
    is_begin[1:] &= is_gap[:-1]
    begins = np.flatnonzero(is_begin)
    if not len(begins):
        return np.empty(0, np.uint64), np.empty(0, np.int64)
    owners = np.searchsorted(folded.starts, begins, side="right") - 1
    return _hash(np.where(is_gap, 0, codes), begins), owners


def _hash(codes: Codes, begins: Places) -> Hashes:
    """Weights by place within a piece, added up; a code of 0 adds nothing. The last piece ends with the codes."""
    if not len(begins):
        return np.empty(0, np.uint64)
    lengths = np.diff(np.append(begins, len(codes)))
    inside = np.arange(begins[0], len(codes)) - np.repeat(begins, lengths)
    weighted = (codes[begins[0] :].astype(np.uint64) + np.uint64(1)) * _weights()[inside % _WEIGHTS]
    weighted[codes[begins[0] :] == 0] = 0
    hashes: Hashes = np.add.reduceat(weighted, begins - begins[0])
    return hashes


@lru_cache(maxsize=1)
def _weights() -> Hashes:
    drawn = np.random.default_rng(_SEED).integers(0, 1 << 64, _WEIGHTS, dtype=np.uint64)
    return drawn | np.uint64(1)
