"""The layout's fingerprint: another when a collection cannot take the points, the same for all else."""

from __future__ import annotations

from dataclasses import replace

from core.recipe import EmbeddingRecipe, RecipeSet
from core.settings import Settings
from indexing.layout import build_layout
from inference import bm25

_RECIPES = RecipeSet(
    EmbeddingRecipe("e", "1", 8, 1), EmbeddingRecipe(bm25.ENCODER, "1", 0, 1), EmbeddingRecipe("m", "1", 0, 1)
)
_SETTINGS = Settings(_env_file=None)


def _layout(recipes: RecipeSet = _RECIPES, **settings: object) -> str:
    return build_layout(_SETTINGS.model_copy(update=settings), recipes)


def test_what_a_collection_cannot_change_changes_the_layout() -> None:
    """Sizes, sparse vectors and where IDF comes from."""
    larger = replace(_RECIPES, text=replace(_RECIPES.text, dimension=16))
    learned = replace(_RECIPES, lexical=replace(_RECIPES.lexical, encoder="learned"))
    seeing = replace(_RECIPES, image=EmbeddingRecipe("i", "1", 8, 1))
    sharper = replace(_RECIPES, image=EmbeddingRecipe("i", "1", 16, 1))
    layouts = [_layout(), _layout(larger), _layout(learned), _layout(enable_sparse_vectors=False)]
    layouts += [_layout(seeing), _layout(sharper)]
    assert len(set(layouts)) == 6


def test_tuning_does_not_change_the_layout() -> None:
    """HNSW and quantization need no new collection, nor does a new revision of the same size."""
    newer = replace(_RECIPES, text=replace(_RECIPES.text, revision="2"))
    assert _layout() == _layout(newer) == _layout(hnsw_m_high=16, qdrant_enable_quantization=False)
