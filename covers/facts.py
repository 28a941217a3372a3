"""What a drawing needs to know of a title, and its sources of chance: the same facts, the same choices."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_WORD = re.compile(r"[a-z][a-z'-]+")
_YEAR = 2000


@dataclass(frozen=True, slots=True)
class CharacterFacts:
    """One character. `words` are those of its description."""

    name: str
    words: frozenset[str]


@dataclass(frozen=True, slots=True)
class TitleFacts:
    """`series` is equal for the titles of a franchise. `labels` are `themes` (genres too) and tags."""

    title: str
    title_english: str
    title_japanese: str
    series: str
    year: int
    kind: str
    studio: str
    themes: frozenset[str]
    labels: frozenset[str]
    words: frozenset[str]
    characters: tuple[CharacterFacts, ...]

    def draw_lots(self, purpose: str) -> random.Random:
        """Chance of this title alone."""
        return random.Random(f"title:{self.title}:{purpose}")

    def draw_series_lots(self, purpose: str) -> random.Random:
        """Chance that all titles of the series share, which is why they look related."""
        return random.Random(f"series:{self.series}:{purpose}")


def read_facts(document: Mapping[str, Any]) -> TitleFacts:
    """The facts of a document of the sample catalogue (data/README.md)."""
    themes = {label for field in ("genres", "themes") for label in document.get(field, ())}
    others = {label for field in ("demographics", "tags") for label in document.get(field, ())}
    return TitleFacts(
        title=document["title"],
        title_english=document.get("title_english") or document["title"],
        title_japanese=document.get("title_japanese") or "",
        series=document.get("franchise") or document["title"],
        year=document.get("year") or _YEAR,
        kind=document.get("type") or "UNKNOWN",
        studio=next(iter(document.get("studios", ())), ""),
        themes=frozenset(themes),
        labels=frozenset(themes | others),
        words=split_words(document.get("synopsis") or ""),
        characters=tuple(
            CharacterFacts(entry["name"], split_words(entry.get("description") or ""))
            for entry in document.get("characters", ())
        ),
    )


def split_words(text: str) -> frozenset[str]:
    """Its Latin words in lower case; plain plurals count as the singular, too."""
    words = set(_WORD.findall(text.lower()))
    return frozenset(words | {word[:-1] for word in words if word.endswith("s") and len(word) > 3})
