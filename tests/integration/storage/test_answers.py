"""Kept answers and counts of requests, in a real Postgres."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text

from storage.database.answers import AnswerRepository, Asked, NewAnswer
from storage.database.session import Database

OK = Asked("ok", 120.4)


@pytest.fixture(scope="module")
def database(database_url: str) -> Iterator[Database]:
    """The module's database."""
    opened = Database(database_url)
    yield opened
    opened.close()


@pytest.fixture
def answers(database: Database) -> AnswerRepository:
    """The repository."""
    return AnswerRepository(database)


@pytest.fixture
def name() -> str:
    """A provider that no other test knows."""
    return f"test-{uuid.uuid4().hex}"


def build(body: bytes = b"{}", **values: Any) -> NewAnswer:
    """An answer to keep."""
    return NewAnswer(**({"status": 200, "media_type": "application/json", "body": body} | values))


def age(database: Database, name: str, seconds: int) -> None:
    """Make all of a provider's answers older."""
    statement = (
        "UPDATE provider_answers SET fetched_at = fetched_at - make_interval(secs => :seconds), "
        "checked_at = checked_at - make_interval(secs => :seconds) WHERE provider = :name"
    )
    with database.begin() as connection:
        connection.execute(text(statement), {"name": name, "seconds": seconds})


@pytest.mark.parametrize("body", [b"", b"{}", b"\x00\xff" * 500, b"x" * 2_000_000])
def test_answer_comes_back_as_it_was(body: bytes, answers: AnswerRepository, name: str) -> None:
    """What is kept is given back byte for byte, with what was said about it."""
    at = answers.put(name, "k", build(body, etag='"1"', last_modified="now"), asked=OK)
    kept = answers.get(name, "k")
    assert kept is not None and kept.body == body and kept.checked_at == kept.fetched_at == at
    assert (kept.status, kept.media_type, kept.etag, kept.last_modified) == (200, "application/json", '"1"', "now")
    assert 0 <= kept.age_s < 60
    assert answers.get(name, "another") is None and answers.get("another", "k") is None


def test_bodies_are_packed(answers: AnswerRepository, database: Database, name: str) -> None:
    """A body takes less room than it has bytes, and its own size and hash are known."""
    answers.put(name, "k", build(b'{"title": "x"}' * 1_000), asked=OK)
    with database.begin() as connection:
        query = text("SELECT length(body), bytes, length(sha256) FROM provider_answers WHERE provider = :name")
        assert connection.execute(query, {"name": name}).one()[1:] == (14_000, 64)
        assert connection.execute(query, {"name": name}).one()[0] < 500


def test_same_body_keeps_its_first_time(answers: AnswerRepository, database: Database, name: str) -> None:
    """An answer that says the same was first said when it was, and a new one is new."""
    answers.put(name, "k", build(), asked=OK)
    age(database, name, 1_000)
    answers.put(name, "k", build(), asked=OK)
    same = answers.get(name, "k")
    assert same is not None and same.age_s < 60 and (same.checked_at - same.fetched_at).total_seconds() > 900
    answers.put(name, "k", build(b"[]"), asked=OK)
    new = answers.get(name, "k")
    assert new is not None and new.checked_at == new.fetched_at


def test_confirmed(answers: AnswerRepository, database: Database, name: str) -> None:
    """A confirmed answer is young again, and keeps its validators unless there are new ones."""
    answers.put(name, "k", build(etag='"1"'), asked=OK)
    age(database, name, 1_000)
    asked = Asked("not-modified", 1)
    assert answers.confirm(name, "k", etag=None, last_modified="later", asked=asked) is not None
    kept = answers.get(name, "k")
    assert kept is not None and kept.age_s < 60 and (kept.etag, kept.last_modified) == ('"1"', "later")
    assert answers.confirm(name, "gone", etag=None, last_modified=None, asked=asked) is None


def test_distrusted(answers: AnswerRepository, name: str) -> None:
    """A distrusted answer is kept, is too old for everybody, and is asked for in full."""
    answers.put(name, "k", build(etag='"1"', last_modified="now"), asked=OK)
    answers.distrust(name, ["k", "unknown"])
    kept = answers.get(name, "k")
    assert kept is not None and kept.age_s == float("inf") and (kept.etag, kept.last_modified) == (None, None)
    assert answers.load_health([name])[name].newest_at is None
    answers.put(name, "k", build(), asked=OK)
    again = answers.get(name, "k")
    assert again is not None and again.age_s < 60


def test_counts(answers: AnswerRepository, name: str) -> None:
    """Requests are counted by outcome, also by many threads at once."""
    threads = [threading.Thread(target=lambda: answers.count(name, Asked("timeout", 100))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answers.put(name, "k", build(), asked=OK)
    health = answers.load_health([name, "nobody"])
    assert health[name].hour.outcomes == health[name].day.outcomes == {"timeout": 8, "ok": 1}
    assert (health[name].hour.requests, health[name].hour.latency_ms) == (9, 920)
    assert health[name].newest_at is not None and (health[name].kept, health[name].kept_bytes) == (1, 2)
    assert health["nobody"].hour.requests == 0 and health["nobody"].newest_at is None


def test_counts_by_time(answers: AnswerRepository, database: Database, name: str) -> None:
    """The hour has this clock hour and the one before, the day 24 before, and older ones are pruned."""
    for hours in (0, 1, 2, 24, 25, 24 * 31):
        answers.count(name, Asked(f"h{hours}", 1))
        statement = "UPDATE provider_counts SET hour = hour - make_interval(hours => :hours) WHERE outcome = :outcome"
        with database.begin() as connection:
            connection.execute(text(statement), {"hours": hours, "outcome": f"h{hours}"})
    health = answers.load_health([name])[name]
    assert health.hour.outcomes.keys() == {"h0", "h1"} and health.day.outcomes.keys() == {"h0", "h1", "h2", "h24"}
    assert (health.hour.since - health.day.since).total_seconds() == 23 * 3_600
    assert answers.prune(days=30) == 1
    assert answers.prune(days=1) == 2
