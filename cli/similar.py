"""`avs similar`: titles like one title, or like several and unlike others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from cli.exits import Exit
from cli.searching import ask_running_service, parse_filters, parse_vectors, show_answer

_PATH = "/api/v1/similarity/batch"


@click.command(name="similar")
@click.argument("titles", nargs=-1, required=True)
@click.option("--unlike", multiple=True, metavar="TITLE", help="Away from this title. May be repeated.")
@click.option("--limit", default=10, show_default=True, type=click.IntRange(1, 1_000), help="Most results shown.")
@click.option("--vector", "vectors", multiple=True, metavar="NAME[=WEIGHT]", help="Compare these vectors only.")
@click.option("--filter", "filters", multiple=True, metavar="FIELD=VALUE", help="genres=action, year=2010..2019, ...")
@click.option("--include-related", is_flag=True, help="Show sequels, prequels and other relatives too.")
@click.option("--include-adult", is_flag=True, help="Show adult titles too.")
@click.option("--json", "as_json", is_flag=True, help="Print the API's answer.")
def similar(
    *,
    titles: Sequence[str],
    unlike: Sequence[str],
    limit: int,
    vectors: Sequence[str],
    filters: Sequence[str],
    include_related: bool,
    include_adult: bool,
    as_json: bool,
) -> int:
    """Find titles like TITLES (slugs or provider:id): avs similar mal:16498 --unlike naruto."""
    body: dict[str, Any] = {
        "mode": "combined",
        "positive": list(titles),
        "negative": list(unlike),
        "limit": limit,
        "include_related": include_related,
        "include_adult": include_adult,
    }
    if vectors:
        body["vectors"] = parse_vectors(vectors)
    if filters:
        body["filters"] = parse_filters(filters)
    show_answer(ask_running_service(_PATH, body)["answers"][0], as_json=as_json)
    return Exit.OK
