"""Runs migrations against DATABASE_URL, or against the URL that a caller put into the Alembic config."""

from __future__ import annotations

from alembic import context
from sqlalchemy import create_engine, pool, text

from core.settings import load_settings
from storage.database import enrichment_models  # noqa: F401 - its tables are part of the metadata
from storage.database.models import metadata

# Any number: two processes that migrate at once wait for each other on it.
_MIGRATION_LOCK = 7_214_031


def _database_url() -> str:
    given = context.config.get_main_option("sqlalchemy.url")
    return given or load_settings().database_url.get_secret_value()


def run_offline() -> None:
    """Print the SQL instead of running it (`alembic upgrade head --sql`)."""
    context.configure(url=_database_url(), target_metadata=metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()


def run_online() -> None:
    """Run in one transaction under a lock."""
    engine = create_engine(_database_url(), poolclass=pool.NullPool)
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=metadata, compare_type=True)
        with context.begin_transaction():
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})"))
            context.run_migrations()
    engine.dispose()


if context.is_offline_mode():
    run_offline()
else:
    run_online()
