"""Arrays over the names of many titles: built at once, never changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from search.names.beginnings import Beginnings, build_beginnings
from search.names.folding import FoldedNames, encode, find_cjk, fold_names
from search.names.pieces import Hashes, PackedTexts, hash_name, hash_names, hash_words, pack_texts
from search.names.postings import Numbers, Postings, build_postings, count_characters
from storage.database.names import TitleNames

# A word in the names of so many titles, or in a label of so many, is a word of the language and no slip of the finger.
_KNOWN_TITLES = 3
# The same for two characters of Chinese, Japanese or Korean, where words are not told apart.
_KNOWN_PAIR_TITLES = 10


@dataclass(frozen=True, slots=True)
class TitleColumns:
    """What is known of each title. Its names are `name_starts[i]` to `name_starts[i + 1]`, the main ones first."""

    slugs: PackedTexts
    types: tuple[str, ...]
    type_codes: npt.NDArray[np.uint8]
    years: npt.NDArray[np.uint16]
    popularity: npt.NDArray[np.float32]
    is_adult: npt.NDArray[np.bool_]
    name_starts: npt.NDArray[np.uint32]
    main_counts: npt.NDArray[np.uint8]
    by_slug: Hashes
    by_slug_order: Numbers


@dataclass(frozen=True, slots=True)
class NameSegment:
    """Names of titles with everything to find them by. `owners` is the title of each name."""

    titles: TitleColumns
    names: PackedTexts
    owners: Numbers
    lengths: npt.NDArray[np.uint16]
    hashes: Hashes
    hash_order: Numbers
    known: Hashes
    known_pairs: Numbers
    postings: Postings
    beginnings: Beginnings
    starts: npt.NDArray[np.int64]

    @property
    def nbytes(self) -> int:
        """Bytes of memory of all arrays, without those of each title."""
        arrays = (self.owners, self.lengths, self.hashes, self.hash_order, self.known, self.known_pairs, self.starts)
        parts = (self.names, self.postings, self.beginnings)
        return sum(part.nbytes for part in (*arrays, *parts)) + self.beginnings.codes.nbytes

    def find_equal(self, loose: str) -> npt.NDArray[np.int64]:
        """Names whose loose form this is (or, once in a lifetime, another of the same hash)."""
        wanted = np.uint64(hash_name(loose))
        start, end = np.searchsorted(self.hashes, wanted, "left"), np.searchsorted(self.hashes, wanted, "right")
        return self.hash_order[start:end].astype(np.int64)

    def find_title(self, slug: str) -> int | None:
        """The title of this slug."""
        wanted = np.uint64(hash_name(slug))
        start = np.searchsorted(self.titles.by_slug, wanted, "left")
        end = np.searchsorted(self.titles.by_slug, wanted, "right")
        found = (int(title) for title in self.titles.by_slug_order[start:end])
        return next((title for title in found if self.titles.slugs[title] == slug), None)

    def get_standings(self, names: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """0 for a title as the catalogue has it, 1 for one in another language, 2 for a synonym."""
        titles = self.owners[names]
        places = names - self.titles.name_starts[titles]
        standings: npt.NDArray[np.int64] = np.minimum(places, 1) + (places >= self.titles.main_counts[titles])
        return standings

    def is_known(self, word: str) -> bool:
        """True for a loosely folded word of the language."""
        return _holds(self.known, np.uint64(hash_name(word)))

    def is_made_of_pairs(self, text: str) -> bool:
        """True if a folded text is nothing but known pairs of characters, such as two words of Chinese."""
        codes = encode(text).astype(np.uint32)
        pairs = (codes[0:-1:2] << np.uint32(16)) | codes[1::2]
        return len(codes) % 2 == 0 and all(_holds(self.known_pairs, pair) for pair in pairs)

    def get_popularity(self, name: int) -> float:
        """Of the title that has the name: 0 to 1."""
        return float(self.titles.popularity[self.owners[name]])


def build_segment(batches: Iterable[Sequence[TitleNames]]) -> NameSegment:
    """Index the names of titles, batch by batch, so that they are not in memory as objects all at once."""
    titles, names, folded = _Titles(), [], []
    labels: Counter[str] = Counter()
    for batch in batches:
        kept = [title for title in batch if title.names]
        titles.add(kept)
        labels.update(label for title in kept for label in title.labels)
        block = [name for title in kept for name in title.names]
        names.append(pack_texts(block))
        folded.append(fold_names(block, is_loose=True))
    known_labels = [label for label, count in labels.items() if count >= _KNOWN_TITLES]
    return _assemble(titles, _join_texts(names), _join_folded(folded), known_labels)


class _Titles:
    """Columns while they grow."""

    def __init__(self) -> None:
        self.slugs: list[str] = []
        self.rows: list[tuple[str, int, float, bool, int, int]] = []

    def add(self, batch: Sequence[TitleNames]) -> None:
        self.slugs.extend(title.slug for title in batch)
        self.rows.extend(
            (one.type, one.year or 0, one.popularity, one.adult, len(one.names), min(one.main_count, 0xFF))
            for one in batch
        )

    def finish(self) -> TitleColumns:
        kinds, years, popularity, adult, counts, main = zip(*self.rows, strict=True) if self.rows else [()] * 6
        types = tuple(dict.fromkeys(kinds))
        code_of = {kind: code for code, kind in enumerate(types)}
        hashes = hash_names(_encode_all(self.slugs))
        order = np.argsort(hashes, kind="stable")
        return TitleColumns(
            slugs=pack_texts(self.slugs),
            types=types,
            type_codes=np.array([code_of[kind] for kind in kinds], np.uint8),
            years=np.array(years, np.uint16),
            popularity=np.array(popularity, np.float32),
            is_adult=np.array(adult, bool),
            name_starts=np.concatenate([np.zeros(1, np.uint32), np.cumsum(counts, dtype=np.uint32)]),
            main_counts=np.array(main, np.uint8),
            by_slug=hashes[order],
            by_slug_order=order.astype(np.uint32),
        )


def _assemble(building: _Titles, names: PackedTexts, folded: FoldedNames, labels: Sequence[str]) -> NameSegment:
    titles = building.finish()
    counts = titles.name_starts[1:] - titles.name_starts[:-1]
    owners = np.repeat(np.arange(len(counts), dtype=np.uint32), counts)
    hashes = hash_names(folded)
    order = np.argsort(hashes, kind="stable")
    return NameSegment(
        titles=titles,
        names=names,
        owners=owners,
        lengths=count_characters(folded),
        hashes=hashes[order],
        hash_order=order.astype(np.uint32),
        known=_find_known(folded, owners, labels),
        known_pairs=_find_known_pairs(folded, owners),
        postings=build_postings(folded),
        beginnings=build_beginnings(folded, titles.popularity[owners]),
        starts=folded.starts,
    )


def _holds(ordered: npt.NDArray[Any], value: np.integer[Any]) -> bool:
    place = int(np.searchsorted(ordered, value))
    return place < len(ordered) and bool(ordered[place] == value)


def _find_known(folded: FoldedNames, owners: Numbers, labels: Sequence[str]) -> Hashes:
    """Words of several titles' names, labels of several titles, and the words of these."""
    words, names = hash_words(folded)
    order = np.lexsort((owners[names], words))
    words, titles = words[order], owners[names][order]
    is_new = np.ones(len(words), bool)
    is_new[1:] = (words[1:] != words[:-1]) | (titles[1:] != titles[:-1])
    found, counts = np.unique(words[is_new], return_counts=True)
    said = fold_names(labels, is_loose=True)
    known: Hashes = np.unique(np.concatenate([found[counts >= _KNOWN_TITLES], hash_words(said)[0], hash_names(said)]))
    return known


def _find_known_pairs(folded: FoldedNames, owners: Numbers) -> Numbers:
    codes = folded.codes
    is_pair = find_cjk(codes[:-1]) & find_cjk(codes[1:])
    pairs = (codes[:-1].astype(np.uint64) << np.uint64(16)) | codes[1:]
    names = np.searchsorted(folded.starts, np.flatnonzero(is_pair), side="right") - 1
    seen = np.unique((pairs[is_pair] << np.uint64(32)) | owners[names])
    found, counts = np.unique((seen >> np.uint64(32)).astype(np.uint32), return_counts=True)
    known: Numbers = found[counts >= _KNOWN_PAIR_TITLES]
    return known


def _encode_all(slugs: Sequence[str]) -> FoldedNames:
    """Slugs as they are: they are compared by case and sign."""
    codes = np.frombuffer("".join(f"{slug}\0" for slug in slugs).encode("utf-16-le"), dtype="<u2")
    return FoldedNames(codes, np.concatenate([np.zeros(1, np.int64), np.flatnonzero(codes == 0) + 1]))


def _join_texts(parts: Sequence[PackedTexts]) -> PackedTexts:
    sizes = np.cumsum([0, *(len(part.data) for part in parts)])
    starts = [part.starts[:-1] + size for part, size in zip(parts, sizes, strict=False)]
    return PackedTexts(b"".join(part.data for part in parts), np.concatenate([*starts, sizes[-1:]]).astype(np.int64))


def _join_folded(parts: Sequence[FoldedNames]) -> FoldedNames:
    sizes = np.cumsum([0, *(len(part.codes) for part in parts)])
    starts = [part.starts[:-1] + size for part, size in zip(parts, sizes, strict=False)]
    codes = np.concatenate([np.empty(0, np.uint16), *(part.codes for part in parts)])
    return FoldedNames(codes, np.concatenate([*starts, sizes[-1:]]).astype(np.int64))
