"""Cases for merging: what some sources say of a field, and what others, kept from it, know to be right.

Nobody has the truth of these titles. What stands for it is agreement, and how good that is depends on whose it is:

later        MyAnimeList's last snapshot and another site agree; older snapshots and the other sites are given
independent  two sites other than MyAnimeList agree and are kept out whole; MyAnimeList is given like any other
later alone  MyAnimeList's last snapshot only, where no other site can witness the field: what is measured there is
             how well MyAnimeList's later view is foretold, and it is reported apart
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from typing import Any, Final

from enrichment.merging import SourceClaims
from enrichment.merging.folding import imply_season
from enrichment.merging.rules import Kind, get_rule, is_declared_copy
from evaluation.enrichment.snapshots import Observation

# Facts that do not change once a title is finished.
FIELDS: Final = (
    "type", "episodes", "season", "year", "aired.start", "aired.end", "duration", "title_japanese", "title_english",
    "studios", "genres", "themes", "demographics", "source", "rating",
)  # fmt: skip
LAST: Final = "mal-2025"
_SITE: Final = "jikan"
_CATALOGUE: Final = "catalogue"
# Asked as witnesses in this order: those that are no use as inputs first, so that enough is left to merge.
_WITNESSES: Final = (_CATALOGUE, "anilist", "bangumi", "anidb", "kitsu", "anime-planet")
# Fields that others' facts help to decide, and that therefore stay in the inputs.
_HELPERS: Final = ("status", "aired")
_LEAST_SOURCES: Final = 2
# Too few sites show these, or all of them are needed as inputs.
_WITHOUT_WITNESS: Final = frozenset({"source", "rating", "aired.start", "aired.end", "studios", "genres", "themes"})


class Evidence(StrEnum):
    """Whose agreement stands for the truth."""

    LATER = "later"
    INDEPENDENT = "independent"
    LATER_ALONE = "later alone"


@dataclass(frozen=True, slots=True)
class TrueList:
    """Keys of elements that all witnesses have, and of those that only some have, which are not judged."""

    true: frozenset[Hashable]
    doubtful: frozenset[Hashable]


@dataclass(frozen=True, slots=True)
class Case:
    """One field of one title. `truth`: the key of the right value (of `duration` the minutes), or the right list."""

    mal_id: int
    field: str
    evidence: Evidence
    inputs: tuple[SourceClaims, ...]
    truth: Hashable | TrueList
    witnesses: tuple[str, ...]


def is_for_learning(mal_id: int) -> bool:
    """One half of the titles, always the same one; the other is for testing."""
    return blake2b(str(mal_id).encode(), digest_size=1).digest()[0] < 128


def build_cases(observations: Mapping[int, Sequence[Observation]]) -> Iterator[Case]:
    """All cases of finished titles, in the order of ids."""
    for mal_id, seen in sorted(observations.items()):
        if any(one.claims.facts.get("status") == "FINISHED" for one in seen):
            for field in FIELDS:
                yield from _build_field_cases(mal_id, field, seen)


def get_value(facts: Mapping[str, Any], field: str) -> Any:
    """Of 'aired.start' the first day."""
    whole, _, part = field.partition(".")
    value = facts.get(whole)
    return value.get(part) if part and value else value


def testify(facts: Mapping[str, Any], field: str) -> Any:
    """What a witness says of a field, if need be by another: a first day tells season and year."""
    start = (facts.get("aired") or {}).get("start")
    if field in facts or field not in ("season", "year") or not start or start.endswith("-01-01"):
        return get_value(facts, field)
    season, year = imply_season(start)
    return season if field == "season" else year


def fold(field: str, value: Any) -> Hashable | frozenset[Hashable]:
    """The value's key; of lists those of all its elements."""
    rule = get_rule(field)
    if rule.kind is Kind.LIST:
        return frozenset(rule.fold(element) for element in value)
    return rule.fold_values([value])[0]


def _build_field_cases(mal_id: int, field: str, seen: Sequence[Observation]) -> Iterator[Case]:
    said = [one for one in seen if testify(one.claims.facts, field)]
    last = next((one for one in said if one.snapshot == LAST and get_value(one.claims.facts, field)), None)
    if last is None:
        older = said
    else:
        older = [one for one in said if one is not last]
        later = _find_later(mal_id, field, last, older)
        if later is None and field in _WITHOUT_WITNESS:
            later = _build_case(mal_id, field, Evidence.LATER_ALONE, (last,), older)
        if later:
            yield later
    independent = _find_independent(mal_id, field, said)
    if independent:
        yield independent


def _find_later(mal_id: int, field: str, last: Observation, older: Sequence[Observation]) -> Case | None:
    for name in _WITNESSES:
        witness = _find(name, older)
        if witness and (case := _build_case(mal_id, field, Evidence.LATER, (last, witness), older)):
            return case
    return None


def _find(source: str, said: Sequence[Observation]) -> Observation | None:
    """The newest of a source's observations."""
    mine = [one for one in said if one.claims.source == source]
    return max(mine, key=lambda one: one.claims.fetched_at, default=None)


def _find_independent(mal_id: int, field: str, said: Sequence[Observation]) -> Case | None:
    for place, first in enumerate(_WITNESSES):
        for second in _WITNESSES[place + 1 :]:
            if is_declared_copy(first, second):
                continue
            pair = [_find(name, said) for name in (first, second)]
            witnesses = [one for one in pair if one]
            if len(witnesses) == 2 and (case := _build_case(mal_id, field, Evidence.INDEPENDENT, witnesses, said)):
                return case
    return None


def _build_case(
    mal_id: int, field: str, evidence: Evidence, witnesses: Sequence[Observation], others: Sequence[Observation]
) -> Case | None:
    """None where the witnesses do not agree, or leave too few others to merge."""
    hidden = {one.claims.source for one in witnesses if one.snapshot != LAST}
    # It is made of the witnesses, too; only beside MyAnimeList's word alone it is one source of several.
    if evidence is not Evidence.LATER_ALONE:
        hidden.add(_CATALOGUE)
    given = [one for one in others if one.claims.source not in hidden and one not in witnesses]
    if len({one.claims.source for one in given if get_value(one.claims.facts, field)}) < _LEAST_SOURCES:
        return None
    keys = [fold(field, testify(one.claims.facts, field)) for one in witnesses]
    truth = _agree(field, witnesses, keys)
    if truth is None:
        return None
    inputs = tuple(_narrow(one.claims, field) for one in given)
    return Case(mal_id, field, evidence, inputs, truth, tuple(one.snapshot for one in witnesses))


def _agree(field: str, witnesses: Sequence[Observation], keys: Sequence[Any]) -> Hashable | TrueList | None:
    """What all witnesses say alike."""
    rule = get_rule(field)
    if rule.kind is Kind.LIST:
        true = frozenset.intersection(*keys)
        return TrueList(true, frozenset().union(*keys) - true) if true else None
    if rule.fold_all:
        values = [testify(one.claims.facts, field) for one in witnesses]
        return values[0] if len(set(rule.fold_all(values))) == 1 else None
    first: Hashable = keys[0]
    return first if len(set(keys)) == 1 else None


def _narrow(claims: SourceClaims, field: str) -> SourceClaims:
    """Only the field, and what helps to decide it."""
    wanted = {field.partition(".")[0], *_HELPERS}
    return SourceClaims(
        claims.source, claims.fetched_at, {name: value for name, value in claims.facts.items() if name in wanted}
    )
