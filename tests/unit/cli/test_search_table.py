"""`avs search` on a terminal: readable whatever its width."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from cli.searching import build_table

_LONG = "Centuries ago, mankind was slaughtered [to near extinction] by monstrous creatures.\n\n" * 20


def _build_answer(**payload: Any) -> dict[str, Any]:
    row = {"title": "Shingeki no Kyojin", "year": 2013, "type": "tv", "synopsis": _LONG, "genres": ["action"] * 9}
    result = {"id": "x", "score": 0.1, "similarity": 0.4567, "payload": {**row, **payload}}
    return {"results": [result] * 3}


def _render(answer: dict[str, Any], *, width: int) -> list[str]:
    file = io.StringIO()
    Console(file=file, width=width).print(build_table(answer))
    return file.getvalue().splitlines()


@pytest.mark.parametrize("width", [60, 80, 200])
@pytest.mark.parametrize("title", ["Shingeki no Kyojin", "進撃の巨人" * 30])
def test_a_result_takes_two_lines_at_most(width: int, title: str) -> None:
    """Title and one line of synopsis, both cut where the terminal ends; year, type and similarity stay whole."""
    lines = _render(_build_answer(title=title), width=width)
    assert max(map(cell_len, lines)) <= width
    rows = [line for line in lines if "0.457" in line]
    assert len(rows) == 3
    assert all(word in row for row in rows for word in (title[:5], "2013", "tv"))
    synopses = [line for line in lines if "Centuries ago" in line]
    assert len(synopses) == 3
    # The head and its rule, and perhaps blank lines around.
    assert len([line for line in lines if line.strip()]) == 2 + 6


def test_a_result_without_year_synopsis_and_similarity_is_one_line() -> None:
    """What is not known is left out, and brackets in a title are no markup."""
    answer = _build_answer(title="[bold]Brackets[/bold]", year=None, synopsis=None)
    for result in answer["results"]:
        result["similarity"] = None
    lines = [line for line in _render(answer, width=80) if line.strip()]
    assert len(lines) == 2 + 3
    assert all("[bold]Brackets[/bold]" in line for line in lines[2:])
