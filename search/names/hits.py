"""A text in the forms that it is compared in, the names that it hits, and which of them comes first."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from search.names.folding import decode, fold, fold_loosely, fold_names
from search.names.segment import NameSegment

# Beyond so many titles, families are not compared: it takes a step for each pair.
_FAMILY_MAX = 200


@dataclass(frozen=True, slots=True)
class LiveSegment:
    """A segment, and which of its titles are not to be found any more."""

    segment: NameSegment
    is_hidden: npt.NDArray[np.bool_]

    def keep_shown(self, names: npt.NDArray[np.int64], *, include_adult: bool) -> npt.NDArray[np.int64]:
        """Those names whose titles this caller may find."""
        titles = self.segment.owners[names]
        is_shown = ~self.is_hidden[titles]
        if not include_adult:
            is_shown &= ~self.segment.titles.is_adult[titles]
        return names[is_shown]


@dataclass(frozen=True)
class Asked:
    """A text. `words` and `loose` are what it is looked up by, `plain` and `strict` what it is compared by."""

    text: str

    @cached_property
    def strict(self) -> str:
        """With its signs and accents."""
        return to_strict(self.text)

    @cached_property
    def plain(self) -> str:
        """Folded, without spaces, long vowels as they are."""
        return fold(self.text).replace(" ", "")

    @cached_property
    def words(self) -> str:
        """Loosely folded."""
        return fold_loosely(self.text)

    @cached_property
    def loose(self) -> str:
        """Loosely folded, without spaces."""
        return self.words.replace(" ", "")


@dataclass(frozen=True, slots=True)
class Hit:
    """A name that was found. `distance` in errors; `standing` 0 to 2 as `NameSegment.get_standings` says."""

    segment: NameSegment
    name: int
    distance: float
    is_strict: bool
    standing: int
    popularity: float

    @property
    def text(self) -> str:
        """The name as stored."""
        return self.segment.names[self.name]

    @property
    def title(self) -> int:
        """The place of its title."""
        return int(self.segment.owners[self.name])

    @property
    def slug(self) -> str:
        """The id of its title."""
        return self.segment.titles.slugs[self.title]

    @property
    def main_title(self) -> str:
        """The first name of its title."""
        return self.segment.names[int(self.segment.titles.name_starts[self.title])]


def build_hit(segment: NameSegment, name: int, asked: Asked, *, distance: float) -> Hit:
    """A name with what decides on its place."""
    return Hit(
        segment=segment,
        name=name,
        distance=distance,
        is_strict=distance == 0 and to_strict(segment.names[name]) == asked.strict,
        standing=int(segment.get_standings(np.array([name]))[0]),
        popularity=segment.get_popularity(name),
    )


def choose_best(hits: Iterable[Hit]) -> list[Hit]:
    """One hit a title, the best first: the nearest, the same to the letter, titles before synonyms, well known ones."""
    best: dict[tuple[int, int], Hit] = {}
    for hit in sorted(hits, key=lambda one: (one.distance, not one.is_strict, one.standing, -one.popularity)):
        best.setdefault((id(hit.segment), hit.title), hit)
    found = list(best.values())
    known = measure_families(found)
    order = sorted(
        range(len(found)),
        key=lambda place: (
            found[place].distance,
            not found[place].is_strict,
            found[place].standing,
            -known[place],
            len(found[place].main_title),
        ),
    )
    return [found[place] for place in order]


def measure_families(hits: Sequence[Hit]) -> list[float]:
    """How well known each hit's title or any of its sequels is.

    Catalogues like to give sequels the bare name of the first season. A title is as well known as the best known of
    those whose titles begin with its own, so that it can come before them.
    """
    if not 1 < len(hits) <= _FAMILY_MAX:
        return [hit.popularity for hit in hits]
    titles = [hit.main_title.casefold() for hit in hits]
    return [
        max(other.popularity for other, begun in zip(hits, titles, strict=True) if begun.startswith(title))
        for title in titles
    ]


def fold_each(segment: NameSegment, names: Sequence[int]) -> list[str]:
    """`Asked.plain` of names."""
    folded = fold_names([segment.names[name] for name in names])
    return [folded.get(index).replace(" ", "") for index in range(len(names))]


def get_loose(segment: NameSegment, name: int) -> str:
    """`Asked.loose` of a name."""
    return decode(segment.beginnings.codes[segment.starts[name] : segment.starts[name + 1] - 1]).replace(" ", "")


def to_strict(text: str) -> str:
    """Equal for texts that differ in case, width and white space only."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
