"""Prepared titles and their vectors -> what Qdrant is told to do."""

from __future__ import annotations

from typing import Any

import numpy as np
from qdrant_client import models

from core.identity import point_id
from core.vectors import LEXICAL_VECTOR
from indexing.payload import build_payload
from indexing.preparation import PreparedTitle
from inference.base import SparseVector

Vectors = dict[str, "np.ndarray[Any, np.dtype[np.float32]] | SparseVector"]


def build_point(prepared: PreparedTitle, vectors: Vectors) -> models.PointStruct:
    """A whole point, for a title that the collection does not hold yet."""
    return models.PointStruct(id=point_id(prepared.title.slug), vector=_to_wire(vectors), payload=_payload(prepared))


def build_updates(prepared: PreparedTitle, vectors: Vectors) -> list[models.UpdateOperation]:
    """Only what changed: vectors made anew, vectors that are gone, and the payload."""
    identifier = point_id(prepared.title.slug)
    operations: list[models.UpdateOperation] = []
    if vectors:
        points = [models.PointVectors(id=identifier, vector=_to_wire(vectors))]
        operations.append(models.UpdateVectorsOperation(update_vectors=models.UpdateVectors(points=points)))
    removed = list(prepared.removed)
    if prepared.lexical_text and LEXICAL_VECTOR not in vectors:
        # A text without a single word ("!!!") has no lexical vector any more.
        removed.append(LEXICAL_VECTOR)
    if removed:
        gone = models.DeleteVectors(points=[identifier], vector=removed)
        operations.append(models.DeleteVectorsOperation(delete_vectors=gone))
    payload = models.SetPayload(payload=_payload(prepared), points=[identifier])
    operations.append(models.OverwritePayloadOperation(overwrite_payload=payload))
    return operations


def _payload(prepared: PreparedTitle) -> dict[str, Any]:
    title = prepared.title
    return build_payload(title.slug, title.document, adult=title.adult, vectors=prepared.vectors)


def _to_wire(vectors: Vectors) -> dict[str, Any]:
    wire: dict[str, Any] = {}
    for name, vector in vectors.items():
        if isinstance(vector, SparseVector):
            wire[name] = models.SparseVector(indices=vector.indices.tolist(), values=vector.values.tolist())
        else:
            # Seven digits carry all of a float32's meaning for a cosine and halve the body.
            wire[name] = np.round(vector.astype(np.float64), 7).tolist()
    return wire
