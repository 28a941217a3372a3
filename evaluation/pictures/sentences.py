"""Describing sentences: what somebody remembers of a title whose name they have forgotten. Facts only, no names."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from core.words import STOP_WORDS, split_runs
from evaluation.catalogue import Title

_WORD_CHARS_MIN: Final = 4
_KINDS: Final[Mapping[str, str]] = {"TV": "series", "MOVIE": "film", "OVA": "video series", "ONA": "web series"}


@dataclass(frozen=True, slots=True)
class Memory:
    """How much is remembered: genres, other labels (themes and tags), words of the story, and whether the decade."""

    genres: int
    labels: int
    words: int
    decade: bool


# By name as reports show them. The noisy one is true of many titles, the clear one points at few.
MEMORIES: Final[Mapping[str, Memory]] = {
    "few facts": Memory(genres=1, labels=2, words=1, decade=True),
    "more facts": Memory(genres=1, labels=2, words=4, decade=True),
}


def build_sentence(title: Title, memory: Memory, *, seed: str) -> str | None:
    """A sentence, None where the title says too little. Same seed, same sentence; one without names of the title."""
    lots = random.Random(f"{seed}:{title.slug}")
    genres = _draw(sorted(title.document.get("genres", [])), memory.genres, lots)
    labels = _draw(_list_labels(title), memory.labels, lots)
    words = _draw(list_words(title), memory.words, lots)
    if not genres or len(labels) + len(words) < memory.labels + memory.words:
        return None
    kind = _KINDS.get(str(title.document.get("type")), "anime")
    when = f" from the {title.year // 10 * 10}s" if memory.decade and title.year else ""
    about = " and ".join([*labels, *words])
    return f"{' '.join(genres)} {kind}{when} about {about}"


def list_words(title: Title) -> list[str]:
    """Words of its synopsis that say something, without those of its names and those that look like names."""
    synopsis = str(title.document.get("synopsis") or "")
    named = {run for name in title.names for run in split_runs(name)}
    # A word that the synopsis writes with a capital inside a sentence is most often somebody's name.
    capital = {run for word in synopsis.split() if word[:1].isupper() for run in split_runs(word)}
    runs = dict.fromkeys(split_runs(synopsis))
    return [
        run for run in runs if len(run) >= _WORD_CHARS_MIN and run.isalpha() and run not in named | capital | STOP_WORDS
    ]


def _list_labels(title: Title) -> list[str]:
    labels = {label for field in ("themes", "tags") for label in title.document.get(field, [])}
    named = {run for name in title.names for run in split_runs(name)}
    return sorted(label for label in labels if named.isdisjoint(split_runs(label)))


def _draw(options: list[str], count: int, lots: random.Random) -> list[str]:
    return lots.sample(options, min(count, len(options)))
