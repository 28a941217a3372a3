"""What administration asks of Qdrant: whole collections, their descriptions and their snapshots."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from qdrant_client import models

from core.settings import Settings
from storage.vectors.store import PointsMissingError, VectorStore


@dataclass(frozen=True, slots=True)
class SnapshotFile:
    """A snapshot as Qdrant lists it. `checksum` is a SHA-256 in hex digits."""

    name: str
    size_bytes: int
    checksum: str | None
    created_at: str | None


class CollectionAdministration:
    """Describes, drops, saves and restores collections. Snapshots take as long as copying the files does."""

    def __init__(self, settings: Settings, store: VectorStore) -> None:
        self._settings = settings
        self._store = store

    def list_names(self) -> set[str]:
        """The names of all collections."""
        answer = self._store.call(lambda client: client.get_collections())
        return {collection.name for collection in answer.collections}

    def describe(self, name: str) -> dict[str, Any] | None:
        """What Qdrant says of a collection, as JSON; None when there is none."""
        try:
            return self._store.call(lambda client: client.get_collection(name)).model_dump(mode="json")
        except PointsMissingError:
            return None

    def drop(self, name: str) -> None:
        """Delete a collection with all it holds; does nothing if there is none."""
        with suppress(PointsMissingError):
            self._store.call(lambda client: client.delete_collection(name))

    def delete_points(self, name: str, ids: Sequence[str]) -> bool:
        """Remove points from a collection that may be gone; False if it is."""
        try:
            self._store.delete(name, ids)
        except PointsMissingError:
            return False
        return True

    # Snapshots

    def save_snapshot(self, collection: str) -> SnapshotFile:
        """Write a snapshot of the collection beside Qdrant's data; returns once it is on disk."""
        made = self._store.call(lambda client: client.create_snapshot(collection, wait=True))
        if made is None:
            raise PointsMissingError(f"Qdrant made no snapshot of {collection}")
        return _to_file(made)

    def list_snapshots(self, collection: str) -> list[SnapshotFile]:
        """The snapshots of a collection; none of a collection that is gone."""
        try:
            return [_to_file(one) for one in self._store.call(lambda client: client.list_snapshots(collection))]
        except PointsMissingError:
            return []

    def delete_snapshot(self, collection: str, name: str) -> None:
        """Remove a snapshot; does nothing if there is none."""
        with suppress(PointsMissingError):
            self._store.call(lambda client: client.delete_snapshot(collection, name, wait=True))

    def restore_snapshot(self, snapshot: str, *, source: str, target: str, checksum: str | None) -> None:
        """Make the collection `target` from a snapshot of `source`. Qdrant fetches the file from itself by our URL."""
        key = self._settings.qdrant_api_key
        location = f"{self._settings.qdrant_url.rstrip('/')}/collections/{source}/snapshots/{snapshot}"
        self._store.call(
            lambda client: client.recover_snapshot(
                target,
                location,
                api_key=key.get_secret_value() if key else None,
                checksum=checksum,
                priority=models.SnapshotPriority.SNAPSHOT,
                wait=True,
            )
        )


def _to_file(description: models.SnapshotDescription) -> SnapshotFile:
    return SnapshotFile(description.name, description.size, description.checksum, description.creation_time)
