"""Phrases found in a text: labels, types and the like from the vocabulary, studios from the catalogue."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import Literal

from core.features import normalise_studio
from search.names.folding import fold_loosely
from search.understanding import vocabulary
from search.understanding.vocabulary import SURE_STUDIOS, WORDY_STUDIOS

TermKind = Literal["genre", "theme", "demographic", "type", "status", "season", "source"]

_WORD = re.compile(r"[^\W_]+")
_SPACED = re.compile(r"[\u0000-\u024f]+")
_WORDS_MAX = 5
# A studio of fewer titles counts only right after the word studio.
_KNOWN_STUDIO_TITLES = 3


@dataclass(frozen=True, slots=True)
class Term:
    """A meaning: the theme `time travel`, the type `MOVIE`."""

    kind: TermKind
    value: str


@dataclass(frozen=True, slots=True)
class Mention:
    """A term or a studio at a place of the text."""

    start: int
    end: int
    terms: tuple[Term, ...] = ()
    studio: Studio | None = None

    def get(self, *kinds: TermKind) -> Term | None:
        """The meaning of one of these kinds, if the phrase has one."""
        return next((term for term in self.terms if term.kind in kinds), None)


@dataclass(frozen=True, slots=True)
class Studio:
    """A studio under all the spellings of the catalogue. `keys` are folded as the index holds them."""

    key: str
    name: str
    keys: tuple[str, ...]
    titles: int

    @property
    def is_sure(self) -> bool:
        """True if nothing else is called so."""
        return self.key in SURE_STUDIOS

    @property
    def is_wordy(self) -> bool:
        """True if the name is a word of the language."""
        return self.key in WORDY_STUDIOS or len(self.key) < 3

    @property
    def is_known(self) -> bool:
        """True if it made more than a title or two."""
        return self.titles >= _KNOWN_STUDIO_TITLES


@dataclass(frozen=True)
class Lexicon:
    """Everything that rules look up. `studios` by key."""

    studios: Mapping[str, Studio] = field(default_factory=dict)

    def find_terms(self, folded: str) -> list[Mention]:
        """Phrases of the vocabulary, the longest at each place, in order. `folded` by `fold_in_place`."""
        phrases, others = _phrases()
        words = list(_WORD.finditer(folded))
        found = [Mention(match.start(), match.end(), others[match.group()]) for match in _pattern().finditer(folded)]
        place = 0
        while place < len(words):
            taken = 1
            for count in range(min(_WORDS_MAX, len(words) - place), 0, -1):
                terms = phrases.get(" ".join(word.group() for word in words[place : place + count]))
                if terms and not _is_apart(folded, words[place : place + count]):
                    found.append(Mention(words[place].start(), words[place + count - 1].end(), terms))
                    taken = count
                    break
            place += taken
        return sorted(found, key=lambda mention: mention.start)

    def find_studio(self, folded: str, start: int) -> Mention | None:
        """The studio with the longest name that begins at this place."""
        words: list[re.Match[str]] = []
        for word in _WORD.finditer(folded, start):
            if len(words) == _WORDS_MAX or (words and _is_apart(folded, [words[-1], word])):
                break
            words.append(word)
        if not words or folded[start : words[0].start()].strip(" '\"-"):
            return None
        for count in range(len(words), 0, -1):
            end = words[count - 1].end()
            if studio := self.get_studio(folded[words[0].start() : end]):
                return Mention(words[0].start(), end, studio=studio)
        return None

    def find_sure_studios(self, folded: str) -> Iterator[Mention]:
        """Studios that are named without a word beside them."""
        for match in _alias_pattern().finditer(folded):
            if studio := self.studios.get(vocabulary.STUDIO_ALIASES[match.group()]):
                yield Mention(match.start(), match.end(), studio=studio)
        end = 0
        for word in _WORD.finditer(folded):
            mention = self.find_studio(folded, word.start()) if word.start() >= end else None
            if mention is not None and mention.studio is not None and mention.studio.is_sure:
                yield mention
                end = mention.end

    def get_studio(self, name: str) -> Studio | None:
        """The studio of this name or nickname."""
        key = studio_key(name)
        return self.studios.get(_nicknames().get(key, key))


def build_studios(names: Mapping[str, int]) -> dict[str, Studio]:
    """Studios by key, from the catalogue's spellings in lower case and how many titles each has."""
    spellings: dict[str, list[str]] = {}
    for name in sorted(names):
        if key := studio_key(name):
            spellings.setdefault(key, []).append(name)
    return {
        key: Studio(
            key=key,
            name=normalise_studio(max(found, key=lambda name: names[name])),
            keys=tuple(sorted(found, key=lambda name: -names[name])[:100]),
            titles=sum(names[name] for name in found),
        )
        for key, found in spellings.items()
    }


@lru_cache(maxsize=10_000)
def studio_key(name: str) -> str:
    """'Studio Ghibli Inc.', 'ghibli' and 'STUDIO GHIBLI' are one."""
    words = fold_loosely(normalise_studio(name)).split()
    bare = [word for word in words if word not in ("studio", "studios")]
    return "".join(bare or words)


def _is_apart(folded: str, words: Iterable[re.Match[str]]) -> bool:
    """True if more than a space, a hyphen or an apostrophe is between these words."""
    gaps = (folded[one.end() : other.start()] for one, other in pairwise(words))
    return any(gap.strip(" -'.’&") for gap in gaps)


@lru_cache(maxsize=1)
def _phrases() -> tuple[dict[str, tuple[Term, ...]], dict[str, tuple[Term, ...]]]:
    """Terms by phrase: of words with spaces, and of the writings without."""
    tables: tuple[tuple[TermKind, dict[str, str]], ...] = (
        ("genre", vocabulary.GENRES),
        ("theme", vocabulary.THEMES),
        ("demographic", vocabulary.DEMOGRAPHICS),
        ("type", vocabulary.TYPES),
        ("status", vocabulary.STATUSES),
        ("season", vocabulary.SEASONS),
        ("source", vocabulary.SOURCES),
    )
    spaced: dict[str, tuple[Term, ...]] = {}
    others: dict[str, tuple[Term, ...]] = {}
    for kind, table in tables:
        for value, line in table.items():
            for phrase in line.split(", "):
                term, folded = Term(kind, value), phrase.casefold()
                if _SPACED.fullmatch(folded):
                    spaced[folded] = (*spaced.get(folded, ()), term)
                    spaced.setdefault(f"{folded}s", (term,))
                else:
                    others[folded] = (*others.get(folded, ()), term)
    return spaced, others


@lru_cache(maxsize=1)
def _pattern() -> re.Pattern[str]:
    # A single character is a word only where nothing of its kind stands beside it.
    phrases = sorted(_phrases()[1], key=len, reverse=True)
    kinds = "\u3041-\u30ff\u3400-\u9fff\uac00-\ud7a3"
    return re.compile("|".join(p if len(p) > 1 else f"(?<![{kinds}]){p}(?![{kinds}])" for p in map(re.escape, phrases)))


@lru_cache(maxsize=1)
def _alias_pattern() -> re.Pattern[str]:
    aliases = sorted((name for name in vocabulary.STUDIO_ALIASES if not name.isascii()), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, aliases)))


@lru_cache(maxsize=1)
def _nicknames() -> dict[str, str]:
    return {studio_key(alias): key for alias, key in vocabulary.STUDIO_ALIASES.items()}
