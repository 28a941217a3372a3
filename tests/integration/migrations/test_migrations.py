"""Migrations go up, down and up again, and end at the schema that the code says."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import create_engine, inspect, text

from embedded.services import EmbeddedServices
from storage.database.models import metadata

_INI = Path(__file__).parents[3] / "migrations" / "alembic.ini"


@pytest.fixture
def empty_url(services: EmbeddedServices) -> Iterator[str]:
    """A database in which nothing has been migrated yet."""
    admin_url = services.env["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://", 1)
    name = f"migrate_{uuid.uuid4().hex[:10]}"
    engine = create_engine(admin_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield f"{admin_url.rpartition('/')[0]}/{name}"
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()


def _config(url: str) -> Config:
    config = Config(_INI)
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return config


def _tables(url: str) -> set[str]:
    engine = create_engine(url)
    try:
        return set(inspect(engine).get_table_names())
    finally:
        engine.dispose()


def test_up_down_and_up_again(empty_url: str) -> None:
    """The upgrade makes every table, the downgrade leaves none behind, and the second upgrade finds a clean place."""
    config = _config(empty_url)
    command.upgrade(config, "head")
    assert _tables(empty_url) == {*metadata.tables, "alembic_version"}
    command.downgrade(config, "base")
    assert _tables(empty_url) == {"alembic_version"}
    command.upgrade(config, "head")
    assert _tables(empty_url) == {*metadata.tables, "alembic_version"}


def test_every_revision_goes_up_and_down_alone(empty_url: str) -> None:
    """Each step of the history can be undone right after it was made."""
    config = _config(empty_url)
    for revision in reversed(list(ScriptDirectory.from_config(config).walk_revisions())):
        command.upgrade(config, revision.revision)
        command.downgrade(config, "-1")
        command.upgrade(config, revision.revision)


def test_models_and_migrations_agree(database_url: str) -> None:
    """`alembic check` finds nothing to do: tables, columns, types, indexes and keys are those of the models."""
    try:
        command.check(_config(database_url))
    except CommandError as error:
        pytest.fail(f"a migration is missing: {error}")


def test_the_migrated_schema_has_its_indexes_and_keys(database_url: str) -> None:
    """What autogenerate may overlook is compared by name: indexes, their conditions, and foreign keys."""
    engine = create_engine(database_url)
    found = inspect(engine)
    for name, table in metadata.tables.items():
        assert {index["name"] for index in found.get_indexes(name)} == {index.name for index in table.indexes}
        assert {key["name"] for key in found.get_foreign_keys(name)} == {
            key.name for key in table.foreign_key_constraints
        }
    with engine.connect() as connection:
        definition = connection.execute(
            text("SELECT indexdef FROM pg_indexes WHERE indexname = 'ix_stage_rows_open'")
        ).scalar_one()
    engine.dispose()
    assert "WHERE" in definition and "pending" in definition


def test_what_was_hidden_before_there_were_marks_has_one(empty_url: str) -> None:
    """Excluded titles, and adult ones whose points are behind; not the others. From then on each change makes one."""
    config = _config(empty_url)
    command.upgrade(config, "0009")
    engine = create_engine(empty_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("INSERT INTO model_versions VALUES ('f', 'kind', 'encoder', '1', 4, 1, now())"))
        connection.execute(
            text(
                "INSERT INTO generations (collection, alias, state, recipes_fingerprint, text_fingerprint, "
                "lexical_fingerprint, metadata_fingerprint) VALUES ('c', 'a', 'live', 'f', 'f', 'f', 'f')"
            )
        )
        connection.execute(
            text(
                "INSERT INTO titles (slug, document, content_hash, adult, excluded) VALUES ('plain', '{}', '1', false, "
                "false), ('out', '{}', '1', false, true), ('adult', '{}', '1', true, false), "
                "('behind', '{}', '2', true, false)"
            )
        )
        connection.execute(
            text(
                "INSERT INTO embedding_ledger (collection, slug, document_hash, passages) "
                "SELECT 'c', slug, '1', '{}' FROM titles"
            )
        )
        command.upgrade(config, "head")
        marked = text("SELECT slug FROM titles WHERE visibility_mark IS NOT NULL AND visibility_changed_at <= now()")
        assert set(connection.execute(marked).scalars()) == {"out", "behind"}
        connection.execute(text("UPDATE titles SET adult = true, document = '{}'"))
        assert set(connection.execute(marked).scalars()) == {"out", "behind", "plain"}
    engine.dispose()


def test_two_processes_that_migrate_at_once_do_not_collide(empty_url: str) -> None:
    """Both succeed: the second waits for the first and finds nothing to do."""
    errors: list[BaseException] = []
    lock = threading.Lock()

    def upgrade() -> None:
        try:
            _upgrade_in_a_process(empty_url)
        except BaseException as error:
            with lock:
                errors.append(error)

    threads = [threading.Thread(target=upgrade) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert _tables(empty_url) == {*metadata.tables, "alembic_version"}


def _upgrade_in_a_process(url: str) -> None:
    # Alembic keeps its context in module globals, so two upgrades need two processes.
    command_line = [sys.executable, "-m", "alembic", "-c", str(_INI), "upgrade", "head"]
    environment: dict[str, Any] = {**os.environ, "DATABASE_URL": url}
    done = subprocess.run(
        command_line, cwd=_INI.parents[1], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_sql_can_be_printed(capsys: pytest.CaptureFixture[str], database_url: str) -> None:
    """An administrator who runs SQL by hand gets it from `--sql`."""
    command.upgrade(_config(database_url), "head", sql=True)
    assert "CREATE TABLE titles" in capsys.readouterr().out
