"""Every kind of write does what the protocol says, through the ordinary client."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from qdrant_client import QdrantClient
from qdrant_client import models as m


@pytest.fixture
def name(client: QdrantClient) -> str:
    """A fresh collection of five points with a dense and a sparse vector."""
    name = f"w-{uuid.uuid4().hex}"
    client.create_collection(
        name,
        vectors_config={"d": m.VectorParams(size=2, distance=m.Distance.DOT)},
        sparse_vectors_config={"s": m.SparseVectorParams(modifier=m.Modifier.IDF)},
    )
    client.upsert(name, [_point(i) for i in range(5)])
    return name


def _point(i: Any, **payload: Any) -> m.PointStruct:
    n = i if isinstance(i, int) else 0
    vector = {"d": [float(n), 1.0], "s": m.SparseVector(indices=[n + 100, 50], values=[1.0, 0.5])}
    return m.PointStruct(id=i, vector=vector, payload={"n": n, "keep": True, **payload})


def _payloads(client: QdrantClient, name: str) -> dict[Any, Any]:
    return {record.id: record.payload for record in client.scroll(name, limit=1000)[0]}


def _at_least(n: int) -> m.Filter:
    return m.Filter(must=[m.FieldCondition(key="n", range=m.Range(gte=n))])


def test_upsert_replaces_a_point_whole(client: QdrantClient, name: str) -> None:
    """An upsert of a known id replaces its payload and vectors, and answers `completed`."""
    result = client.upsert(name, [m.PointStruct(id=1, vector={"d": [9.0, 9.0]}, payload={"new": "x"})])
    assert result.status == m.UpdateStatus.COMPLETED
    record = client.retrieve(name, [1], with_vectors=True)[0]
    assert record.payload == {"new": "x"}
    assert record.vector == {"d": [9.0, 9.0]}
    assert client.count(name).count == 5


def test_upsert_takes_columns_and_uuids(client: QdrantClient, name: str) -> None:
    """The batch form and UUID ids work, with vectors that only some points have."""
    ids = [str(uuid.uuid4()), str(uuid.uuid4())]
    client.upsert(name, m.Batch(ids=ids, vectors={"d": [[1.0, 2.0], [3.0, 4.0]]}, payloads=[{"a": 1}, {"a": 2}]))
    found = {record.id: record for record in client.retrieve(name, ids, with_vectors=True)}
    assert found[ids[1]].payload == {"a": 2}
    assert found[ids[0]].vector == {"d": [1.0, 2.0]}


def test_more_points_than_one_engine_step(client: QdrantClient, name: str) -> None:
    """An upsert larger than the engine's step is applied whole, and so is a delete."""
    client.upsert(name, [_point(i) for i in range(1000)])
    assert client.count(name).count == 1000
    client.delete(name, m.PointIdsList(points=list(range(900))))
    assert sorted(_payloads(client, name)) == list(range(900, 1000))


def test_delete_by_filter(client: QdrantClient, name: str) -> None:
    """A delete by filter removes what matches."""
    client.delete(name, m.FilterSelector(filter=_at_least(3)))
    assert sorted(_payloads(client, name)) == [0, 1, 2]


def test_payload_is_set_overwritten_deleted_and_cleared(client: QdrantClient, name: str) -> None:
    """The four payload writes act on ids and on filters."""
    client.set_payload(name, {"extra": [1, {"deep": None}]}, points=[0, 1])
    client.set_payload(name, {"inner": 1}, points=[0], key="nested")
    client.overwrite_payload(name, {"only": "this"}, points=[2])
    client.delete_payload(name, ["keep"], points=_at_least(3))
    client.clear_payload(name, [4])
    assert _payloads(client, name) == {
        0: {"n": 0, "keep": True, "extra": [1, {"deep": None}], "nested": {"inner": 1}},
        1: {"n": 1, "keep": True, "extra": [1, {"deep": None}]},
        2: {"only": "this"},
        3: {"n": 3},
        4: {},
    }


def test_vectors_are_updated_and_deleted(client: QdrantClient, name: str) -> None:
    """Updating one named vector leaves the others; deleting it takes the point out of its searches."""
    client.update_vectors(name, [m.PointVectors(id=0, vector={"d": [100.0, 100.0]})])
    assert client.query_points(name, query=[1.0, 1.0], using="d", limit=1).points[0].id == 0
    client.delete_vectors(name, vectors=["d"], points=[0])
    assert 0 not in {hit.id for hit in client.query_points(name, query=[1.0, 1.0], using="d", limit=10).points}
    assert set(client.retrieve(name, [0], with_vectors=True)[0].vector) == {"s"}
    has_vector = m.Filter(must=[m.HasVectorCondition(has_vector="d")])
    assert client.count(name, count_filter=has_vector).count == 4


def test_batch_update_keeps_its_order(client: QdrantClient, name: str) -> None:
    """Operations of one batch are applied one after the other."""
    results = client.batch_update_points(
        name,
        [
            m.DeleteOperation(delete=m.FilterSelector(filter=m.Filter())),
            m.UpsertOperation(upsert=m.PointsList(points=[_point(7), _point(8)])),
            m.SetPayloadOperation(set_payload=m.SetPayload(payload={"x": 1}, points=[7])),
            m.DeletePayloadOperation(delete_payload=m.DeletePayload(keys=["keep"], points=[7, 8])),
            m.UpdateVectorsOperation(
                update_vectors=m.UpdateVectors(points=[m.PointVectors(id=8, vector={"d": [5.0, 5.0]})])
            ),
            m.DeleteOperation(delete=m.PointIdsList(points=[99])),
        ],
    )
    assert len(results) == 6
    assert _payloads(client, name) == {7: {"n": 7, "x": 1}, 8: {"n": 8}}
    assert client.retrieve(name, [8], with_vectors=["d"])[0].vector == {"d": [5.0, 5.0]}


def test_a_bad_write_changes_nothing(client: QdrantClient, name: str) -> None:
    """A request with one bad point among many is refused whole."""
    points = [_point(i) for i in range(600)] + [m.PointStruct(id=600, vector={"d": [1.0]}, payload={})]
    with pytest.raises(Exception, match="takes 2 numbers, got 1"):
        client.upsert(name, points)
    assert client.count(name).count == 5


def test_conditional_upserts(client: QdrantClient, name: str) -> None:
    """`insert_only` leaves known points alone, `update_only` adds none."""
    client.upsert(name, [_point(0, mark=1), _point(10, mark=1)], update_mode=m.UpdateMode.INSERT_ONLY)
    client.upsert(name, [_point(1, mark=2), _point(11, mark=2)], update_mode=m.UpdateMode.UPDATE_ONLY)
    payloads = _payloads(client, name)
    assert sorted(payloads) == [0, 1, 2, 3, 4, 10]
    assert "mark" not in payloads[0]
    assert payloads[1]["mark"] == 2


def test_sparse_search_weighs_rare_terms(client: QdrantClient, name: str) -> None:
    """With the IDF modifier a rare term counts more than one that every point has."""
    found = client.query_points(name, query=m.SparseVector(indices=[103, 50], values=[1.0, 1.0]), using="s", limit=5)
    assert found.points[0].id == 3
    assert found.points[0].score > 3 * found.points[1].score


def test_unnamed_vectors(client: QdrantClient) -> None:
    """A collection with one unnamed vector takes and returns plain lists."""
    name = f"u-{uuid.uuid4().hex}"
    client.create_collection(name, vectors_config=m.VectorParams(size=2, distance=m.Distance.EUCLID))
    client.upsert(name, m.Batch(ids=[1, 2], vectors=[[0.0, 1.0], [0.0, 3.0]]))
    found = client.query_points(name, query=[0.0, 1.5], with_vectors=True, limit=1).points[0]
    assert (found.id, found.vector) == (1, [0.0, 1.0])
    assert found.score == pytest.approx(0.5)
    assert [hit.id for hit in client.query_points(name, query=1).points] == [2]
