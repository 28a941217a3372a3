"""`avs cache`: what the kept answers are worth, what is asked most, and a way to start from nothing."""

from __future__ import annotations

import click
import orjson
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from core.errors import DependencyUnavailableError
from core.settings import load_settings
from search.answers import PREFIX
from search.cache import VECTOR_PREFIX
from search.cache_counts import CacheCounts
from storage.cache import Cache
from storage.database.query_log import QueryLogRepository
from storage.database.session import Database

_TIMEOUT_S = 10


@click.group(name="cache")
def cache_command() -> None:
    """Show or clear the kept answers."""


@cache_command.command()
def stats() -> None:
    """Print the counts of all web processes in the last 24 hours as JSON."""
    service = CacheCounts(Cache(load_settings())).get_stats()["service"]
    if service is None:
        raise DependencyUnavailableError("cache", "Redis does not answer")
    click.echo(orjson.dumps(service, option=orjson.OPT_INDENT_2))


@cache_command.command()
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1_000), help="Most searches listed.")
@click.option("--days", default=7, show_default=True, type=click.IntRange(1, 3_650), help="Days looked back on.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def asked(*, limit: int, days: int, as_json: bool) -> None:
    """List the searches that are asked most: those that warm the cache."""
    database = Database(load_settings().database_url.get_secret_value(), answer_timeout_s=_TIMEOUT_S)
    queries = QueryLogRepository(database).load_top(most=limit, days=days)
    if as_json:
        rows = [{"asked": query.asked, "request": query.request} for query in queries]
        click.echo(orjson.dumps(rows, option=orjson.OPT_INDENT_2))
        return
    table = Table("asked", "request", box=SIMPLE_HEAD)
    for query in queries:
        table.add_row(str(query.asked), orjson.dumps(query.request).decode())
    Console().print(table)


@cache_command.command()
@click.option("--vectors", is_flag=True, help="The vectors of query texts too: the query worker makes them again.")
def clear(*, vectors: bool) -> None:
    """Delete the kept answers. Web processes repeat what they hold in memory for a minute more."""
    cache = Cache(load_settings())
    deleted = sum(cache.clear(prefix) for prefix in ((PREFIX, VECTOR_PREFIX) if vectors else (PREFIX,)))
    click.echo(f"{deleted} entries deleted")
