"""Free pictures that must not be found: gone first, taken out of the index by a job that is stored in the same step."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select, text

from core.errors import ConflictError, NotFoundError
from core.identity import picture_id
from storage.database.jobs import JobRepository
from storage.database.models import PictureKind, pictures
from storage.database.pictures import PictureRepository
from storage.database.session import Database

_KIND = "pictures"
# Only where pictures are indexed at all: without a collection the job would wait for an encoder that never comes.
_IS_INDEXED = text("SELECT EXISTS (SELECT 1 FROM picture_generations WHERE state IN ('building', 'live'))")


class PictureNamedError(ConflictError):
    """The picture is one that a title's document names; it goes when the document names it no more."""

    code = "picture-named"


@dataclass(frozen=True, slots=True)
class Removal:
    """`is_new`: it was there until now. `job_id`: what brings the index in step, None if nothing is indexed."""

    id: uuid.UUID
    is_new: bool
    job_id: uuid.UUID | None


class RemovalRepository:
    """Takes free pictures out again."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._jobs = JobRepository(database)
        self._pictures = PictureRepository(database)

    def remove(self, identifier: str) -> Removal:
        """A picture by its caller's own id (its address, if it was listed without one) or by the id that searches show.

        It belongs in no index from now on, and `GET media` shows it no more. Twice is as good as once.
        Raises NotFoundError, and PictureNamedError for a picture of a document.
        """
        with self._database.begin() as connection:
            found = self._find(connection, identifier)
            if found.kind != PictureKind.FREE:
                raise PictureNamedError(
                    f"the document of {found.slug} names this picture: store the document without it, or exclude it"
                )
            job_id = None
            is_new = bool(self._pictures.remove(connection, [found.id]))
            if is_new and connection.execute(_IS_INDEXED).scalar_one():
                params = {"pictures": [str(found.id)], "reason": "removed"}
                job_id = self._jobs.create_in(connection, _KIND, params)
        return Removal(found.id, is_new, job_id)

    @staticmethod
    def _find(connection: Connection, identifier: str) -> Row[Any, Any, Any]:
        columns = (pictures.c.id, pictures.c.kind, pictures.c.slug)
        for one in _list_ids(identifier):
            # Held: whoever gives it anew in this moment comes before or after, and not in between.
            row = connection.execute(select(*columns).where(pictures.c.id == one).with_for_update()).one_or_none()
            if row is not None:
                return row
        raise NotFoundError("picture", identifier)


def _list_ids(identifier: str) -> Iterator[uuid.UUID]:
    """What the text may mean: the caller's own id before ours."""
    yield uuid.UUID(picture_id(kind=PictureKind.FREE, name=identifier))
    try:
        yield uuid.UUID(identifier)
    except ValueError:
        return
