"""`avs eval linking`: how well titles are found at other providers without any table. Needs no running stack."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import orjson
from rich.console import Console
from rich.markup import escape

from cli.evaluation_stack import DATA, JSON, load_quiet_settings, show_progress
from cli.evaluation_tables import new_table
from cli.exits import Exit
from evaluation.enrichment.linking_data import load_subjects, load_tables, load_targets, load_truth
from evaluation.enrichment.linking_tables import TableReport, compare_tables
from evaluation.shared_data import find_data

if TYPE_CHECKING:
    from evaluation.enrichment.linking import LinkingReport

# For a person to look at; the rest is in the JSON.
_SHOWN_ERRORS = 12


@click.command(name="linking")
@DATA
@click.option(
    "--titles", type=click.IntRange(min=50), help="So many titles a provider; all that it has, and as many others."
)
@click.option(
    "--fit",
    "target",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the model of all titles to this file.",
)
@JSON
def evaluate_links(*, data: Path | None, titles: int | None, target: Path | None, as_json: bool) -> int:
    """Titles of MyAnimeList looked for at AniDB, AniList, Kitsu and Anime-Planet, judged by the tables of ids.

    Each title is judged by a model that has not learned from it. Takes some minutes.
    """
    # scikit-learn takes a second to import: not for the other commands.
    from evaluation.enrichment.linking import evaluate_linking

    load_quiet_settings()
    folder = find_data(data)
    subjects, targets = load_subjects(folder), load_targets(folder)
    truth = load_truth(folder, {one.provider for one in targets})
    tables = compare_tables(load_tables(folder))
    with show_progress("titles", total=None) as progress:
        report = evaluate_linking(subjects, targets, truth, titles=titles, progress=lambda: progress(1))
    if target is not None:
        target.write_bytes(orjson.dumps(report.model.to_json(), option=orjson.OPT_INDENT_2) + b"\n")
    if as_json:
        shown = {**report.to_json(), "tables": [one.to_json() for one in tables]}
        click.echo(orjson.dumps(shown, option=orjson.OPT_INDENT_2))
    else:
        console = Console()
        for one in [*build_linking_tables(report), build_table_table(tables)]:
            console.print(one)
    return Exit.OK


def build_linking_tables(report: LinkingReport) -> list[Any]:
    """Figures by provider, errors by kind, reliability, and the surest mistakes."""
    figures = new_table(
        "linking, ids withheld",
        "MyAnimeList to",
        ("titles", "has", "linked", "right", "wrong", "table wrong?", "unknown", "doubtful", "precision", "judged",
         "recall", "of sure ones", "with review"),
    )  # fmt: skip
    for target in report.targets:
        one = target.to_json()
        counts = [one[name] for name in
                  ("titles", "has", "linked", "right", "wrong", "table_wrong", "unjudged", "doubtful")]  # fmt: skip
        shares = [one[name] for name in
                  ("precision", "precision_judged", "recall", "recall_sure", "recall_with_review")]  # fmt: skip
        figures.add_row(target.name, *map(str, counts), *(f"{share:.4f}" for share in shares))
    reliability = new_table("reliability of the probabilities", "promised", ("titles", "mean", "right"))
    for one_bin in report.reliability:
        reliability.add_row(
            f"{one_bin.low:g} to {one_bin.high:g}",
            str(one_bin.count),
            f"{one_bin.promised:.3f}",
            f"{one_bin.right:.3f}",
        )
    mistakes = new_table("the surest mistakes", "MyAnimeList to", ("what", "title", "linked to"))
    shown: dict[str, int] = {}
    for name, what, title, other in report.examples:
        shown[name] = shown.get(name, 0) + 1
        if shown[name] <= _SHOWN_ERRORS:
            mistakes.add_row(name, what.removeprefix("linked: "), escape(title), escape(other))
    known, bare = report.model.known.accept, report.model.bare.accept
    accepted = (
        f"linked from {known:.3f} on where the year is known, else from {bare:.3f}; "
        f"a person is asked from {report.model.review:g} on"
    )
    return [figures, accepted, _build_kinds(report.errors), reliability, mistakes]


def build_table_table(tables: list[TableReport]) -> Any:
    """How the tables of ids agree, and which of them copy each other."""
    table = new_table(
        "tables of ids, two at a time", "tables", ("id", "both name", "differ", "a third says otherwise", "both wrong")
    )
    for one in tables:
        table.add_row(
            f"{one.first} / {one.second}", one.space, *map(str, (one.both, one.differ, one.disputed, one.shared))
        )
    return table


def _build_kinds(errors: Mapping[str, Mapping[str, int]]) -> Any:
    kinds = sorted({kind for found in errors.values() for kind in found})
    table = new_table("errors by kind", "what", list(errors))
    for kind in kinds:
        table.add_row(kind, *(str(found.get(kind, 0)) for found in errors.values()))
    return table
