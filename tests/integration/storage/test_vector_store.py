"""The titles collection as Qdrant reports it, writes to it, and what happens when Qdrant is away."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from qdrant_client import models

from core.errors import DependencyUnavailableError
from core.identity import point_id
from core.settings import Settings
from core.vectors import TITLE_VECTORS, Priority, VectorSource
from embedded.services import EmbeddedServices
from storage.vectors.schema import PAYLOAD_INDEXES, build_sparse_config, build_vectors_config, get_search_ef
from storage.vectors.store import PointsMissingError, RequestRefusedError, VectorStore

_DIMENSION = 8
_HNSW = {Priority.HIGH: (64, 256), Priority.MEDIUM: (48, 200), Priority.LOW: (32, 128)}


@pytest.fixture(scope="module")
def store(qdrant_url: str) -> Iterator[VectorStore]:
    """A client of the embedded Qdrant."""
    opened = VectorStore(Settings(_env_file=None, qdrant_url=qdrant_url), timeout_s=30)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def collection(store: VectorStore) -> Iterator[str]:
    """A titles collection of this module's own."""
    name = f"store_{uuid.uuid4().hex[:8]}"
    store.create_collection(name, text_dimension=_DIMENSION)
    yield name
    store._client.delete_collection(name)


def _point(number: int, **payload: object) -> models.PointStruct:
    vector = [0.0] * _DIMENSION
    vector[number % _DIMENSION] = 1.0
    sparse = models.SparseVector(indices=[1, 7], values=[0.5, 1.5])
    return models.PointStruct(
        id=point_id(f"s{number}"),
        vector={"title_vector": vector, "genre_vector": vector, "lexical_sparse": sparse},
        payload={"id": f"s{number}", **payload},
    )


def test_the_collection_is_as_the_product_says(store: VectorStore, collection: str) -> None:
    """Ten dense vectors with HNSW and quantization by priority, originals on disk; sparse ones; payload indexes."""
    info = store._client.get_collection(collection)
    dense = info.config.params.vectors
    assert isinstance(dense, dict)
    text = {spec.name: spec.priority for spec in TITLE_VECTORS if spec.source is VectorSource.TEXT}
    assert set(dense) == set(text)
    for name, priority in text.items():
        assert priority is not None
        given = dense[name]
        assert (given.size, given.distance, given.on_disk) == (_DIMENSION, models.Distance.COSINE, True)
        assert given.hnsw_config is not None
        assert (given.hnsw_config.m, given.hnsw_config.ef_construct) == _HNSW[priority]
        if priority is Priority.LOW:
            assert isinstance(given.quantization_config, models.BinaryQuantization)
        else:
            assert isinstance(given.quantization_config, models.ScalarQuantization)
            assert given.quantization_config.scalar.type == models.ScalarType.INT8
            assert given.quantization_config.scalar.always_ram is True
    sparse = info.config.params.sparse_vectors
    assert sparse is not None and set(sparse) == {"lexical_sparse", "metadata_sparse", "behavioral_sparse"}
    assert sparse["lexical_sparse"].modifier == models.Modifier.IDF
    assert sparse["metadata_sparse"].modifier in (None, models.Modifier.NONE)
    schema = {field: index.data_type for field, index in info.payload_schema.items()}
    assert schema == PAYLOAD_INDEXES


def test_creating_it_again_changes_nothing(store: VectorStore, collection: str) -> None:
    """The second call finds everything there, and the points stay."""
    store.upsert(collection, [_point(900)])
    before = store._client.get_collection(collection).config
    store.create_collection(collection, text_dimension=_DIMENSION)
    assert store._client.get_collection(collection).config == before
    assert store.retrieve(collection, [point_id("s900")])


def test_a_missing_index_is_made_up_for(store: VectorStore, collection: str) -> None:
    """A crash between collection and indexes is mended by the next call."""
    store._client.delete_payload_index(collection, "year")
    store.create_collection(collection, text_dimension=_DIMENSION)
    assert "year" in store._client.get_collection(collection).payload_schema


def test_settings_shape_the_vectors() -> None:
    """Quantization can be turned off or set by priority; image vectors exist once their dimension is known."""
    settings = Settings(
        _env_file=None, quantization_high="product", quantization_medium="none", hnsw_m_low=8, hnsw_ef_high=99
    )
    config = build_vectors_config(settings, text_dimension=8, image_dimension=4)
    assert config["image_vector"].size == 4 and config["title_vector"].size == 8
    assert isinstance(config["title_vector"].quantization_config, models.ProductQuantization)
    assert config["staff_vector"].quantization_config is None
    assert config["episode_vector"].hnsw_config is not None and config["episode_vector"].hnsw_config.m == 8
    assert get_search_ef(settings, Priority.HIGH) == 99
    bare = Settings(_env_file=None, qdrant_enable_quantization=False, enable_sparse_vectors=False)
    plain = build_vectors_config(bare, text_dimension=8, image_dimension=None)
    assert "image_vector" not in plain and {params.quantization_config for params in plain.values()} == {None}
    assert build_sparse_config(bare, lexical_needs_idf=True) == {}
    learned = build_sparse_config(settings, lexical_needs_idf=False)
    assert {params.modifier for params in learned.values()} == {None}, "learned weights need no IDF"


def test_points_are_written_read_counted_and_deleted(store: VectorStore, collection: str) -> None:
    """More points than one request holds, each there once; ids that are absent are passed over."""
    points = [_point(number, year=2000 + number % 3) for number in range(300)]
    store.upsert(collection, points)
    store.upsert(collection, points[:10])
    year = models.Filter(must=[models.FieldCondition(key="year", match=models.MatchValue(value=2001))])
    assert store.count(collection, year) == 100
    ids = list(store.scroll_ids(collection))
    assert len(ids) == len(set(ids)) == store.count(collection) >= 300
    [record] = store.retrieve(collection, [point_id("s1"), point_id("nobody")], with_vectors=["title_vector"])
    assert record.payload == {"id": "s1", "year": 2001} and set(record.vector or {}) == {"title_vector"}
    store.delete(collection, [point_id("s1"), point_id("nobody")])
    store.delete(collection, [])
    assert store.retrieve(collection, [point_id("s1")]) == []


def test_a_partial_update_touches_only_what_it_names(store: VectorStore, collection: str) -> None:
    """New vectors, removed vectors and a new payload in one request; every other vector stays."""
    store.upsert(collection, [_point(500, year=1999)])
    identifier = point_id("s500")
    new = [0.0] * (_DIMENSION - 1) + [1.0]
    store.apply(
        collection,
        [
            models.UpdateVectorsOperation(
                update_vectors=models.UpdateVectors(
                    points=[models.PointVectors(id=identifier, vector={"title_vector": new})]
                )
            ),
            models.DeleteVectorsOperation(
                delete_vectors=models.DeleteVectors(points=[identifier], vector=["genre_vector"])
            ),
            models.OverwritePayloadOperation(
                overwrite_payload=models.SetPayload(payload={"id": "s500", "score": 8.5}, points=[identifier])
            ),
        ],
    )
    [record] = store.retrieve(collection, [identifier], with_vectors=True)
    assert record.payload == {"id": "s500", "score": 8.5}
    assert isinstance(record.vector, dict) and set(record.vector) == {"title_vector", "lexical_sparse"}
    assert record.vector["title_vector"] == new
    store.apply(collection, [])


def test_an_update_of_an_absent_point_is_an_error(store: VectorStore, collection: str) -> None:
    """A partial update never makes half a point: it says that the point is missing."""
    vectors = models.PointVectors(id=point_id("absent"), vector={"title_vector": [1.0] * _DIMENSION})
    update = models.UpdateVectorsOperation(update_vectors=models.UpdateVectors(points=[vectors]))
    with pytest.raises(PointsMissingError):
        store.apply(collection, [update])
    assert store.retrieve(collection, [point_id("absent")]) == []


def test_an_absent_collection_is_told(store: VectorStore) -> None:
    """Its state is None; a read or a write says that it is missing."""
    assert store.get_state("nowhere") is None
    with pytest.raises(PointsMissingError):
        store.count("nowhere")
    with pytest.raises(PointsMissingError):
        store.upsert("nowhere", [_point(1)])


def test_an_alias_moves_in_one_step(store: VectorStore, collection: str) -> None:
    """The first call sets it, the second moves it, and readers of the alias see the new collection."""
    alias, other = f"alias_{uuid.uuid4().hex[:8]}", f"other_{uuid.uuid4().hex[:8]}"
    store._client.create_collection(other, vectors_config={"title_vector": models.VectorParams(size=2, distance="Dot")})
    assert store.get_alias_target(alias) is None
    store.swap_alias(alias, collection)
    assert store.get_alias_target(alias) == collection
    store.swap_alias(alias, other)
    assert store.get_alias_target(alias) == other and store.count(alias) == 0
    store.swap_alias(alias, other)
    store._client.delete_collection(other)


def test_the_state_tells_points_and_graph(store: VectorStore, collection: str) -> None:
    """Held back, no graph is built; allowed, the collection says when it is ready."""
    store.set_indexing(collection, enabled=False)
    store.upsert(collection, [_point(700)])
    state = store.get_state(collection)
    assert state is not None and state.points == store.count(collection)
    store.set_indexing(collection, enabled=True)
    info = store._client.get_collection(collection)
    assert info.config.optimizer_config.indexing_threshold == Settings(_env_file=None).indexing_threshold_kb


def test_what_qdrant_refuses_is_an_error_of_ours(store: VectorStore, collection: str) -> None:
    """A request that Qdrant understood and refused is permanent, and says why."""
    wrong = models.QueryRequest(query=[0.5], using="title_vector", limit=1)
    with pytest.raises(RequestRefusedError, match="400"):
        store.query_batch(collection, [wrong])


@pytest.mark.parametrize("status", [401, 403])
def test_a_wrong_key_counts_as_qdrant_away(status: int) -> None:
    """The error names Qdrant and the setting, so that health reports it and a search answers 503."""

    class Refusing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Refusing) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        locked = VectorStore(Settings(_env_file=None, qdrant_url=f"http://127.0.0.1:{server.server_port}"))
        with pytest.raises(DependencyUnavailableError, match="QDRANT_API_KEY"):
            locked.ping()
        locked.close()
        thread.join()


def test_an_absent_qdrant_is_named(collection: str, store: VectorStore, fresh_services: EmbeddedServices) -> None:
    """Away, every call raises the transient error that names Qdrant; back again, the same client goes on."""
    before = store.count(collection)
    fresh_services.kill("qdrant")
    for call in (
        store.ping,
        lambda: store.count(collection),
        lambda: store.upsert(collection, [_point(1)]),
        lambda: store.get_state(collection),
        lambda: store.query_batch(collection, []),
    ):
        with pytest.raises(DependencyUnavailableError, match="qdrant"):
            call()
    fresh_services.start("qdrant")
    store.ping()
    assert store.count(collection) == before
