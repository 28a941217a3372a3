"""Generations: which collection holds the titles, made by which recipes, and which one is live."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, func, select, update
from sqlalchemy.dialects.postgresql import insert

from core.recipe import EmbeddingRecipe, RecipeSet
from storage.database.models import GenerationState, generations, model_versions
from storage.database.session import Database


@dataclass(frozen=True, slots=True)
class Generation:
    """One collection of titles with the recipes that filled it."""

    collection: str
    alias: str
    state: GenerationState
    recipes: RecipeSet


class GenerationRepository:
    """Reads and writes `generations` and `model_versions`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get_live(self, alias: str) -> Generation | None:
        """The generation that searches are answered from; None before the first one exists."""
        return self._find_first(alias, GenerationState.LIVE)

    def get_building(self, alias: str, recipes_fingerprint: str) -> Generation | None:
        """The newest generation of these recipes that is not live yet."""
        return self._find_first(alias, GenerationState.BUILDING, recipes_fingerprint)

    def list_all(self, alias: str) -> list[Generation]:
        """All generations of an alias, the newest first."""
        return self._find(alias)

    def create(self, collection: str, *, alias: str, recipes: RecipeSet) -> Generation:
        """Record a generation that is being built; the same call again changes nothing."""
        members = {"text": recipes.text, "lexical": recipes.lexical, "metadata": recipes.metadata}
        with self._database.begin() as connection:
            versions = [_version_values(kind, recipe) for kind, recipe in members.items()]
            connection.execute(insert(model_versions).on_conflict_do_nothing(), versions)
            connection.execute(
                insert(generations)
                .values(
                    collection=collection,
                    alias=alias,
                    state=GenerationState.BUILDING,
                    recipes_fingerprint=recipes.fingerprint,
                    **{f"{kind}_fingerprint": recipe.fingerprint for kind, recipe in members.items()},
                )
                .on_conflict_do_nothing()
            )
        return Generation(collection, alias, GenerationState.BUILDING, recipes)

    def set_live(self, collection: str, alias: str) -> None:
        """Record that the alias points at this collection now; the one before is retired."""
        with self._database.begin() as connection:
            connection.execute(
                update(generations)
                .where(generations.c.alias == alias, generations.c.state == GenerationState.LIVE)
                .where(generations.c.collection != collection)
                .values(state=GenerationState.RETIRED)
            )
            connection.execute(
                update(generations)
                .where(generations.c.collection == collection)
                .values(state=GenerationState.LIVE, live_at=func.now())
            )

    def _find_first(self, alias: str, state: GenerationState, fingerprint: str | None = None) -> Generation | None:
        for generation in self._find(alias):
            if generation.state is state and fingerprint in (None, generation.recipes.fingerprint):
                return generation
        return None

    def _find(self, alias: str) -> list[Generation]:
        query = select(generations).where(generations.c.alias == alias).order_by(generations.c.created_at.desc())
        with self._database.begin() as connection:
            rows = connection.execute(query).all()
            versions = {row.fingerprint: _to_recipe(row) for row in connection.execute(select(model_versions))}
        return [
            Generation(
                collection=row.collection,
                alias=row.alias,
                state=GenerationState(row.state),
                recipes=RecipeSet(
                    text=versions[row.text_fingerprint],
                    lexical=versions[row.lexical_fingerprint],
                    metadata=versions[row.metadata_fingerprint],
                ),
            )
            for row in rows
        ]


def _version_values(kind: str, recipe: EmbeddingRecipe) -> dict[str, Any]:
    return {
        "fingerprint": recipe.fingerprint,
        "kind": kind,
        "encoder": recipe.encoder,
        "revision": recipe.revision,
        "dimension": recipe.dimension,
        "template_version": recipe.template_version,
    }


def _to_recipe(row: Row[Any]) -> EmbeddingRecipe:
    return EmbeddingRecipe(row.encoder, row.revision, row.dimension, row.template_version)
