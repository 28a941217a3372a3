"""From the ids of pictures to their rows: looked up in Postgres, so that a wrong id gets an answer of its own."""

from __future__ import annotations

import uuid

from core.errors import ConflictError, NotFoundError
from search.referring import TitleFinder
from storage.database.pictures import PictureRepository, PictureRow


class PictureNotIndexedError(ConflictError):
    """The picture is known, but there is no vector of it in the index yet."""

    code = "picture-not-indexed"


class PictureFinder:
    """Finds pictures by their ids. What may be seen of a picture is what may be seen of its title."""

    def __init__(self, pictures: PictureRepository, titles: TitleFinder) -> None:
        self._pictures = pictures
        self._titles = titles

    def find(self, identifier: str, *, include_adult: bool) -> PictureRow | None:
        """The picture; None if the identifier is none of a picture. Raises NotFoundError, also for a hidden one."""
        try:
            picture_id = uuid.UUID(identifier)
        except ValueError:
            return None
        row = self._pictures.get(picture_id)
        if (row.adult and not include_adult) or not self._is_seen(row.slug, include_adult=include_adult):
            raise NotFoundError("picture", identifier)
        return row

    def _is_seen(self, slug: str | None, *, include_adult: bool) -> bool:
        """The row says what the title was when it was last written; the title itself is asked."""
        if slug is None:
            return True
        try:
            self._titles.find(slug, include_adult=include_adult)
        except NotFoundError:
            return False
        return True
