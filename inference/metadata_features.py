"""The features of `core.features` as sparse vectors, with the recipe that changes whenever one of their rules does."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from core.features import GENRE_SYNONYMS, GENRES, POPULAR_MEMBERS, POPULAR_RANK, RULES_VERSION, WEIGHTS, feature_index
from core.recipe import EmbeddingRecipe
from inference.base import SparseVector, build_sparse


def encode_features(features: Mapping[str, float]) -> SparseVector:
    """Features as a sparse vector, for documents and queries alike. Names that collide are summed."""
    weights: dict[int, float] = {}
    for name, weight in features.items():
        index = feature_index(name)
        weights[index] = weights.get(index, 0.0) + weight
    return build_sparse(weights)


def build_metadata_recipe(template_version: int) -> EmbeddingRecipe:
    """Changes with any weight, list or rule of this file."""
    tables = (sorted(WEIGHTS.items()), sorted(GENRES), sorted(GENRE_SYNONYMS.items()), POPULAR_RANK, POPULAR_MEMBERS)
    digest = hashlib.blake2b(repr(tables).encode(), digest_size=6).hexdigest()
    return EmbeddingRecipe("metadata-rules", f"rules{RULES_VERSION};{digest}", 0, template_version)
