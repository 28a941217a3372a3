"""The named vectors of a title: the table of product.md section 3, as values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Priority(StrEnum):
    """How much memory a vector deserves; decides quantization and HNSW settings."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class VectorSource(StrEnum):
    """Who makes a vector."""

    TEXT = "text"
    IMAGE = "image"
    LEXICAL = "lexical"
    METADATA = "metadata"
    BEHAVIOUR = "behaviour"


@dataclass(frozen=True, slots=True)
class VectorSpec:
    """A named vector of the titles collection. `priority` is None for sparse vectors."""

    name: str
    source: VectorSource
    priority: Priority | None = None

    @property
    def is_sparse(self) -> bool:
        """True if Qdrant stores it as a sparse vector."""
        return self.priority is None


_TEXT = VectorSource.TEXT

TITLE_VECTORS: tuple[VectorSpec, ...] = (
    VectorSpec("title_vector", _TEXT, Priority.HIGH),
    VectorSpec("character_vector", _TEXT, Priority.HIGH),
    VectorSpec("genre_vector", _TEXT, Priority.HIGH),
    VectorSpec("review_vector", _TEXT, Priority.HIGH),
    VectorSpec("staff_vector", _TEXT, Priority.MEDIUM),
    VectorSpec("temporal_vector", _TEXT, Priority.MEDIUM),
    VectorSpec("streaming_vector", _TEXT, Priority.MEDIUM),
    VectorSpec("related_vector", _TEXT, Priority.MEDIUM),
    VectorSpec("franchise_vector", _TEXT, Priority.LOW),
    VectorSpec("episode_vector", _TEXT, Priority.LOW),
    VectorSpec("image_vector", VectorSource.IMAGE, Priority.HIGH),
    VectorSpec("character_image_vector", VectorSource.IMAGE, Priority.HIGH),
    VectorSpec("lexical_sparse", VectorSource.LEXICAL),
    VectorSpec("metadata_sparse", VectorSource.METADATA),
    VectorSpec("behavioral_sparse", VectorSource.BEHAVIOUR),
)

BY_NAME: dict[str, VectorSpec] = {spec.name: spec for spec in TITLE_VECTORS}
TEXT_VECTORS: tuple[str, ...] = tuple(spec.name for spec in TITLE_VECTORS if spec.source is _TEXT)
EPISODE_VECTOR = "episode_vector"
IMAGE_VECTOR = "image_vector"
CHARACTER_IMAGE_VECTOR = "character_image_vector"
# Made from a title's pictures, in the space of the picture encoder.
PICTURE_VECTORS: tuple[str, ...] = tuple(spec.name for spec in TITLE_VECTORS if spec.source is VectorSource.IMAGE)
LEXICAL_VECTOR = "lexical_sparse"
METADATA_VECTOR = "metadata_sparse"
