"""`avs search --picture`: which route is asked, what is sent, and how pictures are shown."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import click
import httpx
import orjson
import pytest
from click.testing import CliRunner
from rich.console import Console

import cli.searching
from cli.picture_search import IMAGE_PATH, MULTIMODAL_PATH, build_picture_table
from cli.searching import SEARCH_PATH, search

_ANSWER = {
    "results": [],
    "total_found": 0,
    "total_is_exact": True,
    "query_info": {"vectors": {}, "took_ms": {"total": 1.0}},
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """What the command asks the API: (path, body)."""
    found: list[tuple[str, dict[str, Any]]] = []

    def post(url: str, *, content: bytes, **_: Any) -> httpx.Response:
        found.append((httpx.URL(url).path, orjson.loads(content)))
        return httpx.Response(200, content=orjson.dumps(_ANSWER))

    monkeypatch.setattr(cli.searching.httpx, "post", post)
    return found


def run(*arguments: str) -> Any:
    """The command's result."""
    return CliRunner().invoke(search, list(arguments), standalone_mode=False)


def test_each_kind_of_search_has_its_route(asked: list[tuple[str, dict[str, Any]]], tmp_path: Path) -> None:
    """Text, picture, both, and pictures by either; a file is sent as base64, an address as it is."""
    file = tmp_path / "cover.png"
    file.write_bytes(b"pixels")
    for arguments in (
        ["robots"],
        ["--picture", str(file)],
        ["--picture", str(file), "--text", "robots", "--text-weight", "0.2"],
        ["robots", "--picture", "https://example.org/a.png", "--image-weight", "2"],
        ["--pictures", "--picture", str(file)],
        ["--pictures", "robots"],
    ):
        assert run(*arguments).exception is None, arguments
    assert [path for path, _ in asked] == [
        SEARCH_PATH, IMAGE_PATH, MULTIMODAL_PATH, MULTIMODAL_PATH, IMAGE_PATH, IMAGE_PATH,
    ]  # fmt: skip
    bodies = [body for _, body in asked]
    sent = base64.b64encode(b"pixels").decode()
    assert bodies[0] == {"query": "robots", "limit": 10, "include_adult": False}
    assert bodies[1]["image_data"] == sent and "query" not in bodies[1]
    assert (bodies[2]["query"], bodies[2]["text_weight"]) == ("robots", 0.2)
    assert (bodies[3]["image_url"], bodies[3]["image_weight"]) == ("https://example.org/a.png", 2.0)
    assert bodies[4]["target"] == bodies[5]["target"] == "pictures"


@pytest.mark.parametrize(
    "arguments",
    [[], ["robots", "--text", "cats"], ["--picture", "/no/such/file.png"], ["robots", "--pictures", "--picture", "x"]],
)
def test_what_makes_no_search_is_wrong_usage(asked: list[tuple[str, dict[str, Any]]], arguments: list[str]) -> None:
    """Nothing to look for, two texts, a file that is not there, pictures by both: nothing is asked."""
    assert isinstance(run(*arguments).exception, click.UsageError)
    assert not asked


def test_pictures_are_shown_by_what_is_known_of_them() -> None:
    """The title and the character, or the caller's id, or the address."""
    payloads = [
        {"title": "Akira", "character": "Kaneda", "kind": "character", "width": 10, "height": 20},
        {"title": None, "image_id": "still-1", "kind": "free", "width": 1, "height": 2},
        {"url": "https://example.org/a.png"},
    ]
    results = [{"id": str(n), "similarity": 0.5, "payload": payload} for n, payload in enumerate(payloads)]
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(build_picture_table({"results": results}))
    shown = console.export_text()
    for words in ("Akira / Kaneda", "10 x 20", "still-1", "https://example.org/a.png", "0.500"):
        assert words in shown
