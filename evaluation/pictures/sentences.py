"""Describing sentences: what somebody remembers of a title whose name they have forgotten. Facts only, no names.

They are few on purpose. One rare word of the synopsis beside them, and the text alone finds nearly every sample title.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from core.words import split_runs
from evaluation.catalogue import Title

_KINDS: Final[Mapping[str, str]] = {"TV": "series", "MOVIE": "film", "OVA": "video series", "ONA": "web series"}


@dataclass(frozen=True, slots=True)
class Memory:
    """How much is remembered: genres, and other labels (themes and tags)."""

    genres: int
    labels: int


# By name as reports show them: what is true of many titles, and what is true of fewer.
MEMORIES: Final[Mapping[str, Memory]] = {"two facts": Memory(genres=1, labels=1), "three facts": Memory(1, 2)}


def build_sentence(title: Title, memory: Memory, *, seed: str) -> str | None:
    """A sentence, None where the title says too little. Same seed, same sentence; one without names of the title."""
    lots = random.Random(f"{seed}:{title.slug}")
    genres = _draw(sorted(title.document.get("genres", [])), memory.genres, lots)
    labels = _draw(_list_labels(title), memory.labels, lots)
    if len(genres) < memory.genres or len(labels) < memory.labels:
        return None
    kind = _KINDS.get(str(title.document.get("type")), "anime")
    return f"{' '.join(genres)} {kind} about {' and '.join(labels)}"


def _list_labels(title: Title) -> list[str]:
    labels = {label for field in ("themes", "tags") for label in title.document.get(field, [])}
    named = {run for name in title.names for run in split_runs(name)}
    return sorted(label for label in labels if named.isdisjoint(split_runs(label)))


def _draw(options: list[str], count: int, lots: random.Random) -> list[str]:
    return lots.sample(options, min(count, len(options)))
