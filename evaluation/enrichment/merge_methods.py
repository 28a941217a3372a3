"""Three ways to decide a case: by majority, by the best single source, and by truth discovery; and who was right."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from enrichment.merging import MergeModel, merge_title
from enrichment.merging.claims import Said, collect
from enrichment.merging.rules import Kind, get_rule
from evaluation.enrichment.held_out import Case, TrueList, fold

MAJORITY: Final = "majority"
BEST_SINGLE: Final = "best single"
OURS: Final = "truth discovery"
METHODS: Final = (MAJORITY, BEST_SINGLE, OURS)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One decision: on a value, or on one element of a list.

    right    in the order of METHODS
    sure     ours, 0 to 1
    sources  {who speaks: whether its word is right}
    """

    mal_id: int
    field: str
    conflict: bool
    right: tuple[bool, bool, bool]
    sure: float
    sources: Mapping[str, bool]


@dataclass(frozen=True)
class SourceOrder:
    """{field: sources by how often they were right on the learning half}: the best one that speaks is believed."""

    by_field: Mapping[str, tuple[str, ...]]

    def choose(self, field: str, said: Sequence[Said]) -> Said:
        """The best of those that speak; one that was never measured comes last."""
        order = self.by_field.get(field, ())
        return min(said, key=lambda one: (order.index(one.source) if one.source in order else len(order), one.source))


def learn_source_order(cases: Iterable[Case]) -> SourceOrder:
    """By the truth of the cases for learning: a baseline that, unlike ours, is told the truth."""
    right: dict[str, Counter[str]] = defaultdict(Counter)
    seen: dict[str, Counter[str]] = defaultdict(Counter)
    for case in cases:
        said = _collect(case)
        elements = _list_elements(case, said)
        for one in said:
            for element in elements:
                seen[case.field][one.source] += 1
                right[case.field][one.source] += _is_right(case, element, _says(case, one, element))
    orders = {
        # Few cases say little: as if each source had been right on 9 of 10 others.
        field: tuple(sorted(counts, key=lambda name: (-(right[field][name] + 9) / (counts[name] + 10), name)))
        for field, counts in sorted(seen.items())
    }
    return SourceOrder(orders)


def decide(case: Case, model: MergeModel, order: SourceOrder) -> list[Outcome]:
    """The decisions of a case by all methods: one of a value, one an element of a list that anybody has."""
    said = _collect(case)
    if get_rule(case.field).kind is Kind.LIST:
        return _decide_list(case, said, model, order)
    return [_decide_value(case, said, model, order)]


def _decide_value(case: Case, said: Sequence[Said], model: MergeModel, order: SourceOrder) -> Outcome:
    keys = get_rule(case.field).fold_values([one.value for one in said])
    votes = Counter(keys)
    newest = {key: max(one.at for one, its in zip(said, keys, strict=True) if its == key) for key in votes}
    # A tie goes to the newest word.
    winner = max(votes, key=lambda key: (votes[key], newest[key], repr(key)))
    by_majority = next(one.value for one, key in zip(said, keys, strict=True) if key == winner)
    whole, _, part = case.field.partition(".")
    merged = merge_title(case.inputs, model).fields[whole]
    ours, sure = (merged.value.get(part), merged.parts[part].confidence) if part else (merged.value, merged.confidence)
    chosen = (by_majority, order.choose(case.field, said).value, ours)
    right = tuple(_is_right(case, None, value) for value in chosen)
    sources = {one.source: _is_right(case, None, one.value) for one in said}
    return Outcome(case.mal_id, case.field, len(votes) > 1, (right[0], right[1], right[2]), sure, sources)


def _decide_list(case: Case, said: Sequence[Said], model: MergeModel, order: SourceOrder) -> list[Outcome]:
    merged = merge_title(case.inputs, model).fields[case.field]
    rule = get_rule(case.field)
    sure = {rule.fold(one.value): one.confidence for one in (*merged.elements, *merged.others)}
    kept = {rule.fold(value) for value in merged.value}
    best = order.choose(case.field, said)
    outcomes = []
    for element in _list_elements(case, said):
        sources = {one.source: _is_right(case, element, _says(case, one, element)) for one in said}
        having = sum(_says(case, one, element) for one in said)
        chosen = (2 * having >= len(said), _says(case, best, element), element in kept)
        right = tuple(_is_right(case, element, has) for has in chosen)
        chance = sure[element] if chosen[2] else 1 - sure[element]
        conflict = having < len(said)
        outcomes.append(Outcome(case.mal_id, case.field, conflict, (right[0], right[1], right[2]), chance, sources))
    return outcomes


def _collect(case: Case) -> list[Said]:
    """Each source's newest word on the field."""
    whole, _, part = case.field.partition(".")
    said = collect(case.inputs).get(whole, [])
    if not part:
        return said
    return [replace(one, value=one.value[part]) for one in said if one.value.get(part)]


def _list_elements(case: Case, said: Sequence[Said]) -> list[Any]:
    """Of a list those that are judged, in a fixed order; of a value just None."""
    if not isinstance(case.truth, TrueList):
        return [None]
    every: set[Hashable] = set().union(*(fold(case.field, one.value) for one in said))  # type: ignore[arg-type]
    return sorted(every - case.truth.doubtful, key=repr)


def _says(case: Case, one: Said, element: Any) -> Any:
    """A source's value; of an element, whether it has it."""
    if not isinstance(case.truth, TrueList):
        return one.value
    keys = fold(case.field, one.value)
    assert isinstance(keys, frozenset)
    return element in keys


def _is_right(case: Case, element: Any, value: Any) -> bool:
    if isinstance(case.truth, TrueList):
        return bool(value) == (element in case.truth.true)
    if value is None:
        return False
    rule = get_rule(case.field)
    if rule.fold_all:
        return len(set(rule.fold_all([value, case.truth]))) == 1
    return fold(case.field, value) == case.truth
