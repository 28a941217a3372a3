"""Locks of a Postgres session: one holder, free at once when he is gone."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from core.errors import DependencyUnavailableError
from storage.database.locks import LockService
from storage.database.session import Database


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A pool of this test's own."""
    database = Database(database_url)
    yield database
    database.close()


def test_one_holds_and_the_others_are_told(database: Database) -> None:
    """While one thread holds an id's lock nobody else gets it, another id's is free, and afterwards so is this one."""
    locks, owner = LockService(database), uuid.uuid4()
    others: list[bool] = []

    def look() -> None:
        with locks.try_hold(owner) as lock:
            others.append(lock is not None)

    with locks.try_hold(owner) as held, locks.try_hold(uuid.uuid4()) as other:
        assert held is not None
        assert other is not None
        held.check()
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
    look()
    assert others == [False, True]


def test_an_error_lets_go(database: Database) -> None:
    """What is raised in the block comes out of it, and the lock is free."""
    locks, owner = LockService(database), uuid.uuid4()
    with pytest.raises(ValueError, match="on purpose"), locks.try_hold(owner):
        raise ValueError("on purpose")
    with locks.try_hold(owner) as lock:
        assert lock is not None


def test_a_lost_connection_is_noticed_and_its_lock_free(database: Database, database_url: str) -> None:
    """When the session ends under its holder, he is told at his next check, and another may hold the lock at once."""
    owner, other = uuid.uuid4(), Database(database_url)
    with LockService(database).try_hold(owner) as held:
        assert held is not None
        with other.begin() as connection:
            connection.execute(
                text("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted")
            )
        with pytest.raises(DependencyUnavailableError, match="held a lock"):
            held.check()
        with LockService(other).try_hold(owner) as taken:
            assert taken is not None
    with LockService(database).try_hold(owner) as again:
        assert again is not None
    other.close()
