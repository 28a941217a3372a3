"""Engine and transactions. Every use of the database goes through `Database.begin`.

No wait for Postgres is without end. A slow statement is ended by the server itself; a server that has stopped answering
altogether, whose kernel still acknowledges every packet, is given up by the client a little later.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus
from sqlalchemy import Connection, create_engine, event, make_url, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from core.errors import DependencyUnavailableError

__all__ = ["Connection", "Database"]

# The server's own limit comes first: it leaves the connection usable.
_GRACE_S = 0.5
_POOL_WAIT_MAX_S = 10.0
T = TypeVar("T")


class _PatientConnection(psycopg.Connection[Any]):
    """A connection that waits for each answer `patience_s` at most, and is closed when none came."""

    patience_s: float | None = None

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        try:
            return super().wait(gen, interval, self.patience_s if timeout is None else timeout)
        except psycopg.OperationalError:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                # The answer may still come, and must not be taken for that of the next question.
                self.pgconn.finish()
            raise


class Database:
    """A pool of connections to one database; cheap to build, connects at first use, safe between threads.

    `answer_timeout_s` limits each statement, the wait for a lock included: short for lookups, long for bulk work.
    """

    def __init__(
        self, url: str, *, pool_size: int = 5, connect_timeout_s: int = 3, answer_timeout_s: float = 120.0
    ) -> None:
        self.engine = create_engine(
            url,
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_timeout=min(answer_timeout_s, _POOL_WAIT_MAX_S),
            pool_pre_ping=True,
            connect_args={
                "connect_timeout": connect_timeout_s,
                "application_name": "avs",
                "options": _add_statement_timeout(url, answer_timeout_s),
                # For a machine that vanishes; the kernel of one that hangs goes on answering.
                "tcp_user_timeout": round(answer_timeout_s * 1_000),
                "keepalives_idle": 30,
                "keepalives_interval": 10,
                "keepalives_count": 3,
            },
        )

        @event.listens_for(self.engine, "do_connect")
        def connect(_dialect: Any, _record: Any, arguments: list[Any], parameters: dict[str, Any]) -> Any:
            connection = _PatientConnection.connect(*arguments, **parameters)
            connection.patience_s = answer_timeout_s + _GRACE_S
            return connection

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


def _add_statement_timeout(url: str, timeout_s: float) -> str:
    """The options of the address, with ours behind them."""
    given = make_url(url).query.get("options", ())
    options = [given] if isinstance(given, str) else [*given]
    return " ".join([*options, f"-c statement_timeout={round(timeout_s * 1_000)}"])


def _first_line(error: DBAPIError) -> str:
    return str(error.orig).strip().splitlines()[0] if error.orig else type(error).__name__
