"""The reports about pictures for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from cli.evaluation_tables import new_table
from evaluation.pictures.finding import AIM, AIMED, FindingReport


def build_finding_tables(reports: Sequence[FindingReport]) -> list[Any]:
    """A table a set of pictures: success@1 and @10 by change, a pair of columns an encoder."""
    parts: list[Any] = []
    for pictures in dict.fromkeys(report.pictures for report in reports):
        own = [report for report in reports if report.pictures == pictures]
        parts += [_build_table(own), *map(_describe_aim, own)]
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
    return f"{report.encoder}: success@1 of {AIM} on the first four changes {says}."
