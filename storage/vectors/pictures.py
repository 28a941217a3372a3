"""The pictures collection as Qdrant sees it: one vector, and payload indexes for what a filter may name."""

from __future__ import annotations

from typing import Final

from qdrant_client import models

from core.settings import Settings
from core.vectors import Priority
from storage.vectors.schema import build_vector_params

PICTURE_VECTOR: Final = "picture_vector"
# A picture is found by how it looks; what else is said of it only narrows a search down.
PICTURE_INDEXES: dict[str, models.PayloadSchemaType] = {
    "kind": models.PayloadSchemaType.KEYWORD,
    "slug": models.PayloadSchemaType.KEYWORD,
    "adult": models.PayloadSchemaType.BOOL,
    "tags": models.PayloadSchemaType.KEYWORD,
    "sha256": models.PayloadSchemaType.KEYWORD,
    "source": models.PayloadSchemaType.KEYWORD,
    "width": models.PayloadSchemaType.INTEGER,
    "height": models.PayloadSchemaType.INTEGER,
}


def build_picture_vectors_config(settings: Settings, *, dimension: int) -> dict[str, models.VectorParams]:
    """The one dense vector, with the settings of high priority."""
    return {PICTURE_VECTOR: build_vector_params(settings, dimension=dimension, priority=Priority.HIGH)}
