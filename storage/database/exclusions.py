"""Titles that must not be found: excluded first, taken out of the index by a job that is stored in the same step."""

from __future__ import annotations

import uuid

from sqlalchemy import func, text, update

from core.errors import NotFoundError
from storage.database.jobs import JobRepository
from storage.database.models import titles
from storage.database.provenance import forget_relatives_in
from storage.database.session import Database
from storage.database.titles import TitleRepository

_KIND, _PICTURES = "index", "pictures"
# Only where pictures are indexed at all: without a collection the job would wait for an encoder that never comes.
_HAS_PICTURES = text("""
    SELECT EXISTS (SELECT 1 FROM pictures WHERE slug = :slug AND NOT gone AND sha256 IS NOT NULL)
       AND EXISTS (SELECT 1 FROM picture_generations WHERE state = 'live')
""")


class ExclusionRepository:
    """Excludes titles and brings them back."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._jobs = JobRepository(database)
        self._titles = TitleRepository(database)

    def exclude(self, slug: str) -> uuid.UUID | None:
        """The title belongs in no index from now on; returns the job that takes it out, None if it was excluded before.

        Raises NotFoundError.
        """
        return next(iter(self._set(slug, excluded=True)), None)

    def restore(self, slug: str) -> list[uuid.UUID]:
        """The title belongs in the index again; returns the jobs that write it and its pictures, the title's own last.

        None at all if it was not excluded. Raises NotFoundError.
        """
        return self._set(slug, excluded=False)

    def _set(self, slug: str, *, excluded: bool) -> list[uuid.UUID]:
        statement = update(titles).where(titles.c.slug == slug, titles.c.excluded.is_(not excluded))
        with self._database.begin() as connection:
            # No merging that still names the title may be written after this.
            self._titles.lock_slugs(connection)
            if connection.execute(statement.values(excluded=excluded, updated_at=func.now())).rowcount:
                forget_relatives_in(connection, [slug])
                params = {"ids": [slug], "reason": "excluded" if excluded else "restored"}
                # The points of its pictures went with its own, and its own job does without them until theirs is done.
                has_pictures = not excluded and connection.execute(_HAS_PICTURES, {"slug": slug}).scalar_one()
                kinds = [_PICTURES, _KIND] if has_pictures else [_KIND]
                return [self._jobs.create_in(connection, kind, params) for kind in kinds]
            known = connection.execute(titles.select().where(titles.c.slug == slug)).first()
        if known is None:
            raise NotFoundError("title", slug)
        return []
