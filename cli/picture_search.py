"""What `avs search --picture` asks for, and how pictures that were found are shown."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import click
from rich.box import SIMPLE_HEAD
from rich.table import Table

IMAGE_PATH = "/api/v1/search/image"
MULTIMODAL_PATH = "/api/v1/search/multimodal"
_SCHEMES = ("http://", "https://")


def describe_picture(picture: str) -> dict[str, str]:
    """The fields of a request for a file, or for an address that the API is to fetch."""
    if picture.startswith(_SCHEMES):
        return {"image_url": picture}
    try:
        data = Path(picture).read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise click.BadParameter(f"{picture} cannot be read: {reason}", param_hint="--picture") from None
    return {"image_data": base64.b64encode(data).decode("ascii")}


def choose_path(*, has_text: bool, has_picture: bool, finds_pictures: bool, default: str) -> str:
    """Which route answers. Raises BadParameter for what none does."""
    if not has_text and not has_picture:
        raise click.UsageError("say what to look for: QUERY, --picture, or both")
    if finds_pictures and has_text and has_picture:
        raise click.BadParameter("takes a text or a picture, not both", param_hint="--pictures")
    if has_picture and has_text:
        return MULTIMODAL_PATH
    return IMAGE_PATH if has_picture or finds_pictures else default


def build_picture_table(answer: dict[str, Any]) -> Table:
    """Pictures that were found, a line each."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, title_justify="left", title_style="bold")
    table.add_column("", no_wrap=True, justify="right", style="dim")
    table.add_column("Picture", ratio=1, overflow="ellipsis", no_wrap=True)
    for name in ("Kind", "Size", "Similarity"):
        table.add_column(name, no_wrap=True, justify="left" if name == "Kind" else "right")
    for rank, result in enumerate(answer["results"], start=1):
        payload, similarity = result["payload"], result["similarity"]
        table.add_row(
            str(rank),
            _name(result["id"], payload),
            str(payload.get("kind") or ""),
            f"{payload['width']} x {payload['height']}" if "width" in payload else "",
            "" if similarity is None else f"{similarity:.3f}",
        )
    return table


def _name(identifier: str, payload: dict[str, Any]) -> str:
    known = [payload[key] for key in ("title", "character", "image_id") if payload.get(key)]
    return " / ".join(known) or str(payload.get("url") or identifier)
