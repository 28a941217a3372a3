"""The sample searches of `avs demo`."""

from __future__ import annotations

import io

from rich.console import Console

from cli.demo import show_search
from embedded.ports import LOOPBACK, choose_port


def test_a_search_that_fails_is_one_line() -> None:
    """An API that is away ends the demo's search with a sentence, not with a traceback."""
    file = io.StringIO()
    address = f"http://{LOOPBACK}:{choose_port()}"
    assert not show_search(address, "[quiet] science fiction", Console(file=file, width=300))
    line = file.getvalue()
    assert line.startswith("The search for “[quiet] science fiction” failed: ")
    assert f"{address} does not answer" in line
    assert line.count("\n") == 1
