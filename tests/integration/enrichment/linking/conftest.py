"""Titles of our own making in a real Postgres."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from sqlalchemy import text

from core.document import AnimeDocument, content_hash
from storage.database.links import LinkRepository
from storage.database.session import Database
from storage.database.titles import StoredTitle, TitleRepository

AddTitle = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def whole_database(database_url: str) -> Iterator[Database]:
    """The module's database."""
    made = Database(database_url)
    yield made
    made.close()


@pytest.fixture
def database(whole_database: Database) -> Database:
    """The module's database without titles, jobs, tables and dumps."""
    with whole_database.begin() as connection:
        connection.execute(text("TRUNCATE titles, jobs, id_mappings, provider_titles CASCADE"))
    return whole_database


@pytest.fixture
def links(database: Database) -> LinkRepository:
    """What is tested."""
    return LinkRepository(database)


@pytest.fixture
def add_title(database: Database) -> AddTitle:
    """Store a title; its document."""

    def add(slug: str, **fields: Any) -> dict[str, Any]:
        document = AnimeDocument.model_validate({"title": slug.replace("-", " ").title(), **fields}).to_json()
        titles = TitleRepository(database)
        with database.begin() as connection:
            stored = StoredTitle(slug, document, content_hash(document), adult=False, excluded=False)
            titles.insert(connection, [stored])
            titles.add_ids(
                connection, [(space, str(one), slug) for space, one in document.get("external_ids", {}).items()]
            )
        return document

    return add


@pytest.fixture
def count(database: Database) -> Callable[..., int]:
    """How many rows of a table a condition is true of."""

    def count_rows(table: str, condition: str = "true", **values: Any) -> int:
        with database.begin() as connection:
            query = text(f"SELECT count(*) FROM {table} WHERE {condition}")
            found: int = connection.execute(query, values).scalar_one()
            return found

    return count_rows


@pytest.fixture
def add_claim(database: Database) -> Callable[..., None]:
    """What a provider has said of a title, and the part that it came by."""

    def add(slug: str, provider: str, facts: Mapping[str, Any] | None = None, *, state: str = "done") -> None:
        with database.begin() as connection:
            values = {"slug": slug, "provider": provider, "state": state, "facts": json.dumps(facts or {})}
            connection.execute(
                text(
                    "INSERT INTO enrich_parts (slug, provider, stage, state, lease_owner, leased_until) "
                    "VALUES (:slug, :provider, 'metadata', :state, 'a-lane', now() + interval '1 h')"
                ),
                values,
            )
            connection.execute(
                text(
                    "INSERT INTO claims (slug, provider, stage, facts, hash, fetched_at, changed_at) "
                    "VALUES (:slug, :provider, 'metadata', CAST(:facts AS jsonb), '', now(), now())"
                ),
                values,
            )

    return add
