"""`avs similar` against a made-up API."""

from __future__ import annotations

from typing import Any

import httpx
import orjson
import pytest
from click.testing import CliRunner

import cli.searching
from cli.searching import build_error
from cli.similar import similar
from core.errors import NotFoundError


def test_titles_and_options_become_one_question(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arguments are what to be like, --unlike what not; the one answer of the batch is shown."""
    asked: list[tuple[str, dict[str, Any]]] = []

    def post(url: str, *, content: bytes, **_: Any) -> httpx.Response:
        asked.append((url, orjson.loads(content)))
        return httpx.Response(200, json={"answers": [{"results": [], "marker": 7}]})

    monkeypatch.setattr(cli.searching.httpx, "post", post)
    arguments = ["mal:1", "trigun", "--unlike", "naruto", "--limit", "3", "--filter", "year=2000..", "--json"]
    result = CliRunner().invoke(similar, arguments, standalone_mode=False)
    assert orjson.loads(result.output)["marker"] == 7
    url, body = asked[0]
    assert url.endswith("/api/v1/similarity/batch")
    assert (body["mode"], body["positive"], body["negative"]) == ("combined", ["mal:1", "trigun"], ["naruto"])
    assert (body["limit"], body["filters"]) == (3, {"year": {"gte": 2000}})


def test_an_unknown_title_is_told_in_the_apis_words() -> None:
    """The sentence of the problem document is not wrapped into another one."""
    error = build_error({"status": 404, "detail": "no title has the id 'x'"})
    assert isinstance(error, NotFoundError)
    assert str(error) == "no title has the id 'x'"
