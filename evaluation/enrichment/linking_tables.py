"""How far the published tables of ids agree, and which of them are copies: these have one vote together.

Two tables that copy share their mistakes. Where a third table says otherwise than the first, does the second agree with
the first? Tables of their own work seldom do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

from enrichment.linking.tables import IdTable

_SPACES: Final = ("anidb", "anilist", "kitsu", "anime-planet")
_Ids = Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class TableReport:
    """Two tables on the ids of one provider, by MyAnimeList's.

    both      ids that both have an opinion on
    differ    of these, where the two have no id in common
    disputed  where both are known to a third table that contradicts the first or the second
    shared    of these, where the two say the same nevertheless
    """

    first: str
    second: str
    space: str
    both: int
    differ: int
    disputed: int
    shared: int

    def to_json(self) -> dict[str, Any]:
        """The figures."""
        return {name: getattr(self, name) for name in self.__slots__}


def compare_tables(tables: Sequence[IdTable]) -> list[TableReport]:
    """Every two tables, at each provider that both know."""
    reports = []
    for space in _SPACES:
        known = {table.source: _collect(table, space) for table in tables}
        for first, second in combinations(sorted(known), 2):
            both = known[first].keys() & known[second].keys()
            if both:
                others = [ids for source, ids in known.items() if source not in (first, second)]
                reports.append(_compare(first, second, space, sorted(both), known, others))
    return reports


def _compare(
    first: str, second: str, space: str, both: Sequence[str], known: Mapping[str, _Ids], others: Sequence[_Ids]
) -> TableReport:
    ours, theirs = known[first], known[second]
    disputed = [one for one in both if any(one in ids and not (ids[one] & ours[one] & theirs[one]) for ids in others)]
    return TableReport(
        first,
        second,
        space,
        both=len(both),
        differ=sum(not (ours[one] & theirs[one]) for one in both),
        disputed=len(disputed),
        shared=sum(bool(ours[one] & theirs[one]) for one in disputed),
    )


def _collect(table: IdTable, space: str) -> dict[str, frozenset[str]]:
    found: defaultdict[str, set[str]] = defaultdict(set)
    for mal_id, external_id in _iterate_pairs(table, space):
        found[mal_id].add(external_id)
    return {mal_id: frozenset(ids) for mal_id, ids in found.items()}


def _iterate_pairs(table: IdTable, space: str) -> Iterator[tuple[str, str]]:
    for entry in table.entries:
        for ours, mal_id in entry:
            if ours == "mal":
                for theirs, external_id in entry:
                    if theirs == space:
                        yield mal_id, external_id
