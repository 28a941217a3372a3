"""The measure of linking, on titles of our own making."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from enrichment.linking.features import Subject
from enrichment.linking.index import TitleIndex
from enrichment.linking.scoring import load_model
from enrichment.linking.tables import IdTable
from enrichment.providers.base import Candidate
from evaluation.enrichment.linking import Judge, TargetReport, build_reliability, count_error_kinds, evaluate_linking
from evaluation.enrichment.linking_data import Target, Truth
from evaluation.enrichment.linking_fit import choose_titles, get_fold
from evaluation.enrichment.linking_tables import compare_tables
from storage.database.enrichment_models import LinkState

NAMES = ("Kumo", "Kaze", "Hoshi", "Umi", "Yama", "Mori", "Tsuki", "Kawa", "Hana", "Tori")
SURE = frozenset({"arm", "offline-database"})


def build_subjects(count: int) -> dict[str, Subject]:
    """Titles that share words, as titles do: {'1': 'Kumo no Kaze', …}."""
    subjects = {}
    for number in range(count):
        first, second = NAMES[number % 10], NAMES[(number // 10) % 10]
        title = f"{first} no {second} {'Densetsu' if number >= 100 else 'Monogatari'}"
        subjects[str(number + 1)] = Subject(
            titles=(title, f"Tale of {first} {second} {number}"),
            main=2,
            type="TV",
            year=1990 + number % 30,
            episodes=12,
        )
    return subjects


def build_candidate(external_id: str, subject: Subject) -> Candidate:
    """The provider's view of it."""
    return Candidate(
        external_id=external_id,
        titles=subject.titles,
        type=subject.type,
        year=subject.year,
        episodes=subject.episodes,
    )


def build_truth(named: Mapping[str, str]) -> Truth:
    """Two tables that agree."""
    return Truth(
        {mal_id: {external_id: SURE} for mal_id, external_id in named.items()},
        {external_id: frozenset({mal_id}) for mal_id, external_id in named.items()},
    )


def judge(subjects: Mapping[str, Subject], candidates: list[Candidate], truth: Truth) -> TargetReport:
    """All subjects by the model that comes with us."""
    target = Target("here", "anilist", tuple(candidates))
    return Judge(subjects, [load_model()]).judge(target, truth, TitleIndex(candidates), subjects)


def test_a_model_is_fitted_and_judged_on_other_titles() -> None:
    """Over all it links what is there, leaves what is not, and hands out a model that can be stored."""
    subjects = build_subjects(200)
    there = {mal_id: f"{int(mal_id) + 1000}" for mal_id in subjects if int(mal_id) % 2}
    candidates = [build_candidate(external_id, subjects[mal_id]) for mal_id, external_id in there.items()]
    report = evaluate_linking(subjects, [Target("here", "anilist", tuple(candidates))], {"anilist": build_truth(there)})
    (target,) = report.targets
    figures = target.to_json()
    assert (figures["titles"], figures["has"]) == (200, 100)
    assert figures["precision"] == 1.0
    assert figures["recall"] > 0.9
    assert type(report.model).from_json(report.model.to_json()) == report.model
    assert {get_fold(mal_id) for mal_id in subjects} == {0, 1, 2, 3, 4}


def test_titles_are_chosen_the_same_each_time() -> None:
    """As many that the provider lacks as it has; fewer when fewer are asked for."""
    subjects = build_subjects(40)
    there = {mal_id: f"x{mal_id}" for mal_id in list(subjects)[:10]}
    target = Target("here", "anilist", tuple(build_candidate(one, subjects["1"]) for one in there.values()))
    chosen = choose_titles(subjects, target, build_truth(there))
    assert len(chosen) == 20
    assert set(there) < set(chosen)
    assert choose_titles(reversed(subjects), target, build_truth(there)) == chosen
    assert len(choose_titles(subjects, target, build_truth(there), limit=6)) == 6


def test_verdicts() -> None:
    """Right, wrong, not known to any table, and tables that seem to be wrong are told apart."""
    subjects = build_subjects(4)
    one, two, three, four = subjects.values()
    candidates = [build_candidate("11", one), build_candidate("12", two), build_candidate("13", three),
                  build_candidate("14", four), Candidate(external_id="15", titles=("Quite another",))]  # fmt: skip
    truth = Truth(
        {"1": {"11": SURE}, "9": {"12": SURE}, "4": {"15": SURE}},
        {"11": frozenset({"1"}), "12": frozenset({"9"}), "15": frozenset({"4"})},
    )
    report = judge(subjects, candidates, truth)
    assert [outcome.verdict for outcome in report.outcomes] == ["right", "wrong", "unjudged", "table"]
    assert (report.precision, report.precision_judged) == (pytest.approx(1 / 3), pytest.approx(1 / 2))
    assert report.measure_recall() == 0.5
    assert count_error_kinds(report) == {
        "linked: the provider does not have it": 1,
        "linked: the tables seem to be wrong": 1,
    }


def test_two_that_want_one_id_are_left_to_a_person() -> None:
    """As in the product, neither is linked."""
    subject = build_subjects(1)["1"]
    subjects = {"1": subject, "2": replace(subject, episodes=12)}
    report = judge(subjects, [build_candidate("11", subject)], build_truth({"1": "11"}))
    assert [outcome.state for outcome in report.outcomes] == [LinkState.DOUBTFUL, LinkState.DOUBTFUL]
    assert report.measure_recall() == 0
    assert report.measure_recall(reviewed=True) == 1


def test_reliability_compares_promise_and_truth() -> None:
    """Each range of probability says how many were right."""
    subjects = build_subjects(3)
    report = judge(subjects, [build_candidate(f"1{one}", subject) for one, subject in subjects.items()],
                   build_truth({"1": "11", "2": "12", "3": "13"}))  # fmt: skip
    bins = build_reliability(report.outcomes)
    assert sum(one.count for one in bins) == 3
    assert all(one.right == 1.0 for one in bins)


def test_copies_share_their_mistakes() -> None:
    """Where a third table says otherwise, copies agree with each other; the report counts it."""
    first = IdTable("fribb", ((("mal", "1"), ("anidb", "5")), (("mal", "2"), ("anidb", "6"))), 2, 0)
    copy = replace(first, source="kometa")
    own = IdTable("bangumi-data", ((("mal", "1"), ("anidb", "7")),), 1, 0)
    found = {(one.first, one.second): one for one in compare_tables([first, copy, own])}
    copied = found["fribb", "kometa"]
    assert (copied.both, copied.differ, copied.disputed, copied.shared) == (2, 0, 1, 1)
    assert (found["bangumi-data", "fribb"].differ, found["bangumi-data", "fribb"].shared) == (1, 0)
