"""How each field of a document is merged: what its values are, when two of them are one, how fast they grow old."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from core.enrichment import ID_SPACES, SOURCE_CATALOGUE, SOURCE_SYNTHESIS
from enrichment.merging import folding

Fold = Callable[[Any], Hashable]


class Kind(StrEnum):
    """What a field's values are; `merge_title` has one way for each."""

    LABEL = "label"
    OPEN = "open"
    AIRED = "aired"
    TEXT = "text"
    LIST = "list"
    MAPPING = "mapping"
    STATISTIC = "statistic"
    EPISODES = "episodes"
    CHARACTERS = "characters"
    STAFF = "staff"
    RELATED = "related"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A field's kind and the beliefs about it that nothing was learned of yet.

    fold       values of equal fold are one claim
    fold_all   instead, where it takes all of a title's values to say which are one
    near       a wrong value that comes easily in place of a true one: near(claimed, true)
    wrongs     so many wrong values are about as likely as each other
    accuracy   of a source that is not known, 0 to 1
    change     how often a value of a finished title changes, times a year; 0 for facts that are only ever corrected,
               which is no change but an error before
    change_airing  the same while a title is airing or announced
    labels     the elements are of a small vocabulary, of which some sites have a part
    late       settled only when a title is over, not already when it begins
    silence    of a list: that a source leaves an element out speaks against it; not where every site knows some
    absence    of a list: how often a source that lists something leaves out a true element, and adds a false one
    """

    kind: Kind
    fold: Fold = folding.fold_exact
    fold_all: Callable[[Sequence[Any]], list[Hashable]] | None = None
    near: Callable[[Hashable, Hashable], bool] | None = None
    wrongs: float = 10.0
    accuracy: float = 0.85
    change: float = 0.0
    change_airing: float = 0.1
    labels: bool = False
    late: bool = False
    silence: bool = False
    absence: tuple[float, float] = (0.4, 0.1)

    def fold_values(self, values: Sequence[Any]) -> list[Hashable]:
        """A key for each value."""
        return self.fold_all(values) if self.fold_all else [self.fold(value) for value in values]


def _list(fold: Fold, *, left_out: float, added: float, labels: bool = False, silence: bool = False) -> Rule:
    return Rule(kind=Kind.LIST, fold=fold, absence=(left_out, added), labels=labels, silence=silence)


# Sites write an announced title's name differently from each other, but seldom rename it.
_NAME = Rule(kind=Kind.OPEN, fold=folding.fold_name, wrongs=20.0, change_airing=0.0)
_DAY = Rule(kind=Kind.OPEN, fold=folding.fold_exact, near=folding.is_near_date, wrongs=100.0, change_airing=0.3)
_STATISTIC = Rule(kind=Kind.STATISTIC, change=0.5, change_airing=6.0, late=True)
_TEXT = Rule(kind=Kind.TEXT, change=0.05)

RULES: Final[Mapping[str, Rule]] = {
    "title": _NAME,
    "title_english": _NAME,
    "title_japanese": _NAME,
    "synonyms": _list(folding.fold_name, left_out=0.7, added=0.05),
    "synopsis": _TEXT,
    "background": _TEXT,
    "type": Rule(kind=Kind.LABEL),
    "status": Rule(kind=Kind.LABEL, change=0.02, change_airing=2.0, late=True),
    "episodes": Rule(
        kind=Kind.OPEN, fold=folding.fold_number, near=folding.is_near_number, wrongs=20.0, change_airing=1.0, late=True
    ),
    "duration": Rule(kind=Kind.OPEN, fold_all=folding.fold_numbers_near, wrongs=20.0),
    "season": Rule(kind=Kind.LABEL),
    "year": Rule(kind=Kind.OPEN, fold=folding.fold_number, near=folding.is_near_number),
    "aired": Rule(kind=Kind.AIRED),
    "broadcast": Rule(kind=Kind.OPEN, fold=folding.fold_name, change_airing=0.5, late=True),
    "rating": Rule(kind=Kind.LABEL, accuracy=0.8),
    "genres": _list(folding.fold_name, left_out=0.4, added=0.1, labels=True, silence=True),
    "themes": _list(folding.fold_name, left_out=0.6, added=0.1, labels=True, silence=True),
    "demographics": _list(folding.fold_name, left_out=0.3, added=0.05, labels=True, silence=True),
    "tags": _list(folding.fold_name, left_out=0.8, added=0.05),
    "studios": _list(folding.fold_company, left_out=0.2, added=0.1, silence=True),
    "producers": _list(folding.fold_company, left_out=0.5, added=0.05),
    "licensors": _list(folding.fold_company, left_out=0.5, added=0.05),
    "source": Rule(kind=Kind.LABEL, accuracy=0.8),
    "awards": _list(folding.fold_name, left_out=0.7, added=0.05),
    "streaming": _list(folding.fold_offer, left_out=0.6, added=0.05),
    "trailers": _list(folding.fold_trailer, left_out=0.7, added=0.05),
    # A picture does not grow old: another one means a download and a new vector.
    "images": Rule(kind=Kind.MAPPING, change_airing=0.0),
    "external_ids": Rule(kind=Kind.MAPPING, accuracy=0.95),
    "episode_list": Rule(kind=Kind.EPISODES, absence=(0.2, 0.1), silence=True),
    "related_anime": Rule(kind=Kind.RELATED, absence=(0.5, 0.05)),
    "franchise": _NAME,
    "score": _STATISTIC,
    "scored_by": _STATISTIC,
    "rank": _STATISTIC,
    "popularity": _STATISTIC,
    "members": _STATISTIC,
    "favorites": _STATISTIC,
    "statistics": Rule(kind=Kind.MAPPING, change=6.0, change_airing=6.0, late=True),
    "reviews": _list(folding.fold_review, left_out=0.8, added=0.05),
    "characters": Rule(kind=Kind.CHARACTERS, absence=(0.6, 0.05)),
    "staff": Rule(kind=Kind.STAFF, absence=(0.6, 0.05)),
}

# Parts of fields that are decided by themselves: days of `aired`, fields of objects.
PART_RULES: Final[Mapping[str, Rule]] = {
    "aired.start": _DAY,
    "aired.end": replace(_DAY, late=True),
    "episode.title": _NAME,
    "episode.aired": _DAY,
    "character.role": Rule(kind=Kind.LABEL),
    "related.relation": Rule(kind=Kind.LABEL),
}
_UNKNOWN_FIELD = Rule(kind=Kind.OPEN)

# What a source's other field implies of a field that it leaves out: counted as a weak word of its own.
IMPLIED_SOURCE: Final = "{source}:aired"

# Believed less than other sources that nothing is known of: what a language model wrote.
BELIEFS: Final[Mapping[str, float]] = {SOURCE_SYNTHESIS: 0.5}

# Who is known to be made from whom. What is only said by a source and by one that it was copied from is said once.
LINEAGE: Final[Mapping[str, frozenset[str]]] = {
    SOURCE_CATALOGUE: frozenset({"jikan", "anilist", "kitsu", "anidb", "anime-planet"}),
    SOURCE_SYNTHESIS: frozenset({*ID_SPACES, SOURCE_CATALOGUE}),
}


def get_rule(name: str) -> Rule:
    """The rule of a field or of a part; of one that is not known, that of a plain value."""
    return RULES.get(name) or PART_RULES.get(name) or _UNKNOWN_FIELD


def is_declared_copy(source: str, other: str) -> bool:
    """One of the two is made from the other."""
    return other in LINEAGE.get(source, frozenset()) or source in LINEAGE.get(other, frozenset())
