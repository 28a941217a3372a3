"""Locks that end with their holder: one process at a time does a job's own part, whatever messages come twice."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from core.errors import DependencyUnavailableError
from storage.database.session import Database


class HeldLock:
    """A lock that this thread holds, on a connection of its own."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def check(self) -> None:
        """Raises DependencyUnavailableError if the connection, and with it the lock, is lost."""
        try:
            self._connection.execute(text("SELECT 1"))
        except SQLAlchemyError as error:
            raise DependencyUnavailableError("postgres", "the connection that held a lock is lost") from error


class LockService:
    """Advisory locks of a Postgres session: a killed holder's lock is free at once, a stopped one keeps it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def try_hold(self, owner: uuid.UUID) -> Iterator[HeldLock | None]:
        """Hold the lock of this id while the `with` block runs; None if somebody else holds it.

        Raises DependencyUnavailableError when Postgres does not answer.
        """
        # Half of a UUID is as good as random: two ids of one installation do not meet.
        key = int.from_bytes(owner.bytes[:8], "big", signed=True)
        connection = self._connect()
        try:
            if not _try_lock(connection, key):
                yield None
                return
            try:
                yield HeldLock(connection)
            finally:
                _unlock(connection, key)
        finally:
            connection.close()

    def _connect(self) -> Connection:
        engine = self._database.engine.execution_options(isolation_level="AUTOCOMMIT")
        try:
            return engine.connect()
        except SQLAlchemyError as error:
            raise DependencyUnavailableError("postgres", "no connection for a lock") from error


def _try_lock(connection: Connection, key: int) -> bool:
    try:
        return bool(connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": key}).scalar_one())
    except SQLAlchemyError as error:
        raise DependencyUnavailableError("postgres", "no answer to a lock") from error


def _unlock(connection: Connection, key: int) -> None:
    """Give the lock back. A connection that is lost has given it back already, and must not go back to the pool."""
    if connection.invalidated:
        return
    try:
        connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": key})
    except SQLAlchemyError:
        connection.invalidate()
