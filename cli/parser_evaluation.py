"""`avs eval parsers`: what our parsers make of recorded answers of the providers. Needs no running stack."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import orjson
from rich.console import Console

from cli.evaluation_stack import DATA, JSON, load_quiet_settings
from cli.evaluation_tables import new_table
from cli.exits import Exit
from core.enrichment import EnrichStage
from enrichment.providers.registry import build_providers
from evaluation.enrichment.parsing import ParsingReport, evaluate_parsing, load_known_facts
from evaluation.enrichment.recordings import load_recordings
from evaluation.shared_data import find_data


@click.command(name="parsers")
@DATA
@JSON
def evaluate_parsers(*, data: Path | None, as_json: bool) -> int:
    """Every recorded answer of the providers through its parser, and facts of well-known titles by value."""
    providers = build_providers(load_quiet_settings())
    report = evaluate_parsing(load_recordings(find_data(data)), providers, load_known_facts())
    if as_json:
        click.echo(orjson.dumps(report.to_json(), option=orjson.OPT_INDENT_2))
    else:
        Console().print(*build_parser_tables(report))
    return Exit.OK if report.is_good else Exit.FAILED


def build_parser_tables(report: ParsingReport) -> list[Any]:
    """Answers and facts by provider, and what went wrong."""
    answers = new_table(
        "recorded answers", "provider", ("files", "of titles", "parsed", "turned down", "bad values", "bad shapes")
    )
    facts = new_table("fields with a value", "provider", [stage.value for stage in EnrichStage])
    for name, one in report.providers.items():
        counts = (len(one.files), one.titles, one.parsed, one.refused, one.faults["value"], one.faults["shape"])
        answers.add_row(name, *map(str, counts))
        facts.add_row(name, *(str(one.facts[stage.value]) for stage in EnrichStage))
    known = f"{report.checked} facts of {report.checked_titles} well-known titles checked by value."
    return [answers, facts, known, *(report.problems or ["Nothing crashed, nothing was misread."])]
