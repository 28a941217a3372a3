"""`avs eval merge`: how well conflicts of sources are resolved, on titles whose truth was kept out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import orjson
from rich.console import Console
from rich.table import Table

from cli.evaluation_stack import DATA, JSON, SEED, show_progress
from cli.exits import Exit
from evaluation.enrichment.default_model import build_default_model
from evaluation.enrichment.held_out import Evidence
from evaluation.enrichment.merge_methods import BEST_SINGLE, MAJORITY, OURS
from evaluation.enrichment.merging import FieldResult, MergeReport, Row, evaluate_merging
from evaluation.enrichment.snapshots import load_observations
from evaluation.shared_data import find_data


@click.command(name="merge")
@DATA
@click.option(
    "--learn",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Measure nothing: learn the package's default model from all titles, and write it here.",
)
@SEED
@JSON
def evaluate_merges(*, data: Path | None, file: Path | None, seed: int, as_json: bool) -> int:
    """Truth discovery against majority vote and the best single source, on snapshots of real sites."""
    observations = load_observations(find_data(data))
    if file is not None:
        model = build_default_model(observations)
        file.write_bytes(orjson.dumps(model.to_json(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        click.echo(f"{file}: learned from {model.titles:,} titles")
        return Exit.OK
    with show_progress("decisions", total=None) as progress:
        report = evaluate_merging(observations, seed=seed, tell=progress)
    if as_json:
        click.echo(orjson.dumps({"seed": seed, **report.to_json()}, option=orjson.OPT_INDENT_2))
    else:
        Console().print(*build_merge_tables(report))
    return Exit.OK


def build_merge_tables(report: MergeReport) -> list[Any]:
    """A table a kind of evidence, and how much the confidences are worth."""
    kinds = dict.fromkeys(one.evidence for one in report.results)
    tables = [_build_table(kind, [one for one in report.results if one.evidence == kind]) for kind in kinds]
    calibration = Table(title=f"confidence (mean error {report.calibration_error:.3f})", title_justify="left")
    for column in ("from", "n", "mean confidence", "right"):
        calibration.add_column(column, justify="right")
    for one in report.calibration:
        calibration.add_row(f"{one.low:.2f}", f"{one.n:,}", f"{one.mean_confidence:.3f}", f"{one.accuracy:.3f}")
    told = f"learned from {report.learned_from:,} titles, tested on {report.tested_on:,} others"
    return [*tables, calibration, told]


_TITLES = {
    Evidence.LATER: "truth: MyAnimeList 2025 and another site agree",
    Evidence.INDEPENDENT: "truth: two sites other than MyAnimeList agree",
    Evidence.LATER_ALONE: "truth: MyAnimeList 2025 alone (a forecast of its later view)",
}


def _build_table(kind: str, results: list[FieldResult]) -> Table:
    title = next((text for evidence, text in _TITLES.items() if evidence == kind), f"all of them: {kind}")
    table = Table(title=title, title_justify="left")
    table.add_column("field")
    names = ("majority", "single", "ours")
    for column in ("n", *names, "in conflict", *names, "95%", "p majority", "p single", "hindsight", "oracle"):
        table.add_column(column, justify="right")
    for one in results:
        table.add_row(one.field, *_show(one.overall), *_show_conflict(one.conflicting))
    return table


def _show(row: Row) -> list[str]:
    return [f"{row.n:,}", *(f"{row.accuracy[method]:.3f}" for method in (MAJORITY, BEST_SINGLE, OURS))]


def _show_conflict(row: Row | None) -> list[str]:
    if row is None:
        return ["0"]
    low, high = row.interval
    return [
        *_show(row),
        f"{low:.3f}-{high:.3f}",
        *(f"{row.p_values[method]:.4f}" for method in (MAJORITY, BEST_SINGLE)),
        f"{row.hindsight:.3f}",
        f"{row.oracle:.3f}",
    ]
