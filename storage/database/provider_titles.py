"""Titles in all languages at a provider that has no search, as its dump gives them. A dump is replaced as a whole."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Row, text

from storage.database.session import Database

_BATCH_ROWS = 10_000
_LOCK = text("SELECT pg_advisory_xact_lock(7214120, hashtext(:provider))")
_DELETE = text("DELETE FROM provider_titles WHERE provider = :provider")
_INSERT = text("""
    INSERT INTO provider_titles (provider, external_id, kind, language, title)
    SELECT :provider, * FROM unnest(
        CAST(:ids AS text[]), CAST(:kinds AS text[]), CAST(:languages AS text[]), CAST(:titles AS text[])
    )
""")
_ALL = text("SELECT external_id, title FROM provider_titles WHERE provider = :provider ORDER BY id")
# A dump that is replaced gets new ids, so its largest tells whether it is still the same.
_VERSION = text("SELECT coalesce(max(id), 0) FROM provider_titles WHERE provider = :provider")


@dataclass(frozen=True, slots=True)
class ProviderTitle:
    """One title of an entry of a dump. `kind` and `language` are the provider's words (main, official, ja, x-jat)."""

    external_id: str
    kind: str
    language: str
    title: str


class ProviderTitleRepository:
    """Reads and writes `provider_titles`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def replace(self, provider: str, rows: Iterable[ProviderTitle]) -> int:
        """Put these titles in the place of the provider's, in one transaction; returns their number.

        Nothing is changed when `rows` raises in the middle, or is empty: a dump without titles is no dump.
        """
        iterator, count = iter(rows), 0
        with self._database.begin() as connection:
            connection.execute(_LOCK, {"provider": provider})
            while batch := list(islice(iterator, _BATCH_ROWS)):
                if not count:
                    connection.execute(_DELETE, {"provider": provider})
                _insert(connection, provider, batch)
                count += len(batch)
        return count

    def get_version(self, provider: str) -> int:
        """A number that changes whenever the provider's titles are replaced; 0 while there are none."""
        with self._database.begin() as connection:
            version: int = connection.execute(_VERSION, {"provider": provider}).scalar_one()
            return version

    def load_all(self, provider: str) -> dict[str, tuple[str, ...]]:
        """All titles by external id, in the order of the dump."""
        with self._database.begin() as connection:
            return _group(connection.execute(_ALL, {"provider": provider}))


def _group(rows: Iterable[Row[Any]]) -> dict[str, tuple[str, ...]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for row in rows:
        found[row.external_id].append(row.title)
    return {external_id: tuple(titles) for external_id, titles in found.items()}


def _insert(connection: Connection, provider: str, rows: list[ProviderTitle]) -> None:
    parameters = {
        "provider": provider,
        "ids": [row.external_id for row in rows],
        "kinds": [row.kind for row in rows],
        "languages": [row.language for row in rows],
        "titles": [row.title for row in rows],
    }
    connection.execute(_INSERT, parameters)
