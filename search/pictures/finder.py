"""From the ids of pictures to their rows: looked up in Postgres, so that a wrong id gets an answer of its own."""

from __future__ import annotations

import uuid

from core.errors import ConflictError, NotFoundError
from storage.database.pictures import PictureRepository, PictureRow


class PictureNotIndexedError(ConflictError):
    """The picture is known, but there is no vector of it in the index yet."""

    code = "picture-not-indexed"


class PictureFinder:
    """Finds pictures by their ids."""

    def __init__(self, pictures: PictureRepository) -> None:
        self._pictures = pictures

    def find(self, identifier: str, *, include_adult: bool) -> PictureRow | None:
        """The picture; None if the identifier is none of a picture. Raises NotFoundError, also for a hidden one."""
        try:
            picture_id = uuid.UUID(identifier)
        except ValueError:
            return None
        row = self._pictures.get(picture_id)
        if row.adult and not include_adult:
            raise NotFoundError("picture", identifier)
        return row
