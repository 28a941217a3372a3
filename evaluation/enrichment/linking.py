"""How well linking finds a title at another provider when no table may be asked; the tables tell afterwards.

Each title is judged by a model that was fitted on other titles (five parts). A link is right if a table names it, and
wrong if the tables name another id for the title, or another title for the id. What they know nothing of is counted
apart. Two titles that want one id get none, as in the product.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final

from enrichment.linking.features import Subject
from enrichment.linking.forms import read_title
from enrichment.linking.index import TitleIndex
from enrichment.linking.scoring import LinkModel, Scored
from enrichment.linking.searching import find_candidates
from enrichment.providers.base import Candidate
from evaluation.enrichment.linking_data import Target, Truth
from evaluation.enrichment.linking_fit import FOLDS, Examples, choose_titles, collect_examples, fit_model, get_fold
from storage.database.enrichment_models import LinkState

_BINS: Final = (0.0, 0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.998, 1.0001)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One title at one target.

    verdict  right, wrong, table (the tables seem to be wrong: see `_is_table_wrong`), unjudged, or none
    has_id   the tables name one id, and the provider shows it
    """

    mal_id: str
    state: LinkState
    external_id: str | None
    probability: float
    verdict: str
    has_id: bool
    is_sure: bool
    why: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TargetReport:
    """The outcomes at one target."""

    name: str
    outcomes: tuple[Outcome, ...]
    pool: int

    def count(self, verdict: str, *, state: LinkState = LinkState.LINKED) -> int:
        """Outcomes of this verdict in this state."""
        return sum(one.verdict == verdict and one.state is state for one in self.outcomes)

    @property
    def precision(self) -> float:
        """Right ones among the links that the tables can judge, as they stand."""
        return _divide(self.count("right"), self.count("right") + self.count("wrong") + self.count("table"))

    @property
    def precision_judged(self) -> float:
        """The same without those where the tables seem to be wrong."""
        return _divide(self.count("right"), self.count("right") + self.count("wrong"))

    def measure_recall(self, *, sure: bool = False, reviewed: bool = False) -> float:
        """Right links among the titles that the provider has; `reviewed`: with those that a person is asked about."""
        had = [one for one in self.outcomes if one.has_id and (one.is_sure or not sure)]
        states = (LinkState.LINKED, LinkState.DOUBTFUL) if reviewed else (LinkState.LINKED,)
        return _divide(sum(one.verdict == "right" and one.state in states for one in had), len(had))

    def to_json(self) -> dict[str, Any]:
        """The figures."""
        return {
            "target": self.name,
            "titles": len(self.outcomes),
            "has": sum(one.has_id for one in self.outcomes),
            "sure": sum(one.has_id and one.is_sure for one in self.outcomes),
            "linked": sum(one.state is LinkState.LINKED for one in self.outcomes),
            "right": self.count("right"),
            "wrong": self.count("wrong"),
            "table_wrong": self.count("table"),
            "unjudged": self.count("unjudged"),
            "doubtful": sum(one.state is LinkState.DOUBTFUL for one in self.outcomes),
            "precision": round(self.precision, 5),
            "precision_judged": round(self.precision_judged, 5),
            "recall": round(self.measure_recall(), 4),
            "recall_sure": round(self.measure_recall(sure=True), 4),
            "recall_with_review": round(self.measure_recall(reviewed=True), 4),
        }


@dataclass(frozen=True, slots=True)
class Bin:
    """Probabilities of one range: what was promised, and what came."""

    low: float
    high: float
    count: int
    promised: float
    right: float


@dataclass(frozen=True, slots=True)
class LinkingReport:
    """All targets, the reliability of the probabilities, and the model of all titles for the product."""

    targets: tuple[TargetReport, ...]
    reliability: tuple[Bin, ...]
    errors: Mapping[str, Mapping[str, int]]
    examples: tuple[tuple[str, str, str, str], ...]
    model: LinkModel

    def to_json(self) -> dict[str, Any]:
        """The figures."""
        return {
            "targets": [target.to_json() for target in self.targets],
            "reliability": [
                {"from": one.low, "to": one.high, "count": one.count, "promised": one.promised, "right": one.right}
                for one in self.reliability
            ],
            "errors": {name: dict(kinds) for name, kinds in self.errors.items()},
            "mistakes": [list(one) for one in self.examples],
            "accept": {"known": self.model.known.accept, "bare": self.model.bare.accept},
            "review": self.model.review,
        }


def evaluate_linking(
    subjects: Mapping[str, Subject],
    targets: Sequence[Target],
    truth: Mapping[str, Truth],
    *,
    titles: int | None = None,
    progress: Callable[[], None] = lambda: None,
) -> LinkingReport:
    """Fit five times, judge each title by the model that has not seen it, and fit once more on all.

    titles  so many at each target; None: all that it has, and as many others
    """
    chosen = {target.name: choose_titles(subjects, target, truth[target.provider], limit=titles) for target in targets}
    indexes = {target.name: TitleIndex(target.candidates) for target in targets}
    examples: list[Examples] = []
    for target in targets:
        examples += collect_examples(
            subjects,
            target,
            truth[target.provider],
            titles=chosen[target.name],
            index=indexes[target.name],
            progress=progress,
        )
    models = [fit_model([group for group in examples if get_fold(group.mal_id) != fold]) for fold in range(FOLDS)]
    judge = Judge(subjects, models)
    reports = tuple(
        judge.judge(target, truth[target.provider], indexes[target.name], chosen[target.name], progress)
        for target in targets
    )
    return LinkingReport(
        targets=reports,
        reliability=build_reliability([one for report in reports for one in report.outcomes]),
        errors={report.name: count_error_kinds(report) for report in reports},
        examples=tuple(_list_errors(subjects, targets, reports)),
        model=fit_model(examples),
    )


class Judge:
    """Links titles as the product does, each by the model of the folds that it is not in."""

    def __init__(self, subjects: Mapping[str, Subject], models: Sequence[LinkModel]) -> None:
        self._subjects = subjects
        self._models = models

    def judge(
        self,
        target: Target,
        truth: Truth,
        index: TitleIndex,
        titles: Iterable[str],
        progress: Callable[[], None] = lambda: None,
    ) -> TargetReport:
        """These titles at one target."""
        by_id = {candidate.external_id: candidate for candidate in target.candidates}
        outcomes = []
        for mal_id in titles:
            subject = self._subjects[mal_id]
            model = self._models[get_fold(mal_id) % len(self._models)]
            verify = target.records.get if target.records else None
            scored = find_candidates(subject, index.search, _keep_bare(verify, by_id), model)
            outcomes.append(self._decide(mal_id, scored, truth, by_id))
            progress()
        return TargetReport(target.name, tuple(_part_rivals(outcomes)), len(by_id))

    def _decide(self, mal_id: str, scored: Sequence[Scored], truth: Truth, by_id: Mapping[str, Candidate]) -> Outcome:
        true_id = truth.get_id(mal_id)
        best = scored[0] if scored else None
        return Outcome(
            mal_id=mal_id,
            state=best.state if best else LinkState.NONE,
            external_id=best.candidate.external_id if best else None,
            probability=best.probability if best else 0.0,
            verdict=_find_verdict(self._subjects[mal_id], mal_id, best.candidate, truth, by_id) if best else "none",
            has_id=true_id is not None and true_id in by_id,
            is_sure=truth.is_sure(mal_id),
            why=best.why if best else (),
        )


def build_reliability(outcomes: Sequence[Outcome]) -> tuple[Bin, ...]:
    """Promised and true shares by range of probability."""
    judged = [one for one in outcomes if one.verdict in ("right", "wrong", "table")]
    bins = []
    for low, high in pairwise(_BINS):
        inside = [one for one in judged if low <= one.probability < high]
        if inside:
            promised = sum(one.probability for one in inside) / len(inside)
            right = sum(one.verdict == "right" for one in inside) / len(inside)
            bins.append(Bin(low, min(high, 1.0), len(inside), round(promised, 4), round(right, 4)))
    return tuple(bins)


def count_error_kinds(report: TargetReport) -> dict[str, int]:
    """What was wrong with wrong links, and why right ones were missed."""
    kinds: Counter[str] = Counter()
    for one in report.outcomes:
        if one.state is LinkState.LINKED and one.verdict in ("wrong", "table"):
            kinds[_name_error(one)] += 1
        elif one.has_id and not (one.state is LinkState.LINKED and one.verdict == "right"):
            kinds[_name_miss(one)] += 1
    return dict(kinds.most_common())


def _name_error(one: Outcome) -> str:
    if one.verdict == "table":
        return "linked: the tables seem to be wrong"
    if one.has_id:
        return "linked: another entry of the provider"
    return "linked: the provider does not have it"


def _name_miss(one: Outcome) -> str:
    if one.verdict != "right":
        return "missed: another one came first"
    return "missed: left to a person" if one.state is LinkState.DOUBTFUL else "missed: not sure enough"


def _keep_bare(
    verify: Callable[[str], Candidate | None] | None, by_id: Mapping[str, Candidate]
) -> Callable[[str], Candidate | None] | None:
    """A record that the data lacks says nothing, which is not that the provider has no such id."""
    return None if verify is None else lambda external_id: verify(external_id) or by_id[external_id]


def _part_rivals(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Two titles that want one id: doubtful for both."""
    wanted: defaultdict[str | None, int] = defaultdict(int)
    for one in outcomes:
        if one.state is LinkState.LINKED:
            wanted[one.external_id] += 1
    return [
        replace(one, state=LinkState.DOUBTFUL) if one.state is LinkState.LINKED and wanted[one.external_id] > 1 else one
        for one in outcomes
    ]


def _find_verdict(
    subject: Subject, mal_id: str, candidate: Candidate, truth: Truth, by_id: Mapping[str, Candidate]
) -> str:
    external_id = candidate.external_id
    named = truth.by_mal.get(mal_id, {})
    if external_id in named:
        return "right"
    if named and _is_table_wrong(subject, candidate, [by_id[one] for one in named if one in by_id], truth):
        return "table"
    if truth.by_id.get(external_id) or any(one in by_id for one in named):
        return "wrong"
    # The tables know neither: an entry that is new, was renamed or stands twice at the provider.
    return "unjudged"


def _is_table_wrong(subject: Subject, candidate: Candidate, named: Sequence[Candidate], truth: Truth) -> bool:
    """By a strict rule: the candidate has one of our own titles to the letter, no table gives it to another title, and
    the entry that the tables name has none of them.
    """
    if truth.by_id.get(candidate.external_id) or not named:
        return False
    own = {read_title(title).folded for title in subject.titles}
    has = [bool(own & {read_title(title).folded for title in one.titles}) for one in named]
    return bool(own & {read_title(title).folded for title in candidate.titles}) and not any(has)


def _list_errors(
    subjects: Mapping[str, Subject], targets: Sequence[Target], reports: Sequence[TargetReport]
) -> list[tuple[str, str, str, str]]:
    """(target, what is wrong, title with its MyAnimeList id, linked to), the surest mistakes first."""
    listed = []
    for target, report in zip(targets, reports, strict=True):
        by_id = {candidate.external_id: candidate for candidate in target.candidates}
        wrong = [one for one in report.outcomes if one.state is LinkState.LINKED and one.verdict in ("wrong", "table")]
        for one in sorted(wrong, key=lambda one: (-one.probability, one.mal_id)):
            found = by_id[one.external_id or ""]
            title = f"{subjects[one.mal_id].titles[0]} (mal {one.mal_id})"
            listed.append((target.name, _name_error(one), title, f"{found.titles[0]} ({found.external_id})"))
    return listed


def _divide(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
