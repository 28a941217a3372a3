"""Updates: every write of the protocol by its name in `points/batch`, cut into steps the engine takes quickly.

The engine holds the interpreter lock while it updates (about 8 ms for 256 points), so no step touches more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import qdrant_edge as edge

from embedded.qdrant.convert.body import (
    Id,
    Json,
    as_id,
    as_ids,
    as_list,
    as_object,
    as_string,
    as_strings,
    choose,
    need,
)
from embedded.qdrant.convert.filters import read_filter
from embedded.qdrant.convert.schema import read_index_schema
from embedded.qdrant.convert.vectors import VectorSpace, read_point_vectors
from embedded.qdrant.errors import BadRequestError

STEP = 256
SHARD_KEY = frozenset({"shard_key"})
UPDATE_MODES = {
    "upsert": edge.UpdateMode.Upsert,
    "insert_only": edge.UpdateMode.InsertOnly,
    "update_only": edge.UpdateMode.UpdateOnly,
}
Steps = list[edge.UpdateOperation]
_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Update:
    """One write: its JSON, the engine's operations in their order, and how many points leave the index.

    `touched` is None where only the engine knows (writes by filter).
    """

    name: str
    body: Any
    steps: Steps
    touched: int | None


def read_update(name: str, body: Any, space: VectorSpace) -> Update:
    """Read one write, wholly checked."""
    steps = UPDATES[name](body, space)
    return Update(name, body, steps, 0 if name in TOUCHING_NONE else _touched(body))


def _touched(body: Json) -> int | None:
    named = body.get("points") or (body.get("batch") or {}).get("ids")
    return None if named is None else len(named)


def _in_steps(items: list[_Item]) -> Iterator[list[_Item]]:
    return (items[start : start + STEP] for start in range(0, len(items), STEP))


def _upsert(value: Any, space: VectorSpace) -> Steps:
    fields = {"points", "batch", "update_filter", "update_mode"}
    body = as_object(value, fields, what="upsert", unserved=SHARD_KEY)
    points = _batch(body["batch"]) if body.get("batch") else as_list(need(body, "points", what="upsert"), what="points")
    condition = read_filter(body.get("update_filter"))
    mode = choose(body.get("update_mode") or "upsert", UPDATE_MODES, what="update_mode")
    read = [_point(point, space) for point in points]
    return [edge.UpdateOperation.upsert_points(step, condition, mode) for step in _in_steps(read)]


def _point(value: Any, space: VectorSpace) -> edge.Point:
    body = as_object(value, {"id", "vector", "payload"}, what="point")
    vector = read_point_vectors(need(body, "vector", what="point"), space)
    return edge.Point(as_id(body.get("id")), vector, _payload(body.get("payload")))


def _payload(value: Any) -> Json | None:
    if value is None or isinstance(value, dict):
        return value
    raise BadRequestError("payload: expected an object")


def _batch(value: Any) -> list[Json]:
    """Turn the column form `{ids, vectors, payloads}` into points."""
    body = as_object(value, {"ids", "vectors", "payloads"}, what="batch")
    ids = as_list(need(body, "ids", what="batch"), what="batch.ids")
    columns = need(body, "vectors", what="batch")
    if isinstance(columns, dict):
        names = list(columns)
        rows: list[Any] = [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=False)]
        lengths = {len(as_list(column, what="batch.vectors")) for column in columns.values()}
    else:
        rows = as_list(columns, what="batch.vectors")
        lengths = {len(rows)}
    payloads = body.get("payloads") or [None] * len(ids)
    if (lengths or {len(ids)}) != {len(ids)} or len(payloads) != len(ids):
        raise BadRequestError("batch: ids, vectors and payloads differ in length")
    rows = rows or [{}] * len(ids)
    return [
        {"id": point_id, "vector": vector, "payload": payload}
        for point_id, vector, payload in zip(ids, rows, payloads, strict=True)
    ]


def _update_vectors(value: Any, space: VectorSpace) -> Steps:
    body = as_object(value, {"points", "update_filter"}, what="update vectors", unserved=SHARD_KEY)
    condition = read_filter(body.get("update_filter"))
    read = []
    for item in as_list(need(body, "points", what="update vectors"), what="points"):
        point = as_object(item, {"id", "vector"}, what="point vectors")
        vector = read_point_vectors(need(point, "vector", what="point vectors"), space)
        read.append(edge.PointVectors(as_id(point.get("id")), vector))
    return [edge.UpdateOperation.update_vectors(step, condition) for step in _in_steps(read)]


def _select(
    body: Json,
    *,
    by_ids: Callable[[list[Id]], edge.UpdateOperation],
    by_filter: Callable[[edge.Filter], edge.UpdateOperation],
) -> Steps:
    """Build a write for the points named, or for those a filter selects; one of the two must be given."""
    if body.get("points") is not None:
        return [by_ids(step) for step in _in_steps(as_ids(body["points"], what="points"))]
    filter_ = read_filter(need(body, "filter", what="points selector"))
    assert filter_ is not None
    return [by_filter(filter_)]


def _selector(value: Any, extra: set[str], *, what: str) -> Json:
    body = as_object(value, {"points", "filter"} | extra, what=what, unserved=SHARD_KEY)
    if body.get("points") is not None and body.get("filter") is not None:
        raise BadRequestError(f"{what}: expected either `points` or `filter`")
    return body


def _delete(value: Any, _space: VectorSpace) -> Steps:
    operation = edge.UpdateOperation
    body = _selector(value, set(), what="delete")
    return _select(body, by_ids=operation.delete_points, by_filter=operation.delete_points_by_filter)


def _delete_vectors(value: Any, space: VectorSpace) -> Steps:
    operation = edge.UpdateOperation
    body = _selector(value, {"vector"}, what="delete vectors")
    names = as_strings(need(body, "vector", what="delete vectors"), what="vector")
    for name in names:
        if name not in space.dense and name not in space.sparse and name not in space.multi:
            raise BadRequestError(f"Not existing vector name error: `{name}`")
    return _select(
        body,
        by_ids=lambda ids: operation.delete_vectors(ids, names),
        by_filter=lambda filter_: operation.delete_vectors_by_filter(filter_, names),
    )


def _payload_writer(by_ids: Any, by_filter: Any) -> Callable[[Any, VectorSpace], Steps]:
    def read(value: Any, _space: VectorSpace) -> Steps:
        body = _selector(value, {"payload", "key"}, what="set payload")
        payload = _payload(need(body, "payload", what="set payload"))
        key = body.get("key")
        return _select(
            body,
            by_ids=lambda ids: by_ids(ids, payload, key),
            by_filter=lambda filter_: by_filter(filter_, payload, key),
        )

    return read


def _delete_payload(value: Any, _space: VectorSpace) -> Steps:
    operation = edge.UpdateOperation
    body = _selector(value, {"keys"}, what="delete payload")
    keys = as_strings(need(body, "keys", what="delete payload"), what="keys")
    return _select(
        body,
        by_ids=lambda ids: operation.delete_payload(ids, keys),
        by_filter=lambda filter_: operation.delete_payload_by_filter(filter_, keys),
    )


def _clear_payload(value: Any, _space: VectorSpace) -> Steps:
    operation = edge.UpdateOperation
    body = _selector(value, set(), what="clear payload")
    return _select(body, by_ids=operation.clear_payload, by_filter=operation.clear_payload_by_filter)


def _create_index(value: Any, _space: VectorSpace) -> Steps:
    body = as_object(value, {"field_name", "field_schema"}, what="payload index")
    name = as_string(body.get("field_name"), what="field_name")
    return [edge.UpdateOperation.create_field_index(name, read_index_schema(body.get("field_schema")))]


def _delete_index(value: Any, _space: VectorSpace) -> Steps:
    return [edge.UpdateOperation.delete_field_index(as_string(value["field_name"], what="field_name"))]


UPDATES: dict[str, Callable[[Any, VectorSpace], Steps]] = {
    "upsert": _upsert,
    "delete": _delete,
    "update_vectors": _update_vectors,
    "delete_vectors": _delete_vectors,
    "set_payload": _payload_writer(edge.UpdateOperation.set_payload, edge.UpdateOperation.set_payload_by_filter),
    "overwrite_payload": _payload_writer(
        edge.UpdateOperation.overwrite_payload, edge.UpdateOperation.overwrite_payload_by_filter
    ),
    "delete_payload": _delete_payload,
    "clear_payload": _clear_payload,
    "create_index": _create_index,
    "delete_index": _delete_index,
}
TOUCHING_NONE = frozenset({"delete", "delete_vectors", "create_index", "delete_index"})
BATCH_UPDATES = frozenset(UPDATES) - {"create_index", "delete_index"}


def read_batch(value: Any) -> list[tuple[str, Any]]:
    """Read the body of `points/batch`: (name, body) of each write, in order."""
    body = as_object(value, {"operations"}, what="batch update")
    operations: list[tuple[str, Any]] = []
    for item in as_list(need(body, "operations", what="batch update"), what="operations"):
        operation = as_object(item, BATCH_UPDATES, what="operation")
        if len(operation) != 1:
            raise BadRequestError("operation: expected exactly one write")
        operations.extend(operation.items())
    return operations
