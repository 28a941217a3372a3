"""`avs eval parsers`."""

from __future__ import annotations

import io
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner
from rich.console import Console

from cli.exits import Exit
from cli.parser_evaluation import build_parser_tables, evaluate_parsers
from evaluation.enrichment.parsing import ParsingReport, ProviderReport


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with one recorded answer."""
    folder = tmp_path / "providers" / "anilist"
    folder.mkdir(parents=True)
    (tmp_path / "providers" / "index.csv").write_text("provider,provider_id,mal_id,title,kind,file\n")
    (folder / "a.json").write_bytes(orjson.dumps({"data": {"Media": {"id": 3, "title": {"romaji": "Third"}}}}))
    return tmp_path


def test_the_report_is_printed_as_json(data: Path) -> None:
    """Counts by provider; known facts that this folder cannot confirm make it fail."""
    result = CliRunner().invoke(evaluate_parsers, ["--data", str(data), "--json"], standalone_mode=False)
    report = orjson.loads(result.stdout)
    assert report["providers"]["anilist"]["parsed"] == 1 and report["problem_count"] > 0
    assert result.return_value == Exit.FAILED


def test_the_tables_name_what_went_wrong() -> None:
    """A row a provider, then the problems; without any it says so."""
    good = ParsingReport(
        providers={"jikan": ProviderReport(files={"a"}, titles=2, parsed=2)}, checked=3, checked_titles=1
    )
    bad = ParsingReport(problems=["a.json: IndexError: nothing there"])
    console = Console(width=150, file=io.StringIO(), record=True)
    console.print(*build_parser_tables(good), *build_parser_tables(bad), sep="\n")
    text = console.export_text()
    assert "jikan" in text and "3 facts of 1 well-known titles" in text and "Nothing crashed" in text
    assert "a.json: IndexError" in text
