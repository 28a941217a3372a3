"""The one client of Qdrant. Translates its errors; holds no state but the connection pool.

Writes wait until they are durable (`wait=True`), since the ledger in Postgres is written after them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

import httpx
from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException, UnexpectedResponse

from core.errors import ConflictError, DependencyUnavailableError, PermanentError, ServiceError
from core.settings import Settings
from storage.vectors.pictures import PICTURE_INDEXES, build_picture_vectors_config
from storage.vectors.schema import PAYLOAD_INDEXES, build_sparse_config, build_vectors_config

# Points in one request: the embedded engine holds the interpreter lock for the length of an update.
UPSERT_POINTS = 128
SCROLL_POINTS = 500
_RETRYABLE_STATUS = frozenset({408, 429, 500, 502, 503, 504})
# A wrong key is mended without us, and until then Qdrant is of no use to anybody.
_LOCKED_OUT_STATUS = frozenset({401, 403})
T = TypeVar("T")


class PointsMissingError(ConflictError):
    """A partial update named a point, or a request a collection, that Qdrant does not have."""


class AlreadyThereError(ConflictError):
    """Another process was faster to create the same thing."""


class RequestRefusedError(PermanentError):
    """Qdrant understood a request and refused it: it would refuse it again."""

    code = "request-refused"


@dataclass(frozen=True, slots=True)
class CollectionState:
    """What a collection says of itself. `is_optimised` is False while an index is being built."""

    name: str
    points: int
    indexed_vectors: int
    is_optimised: bool


class VectorStore:
    """Collections, points and queries. Methods raise DependencyUnavailableError when Qdrant is away."""

    def __init__(self, settings: Settings, *, timeout_s: float | None = None) -> None:
        self._settings = settings
        key = settings.qdrant_api_key
        self._client = QdrantClient(
            url=settings.qdrant_url,
            api_key=key.get_secret_value() if key else None,
            timeout=max(1, round(timeout_s or settings.qdrant_timeout_s)),
            check_compatibility=False,
            limits=httpx.Limits(max_connections=64, max_keepalive_connections=32),
        )

    # Collections and aliases

    def ping(self) -> None:
        """Raises DependencyUnavailableError unless Qdrant answers."""
        self._call(self._client.get_collections)

    def create_collection(
        self, name: str, *, text_dimension: int, image_dimension: int | None = None, lexical_needs_idf: bool = True
    ) -> None:
        """Create a titles collection with all its payload indexes; does nothing if it is there.

        `lexical_needs_idf`: True for BM25, False for an encoder's own sparse weights.
        """
        vectors = build_vectors_config(self._settings, text_dimension=text_dimension, image_dimension=image_dimension)
        sparse = build_sparse_config(self._settings, lexical_needs_idf=lexical_needs_idf)
        self._ensure_collection(name, vectors, sparse, indexes=PAYLOAD_INDEXES)

    def create_pictures_collection(self, name: str, *, dimension: int) -> None:
        """Create a collection of pictures with all its payload indexes; does nothing if it is there."""
        vectors = build_picture_vectors_config(self._settings, dimension=dimension)
        self._ensure_collection(name, vectors, {}, indexes=PICTURE_INDEXES)

    def _ensure_collection(
        self,
        name: str,
        vectors: dict[str, models.VectorParams],
        sparse: dict[str, models.SparseVectorParams],
        *,
        indexes: Mapping[str, models.PayloadSchemaType],
    ) -> None:
        if not self._call(lambda: self._client.collection_exists(name)):
            with suppress(AlreadyThereError):
                self._call(lambda: self._create_collection(name, vectors, sparse))
        # Some may be missing after a crash between the two steps.
        present = self._call(lambda: self._client.get_collection(name)).payload_schema
        for field, schema in indexes.items():
            if field not in present:
                self._create_payload_index(name, field, schema)

    def _create_collection(
        self,
        name: str,
        vectors: dict[str, models.VectorParams],
        sparse: dict[str, models.SparseVectorParams],
    ) -> None:
        self._client.create_collection(
            name,
            vectors_config=vectors,
            sparse_vectors_config=sparse,
            on_disk_payload=True,
            # No graph while titles pour in: it is built once, at the end of the job.
            optimizers_config=models.OptimizersConfigDiff(
                indexing_threshold=0, memmap_threshold=self._settings.memmap_threshold_kb
            ),
        )

    def _create_payload_index(self, name: str, field: str, schema: models.PayloadSchemaType) -> None:
        self._call(lambda: self._client.create_payload_index(name, field, field_schema=schema, wait=True))

    def set_indexing(self, name: str, *, enabled: bool) -> None:
        """Let Qdrant build graphs (after a bulk load), or hold it back (during one)."""
        threshold = self._settings.indexing_threshold_kb if enabled else 0
        config = models.OptimizersConfigDiff(indexing_threshold=threshold)
        self._call(lambda: self._client.update_collection(name, optimizers_config=config))

    def is_indexing_held(self, name: str) -> bool:
        """True if Qdrant builds no graphs of this collection. False if there is none."""
        try:
            config = self._call(lambda: self._client.get_collection(name)).config
        except PointsMissingError:
            return False
        return config.optimizer_config.indexing_threshold == 0

    def get_state(self, name: str) -> CollectionState | None:
        """The collection (or alias) as it is now, None when there is none."""
        try:
            info = self._call(lambda: self._client.get_collection(name))
        except PointsMissingError:
            return None
        return CollectionState(
            name=name,
            points=info.points_count or 0,
            indexed_vectors=info.indexed_vectors_count or 0,
            is_optimised=info.status == models.CollectionStatus.GREEN,
        )

    def get_alias_target(self, alias: str) -> str | None:
        """The collection behind an alias, None when there is no such alias."""
        aliases = self._call(self._client.get_aliases).aliases
        return next((entry.collection_name for entry in aliases if entry.alias_name == alias), None)

    def swap_alias(self, alias: str, collection: str) -> None:
        """Point the alias at the collection in one step; readers see the old one or the new one."""
        actions: list[models.CreateAliasOperation | models.DeleteAliasOperation] = []
        if self.get_alias_target(alias) is not None:
            actions.append(models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=alias)))
        create = models.CreateAlias(collection_name=collection, alias_name=alias)
        actions.append(models.CreateAliasOperation(create_alias=create))
        self._call(lambda: self._client.update_collection_aliases(actions))

    # Points

    def upsert(self, collection: str, points: Sequence[models.PointStruct]) -> None:
        """Write whole points, replacing what they held. Durable on return."""
        for start in range(0, len(points), UPSERT_POINTS):
            batch = list(points[start : start + UPSERT_POINTS])
            self._call(lambda batch=batch: self._client.upsert(collection, batch, wait=True))  # type: ignore[misc]

    def apply(self, collection: str, operations: Sequence[models.UpdateOperation]) -> None:
        """Partial updates in order. Raises PointsMissingError if a point is not there. Durable on return."""
        if operations:
            self._call(lambda: self._client.batch_update_points(collection, list(operations), wait=True))

    def delete(self, collection: str, ids: Sequence[str]) -> None:
        """Remove points; ids that are not there are passed over. Durable on return."""
        if ids:
            selector = models.PointIdsList(points=list(ids))
            self._call(lambda: self._client.delete(collection, selector, wait=True))

    def count(self, collection: str, condition: models.Filter | None = None) -> int:
        """The exact number of points that match."""
        return self._call(lambda: self._client.count(collection, condition, exact=True)).count

    def count_visible(self, collection: str) -> int:
        """The exact number of points that a search without `include_adult` may find."""
        adult = models.FieldCondition(key="adult", match=models.MatchValue(value=True))
        return self.count(collection, models.Filter(must_not=[adult]))

    def retrieve(
        self,
        collection: str,
        ids: Sequence[str],
        *,
        with_payload: bool | models.PayloadSelector = True,
        with_vectors: bool | list[str] = False,
    ) -> list[models.Record]:
        """The points of these ids that exist, in no particular order."""
        return self._call(
            lambda: self._client.retrieve(collection, list(ids), with_payload=with_payload, with_vectors=with_vectors)
        )

    def scroll_ids(self, collection: str) -> Iterator[str]:
        """The id of every point."""
        offset: models.ExtendedPointId | None = None
        while True:
            page, offset = self._call(
                lambda offset=offset: self._client.scroll(  # type: ignore[misc]
                    collection, limit=SCROLL_POINTS, offset=offset, with_payload=False
                )
            )
            yield from (str(record.id) for record in page)
            if offset is None:
                return

    def query_batch(self, collection: str, requests: Sequence[models.QueryRequest]) -> list[list[models.ScoredPoint]]:
        """The answers of several queries in one round trip, in their order."""
        # Past the client's front, which copies every request to look for texts to embed: 64 queries of 384 numbers cost
        # 8 CPU-ms rather than 15. Each request was validated when it was built.
        batch = models.QueryRequestBatch.model_construct(searches=list(requests))
        api = self._client.http.search_api
        answer = self._call(lambda: api.query_batch_points(collection_name=collection, query_request_batch=batch))
        return [response.points for response in answer.result or ()]

    def call(self, action: Callable[[QdrantClient], T]) -> T:
        """Ask the client for something that has no method here, with its errors translated."""
        return self._call(lambda: action(self._client))

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _call(self, action: Callable[[], T]) -> T:
        try:
            return action()
        except UnexpectedResponse as error:
            raise _translate(error) from error
        except ResponseHandlingException as error:
            # No answer, or one that is not Qdrant's.
            raise DependencyUnavailableError("qdrant", type(error.source).__name__) from error
        except (httpx.HTTPError, ConnectionError) as error:
            raise DependencyUnavailableError("qdrant", type(error).__name__) from error


def _translate(error: UnexpectedResponse) -> ServiceError:
    """What an answer that is no success means to us."""
    status = error.status_code
    if status in _LOCKED_OUT_STATUS:
        return DependencyUnavailableError("qdrant", f"status {status}: QDRANT_API_KEY is wrong or missing")
    if status is None or status in _RETRYABLE_STATUS:
        return DependencyUnavailableError("qdrant", f"status {status}")
    if status == 404:
        return PointsMissingError(str(error))
    return AlreadyThereError(str(error)) if status == 409 else RequestRefusedError(str(error))


__all__ = ["ApiException", "CollectionState", "PointsMissingError", "RequestRefusedError", "VectorStore"]
