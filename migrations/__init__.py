"""Alembic migrations: the only way in which the database's schema changes."""
