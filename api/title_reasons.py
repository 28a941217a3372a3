"""What the routes about reasons and overrides ask: titles as a reader may see them, provenance, bases."""

from __future__ import annotations

from dataclasses import dataclass

from search.referring import TitleFinder
from storage.database.bases import BaseRepository
from storage.database.provenance import ProvenanceRepository
from storage.database.session import Database
from storage.database.titles import StoredTitle


@dataclass(frozen=True, slots=True)
class TitleReasons:
    """Building it connects to nothing; safe between threads."""

    finder: TitleFinder
    provenance: ProvenanceRepository
    bases: BaseRepository

    def find(self, identifier: str, *, include_adult: bool) -> StoredTitle:
        """Raises NotFoundError, also for a title that the caller may not see, and InvalidInputError."""
        return self.finder.find(identifier, include_adult=include_adult)


def build_title_reasons(finder: TitleFinder, database: Database) -> TitleReasons:
    """Over one database."""
    return TitleReasons(finder, ProvenanceRepository(database), BaseRepository(database))
