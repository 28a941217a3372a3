"""The layout of a collection: which vectors it has, of what size and kind. It cannot change once a collection exists.

HNSW and quantization are no part of it: they change how fast a search is, not whether a point can be written.
"""

from __future__ import annotations

import hashlib
import json

from core.recipe import RecipeSet
from core.settings import Settings
from inference import bm25
from storage.vectors.schema import build_sparse_config, build_vectors_config


def needs_idf(recipes: RecipeSet) -> bool:
    """True for BM25, whose weights get their IDF from Qdrant."""
    return recipes.lexical.encoder == bm25.ENCODER


def get_image_dimension(recipes: RecipeSet) -> int | None:
    """Size of the image vectors; None if titles have none."""
    return recipes.image.dimension if recipes.image else None


def build_layout(settings: Settings, recipes: RecipeSet) -> str:
    """12 hex digits: change when these settings and recipes need another collection than before."""
    dense = build_vectors_config(
        settings, text_dimension=recipes.text.dimension, image_dimension=get_image_dimension(recipes)
    )
    sparse = build_sparse_config(settings, lexical_needs_idf=needs_idf(recipes))
    parts = {
        "dense": {name: [params.size, params.distance] for name, params in dense.items()},
        "sparse": {name: params.modifier for name, params in sparse.items()},
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]
