"""Engine and transactions. Every use of the database goes through `Database.begin`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from core.errors import DependencyUnavailableError

__all__ = ["Connection", "Database"]


class Database:
    """A pool of connections to one database; cheap to build, connects at first use, safe between threads."""

    def __init__(self, url: str, *, pool_size: int = 5, connect_timeout_s: int = 3) -> None:
        self.engine = create_engine(
            url,
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_timeout=10,
            pool_pre_ping=True,
            connect_args={"connect_timeout": connect_timeout_s, "application_name": "avs"},
        )

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """One transaction. Raises DependencyUnavailableError when Postgres does not answer."""
        try:
            with self.engine.begin() as connection:
                yield connection
        except PoolTimeoutError as error:
            raise DependencyUnavailableError("postgres", "no free connection") from error
        except OperationalError as error:
            raise DependencyUnavailableError("postgres", _first_line(error)) from error
        except DBAPIError as error:
            if error.connection_invalidated:
                raise DependencyUnavailableError("postgres", _first_line(error)) from error
            raise

    def ping(self) -> None:
        """Raises DependencyUnavailableError unless Postgres answers a query."""
        with self.begin() as connection:
            connection.execute(text("SELECT 1"))

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()


def _first_line(error: DBAPIError) -> str:
    return str(error.orig).strip().splitlines()[0] if error.orig else type(error).__name__
