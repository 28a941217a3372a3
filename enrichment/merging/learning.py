"""Learning how reliable sources are: by expectation and maximisation from nothing but what they say, or from truth.

E: how probable each value is under the present model. M: how often each source said the probable ones. Where three
sources and more meet, those that stand alone too often lose trust. Two that contradict each other do not tell which of
them errs, so such titles are judged by what was believed before, in all rounds: else the one that happened to be ahead
would win them all. Where the truth is known, `learn_labelled` counts: a belief for `learn` to start from.
Fields are learned apart. Deterministic: no chance, and sums go in the order of names.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Final, TypeVar

from enrichment.merging.claims import SourceClaims
from enrichment.merging.counting import Changes, Counts, LabelledField, ListPattern, VotePattern, count, count_labelled
from enrichment.merging.elements import judge_element
from enrichment.merging.model import FieldModel, MergeModel, SourceQuality, believe_copied, pair_name
from enrichment.merging.rules import Kind, get_rule
from enrichment.merging.voting import Voting

_Pattern = TypeVar("_Pattern", bound=Hashable)
# From a field's name, its patterns with their numbers of titles, the present model and what was believed before.
_Improve = Callable[[str, Sequence[tuple[_Pattern, int]], MergeModel, MergeModel], FieldModel]

_ROUNDS: Final = 40
_SETTLED: Final = 1e-4
# So many titles are worth what was believed before, and what was learned before.
_BELIEF: Final = 20.0
_LEARNED: Final = 1_000.0
_LABELS_LEARNED: Final = 100.0
_COPY_BELIEF: Final = 20.0
# Rows of labels and gaps of labels are as of any label until so many titles were seen; chosen on the development half.
_LABEL_BELIEF: Final = 10.0
_GAP_BELIEF: Final = 50.0
_CHANGE_BELIEF_YEARS: Final = 100.0
# A label's own figure is worth having from so many titles on.
_LABEL_TITLES: Final = 30.0
# A field's own figures are worth having from so many titles on.
_LEAST_TITLES: Final = 5


def learn(titles: Iterable[Sequence[SourceClaims]], prior: MergeModel | None = None) -> MergeModel:
    """A model of the sources of these titles. `prior`: what was learned before, worth up to a thousand titles of each.

    Fields and sources that the titles say nothing of stay as they are there.
    """
    return _learn(count(titles), prior or MergeModel())


def learn_labelled(labelled: Iterable[LabelledField], prior: MergeModel | None = None) -> MergeModel:
    """A model of the sources of fields of which the truth is known, to start `learn` from."""
    return _learn(count_labelled(labelled), prior or MergeModel())


def _learn(counts: Counts, before: MergeModel) -> MergeModel:
    fields = dict(before.fields)
    for name in sorted(counts.votes):
        fields[name] = _settle(name, counts.votes[name], _start(name, before, counts), _improve_votes)
    for name in sorted(counts.lists):
        fields[name] = _settle(name, counts.lists[name], before.get_field(name), _improve_lists)
    return MergeModel(fields, titles=before.titles + counts.titles)


def _start(name: str, before: MergeModel, counts: Counts) -> FieldModel:
    """The field as it was, with what is seen of changes."""
    field = before.get_field(name)
    return replace(
        field,
        change=_learn_change(field.change, counts.changes.get((name, False))),
        change_airing=_learn_change(field.change_airing, counts.changes.get((name, True))),
    )


def _learn_change(believed: float, seen: Changes | None) -> float:
    if seen is None or not believed:
        return believed
    return (seen.changed + believed * _CHANGE_BELIEF_YEARS) / (seen.years + _CHANGE_BELIEF_YEARS)


def _settle(name: str, patterns: Counter[_Pattern], start: FieldModel, improve: _Improve[_Pattern]) -> FieldModel:
    """Rounds of `improve` from `start` on, until one changes next to nothing."""
    if sum(patterns.values()) < _LEAST_TITLES:
        return start
    ordered = sorted(patterns.items(), key=lambda item: repr(item[0]))
    prior, field = MergeModel({name: start}), start
    for _ in range(_ROUNDS):
        learned = improve(name, ordered, MergeModel({name: field}), prior)
        settled = _get_step(field, learned) < _SETTLED
        field = learned
        if settled:
            break
    return field


class _VoteSums:
    """Expected counts of one round."""

    def __init__(self) -> None:
        self.seen: dict[str, float] = defaultdict(float)
        self.right: dict[str, float] = defaultdict(float)
        self.labels: dict[str, float] = defaultdict(float)
        # {source: {truth: {said: …}}}
        self.confusion: dict[str, dict[str, dict[str, float]]] = defaultdict(
            lambda: defaultdict(lambda: defaultdict(float))
        )
        self.wrong: dict[tuple[str, str, str], float] = defaultdict(float)
        self.shared: dict[tuple[str, str], float] = defaultdict(float)

    def add(self, name: str, pattern: VotePattern, titles: int, model: MergeModel) -> None:
        voting = Voting(name, model, airing=pattern.airing)
        chances = _judge(voting, pattern)
        for key, chance in chances.items():
            self.labels[str(key)] += titles * chance
        for vote in pattern.votes:
            for key, chance in chances.items():
                # A word that was right once and was overtaken by a change says nothing of its source.
                weight = titles * chance * voting.get_freshness(vote, key)
                self.seen[vote.source] += weight
                self.right[vote.source] += weight * (key == vote.key)
                self.confusion[vote.source][str(key)][str(vote.key)] += weight
        # Who errs together is only seen where somebody else contradicts them.
        if len(pattern.votes) > 2 and len(chances) > 1:
            for first, second in combinations(pattern.votes, 2):
                pair = (first.source, second.source)
                self.wrong[(*pair, "first")] += titles * (1 - chances[first.key])
                self.wrong[(*pair, "second")] += titles * (1 - chances[second.key])
                if first.key == second.key:
                    self.shared[pair] += titles * (1 - chances[first.key])


def _judge(voting: Voting, pattern: VotePattern) -> dict[Hashable, float]:
    """{value: probability that it is true}: of those that are said, and of the truth where it is known."""
    if pattern.truth is None:
        # What contradicting pairs taught belongs to the figures that it was learned beside, which move here.
        return voting.judge(pattern.votes)
    return {pattern.truth: 1.0} | {vote.key: float(vote.key == pattern.truth) for vote in pattern.votes}


def _improve_votes(
    name: str, patterns: Sequence[tuple[VotePattern, int]], model: MergeModel, prior: MergeModel
) -> FieldModel:
    sums = _VoteSums()
    for pattern, titles in patterns:
        sums.add(name, pattern, titles, model if len(pattern.votes) > 2 else prior)
    believed = prior.get_field(name)
    labels = _learn_labels(sums.labels, believed.labels) if get_rule(name).kind is Kind.LABEL else {}
    sources = dict(believed.sources)
    for source in sorted(sums.seen):
        before = prior.get_quality(name, source)
        worth = _get_worth(before)
        accuracy = (sums.right[source] + worth * before.accuracy) / (sums.seen[source] + worth)
        rows = _learn_confusion(sums.confusion[source], labels, accuracy, before) if labels else {}
        sources[source] = SourceQuality(accuracy=accuracy, seen=before.seen + sums.seen[source], confusion=rows)
    copies = {**believed.copies, **_learn_copies(name, sums.wrong, sums.shared, prior)}
    return replace(believed, labels=labels, sources=sources, copies=copies)


def _learn_labels(counted: Mapping[str, float], believed: Mapping[str, float]) -> dict[str, float]:
    """How frequent each label is among the true ones."""
    names = sorted({*counted, *believed})
    smoothed = {label: counted.get(label, 0.0) + _LABELS_LEARNED * believed.get(label, 0.0) + 1 for label in names}
    total = sum(smoothed.values())
    return {label: value / total for label, value in smoothed.items()}


def _learn_confusion(
    counted: Mapping[str, Mapping[str, float]], labels: Mapping[str, float], accuracy: float, before: SourceQuality
) -> dict[str, dict[str, float]]:
    """What the source says of each true label; where little was seen, as of any other label."""
    others = max(len(labels) - 1, 1)
    rows: dict[str, dict[str, float]] = {}
    for truth in labels:
        known = before.confusion.get(truth, {})
        # What was learned of a source was learned of each label as often as there are such titles.
        worth = min(before.seen * labels[truth], _LEARNED) + _LABEL_BELIEF if known else _LABEL_BELIEF
        row = {
            said: counted.get(truth, {}).get(said, 0.0)
            + worth * known.get(said, accuracy if said == truth else (1 - accuracy) / others)
            for said in labels
        }
        total = sum(row.values())
        rows[truth] = {said: value / total for said, value in row.items()}
    return rows


def _learn_copies(
    name: str,
    wrong: Mapping[tuple[str, str, str], float],
    shared: Mapping[tuple[str, str], float],
    prior: MergeModel,
) -> dict[str, float]:
    """Of the errors of the one that errs less, how many are the other's too, beyond what was believed."""
    copies = {}
    for first, second in sorted({pair[:2] for pair in wrong}):
        errors = min(wrong[(first, second, "first")], wrong[(first, second, "second")])
        believed = prior.get_field(name).copies.get(pair_name(first, second), believe_copied(first, second))
        both = shared.get((first, second), 0.0)
        copies[pair_name(first, second)] = (both + _COPY_BELIEF * believed) / (errors + _COPY_BELIEF)
    return copies


class _ListSums:
    """Expected counts of one round, by source: true elements, those left out, false ones, those added."""

    def __init__(self) -> None:
        self.true: dict[str, float] = defaultdict(float)
        self.left_out: dict[str, float] = defaultdict(float)
        self.false: dict[str, float] = defaultdict(float)
        self.known_false: dict[str, float] = defaultdict(float)
        self.added: dict[str, float] = defaultdict(float)
        self.label_true: dict[tuple[str, str], float] = defaultdict(float)
        self.label_left_out: dict[tuple[str, str], float] = defaultdict(float)
        self.wrong: dict[tuple[str, str, str], float] = defaultdict(float)
        self.shared: dict[tuple[str, str], float] = defaultdict(float)
        self.elements = 0.0
        self.all_true = 0.0

    def add(self, name: str, pattern: ListPattern, titles: int, model: MergeModel) -> None:
        if pattern.truth is None:
            chance = judge_element(name, model, pattern.listings, label=pattern.label)
        else:
            chance = float(pattern.truth)
        self.elements += titles
        self.all_true += titles * chance
        for one in pattern.listings:
            self.true[one.source] += titles * chance
            self.false[one.source] += titles * (1 - chance)
            self.known_false[one.source] += titles * (pattern.truth is False)
            if one.has:
                self.added[one.source] += titles * (1 - chance)
            else:
                self.left_out[one.source] += titles * chance
            if pattern.label is not None:
                self.label_true[(one.source, pattern.label)] += titles * chance
                self.label_left_out[(one.source, pattern.label)] += 0.0 if one.has else titles * chance
        having = [one for one in pattern.listings if one.has]
        if len(pattern.listings) > 2 and len(having) < len(pattern.listings):
            for first, second in combinations(pattern.listings, 2):
                pair = (first.source, second.source)
                self.wrong[(*pair, "first")] += titles * (1 - chance) * first.has
                self.wrong[(*pair, "second")] += titles * (1 - chance) * second.has
                self.shared[pair] += titles * (1 - chance) * (first.has and second.has)


def _improve_lists(
    name: str, patterns: Sequence[tuple[ListPattern, int]], model: MergeModel, prior: MergeModel
) -> FieldModel:
    sums = _ListSums()
    for pattern, titles in patterns:
        sums.add(name, pattern, titles, model if len(pattern.listings) > 2 else prior)
    believed = prior.get_field(name)
    sources = dict(believed.sources)
    for source in sorted(sums.true):
        before = prior.get_quality(name, source)
        worth = _get_worth(before)
        left_out = (sums.left_out[source] + worth * before.left_out) / (sums.true[source] + worth)
        # That somebody adds what is not true is rare, and believed so with more weight: else two sources that agree on
        # little would each be taken for a liar.
        firm = worth + 0.5 * (sums.false[source] - sums.known_false[source])
        added = (sums.added[source] + firm * before.added) / (sums.false[source] + firm)
        sources[source] = SourceQuality(
            accuracy=1 - added,
            left_out=left_out,
            added=added,
            seen=before.seen + sums.true[source],
            label_left_out=_learn_label_gaps(source, left_out, sums, before),
        )
    worth = _LEARNED if believed.sources else _BELIEF
    truth = (sums.all_true + worth * believed.truth) / (sums.elements + worth)
    return replace(
        believed,
        truth=truth,
        sources=sources,
        copies={**believed.copies, **_learn_copies(name, sums.wrong, sums.shared, prior)},
    )


def _learn_label_gaps(source: str, left_out: float, sums: _ListSums, before: SourceQuality) -> dict[str, float]:
    gaps = dict(before.label_left_out)
    for (its_source, label), true in sorted(sums.label_true.items()):
        if its_source == source and true >= _LABEL_TITLES:
            believed = before.label_left_out.get(label, left_out)
            missed = sums.label_left_out[(source, label)]
            gaps[label] = (missed + _GAP_BELIEF * believed) / (true + _GAP_BELIEF)
    return gaps


def _get_worth(before: SourceQuality) -> float:
    return min(before.seen, _LEARNED) + _BELIEF if before.seen else _BELIEF


def _get_step(before: FieldModel, after: FieldModel) -> float:
    """How far the figures of the sources moved."""
    steps = [1.0]
    if set(before.sources) == set(after.sources):
        steps = [
            max(abs(new.accuracy - old.accuracy), abs(new.left_out - old.left_out))
            for source, new in after.sources.items()
            if (old := before.sources[source])
        ]
    return max(steps, default=0.0)
