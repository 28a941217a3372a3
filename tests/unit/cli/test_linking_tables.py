"""The report of `avs eval linking` for a terminal."""

from __future__ import annotations

import io
from pathlib import Path

from click.testing import CliRunner
from rich.console import Console

from cli.linking_evaluation import build_linking_tables, build_table_table, evaluate_links
from core.errors import InvalidInputError
from enrichment.linking.scoring import load_model
from evaluation.enrichment.linking import Bin, LinkingReport, Outcome, TargetReport
from evaluation.enrichment.linking_tables import TableReport
from storage.database.enrichment_models import LinkState


def render(*shown: object) -> str:
    """As a wide terminal shows it."""
    console = Console(file=io.StringIO(), width=240)
    console.print(*shown)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def build_outcome(mal_id: str, verdict: str, state: LinkState = LinkState.LINKED) -> Outcome:
    """A title that the provider has."""
    return Outcome(
        mal_id=mal_id, state=state, external_id="1", probability=0.99, verdict=verdict, has_id=True, is_sure=True
    )


def test_figures_errors_and_mistakes_are_shown() -> None:
    """Precision and recall by provider, what went wrong how often, and which titles; markup in titles is text."""
    outcomes = (
        build_outcome("1", "right"),
        build_outcome("2", "wrong"),
        build_outcome("3", "right", LinkState.DOUBTFUL),
    )
    report = LinkingReport(
        targets=(TargetReport("AniList", outcomes, 3),),
        reliability=(Bin(0.99, 0.998, 3, 0.9951, 0.6667),),
        errors={"AniList": {"missed: left to a person": 1}},
        examples=(("AniList", "linked: another entry of the provider", "Kumo [b] (mal 2)", "Kaze (1)"),),
        model=load_model(),
    )
    shown = render(*build_linking_tables(report))
    for part in ("AniList", "0.5000", "0.3333", "0.6667", "missed: left to a person", "Kumo [b] (mal 2)", "0.995"):
        assert part in shown
    assert f"{load_model().bare.accept:.3f}" in shown


def test_tables_are_shown_two_at_a_time() -> None:
    """How many ids both name, where they differ, and whether they share mistakes."""
    shown = render(
        build_table_table([TableReport("arm", "fribb", "anilist", both=100, differ=7, disputed=5, shared=3)])
    )
    assert "arm / fribb" in shown
    assert "100" in shown


def test_a_folder_without_the_data_is_refused(tmp_path: Path) -> None:
    """The file that is missing is named."""
    error = CliRunner().invoke(evaluate_links, ["--data", str(tmp_path)]).exception
    assert isinstance(error, InvalidInputError)
    assert "is not there" in str(error)
