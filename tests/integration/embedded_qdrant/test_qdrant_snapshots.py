"""Snapshots by the ordinary client: taken, listed, downloaded, recovered from, deleted."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from qdrant_client import QdrantClient
from qdrant_client import models as m
from qdrant_client.http.exceptions import UnexpectedResponse

SIZE, COUNT = 16, 300


def _point(i: int) -> m.PointStruct:
    return m.PointStruct(id=i, vector={"a": [float((i * 7 + k) % 11) for k in range(SIZE)]}, payload={"n": i})


@pytest.fixture
def name(client: QdrantClient, request: pytest.FixtureRequest) -> str:
    """A collection of 300 points with an index on `n`, behind an alias of its own."""
    name = request.node.name[:60]
    client.create_collection(
        name,
        vectors_config={"a": m.VectorParams(size=SIZE, distance=m.Distance.DOT)},
        optimizers_config=m.OptimizersConfigDiff(indexing_threshold=0),
    )
    client.create_payload_index(name, "n", "integer")
    client.upsert(name, [_point(i) for i in range(COUNT)])
    alias = m.CreateAlias(collection_name=name, alias_name=f"{name}_alias")
    client.update_collection_aliases([m.CreateAliasOperation(create_alias=alias)])
    return name


def _location(server: Any, name: str, snapshot: str) -> str:
    return f"{server.url}/collections/{name}/snapshots/{snapshot}"


def test_a_snapshot_is_listed_with_size_and_checksum(client: QdrantClient, server: Any, name: str) -> None:
    """What the listing says is true of the file that a download gives."""
    made = client.create_snapshot(name)
    assert client.list_snapshots(name) == [made]
    body = httpx.get(_location(server, name, made.name)).content
    assert (len(body), hashlib.sha256(body).hexdigest()) == (made.size, made.checksum)
    assert client.list_snapshots(f"{name}_alias") == [made]


def test_another_collection_is_made_from_it(client: QdrantClient, server: Any, name: str) -> None:
    """Points, payload indexes and configuration come back under another name; what was written later does not."""
    made = client.create_snapshot(name)
    client.delete(name, m.PointIdsList(points=[1, 2, 3]))
    assert client.recover_snapshot(f"{name}_2", _location(server, name, made.name), checksum=made.checksum)
    assert (client.count(name).count, client.count(f"{name}_2").count) == (COUNT - 3, COUNT)
    before, after = client.get_collection(name), client.get_collection(f"{name}_2")
    assert after.config == before.config
    assert after.payload_schema.keys() == before.payload_schema.keys()
    query = [1.0] * SIZE
    (record,) = client.retrieve(f"{name}_2", [2], with_vectors=True)
    assert record.payload == {"n": 2}
    assert client.query_points(f"{name}_2", query=query, using="a", limit=3).points
    client.upsert(f"{name}_2", [_point(COUNT)])
    assert (client.count(name).count, client.count(f"{name}_2").count) == (COUNT - 3, COUNT + 1)


def test_a_collection_goes_back_to_its_own_snapshot(client: QdrantClient, server: Any, name: str) -> None:
    """Recovering into the same collection replaces what it held; its alias still leads there."""
    made = client.create_snapshot(name)
    client.upsert(name, [_point(i) for i in range(COUNT, COUNT + 50)])
    client.recover_snapshot(name, _location(server, name, made.name))
    assert client.count(f"{name}_alias").count == COUNT


def test_a_snapshot_goes_and_only_it(client: QdrantClient, server: Any, name: str) -> None:
    """A deleted snapshot is neither listed nor sent; the other one is."""
    first, second = client.create_snapshot(name), client.create_snapshot(name)
    assert first.name != second.name
    client.delete_snapshot(name, first.name)
    assert client.list_snapshots(name) == [second]
    assert httpx.get(_location(server, name, first.name)).status_code == 404
    with pytest.raises(UnexpectedResponse, match="not found"):
        client.delete_snapshot(name, first.name)


def test_writes_go_on_while_a_snapshot_is_taken(client: QdrantClient, server: Any, name: str) -> None:
    """Each snapshot taken under writes holds a state between two writes, never half of one."""
    stop, written = threading.Event(), [0]

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            client.set_payload(name, {"round": number}, points=list(range(COUNT)))
            written[0] = number

    thread = threading.Thread(target=write)
    thread.start()
    try:
        made = [client.create_snapshot(name) for _ in range(5)]
    finally:
        stop.set()
        thread.join()
    assert written[0] > 0
    for snapshot in made:
        client.recover_snapshot(f"{name}_2", _location(server, name, snapshot.name))
        records, _ = client.scroll(f"{name}_2", limit=COUNT)
        assert len({(record.payload or {}).get("round") for record in records}) == 1


def test_what_is_no_snapshot_changes_nothing(client: QdrantClient, server: Any, name: str, tmp_path: Path) -> None:
    """A missing file, one that is no archive, and a wrong checksum are refused, and the collection stays as it was."""
    made = client.create_snapshot(name)
    garbage = tmp_path / "garbage.snapshot"
    garbage.write_bytes(b"no archive" * 100)
    for location, checksum, reason in (
        (f"file://{tmp_path}/missing.snapshot", None, "does not exist"),
        (f"file://{garbage}", None, "not a snapshot"),
        (_location(server, name, "missing.snapshot"), None, "download"),
        (_location(server, name, made.name), "0" * 64, "checksum"),
    ):
        with pytest.raises(UnexpectedResponse, match=reason):
            client.recover_snapshot(name, location, checksum=checksum)
    assert client.count(name).count == COUNT
    assert not client.collection_exists(f"{name}_2")


def test_an_archive_cannot_write_elsewhere(client: QdrantClient, name: str, tmp_path: Path) -> None:
    """A member that leads out of its folder is refused before anything is written there."""
    evil, target = tmp_path / "evil.snapshot", tmp_path / "outside"
    with tarfile.open(evil, "w") as tar:
        member = tarfile.TarInfo(f"../../../../../../../../..{target}")
        member.size = 3
        tar.addfile(member, io.BytesIO(b"abc"))
    with pytest.raises(UnexpectedResponse):
        client.recover_snapshot(name, f"file://{evil}")
    assert not target.exists()


def test_snapshots_outlive_a_kill(start_server: Any, tmp_path: Path) -> None:
    """After kill -9 whole snapshots are listed and recovered from; what was being made is gone."""
    server = start_server(tmp_path / "data")
    with closing(server.client()) as client:
        client.create_collection("c", vectors_config={"a": m.VectorParams(size=SIZE, distance=m.Distance.DOT)})
        client.upsert("c", [_point(i) for i in range(20)])
        made = client.create_snapshot("c")
    server.kill()
    half = tmp_path / "data" / "snapshots" / "c" / ".half.snapshot"
    half.write_bytes(b"half")
    server = start_server(tmp_path / "data")
    with closing(server.client()) as client:
        assert client.list_snapshots("c") == [made]
        client.recover_snapshot("d", _location(server, "c", made.name))
        assert client.count("d").count == 20
    assert not half.exists()
    server.kill()
    server = start_server(tmp_path / "data")
    with closing(server.client()) as client:
        assert client.count("d").count == 20
