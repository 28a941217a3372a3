"""Points of pictures and their ledger: the order of writes that makes every one of them safe to repeat."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import stamina
from numpy.typing import NDArray
from qdrant_client import models

from core.errors import DependencyUnavailableError, TransientError
from indexing.pictures.payload import build_picture_payload
from storage.database.picture_ledger import PictureEntry, PictureLedgerRepository
from storage.database.pictures import PictureRow
from storage.database.session import Connection, Database
from storage.vectors.pictures import PICTURE_VECTOR
from storage.vectors.store import PointsMissingError, VectorStore

Vector = NDArray[np.float32]
# Told in the transaction that wrote the ledger, with the pictures that changed meanwhile.
Then = Callable[[Connection, Sequence[uuid.UUID]], None]


@dataclass(frozen=True, slots=True)
class PictureChanges:
    """What is to become of some points. `known` are the pictures of `full` that the ledger lists already."""

    full: Sequence[tuple[PictureRow, Vector]] = ()
    payloads: Sequence[PictureRow] = ()
    removed: Sequence[uuid.UUID] = ()
    known: frozenset[uuid.UUID] = field(default_factory=frozenset)

    @property
    def entries(self) -> list[PictureEntry]:
        """What the ledger says of them afterwards."""
        rows = [*(row for row, _ in self.full), *self.payloads]
        return [PictureEntry(row.id, row.content_hash, row.sha256 or "") for row in rows]


class PicturePointWriter:
    """Writes points of one collection at a time."""

    def __init__(self, database: Database, ledger: PictureLedgerRepository, store: VectorStore) -> None:
        self._database = database
        self._ledger = ledger
        self._store = store

    def write(self, collection: str, changes: PictureChanges, *, then: Then) -> list[uuid.UUID]:
        """Change the points, then the ledger; returns the pictures that changed meanwhile and are to be done again."""
        ids = [row.id for row, _ in changes.full]
        payloads = [row.id for row in changes.payloads]
        self._ledger.distrust(collection, payloads=payloads, vectors=[one for one in ids if one in changes.known])
        try:
            self._write_points(collection, changes)
        except PointsMissingError as error:
            # Qdrant has lost what the ledger says it holds: forget, so that the pictures are written in full.
            self._ledger.forget_now(collection, payloads)
            raise TransientError(f"points of {collection} are missing") from error
        with self._database.begin() as connection:
            outdated = self._ledger.record(connection, collection, changes.entries)
            self._ledger.forget(connection, collection, changes.removed)
            then(connection, outdated)
        return outdated

    def _write_points(self, collection: str, changes: PictureChanges) -> None:
        points = [_build_point(row, vector) for row, vector in changes.full]
        updates = [_build_update(row) for row in changes.payloads]
        for attempt in stamina.retry_context(on=DependencyUnavailableError, attempts=6, timeout=20.0):
            with attempt:
                self._store.upsert(collection, points)
                self._store.apply(collection, updates)
                self._store.delete(collection, [str(one) for one in changes.removed])


def _build_point(picture: PictureRow, vector: Vector) -> models.PointStruct:
    # Seven digits carry all of a float32's meaning for a cosine and halve the body.
    wire: list[Any] = np.round(vector.astype(np.float64), 7).tolist()
    return models.PointStruct(id=str(picture.id), vector={PICTURE_VECTOR: wire}, payload=build_picture_payload(picture))


def _build_update(picture: PictureRow) -> models.UpdateOperation:
    payload = models.SetPayload(payload=build_picture_payload(picture), points=[str(picture.id)])
    return models.OverwritePayloadOperation(overwrite_payload=payload)
