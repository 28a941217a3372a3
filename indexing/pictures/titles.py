"""A title's image vectors: the mean of the unit vectors of its pictures, as they are in the pictures collection.

Character pictures make character_image_vector, all others image_vector. A content counts once in each, however many of
the title's pictures show it: a thumbnail with the bytes of the cover adds nothing.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from core.errors import TransientError
from core.recipe import EmbeddingRecipe
from core.settings import Settings
from core.vectors import CHARACTER_IMAGE_VECTOR, IMAGE_VECTOR
from indexing.passages import hash_passage
from indexing.pictures.writing import Vector
from storage.database.models import PictureKind
from storage.database.picture_generations import build_pictures_collection_name
from storage.database.picture_ledger import PictureLedgerRepository, ShownPicture
from storage.database.session import Connection
from storage.vectors.pictures import PICTURE_VECTOR
from storage.vectors.store import PointsMissingError, VectorStore


@dataclass(frozen=True, slots=True)
class PictureGroup:
    """The points that one vector of a title is made from, one for each content, and a hash over contents and recipe."""

    points: tuple[uuid.UUID, ...]
    hash: str


def group_pictures(shown: Iterable[ShownPicture], recipe: EmbeddingRecipe) -> dict[str, PictureGroup]:
    """The groups by vector name; a title without pictures of a kind has no such vector."""
    contents: dict[str, dict[str, uuid.UUID]] = {}
    for picture in shown:
        name = CHARACTER_IMAGE_VECTOR if picture.kind is PictureKind.CHARACTER else IMAGE_VECTOR
        contents.setdefault(name, {}).setdefault(picture.sha256, picture.id)
    return {
        name: PictureGroup(
            points=tuple(found[sha256] for sha256 in sorted(found)),
            hash=hash_passage(sorted(found), recipe.fingerprint),
        )
        for name, found in contents.items()
    }


class TitlePictureSource:
    """Reads the pictures of titles, for one picture recipe (None: titles have no image vectors)."""

    def __init__(
        self,
        settings: Settings,
        recipe: EmbeddingRecipe | None,
        *,
        ledger: PictureLedgerRepository,
        store: VectorStore,
    ) -> None:
        self._recipe = recipe
        self._alias = settings.qdrant_pictures_collection_name
        self._ledger = ledger
        self._store = store

    def load_groups_in(self, connection: Connection, slugs: Sequence[str]) -> dict[str, dict[str, PictureGroup]]:
        """By title, its groups. To be read after the titles themselves: see `titles.pictures_hash`."""
        if self._recipe is None:
            return {}
        shown = self._ledger.load_shown_in(connection, self._get_collection(self._recipe), slugs)
        return {slug: group_pictures(pictures, self._recipe) for slug, pictures in shown.items()}

    def fetch(self, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Vector]:
        """Unit vectors of these points, each of shape (dimension,).

        Raises TransientError if the collection has lost some: they are written again by the next job of pictures, and
        until then the titles have no such pictures.
        """
        if not ids or self._recipe is None:
            return {}
        collection = self._get_collection(self._recipe)
        found = self._retrieve(collection, ids)
        if lost := sorted(set(ids) - set(found)):
            self._ledger.forget_now(collection, lost)
            raise TransientError(f"{len(lost)} points of {collection} are missing")
        return found

    def _retrieve(self, collection: str, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Vector]:
        wanted = [str(one) for one in dict.fromkeys(ids)]
        try:
            records = self._store.retrieve(collection, wanted, with_payload=False, with_vectors=[PICTURE_VECTOR])
        except PointsMissingError:
            return {}
        return {
            uuid.UUID(str(record.id)): np.asarray(record.vector[PICTURE_VECTOR], np.float32)
            for record in records
            if isinstance(record.vector, dict) and PICTURE_VECTOR in record.vector
        }

    def _get_collection(self, recipe: EmbeddingRecipe) -> str:
        return build_pictures_collection_name(self._alias, recipe)


def average_group(group: Sequence[uuid.UUID], vectors: Mapping[uuid.UUID, Vector]) -> Vector:
    """The unit vector in the middle of the group's, each with equal weight."""
    mean = np.mean([vectors[one] for one in group], axis=0)
    norm = float(np.linalg.norm(mean))
    return np.asarray(mean / norm if norm else mean, dtype=np.float32)
