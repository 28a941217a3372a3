"""Where the vectors of contents come from: from a point that has one already, or else from the media store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from core.recipe import EmbeddingRecipe
from core.settings import Settings
from indexing.pictures.writing import Vector
from inference.pictures.base import PictureEncoder
from inference.pictures.pipeline import encode_stored
from storage.database.picture_ledger import PictureLedgerRepository
from storage.media import MediaStore
from storage.vectors.pictures import PICTURE_VECTOR
from storage.vectors.store import VectorStore


@dataclass(frozen=True, slots=True)
class MadeVector:
    """The vector of a content, or why it has none. `is_new`: the encoder has seen it."""

    sha256: str
    outcome: Vector | Exception
    is_new: bool


class VectorSource:
    """Vectors by content, for one encoder."""

    def __init__(
        self,
        settings: Settings,
        encoder: PictureEncoder,
        *,
        media: MediaStore,
        ledger: PictureLedgerRepository,
        store: VectorStore,
    ) -> None:
        self._settings = settings
        self._encoder = encoder
        self._media = media
        self._ledger = ledger
        self._store = store

    @property
    def recipe(self) -> EmbeddingRecipe:
        """How the vectors come about."""
        return self._encoder.recipe

    def iterate(self, collection: str, contents: Sequence[str]) -> Iterator[MadeVector]:
        """One answer for each content: those that are known first, the others as they are encoded."""
        known = self._find_known(collection, contents)
        yield from (MadeVector(sha256, vector, is_new=False) for sha256, vector in known.items())
        unknown = [one for one in contents if one not in known]
        loads = [partial(self._media.get, sha256) for sha256 in unknown]
        encoded = encode_stored(
            self._encoder,
            loads,
            max_pixels=self._settings.picture_max_pixels,
            batch=self._settings.picture_batch,
            threads=self._settings.picture_threads,
        )
        for sha256, outcome in zip(unknown, encoded, strict=True):
            yield MadeVector(sha256, outcome, is_new=not isinstance(outcome, Exception))

    def _find_known(self, collection: str, contents: Sequence[str]) -> dict[str, Vector]:
        """Vectors of other pictures with the same contents."""
        if not contents:
            return {}
        by_point = {str(one): sha256 for sha256, one in self._ledger.find_contents(collection, contents).items()}
        if not by_point:
            return {}
        records = self._store.retrieve(collection, list(by_point), with_payload=False, with_vectors=[PICTURE_VECTOR])
        return {
            by_point[str(record.id)]: np.asarray(record.vector[PICTURE_VECTOR], np.float32)
            for record in records
            if isinstance(record.vector, dict) and PICTURE_VECTOR in record.vector
        }
