"""The examples of docs/client.md."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from client import Client

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "client.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)


def test_the_examples_that_read_run(web: Any, client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    """One after the other, as they stand, and they find something."""
    readers = [block for block in BLOCKS if "client.jobs" not in block and "client.admin" not in block]
    assert len(readers) >= 4
    names: dict[str, Any] = {"client": client}
    for block in readers:
        exec(block.replace("http://localhost:8002", web.url), names)  # our own page
        if "with Client(" in block:
            names["client"] = client
    printed = capsys.readouterr().out
    assert "filters.year" in printed
    assert re.search(r"^\d+ of 200$", printed, flags=re.MULTILINE)


def test_every_method_is_told() -> None:
    """The page names each public method of the client, of its jobs and of its administration."""
    with Client("http://localhost:8002") as client:
        parts = [part for name, part in vars(client).items() if not name.startswith("_")]
        methods = {name for part in (client, *parts) for name in dir(part) if not name.startswith("_")}
    assert len(methods) > 25
    assert {name for name in methods - {"close"} if name not in PAGE} == set()
