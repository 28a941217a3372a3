"""How names are compared: case, accents, width, punctuation and kana make no difference.

Thousands of names are folded at once: Python sees a block of text, NumPy its characters. Folded text is kept as 16-bit
codes; characters beyond them are hashed into the private use area, which is safe because whatever is found by folded
text is compared again as text.

Beyond `fold`, names are found by their `loose` form, in which long vowels are short (shounen, shoonen and shonen are
one) and the particle `wo` is `o`. Equal loose forms are no proof: moon and mon are two words.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.uint16]
Places = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

# Joins names in a block and ends each folded one: no name can hold it.
END = 0
SPACE = 0x20
_DROP = 1
_BLOCK = 4_096
_APOSTROPHES = "'’‘`´ʼʻʹ״׳"
# Letters that decompose into nothing simpler.
_LETTERS = {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "ı": "i", "×": "x", "ħ": "h"}
_BEYOND = ((0x20000, 0x32400),)
_PRIVATE, _PRIVATE_MASK = 0xE000, 0x0FFF
_CJK = (
    (0x1100, 0x11FF), (0x3005, 0x3007), (0x3041, 0x30FF), (0x3130, 0x318F), (0x31F0, 0x31FF), (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF), (0xA960, 0xA97F), (0xAC00, 0xD7FF), (0xE000, 0xEFFF), (0xF900, 0xFAFF),
)  # fmt: skip
_O, _U, _W = (ord(letter) for letter in "ouw")


@dataclass(frozen=True, slots=True)
class FoldedNames:
    """Folded names, one after the other, each followed by END. `starts` has one entry more than there are names."""

    codes: Codes
    starts: Places

    def get(self, index: int) -> str:
        """One name as text, its words separated by spaces."""
        return decode(self.codes[self.starts[index] : self.starts[index + 1] - 1])


def fold(text: str) -> str:
    """The comparable form of one text; words separated by one space. Empty only for white space."""
    return fold_names([text]).get(0)


def fold_loosely(text: str) -> str:
    """The form that names are found by."""
    return fold_names([text], is_loose=True).get(0)


def fold_names(names: Sequence[str], *, is_loose: bool = False) -> FoldedNames:
    """Fold many names; none of them may hold a NUL."""
    blocks = [_fold_block(block, is_loose=is_loose) for block in _split(names)]
    codes = np.concatenate(blocks) if blocks else np.empty(0, np.uint16)
    starts = np.concatenate([np.zeros(1, np.int64), np.flatnonzero(codes == END) + 1])
    return FoldedNames(codes, starts)


def decode(codes: Codes) -> str:
    """Codes as text."""
    return codes.astype("<u2").tobytes().decode("utf-16-le")


def encode(text: str) -> Codes:
    """Folded text as codes."""
    return np.frombuffer(text.encode("utf-16-le"), dtype="<u2")


def find_cjk(codes: Codes) -> Flags:
    """Which codes are Chinese, Japanese or Korean, written without spaces between words."""
    return _tables()[1][codes]


def has_cjk(text: str) -> bool:
    """True if a folded text has any."""
    return bool(find_cjk(encode(text)).any())


def _split(names: Sequence[str]) -> Iterator[Sequence[str]]:
    # A few thousand at once: no single call keeps other threads from running for long.
    for start in range(0, len(names), _BLOCK):
        yield names[start : start + _BLOCK]


def _fold_block(names: Sequence[str], *, is_loose: bool) -> Codes:
    text = _prepare("\0".join(names) + "\0")
    codes = _map(text)
    if is_loose:
        codes = _shorten(codes)
    codes = _squeeze(codes)
    empty = np.flatnonzero((codes == END) & (_neighbour(codes, -1) == END))
    # A name of signs only (!!!) is compared by its signs.
    return _fill(codes, empty, names) if len(empty) else codes


def _prepare(text: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).replace("&", " and ")


def _map(text: str) -> Codes:
    wide = np.frombuffer(text.encode("utf-32-le", "replace"), dtype="<u4")
    beyond = wide > 0xFFFF
    codes = _tables()[0][np.where(beyond, SPACE, wide)]
    if beyond.any():
        far = wide[beyond]
        is_letter = np.zeros(len(far), bool)
        for low, high in _BEYOND:
            is_letter |= (far >= low) & (far < high)
        codes[beyond] = np.where(is_letter, _PRIVATE | (far & _PRIVATE_MASK), SPACE)
    kept: Codes = codes[codes != _DROP]
    return kept


def _shorten(codes: Codes) -> Codes:
    before, after, later = (_neighbour(codes, step) for step in (-1, 1, 2))
    is_long = ((before == _O) & ((codes == _O) | (codes == _U))) | ((before == _U) & (codes == _U))
    is_particle = (codes == _W) & (before == SPACE) & (after == _O) & ((later == SPACE) | (later == END))
    short: Codes = codes[~(is_long | is_particle)]
    return short


def _squeeze(codes: Codes) -> Codes:
    before, after = _neighbour(codes, -1), _neighbour(codes, 1)
    is_extra = (codes == SPACE) & ((before == SPACE) | (before == END) | (after == END))
    squeezed: Codes = codes[~is_extra]
    # A run of spaces before an end leaves one behind.
    is_last = (squeezed == SPACE) & (_neighbour(squeezed, 1) == END)
    trimmed: Codes = squeezed[~is_last]
    return trimmed


def _neighbour(codes: Codes, step: int) -> Codes:
    """The code `step` places further at each place; END beyond both ends."""
    moved = np.zeros_like(codes)
    if step > 0:
        moved[:-step] = codes[step:]
    else:
        moved[-step:] = codes[:step]
    return moved


def _fill(codes: Codes, empty: Places, names: Sequence[str]) -> Codes:
    which = np.searchsorted(np.flatnonzero(codes == END), empty)
    parts, done = [], 0
    for place, index in zip(empty.tolist(), which.tolist(), strict=True):
        signs = "".join(_prepare(names[index]).split())
        parts += [codes[done:place], np.array([min(ord(sign), 0xFFFF) for sign in signs], np.uint16)]
        done = place
    return np.concatenate([*parts, codes[done:]])


@lru_cache(maxsize=1)
def _tables() -> tuple[Codes, Flags]:
    """What each 16-bit character becomes, and which of them are CJK."""
    mapped = np.array([_map_character(code) for code in range(0x10000)], np.uint16)
    is_cjk = np.zeros(0x10000, bool)
    for low, high in _CJK:
        is_cjk[low : high + 1] = True
    return mapped, is_cjk


def _map_character(code: int) -> int:
    if code == END:
        return END
    character = chr(code)
    if 0x0300 <= code <= 0x036F or character in _APOSTROPHES or code in (0x30FC, 0x200B, 0x200C, 0x200D, 0xFEFF):
        return _DROP
    if 0x30A1 <= code <= 0x30F6:
        return code - 0x60
    if character in _LETTERS:
        return ord(_LETTERS[character])
    if not character.isalnum():
        # Vowel signs of Indian and Thai scripts are no letters, but belong to their words.
        return code if unicodedata.category(character) in ("Mc", "Mn") else SPACE
    base = unicodedata.normalize("NFD", character)[0]
    return ord(base) if ord(base) < 0x0500 else code
