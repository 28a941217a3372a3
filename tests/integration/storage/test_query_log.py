"""The log of searches on a real Postgres."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from storage.database.query_log import LoggedQuery, QueryLogRepository
from storage.database.session import Database

Execute = Callable[..., Any]


@pytest.fixture
def url(new_database: Callable[[], str]) -> str:
    """A database of the test's own."""
    return new_database()


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """The same, opened."""
    opened = Database(url)
    yield opened
    opened.close()


@pytest.fixture
def execute(url: str) -> Execute:
    """Run a statement and answer its first row, if it has rows."""

    def run(statement: str) -> Any:
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchone() if cursor.description else None

    return run


def log(text: str, asked: int) -> LoggedQuery:
    """A search with its fingerprint."""
    return LoggedQuery(f"f-{text}", {"kind": "search", "query": text, "filters": {"genres": ["a"]}}, asked)


def test_counts_add_up_and_the_most_asked_come_first(database: Database, execute: Execute) -> None:
    """Counts of several flushes and days add up; days beyond the window do not count."""
    queries = QueryLogRepository(database)
    queries.add([log("b", 3), log("a", 2)])
    queries.add([log("a", 5)])
    queries.add([])
    execute("INSERT INTO query_log SELECT day - 1, fingerprint, request, 10 FROM query_log WHERE fingerprint = 'f-b'")
    execute("INSERT INTO query_log SELECT day - 7, 'f-old', request, 99 FROM query_log WHERE fingerprint = 'f-a'")
    assert queries.load_top(most=10, days=7) == [log("b", 13), log("a", 7)]
    assert queries.load_top(most=1, days=8) == [LoggedQuery("f-old", log("a", 1).request, 99)]


def test_processes_that_add_the_same_rows_do_not_block_each_other(database: Database) -> None:
    """Rows are written in one order, so that no two processes wait for each other, and nothing is lost."""
    queries = QueryLogRepository(database)
    rows = [log(str(number), 1) for number in range(200)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda turn: queries.add(rows if turn % 2 else rows[::-1]), range(20)))
    assert {query.asked for query in queries.load_top(most=500, days=1)} == {20}


def test_pruning_keeps_some_days_and_what_was_asked_most(database: Database, execute: Execute) -> None:
    """Old days go, and of each day what is beyond its bound; the rest stays as it was."""
    queries = QueryLogRepository(database)
    queries.add([log(str(number), number) for number in range(1, 6)])
    execute("INSERT INTO query_log SELECT day - 30, fingerprint, request, asked FROM query_log")
    assert queries.prune(most=3) == 5 + 2
    assert [query.asked for query in queries.load_top(most=10, days=60)] == [5, 4, 3]
    assert queries.prune(most=3) == 0
