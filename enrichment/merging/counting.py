"""What titles say, counted: equal patterns of agreement are one, so learning does not grow with the catalogue."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from core.enrichment import SOURCE_OVERRIDE
from enrichment.merging.claims import SECONDS_A_YEAR, Said, SourceClaims, collect, is_nothing
from enrichment.merging.elements import Listing
from enrichment.merging.rules import Kind, get_rule
from enrichment.merging.single import imply
from enrichment.merging.voting import Vote

_FINISHED: Final = "FINISHED"
_ONE: Final = "one value"
_DAYS: Final = ("start", "end")
# Ages in patterns are in half years.
_AGE_STEPS: Final = 2


@dataclass(frozen=True, slots=True)
class VotePattern:
    """Who said what of a title that is airing or not. Values stand for themselves only where it matters which."""

    votes: tuple[Vote, ...]
    airing: bool


@dataclass(frozen=True, slots=True)
class ListPattern:
    """Who of those that list something has an element. `label`: which, in fields of few labels."""

    listings: tuple[Listing, ...]
    label: str | None


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
        airing = any(one.value != _FINISHED for one in said.get("status", ()))
        for name, words in said.items():
            _count_field(counts, name, words, said, airing=airing)
        _count_changes(counts, of_sources)
        counts.titles += 1
    return counts


def split_days(words: Sequence[Said]) -> dict[str, list[Said]]:
    """First and last days of airing as fields of their own: 'aired.start', 'aired.end'."""
    return {
        f"aired.{day}": [replace(one, value=one.value[day]) for one in words if one.value.get(day)] for day in _DAYS
    }


def _count_field(
    counts: Counts, name: str, words: Sequence[Said], said: Mapping[str, Sequence[Said]], *, airing: bool
) -> None:
    match get_rule(name).kind:
        case Kind.LABEL | Kind.OPEN:
            implied = imply(name, said) if name in ("season", "year") else []
            _count_votes(counts, name, [*words, *implied], airing=airing)
        case Kind.AIRED:
            for part, found in split_days(words).items():
                _count_votes(counts, part, found, airing=airing)
        case Kind.LIST:
            _count_elements(counts, name, words)
        case _:
            pass


def _count_votes(counts: Counts, name: str, words: Sequence[Said], *, airing: bool) -> None:
    if len(words) < 2:
        return
    rule = get_rule(name)
    keys = rule.fold_values([one.value for one in words])
    if rule.kind is not Kind.LABEL:
        distinct = {key: place for place, key in enumerate(dict.fromkeys(keys))}
        if len(distinct) == 1:
            keys = [_ONE] * len(keys)
        elif rule.near is None:
            keys = [f"value {distinct[key]}" for key in keys]
    votes = (
        Vote(one.source, key, round(one.age_years * _AGE_STEPS) / _AGE_STEPS)
        for one, key in zip(words, keys, strict=True)
    )
    counts.votes[name][VotePattern(tuple(sorted(votes, key=lambda vote: vote.source)), airing)] += 1


def _count_elements(counts: Counts, name: str, words: Sequence[Said]) -> None:
    if len(words) < 2:
        return
    rule = get_rule(name)
    having: dict[Hashable, set[str]] = defaultdict(set)
    for one in words:
        for value in one.value:
            having[rule.fold(value)].add(one.source)
    for key, sources in having.items():
        listings = tuple(Listing(one.source, one.source in sources) for one in words)
        label = key if rule.labels and isinstance(key, str) else None
        counts.lists[name][ListPattern(listings, label)] += 1


def _count_changes(counts: Counts, claims: Sequence[SourceClaims]) -> None:
    """Of each source's words by time: was the next one another?"""
    by_source: dict[str, list[SourceClaims]] = defaultdict(list)
    for one in sorted(claims, key=lambda claims: claims.fetched_at):
        by_source[one.source].append(one)
    for snapshots in by_source.values():
        last: dict[str, tuple[SourceClaims, Hashable]] = {}
        airing = False
        for one in snapshots:
            for name, key in _fold_facts(one):
                if name in last:
                    years = (one.fetched_at - last[name][0].fetched_at).total_seconds() / SECONDS_A_YEAR
                    seen = counts.changes[(name, airing)]
                    seen.years += years
                    seen.changed += bool(years) and key != last[name][1]
                last[name] = (one, key)
            airing = one.facts.get("status", _FINISHED) != _FINISHED


def _fold_facts(one: SourceClaims) -> Iterable[tuple[str, Hashable]]:
    for name, value in one.facts.items():
        rule = get_rule(name)
        if is_nothing(value):
            continue
        if rule.kind is Kind.AIRED:
            yield from ((f"aired.{day}", value[day]) for day in _DAYS if value.get(day))
        elif rule.kind in (Kind.LABEL, Kind.OPEN):
            yield name, rule.fold_values([value])[0]
