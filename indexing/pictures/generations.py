"""Which collection the pictures go into: one for each picture encoder, reached by an alias."""

from __future__ import annotations

from core.log import Event, Log
from core.recipe import EmbeddingRecipe, RecipeSet
from indexing.generations import NoGenerationError
from storage.database.models import GenerationState
from storage.database.picture_generations import PictureGeneration, PictureGenerationRepository
from storage.vectors.administration import CollectionAdministration
from storage.vectors.store import VectorStore

# Searches may still be under way in a collection that went out of service.
_GRACE_S = 600.0
_log = Log("pictures")


class PictureGenerationService:
    """Creates collections of pictures and moves their alias. Every step may be repeated after a crash."""

    def __init__(
        self,
        generations: PictureGenerationRepository,
        store: VectorStore,
        administration: CollectionAdministration,
        *,
        alias: str,
    ) -> None:
        self._generations = generations
        self._store = store
        self._administration = administration
        self._alias = alias

    def ensure(self, recipe: EmbeddingRecipe, *, idle_s: float) -> PictureGeneration:
        """The collection of this recipe, made if there is none. The first of all goes live at once.

        If it is the live one, an attempt at another on which no job got on for `idle_s` seconds is given up.
        """
        generation, is_new = self._generations.find_or_create(self._alias, recipe)
        if is_new:
            _log.info(Event.GENERATION_CREATED, collection=generation.collection, encoder=recipe.encoder)
        self.ensure_collection(generation)
        if self._generations.get_live(self._alias) is None:
            self.go_live(generation)
        self.retire_abandoned(recipe, idle_s=idle_s)
        return generation

    def get_target(self, preferred: str | None = None) -> PictureGeneration:
        """Where a job writes to: where it began (`preferred`) while that is in use, else the newest in use."""
        usable = [one for one in self._generations.list_all(self._alias) if one.is_in_use]
        began = next((one for one in usable if one.collection == preferred), None)
        if (target := began or next(iter(usable), None)) is None:
            raise NoGenerationError("no embedding worker with a picture encoder has started yet", retry_after_s=5)
        return target

    def is_made_by(self, collection: str, recipe: EmbeddingRecipe) -> bool:
        """True if the collection is one of ours, in use, and holds vectors of this recipe."""
        found = self._generations.get(self._alias, collection)
        return found is not None and found.is_in_use and found.recipe == recipe

    def get_building(self) -> PictureGeneration | None:
        """The newest that is being built and is where jobs write to; None if that is the live one."""
        usable = [one for one in self._generations.list_all(self._alias) if one.is_in_use]
        newest = next(iter(usable), None)
        return newest if newest is not None and newest.state is GenerationState.BUILDING else None

    def is_ready_for(self, recipes: RecipeSet) -> bool:
        """True if titles of these recipes find their pictures: their collection is live, or they need none."""
        if recipes.image is None:
            return True
        live = self.get_live()
        return live is not None and live.recipe == recipes.image

    def get_live(self) -> PictureGeneration | None:
        """The one that searches by picture are answered from."""
        return self._generations.get_live(self._alias)

    def go_live(self, generation: PictureGeneration) -> None:
        """Move the alias in one step. Qdrant first: Postgres then says what searches already see."""
        with self._generations.deciding() as connection:
            self._store.swap_alias(self._alias, generation.collection)
            self._generations.set_live_in(connection, generation.collection, self._alias)
        _log.info(Event.ALIAS_SWAPPED, alias=self._alias, collection=generation.collection)

    def ensure_collection(self, generation: PictureGeneration) -> None:
        """Make the collection, and the alias of a live one, if Qdrant has lost them or never had them."""
        self._store.create_pictures_collection(generation.collection, dimension=generation.recipe.dimension)
        is_live = generation.state is GenerationState.LIVE
        if is_live and self._store.get_alias_target(self._alias) != generation.collection:
            # Died between the two steps of going live, or Qdrant came back empty.
            self._store.swap_alias(self._alias, generation.collection)

    def retire_abandoned(self, recipe: EmbeddingRecipe, *, idle_s: float) -> None:
        """If this is the live recipe: give up attempts at others that nobody carries on, so that jobs come back."""
        live = self.get_live()
        if live is not None and live.recipe == recipe:
            for collection in self._generations.retire_abandoned(self._alias, idle_s=idle_s):
                _log.warning(Event.GENERATION_GIVEN_UP, collection=collection, reason="nobody carries it on")

    def hold_indexing(self, collection: str) -> None:
        """No graph while pictures pour in."""
        self._store.set_indexing(collection, enabled=False)

    def resume_indexing(self) -> None:
        """Let Qdrant build the graphs of all collections in use that were held back."""
        for one in self._generations.list_all(self._alias):
            if one.is_in_use and self._store.is_indexing_held(one.collection):
                self._store.set_indexing(one.collection, enabled=True)

    def drop_needless(self) -> list[str]:
        """Drop collections whose encoder no generation of titles uses or may go back to; returns their names."""
        needless = self._generations.list_needless(self._alias, grace_s=_GRACE_S)
        for collection in needless:
            # Nobody takes it up again meanwhile. Dying in between leaves a ledger of points that are missing, which the
            # next job over them finds out.
            with self._generations.deciding() as connection:
                self._administration.drop(collection)
                self._generations.set_dropped_in(connection, collection)
            _log.info(Event.GENERATION_DROPPED, collection=collection)
        return needless
