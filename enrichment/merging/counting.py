"""What titles say, counted: equal patterns of agreement are one, so learning does not grow with the catalogue."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from core.enrichment import SOURCE_OVERRIDE
from enrichment.merging.claims import (
    SECONDS_A_YEAR,
    Said,
    SourceClaims,
    collect,
    find_days,
    get_years_until,
    is_nothing,
)
from enrichment.merging.elements import Listing
from enrichment.merging.rules import Kind, get_rule
from enrichment.merging.single import get_unsettled_years, imply
from enrichment.merging.voting import Vote

_FINISHED: Final = "FINISHED"
_ONE: Final = "one value"
_IMPLIED: Final = ("season", "year")
_DAYS: Final = ("start", "end")
# Ages in patterns are in quarters of a year.
_AGE_STEPS: Final = 4


@dataclass(frozen=True, slots=True)
class LabelledField:
    """One field of one title of which the truth is known. `truth`: the value, or all true elements of a list.

    `doubtful`: elements of a list that nobody knows the truth of.
    """

    claims: Sequence[SourceClaims]
    name: str
    truth: Any
    doubtful: Sequence[Any] = ()


@dataclass(frozen=True, slots=True)
class VotePattern:
    """Who said what of a title that is airing or not. Values stand for themselves only where it matters which."""

    votes: tuple[Vote, ...]
    airing: bool
    truth: Hashable | None = None


@dataclass(frozen=True, slots=True)
class ListPattern:
    """Who of those that list something has an element. `label`: which, in fields of few labels."""

    listings: tuple[Listing, ...]
    label: str | None
    truth: bool | None = None


@dataclass
class Changes:
    """Values of one source that could be compared with its earlier ones: how many changed in how many years."""

    changed: float = 0.0
    years: float = 0.0


@dataclass
class Counts:
    """All that learning looks at. `votes` and `lists`: {field: {pattern: titles}}."""

    votes: dict[str, Counter[VotePattern]] = field(default_factory=lambda: defaultdict(Counter))
    lists: dict[str, Counter[ListPattern]] = field(default_factory=lambda: defaultdict(Counter))
    # {(field, airing): …}
    changes: dict[tuple[str, bool], Changes] = field(default_factory=lambda: defaultdict(Changes))
    titles: int = 0


def count(titles: Iterable[Sequence[SourceClaims]]) -> Counts:
    """Patterns of all titles. What only one source says of a field teaches nothing and is left out."""
    counts = Counts()
    for claims in titles:
        of_sources = [one for one in claims if one.source != SOURCE_OVERRIDE]
        said = collect(of_sources)
        for name, words in _split_fields(said).items():
            if len(words) > 1:
                _count_field(counts, name, words, airing=_is_airing(said))
        _count_changes(counts, of_sources)
        counts.titles += 1
    return counts


def count_labelled(labelled: Iterable[LabelledField]) -> Counts:
    """Patterns with their truth; here what a single source says teaches, too."""
    counts = Counts()
    for one in labelled:
        said = collect(one.claims)
        if words := _split_fields(said).get(one.name):
            _count_field(counts, one.name, words, airing=_is_airing(said), label=one)
            counts.titles += 1
    return counts


def _is_airing(said: Mapping[str, Sequence[Said]]) -> bool:
    return any(one.value != _FINISHED for one in said.get("status", ()))


def _split_fields(said: Mapping[str, Sequence[Said]]) -> dict[str, list[Said]]:
    """Words by what is decided apart: first and last days, and with what others' days say of seasons."""
    fields: dict[str, list[Said]] = {}
    for name, words in said.items():
        if get_rule(name).kind is Kind.AIRED:
            for day in _DAYS:
                fields[f"{name}.{day}"] = [replace(one, value=one.value[day]) for one in words if one.value.get(day)]
        else:
            fields[name] = [*words, *(imply(name, said) if name in _IMPLIED else ())]
    return {name: words for name, words in fields.items() if words}


def _count_field(
    counts: Counts, name: str, words: Sequence[Said], *, airing: bool, label: LabelledField | None = None
) -> None:
    kind = get_rule(name).kind
    if kind in (Kind.LABEL, Kind.OPEN):
        counts.votes[name][_build_vote_pattern(name, words, airing=airing, label=label)] += 1
    elif kind is Kind.LIST and get_rule(name).silence:
        for pattern in _build_list_patterns(name, words, label):
            counts.lists[name][pattern] += 1


def _build_vote_pattern(name: str, words: Sequence[Said], *, airing: bool, label: LabelledField | None) -> VotePattern:
    rule = get_rule(name)
    known = [] if label is None else [label.truth]
    keys = rule.fold_values([*(one.value for one in words), *known])
    if rule.kind is not Kind.LABEL:
        distinct = {key: place for place, key in enumerate(dict.fromkeys(keys))}
        if len(distinct) == 1:
            keys = [_ONE] * len(keys)
        elif rule.near is None:
            keys = [f"value {distinct[key]}" for key in keys]
    votes = (
        Vote(one.source, key, _round_years(one.age_years), _round_years(get_unsettled_years(name, one)))
        for one, key in zip(words, keys, strict=False)
    )
    truth = None if label is None else keys[-1]
    return VotePattern(tuple(sorted(votes, key=lambda vote: vote.source)), airing, truth)


def _round_years(years: float) -> float:
    return round(years * _AGE_STEPS) / _AGE_STEPS


def _build_list_patterns(name: str, words: Sequence[Said], label: LabelledField | None) -> Iterable[ListPattern]:
    rule = get_rule(name)
    having: dict[Hashable, set[str]] = defaultdict(set)
    for one in words:
        for value in one.value:
            having[rule.fold(value)].add(one.source)
    true = None if label is None else {rule.fold(value) for value in label.truth}
    doubtful = set() if label is None else {rule.fold(value) for value in label.doubtful}
    for key, sources in having.items():
        if key not in doubtful:
            listings = tuple(Listing(one.source, one.source in sources) for one in words)
            named = key if rule.labels and isinstance(key, str) else None
            yield ListPattern(listings, named, None if true is None else key in true)


def _count_changes(counts: Counts, claims: Sequence[SourceClaims]) -> None:
    """Of each source's words by time: was the next one another, and how long could it have changed?"""
    by_source: dict[str, list[SourceClaims]] = defaultdict(list)
    days = find_days(one.facts for one in claims)
    for one in sorted(claims, key=lambda claims: claims.fetched_at):
        by_source[one.source].append(one)
    for snapshots in by_source.values():
        last: dict[str, tuple[SourceClaims, Any]] = {}
        for one in snapshots:
            for name, value in _iterate_values(one):
                if name in last:
                    before, old = last[name]
                    years, airing = _get_open_years(name, before, one, days)
                    keys = get_rule(name).fold_values([value, old])
                    seen = counts.changes[(name, airing)]
                    seen.years += years
                    seen.changed += bool(years) and keys[0] != keys[1]
                last[name] = (one, value)


def _get_open_years(
    name: str, before: SourceClaims, after: SourceClaims, days: tuple[str | None, str | None]
) -> tuple[float, bool]:
    """How long between two words the fact was open to change, and whether that was before the title was settled."""
    years = (after.fetched_at - before.fetched_at).total_seconds() / SECONDS_A_YEAR
    unsettled = get_years_until(before.fetched_at, days[get_rule(name).late])
    if unsettled:
        return min(unsettled, years), True
    return years, before.facts.get("status", _FINISHED) != _FINISHED


def _iterate_values(one: SourceClaims) -> Iterable[tuple[str, Any]]:
    for name, value in one.facts.items():
        rule = get_rule(name)
        if is_nothing(value):
            continue
        if rule.kind is Kind.AIRED:
            yield from ((f"aired.{day}", value[day]) for day in _DAYS if value.get(day))
        elif rule.kind in (Kind.LABEL, Kind.OPEN):
            yield name, value
