"""Which collection the titles go into: one for each set of recipes and layout, reached by an alias."""

from __future__ import annotations

import uuid
from contextlib import suppress

from core.errors import TransientError
from core.log import Event, Log
from core.recipe import RecipeSet
from indexing.layout import get_image_dimension, needs_idf
from storage.database.generations import Generation, GenerationRepository
from storage.database.models import GenerationState
from storage.vectors.store import PointsMissingError, VectorStore

_log = Log("generations")


class NoGenerationError(TransientError):
    """No embedding worker has said yet which recipes it makes vectors by."""

    code = "no-generation"


class GenerationService:
    """Creates generations and moves the alias. Every step may be repeated after a crash."""

    def __init__(self, generations: GenerationRepository, store: VectorStore, *, alias: str) -> None:
        self._generations = generations
        self._store = store
        self._alias = alias

    def ensure(self, recipes: RecipeSet, *, layout: str, idle_s: float) -> Generation:
        """The generation of these recipes and this layout, with its collection; made if there is none.

        The first generation of all goes live at once, since there is nothing better to search in. If these are the
        recipes of the live one, an attempt at others on which no job got on for `idle_s` seconds is given up. A
        generation of these recipes that a person has withdrawn is returned, retired: nothing is made in its place.
        """
        generation, is_new = self._generations.find_or_create(self._alias, recipes, layout=layout)
        if is_new:
            _log.info(Event.GENERATION_CREATED, collection=generation.collection, encoder=recipes.text.encoder)
        if generation.state is GenerationState.RETIRED:
            # Rolled back by a person: neither filled nor followed by another until a generation is swapped to by hand.
            _log.warning(Event.GENERATION_WITHDRAWN, collection=generation.collection, encoder=recipes.text.encoder)
            return generation
        self.ensure_collection(generation)
        if self._generations.get_live(self._alias) is None:
            self.go_live(generation)
        self.retire_abandoned(recipes, layout=layout, idle_s=idle_s)
        return generation

    def retire_abandoned(self, recipes: RecipeSet, *, layout: str, idle_s: float) -> None:
        """If these are the live recipes: give up attempts at others that nobody carries on, so that jobs come back."""
        live = self._generations.get_live(self._alias)
        if live is not None and live.fits(recipes, layout):
            self._generations.retire_abandoned(self._alias, idle_s=idle_s)

    def get_target(self, preferred: str | None = None) -> Generation:
        """Where a job writes to: where it began (`preferred`) until that is retired, else the newest generation.

        One that another job fills alone is not chosen.
        """
        usable = [one for one in self._generations.list_all(self._alias) if one.is_in_use]
        began = next((one for one in usable if one.collection == preferred), None)
        shared = next((one for one in usable if one.is_shared), None)
        if (target := began or shared) is None:
            raise NoGenerationError("no embedding worker has started yet", retry_after_s=5)
        return target

    def get(self, collection: str) -> Generation | None:
        """The generation of this name, None if there is none."""
        return next((one for one in self._generations.list_all(self._alias) if one.collection == collection), None)

    def get_live(self) -> Generation | None:
        """The generation that searches are answered from."""
        return self._generations.get_live(self._alias)

    def is_made_by(self, collection: str, recipes: RecipeSet, *, layout: str) -> bool:
        """True if the collection is one of ours, in use, and holds vectors of these recipes in this layout."""
        found = self.get(collection)
        return found is not None and found.is_in_use and found.fits(recipes, layout)

    def go_live(self, generation: Generation) -> None:
        """Move the alias in one step. Qdrant first: Postgres then says what searches already see."""
        with self._generations.deciding() as connection:
            self._store.swap_alias(self._alias, generation.collection)
            self._generations.set_live_in(connection, generation.collection, self._alias)
        _log.info(Event.ALIAS_SWAPPED, alias=self._alias, collection=generation.collection)

    def hold_indexing(self, collection: str) -> None:
        """No graphs while titles pour in. Postgres first, so that somebody will remember to let it go."""
        self._generations.set_indexing_held(collection, is_held=True)
        self._store.set_indexing(collection, enabled=False)

    def resume_indexing(self, *, besides: uuid.UUID | None = None) -> None:
        """Let Qdrant build its graphs wherever no open job writes any more, `besides` the one that is ending."""
        for collection in self._generations.list_held_in_vain(self._alias, besides=besides):
            # A collection that Qdrant has lost is held back anew by the job that fills it again.
            with suppress(PointsMissingError):
                self._store.set_indexing(collection, enabled=True)
            self._generations.set_indexing_held(collection, is_held=False)

    def ensure_collection(self, generation: Generation) -> None:
        """Make the collection, and the alias of a live one, if Qdrant has lost them or never had them."""
        recipes = generation.recipes
        self._store.create_collection(
            generation.collection,
            text_dimension=recipes.text.dimension,
            image_dimension=get_image_dimension(recipes),
            lexical_needs_idf=needs_idf(recipes),
        )
        if generation.state is GenerationState.LIVE and self._store.get_alias_target(self._alias) is None:
            # Died between the two steps of going live, or Qdrant came back empty.
            self._store.swap_alias(self._alias, generation.collection)
