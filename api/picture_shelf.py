"""What administration does with collections of pictures: their numbers, and pictures that must go at once."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict
from typing import Any

from core.settings import Settings
from storage.database.models import GenerationState
from storage.database.picture_generations import PictureGeneration, PictureGenerationRepository
from storage.database.picture_ledger import PictureLedgerRepository
from storage.database.picture_rows import PictureRowRepository
from storage.database.pictures import PictureRepository
from storage.database.session import Database
from storage.vectors.administration import CollectionAdministration
from storage.vectors.store import VectorStore


class PictureShelf:
    """The pictures of an alias as operators see them."""

    def __init__(
        self,
        *,
        pictures: PictureRepository,
        rows: PictureRowRepository,
        ledger: PictureLedgerRepository,
        generations: PictureGenerationRepository,
        collections: CollectionAdministration,
        store: VectorStore,
        alias: str,
    ) -> None:
        self._pictures = pictures
        self._rows = rows
        self._ledger = ledger
        self._generations = generations
        self._collections = collections
        self._store = store
        self._alias = alias

    def count(self) -> dict[str, Any]:
        """Pictures that belong in the index, those that are stored, adult and stale; points of the live collection."""
        live = self._generations.get_live(self._alias)
        state = self._store.get_state(live.collection) if live else None
        return {
            **self._pictures.count(),
            "stale": self._rows.count_stale(live.collection) if live else None,
            "points": state.points if state else None,
            "generation": live.collection if live else None,
        }

    def describe(self) -> dict[str, Any] | None:
        """The live collection as Qdrant describes it; None while there is none."""
        live = self._generations.get_live(self._alias)
        found = self._collections.describe(live.collection) if live else None
        if live is None or found is None:
            return None
        return {
            "collection": live.collection,
            "alias": self._alias,
            "status": found["status"],
            "points": found["points_count"] or 0,
            "pictures": self._ledger.count(live.collection),
            "indexed_vectors": found["indexed_vectors_count"] or 0,
            "segments": found["segments_count"],
            "vectors": found["config"]["params"]["vectors"],
            "payload_indexes": sorted(found["payload_schema"]),
            "recipe": {"fingerprint": live.recipe.fingerprint, **asdict(live.recipe)},
            "generations": [_show(one) for one in self._generations.list_all(self._alias)],
        }

    def remove_points_of(self, slug: str, *, present: AbstractSet[str]) -> None:
        """Take the pictures of an excluded title out of every collection of `present` that holds pictures.

        The ledger first: a picture that it does not list is written in full when the title comes back.
        """
        self.remove_points(self._pictures.list_ids_of_title(slug), present=present)

    def remove_points(self, ids: Sequence[uuid.UUID], *, present: AbstractSet[str]) -> list[str]:
        """Take these pictures out of every collection of `present`; the names of those that had any of them."""
        removed: list[str] = []
        for one in self._generations.list_all(self._alias):
            if ids and one.collection in present:
                self._ledger.forget_now(one.collection, ids)
                if self._collections.delete_points(one.collection, [str(identifier) for identifier in ids]):
                    removed.append(one.collection)
        return removed


def _show(generation: PictureGeneration) -> dict[str, Any]:
    live_at, state = generation.live_at, GenerationState(generation.state)
    return {
        "collection": generation.collection,
        "state": state.value,
        "encoder": generation.recipe.encoder,
        "created_at": generation.created_at.isoformat(),
        "live_at": live_at.isoformat() if live_at else None,
    }


def build_picture_shelf(settings: Settings, database: Database, store: VectorStore) -> PictureShelf:
    """The shelf over this database and Qdrant."""
    return PictureShelf(
        pictures=PictureRepository(database),
        rows=PictureRowRepository(database),
        ledger=PictureLedgerRepository(database),
        generations=PictureGenerationRepository(database),
        collections=CollectionAdministration(settings, store),
        store=store,
        alias=settings.qdrant_pictures_collection_name,
    )
