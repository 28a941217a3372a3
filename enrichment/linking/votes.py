"""What the id tables say together. Tables that copy each other have one vote; tables that contradict each other, none.

Which of them copy was measured by `avs eval linking`: of the wrong ids in one, how many are in the other, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from storage.database.id_mappings import MappingVote

# Table -> whose work its ids are. What is not named is taken for work of its own.
FAMILIES: Final[Mapping[str, str]] = {
    "fribb": "offline-database",
    "fribb-reduced": "offline-database",
    "animeapi": "offline-database",
    "kometa": "offline-database",
    "animestream": "offline-database",
    "arm": "arm",
    "bangumi-data": "bangumi-data",
}
# An id that is the same by chance is rarer the more tables say it: of one table's own, and of two that agree.
_PROBABILITY: Final = {0: 0.0, 1: 0.995, 2: 0.999}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the tables say. `external_id`: None if they contradict each other. `voices`: {id: tables that name it}."""

    external_id: str | None
    probability: float
    voices: Mapping[str, tuple[str, ...]]

    @property
    def is_contradicted(self) -> bool:
        """They name several ids."""
        return self.external_id is None and bool(self.voices)


def count_votes(votes: Iterable[MappingVote]) -> Verdict:
    """One id that every table that knows the title names; else none."""
    voices: dict[str, set[str]] = {}
    for vote in votes:
        voices.setdefault(vote.external_id, set()).add(vote.source)
    named = {external_id: tuple(sorted(sources)) for external_id, sources in sorted(voices.items())}
    if len(named) != 1:
        return Verdict(None, 0.0, named)
    ((external_id, sources),) = named.items()
    families = {FAMILIES.get(source, source) for source in sources}
    return Verdict(external_id, _PROBABILITY[min(2, len(families))], named)
