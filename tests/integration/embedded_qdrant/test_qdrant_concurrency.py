"""Readers, writers, index builds and alias swaps at the same time: nothing is lost, nothing is half seen."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qdrant_client import QdrantClient
from qdrant_client import models as m
from qdrant_client.http.exceptions import UnexpectedResponse

SIZE, COUNT = 64, 3000
VECTORS = np.random.default_rng(3).standard_normal((2 * COUNT, SIZE)).astype(np.float32)


def _points(ids: range, version: int = 0) -> list[m.PointStruct]:
    return [m.PointStruct(id=i, vector={"d": VECTORS[i].tolist()}, payload={"n": i, "v": version}) for i in ids]


def _create(client: QdrantClient, name: str, ids: range, version: int = 0) -> None:
    client.create_collection(
        name,
        vectors_config={"d": m.VectorParams(size=SIZE, distance=m.Distance.COSINE)},
        hnsw_config=m.HnswConfigDiff(m=32, ef_construct=200, full_scan_threshold=10),
        optimizers_config=m.OptimizersConfigDiff(indexing_threshold=0),
    )
    client.create_payload_index(name, "n", "integer")
    for start in range(ids.start, ids.stop, 500):
        client.upsert(name, _points(range(start, min(start + 500, ids.stop)), version))


def _wait_green(client: QdrantClient, name: str) -> m.CollectionInfo:
    deadline = time.monotonic() + 60
    while (info := client.get_collection(name)).status != m.CollectionStatus.GREEN:
        assert info.optimizer_status == m.OptimizersStatusOneOf.OK
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return info


class Loop:
    """Calls something again and again on a thread of its own until stopped; its first error is raised then."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self._call = call
        self._stop = threading.Event()
        self.calls = 0
        self._pool = ThreadPoolExecutor(1)
        self._future = self._pool.submit(self._run)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._call()
            self.calls += 1

    def stop(self) -> None:
        self._stop.set()
        self._future.result(60)
        self._pool.shutdown()


def test_writes_during_a_build_are_kept(client: QdrantClient, server) -> None:
    """Upserts, updates, deletes and a new payload index made while the index is built are in the new shard."""
    _create(client, "build", range(COUNT))
    reader = server.client()
    reads = Loop(lambda: _assert_finds_itself(reader, 5))
    client.update_collection("build", optimizers_config=m.OptimizersConfigDiff(indexing_threshold=100))
    assert client.get_collection("build").status == m.CollectionStatus.YELLOW
    written, yellow_writes = COUNT, 0
    while client.get_collection("build").status == m.CollectionStatus.YELLOW and yellow_writes < 100:
        client.upsert("build", _points(range(written, written + 20)))
        written += 20
        client.set_payload("build", {"seen": written}, points=[written - 1, 7])
        client.delete("build", m.PointIdsList(points=[written - 20]))
        if yellow_writes == 0:
            client.create_payload_index("build", "seen", "integer")
        with pytest.raises(UnexpectedResponse, match="No point with id"):
            client.set_payload("build", {"x": 1}, points=[10**6])
        yellow_writes += 1
    info = _wait_green(client, "build")
    reads.stop()
    assert yellow_writes > 3
    assert reads.calls > 3
    expected = set(range(COUNT)) | {i for i in range(COUNT, written) if (i - COUNT) % 20}
    records = _all(client, "build")
    assert set(records) == expected
    assert records[7]["seen"] == written
    assert records[written - 1]["seen"] == written
    assert COUNT <= (info.indexed_vectors_count or 0) <= len(expected)
    assert info.payload_schema["seen"].points == yellow_writes + 1
    _assert_exact_equals_numpy(client, "build", expected)


def _all(client: QdrantClient, name: str) -> dict[int, dict[str, Any]]:
    return {int(r.id): r.payload or {} for r in client.scroll(name, limit=100_000)[0]}


def _assert_finds_itself(client: QdrantClient, i: int) -> None:
    hit = client.query_points("build", query=VECTORS[i].tolist(), using="d", limit=1).points[0]
    assert (hit.id, round(hit.score, 4)) == (i, 1.0)


def _assert_exact_equals_numpy(client: QdrantClient, name: str, ids: set[int]) -> None:
    order = np.array(sorted(ids))
    unit = VECTORS[order] / np.linalg.norm(VECTORS[order], axis=1, keepdims=True)
    for query in np.random.default_rng(4).standard_normal((10, SIZE)):
        scores = unit @ (query / np.linalg.norm(query))
        params = m.SearchParams(exact=True)
        found = client.query_points(name, query=query.tolist(), using="d", limit=15, search_params=params).points
        assert [hit.id for hit in found] == order[np.argsort(-scores)[:15]].tolist()


def test_an_index_is_built_by_itself_once_writes_rest(client: QdrantClient) -> None:
    """With a threshold above 0, vectors beyond it are indexed without being asked for when writes rest."""
    _create(client, "auto", range(500))
    client.update_collection("auto", optimizers_config=m.OptimizersConfigDiff(indexing_threshold=200))
    assert _wait_green(client, "auto").indexed_vectors_count == 0
    client.upsert("auto", _points(range(500, 1500)))
    assert client.get_collection("auto").status == m.CollectionStatus.YELLOW
    assert _wait_green(client, "auto").indexed_vectors_count == 1500


def test_a_collection_can_go_while_its_index_is_built(client: QdrantClient) -> None:
    """Deleting a collection during a build ends the build and leaves the name free."""
    _create(client, "going", range(COUNT))
    client.update_collection("going", optimizers_config=m.OptimizersConfigDiff(indexing_threshold=100))
    assert client.delete_collection("going")
    _create(client, "going", range(10))
    assert _wait_green(client, "going").points_count == 10


def test_changed_quantization_is_built_anew(client: QdrantClient) -> None:
    """A changed quantization of indexed vectors gives another build, and searches still find the neighbours."""
    _create(client, "quantized", range(1000))
    client.update_collection("quantized", optimizers_config=m.OptimizersConfigDiff(indexing_threshold=100))
    _wait_green(client, "quantized")
    binary = m.BinaryQuantization(binary=m.BinaryQuantizationConfig(always_ram=True))
    client.update_collection("quantized", vectors_config={"d": m.VectorParamsDiff(quantization_config=binary)})
    assert client.get_collection("quantized").status == m.CollectionStatus.YELLOW
    assert _wait_green(client, "quantized").indexed_vectors_count == 1000
    _assert_exact_equals_numpy(client, "quantized", set(range(1000)))


def test_alias_swaps_are_atomic_under_load(client: QdrantClient, server) -> None:
    """While an alias moves to and fro and old collections go, every read finds one whole generation."""
    _create(client, "gen-0", range(200), version=0)
    client.update_collection_aliases([_alias("gen-0")])
    readers = [server.client() for _ in range(4)]
    loops = [Loop(lambda reader=reader: _assert_one_generation(reader)) for reader in readers]
    for generation in range(1, 8):
        _create(client, f"gen-{generation}", range(200), version=generation)
        drop = m.DeleteAliasOperation(delete_alias=m.DeleteAlias(alias_name="current"))
        client.update_collection_aliases([drop, _alias(f"gen-{generation}")])
        client.delete_collection(f"gen-{generation - 1}")
    for loop in loops:
        loop.stop()
        assert loop.calls > 5


def _alias(name: str) -> m.CreateAliasOperation:
    return m.CreateAliasOperation(create_alias=m.CreateAlias(collection_name=name, alias_name="current"))


def _assert_one_generation(client: QdrantClient) -> None:
    found = client.query_points("current", query=VECTORS[0].tolist(), using="d", limit=50, with_payload=["v"]).points
    assert len(found) == 50
    assert len({hit.payload["v"] for hit in found if hit.payload}) == 1


def test_readers_and_writers_together(client: QdrantClient, server) -> None:
    """Four readers see only whole points while two writers rewrite them; every last write is there at the end."""
    _create(client, "busy", range(400))
    readers = [server.client() for _ in range(4)]
    loops = [Loop(lambda reader=reader: _assert_whole(reader)) for reader in readers]
    writers = [server.client(), server.client()]

    def write(which: int) -> None:
        for version in range(1, 16):
            writers[which].upsert("busy", _points(range(which * 200, which * 200 + 200), version))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, range(2)))
    for loop in loops:
        loop.stop()
        assert loop.calls > 5
    assert {payload["v"] for payload in _all(client, "busy").values()} == {15}


def _assert_whole(client: QdrantClient) -> None:
    for hit in client.query_points("busy", query=VECTORS[1].tolist(), using="d", limit=20, with_payload=True).points:
        assert hit.payload is not None
        assert hit.payload["n"] == hit.id
    assert client.count("busy").count == 400


def test_an_index_outlives_a_restart(start_server, tmp_path: Path) -> None:
    """After a stop the built index is in use again and nothing else is left in the collection's directory."""
    server = start_server(tmp_path)
    client = server.client()
    _create(client, "kept", range(1000))
    client.update_collection("kept", optimizers_config=m.OptimizersConfigDiff(indexing_threshold=100))
    _wait_green(client, "kept")
    assert server.stop() == 0
    again = start_server(tmp_path).client()
    info = again.get_collection("kept")
    assert (info.status, info.indexed_vectors_count) == (m.CollectionStatus.GREEN, 1000)
    (directory,) = (tmp_path / "collections").iterdir()
    assert len(list(directory.iterdir())) == 1
