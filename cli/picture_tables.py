"""The reports about pictures for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from cli.evaluation_tables import build_section_table, new_table, show_test
from evaluation.pictures.finding import AIM as FINDING_AIM
from evaluation.pictures.finding import AIMED, FindingReport
from evaluation.pictures.grouping import BETTER, GROUP, GroupingReport
from evaluation.pictures.multimodal import AIM, DECIDED_BY, WEIGHTS, MultimodalReport
from evaluation.similar_quality import HALVES

_GAINS = ("success@1", "ndcg@10")


def build_finding_tables(reports: Sequence[FindingReport]) -> list[Any]:
    """A table a set of pictures: success@1 and @10 by change, a pair of columns an encoder."""
    parts: list[Any] = []
    for pictures in dict.fromkeys(report.pictures for report in reports):
        own = [report for report in reports if report.pictures == pictures]
        parts += [_build_table(own), *map(_describe_aim, own)]
    return parts


def build_multimodal_tables(report: MultimodalReport) -> list[Any]:
    """A table a pair of noises with its gain, the curves over the weights, and the fusions that were weighed."""
    parts: list[Any] = []
    for condition in report.conditions:
        parts.append(build_section_table(condition.section))
        gains = ", ".join(f"{condition.gain[metric]:+.1%} in {metric}" for metric in _GAINS)
        parts.append(f"As served against {condition.section.best_single}: {gains} (aim {AIM:+.0%}).")
    weights = new_table(f"{DECIDED_BY} by weight of the picture, all titles", "", [f"{weight:g}" for weight in WEIGHTS])
    for condition in report.conditions:
        weights.add_row(condition.name, *(f"{means[DECIDED_BY]:.3f}" for means in condition.curve.values()))
    fusions = new_table(
        f"{DECIDED_BY}, mean of all pairs", "fusion", ("picture's weight", *HALVES, "against the search")
    )
    for choice in report.choices:
        figures = (f"{choice.weight:g}", f"{choice.chosen_on:.4f}", f"{choice.reported_on:.4f}")
        fusions.add_row(choice.fusion, *figures, show_test(choice.test))
    return [*parts, weights, fusions]


def build_grouping_tables(report: GroupingReport) -> list[Any]:
    """A table a kind of picture: success@1 by change and way."""
    parts: list[Any] = [f"{report.titles} titles with {report.pictures} pictures"]
    for kind, changes in report.means.items():
        table = new_table(f"success@1, changed pictures of the kind {kind}", "change", next(iter(changes.values())))
        for change, ways in changes.items():
            table.add_row(change, *(f"{figures['success@1']:.3f}" for figures in ways.values()))
        parts += [table, f"{GROUP} against {BETTER}: {show_test(report.tests[kind]['success@1'])}"]
    return parts


def _build_table(reports: Sequence[FindingReport]) -> Table:
    first = reports[0]
    near = f"; {first.twins} have a near duplicate, which counts as right" if first.twins else ""
    columns = [f"{report.encoder} {metric}" for report in reports for metric in ("@1", "@10")]
    table = new_table(f"{first.pictures}: {first.count} pictures{near}", "change", columns)
    for change in first.means:
        values = [report.means[change][metric] for report in reports for metric in ("success@1", "success@10")]
        table.add_row(change, *(f"{value:.3f}" for value in values))
    return table


def _describe_aim(report: FindingReport) -> str:
    worst = min(AIMED, key=lambda change: report.means[change]["success@1"])
    says = "reached" if report.reaches_aim else f"missed: {worst} {report.means[worst]['success@1']:.3f}"
    return f"{report.encoder}: success@1 of {FINDING_AIM} on the first four changes {says}."
