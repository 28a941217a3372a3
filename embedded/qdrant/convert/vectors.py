"""Vectors in and out: dense, sparse and multi, checked against what the collection declares."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import qdrant_edge as edge

from embedded.qdrant.convert.body import Json, as_object
from embedded.qdrant.errors import BadRequestError, NotServedError

SPARSE_FIELDS = frozenset({"indices", "values"})
LARGEST_FLOAT32 = 3.4028234663852886e38
INFERENCE_FIELDS = frozenset({"model", "text", "image", "object"})


@dataclass(frozen=True)
class VectorSpace:
    """The vectors of a collection: dimension by dense name, and the names of multi and sparse ones.

    The unnamed vector is called "" here and in the engine.
    """

    dense: dict[str, int]
    multi: dict[str, int]
    sparse: frozenset[str]


def check_finite(vector: Any) -> None:
    """Refuse numbers beyond float32: stored, they become infinite and spoil the score of every search."""
    if not math.hypot(*vector) <= LARGEST_FLOAT32:  # one C call over the vector: 2 us for 384 numbers
        raise BadRequestError("vector: a number is too large for float32")


def read_sparse(value: Any) -> edge.SparseVector:
    """Read `{indices, values}`: equal lengths, no index twice (the engine checks neither)."""
    body = as_object(value, SPARSE_FIELDS, what="sparse vector")
    indices, values = body.get("indices"), body.get("values")
    if not isinstance(indices, list) or not isinstance(values, list) or len(indices) != len(values):
        raise BadRequestError("sparse vector: expected `indices` and `values`, lists of one length")
    if len(set(indices)) != len(indices):
        raise BadRequestError("sparse vector: an index is given twice")
    check_finite(values)
    return edge.SparseVector(indices, values)


def read_raw_vector(value: Any) -> Any:
    """Read a vector given by value in a query; the engine checks its dimension."""
    if isinstance(value, list) and value:
        for row in value if isinstance(value[0], list) else [value]:
            check_finite(row)
        return value
    if isinstance(value, dict) and "indices" in value:
        return read_sparse(value)
    if isinstance(value, dict) and value.keys() & INFERENCE_FIELDS:
        raise NotServedError("inference: send vectors, not texts or pictures")
    raise BadRequestError("vector: expected a list of numbers, a sparse vector or a point id")


def read_point_vectors(value: Any, space: VectorSpace) -> Any:
    """Read the vectors of one point, in the engine's form."""
    if isinstance(value, list):
        return _stored("", value, space)
    if not isinstance(value, dict):
        raise BadRequestError("point vector: expected a list of numbers or an object of named vectors")
    return {name: _stored(name, vector, space) for name, vector in value.items()}


def _stored(name: str, vector: Any, space: VectorSpace) -> Any:
    size = space.dense.get(name)
    if size is not None:
        if type(vector) is not list or len(vector) != size:
            raise BadRequestError(f"Vector dimension error: vector `{name}` takes {size} numbers, {_shape(vector)}")
        check_finite(vector)
        return vector
    if name in space.sparse:
        return read_sparse(vector)
    if name in space.multi:
        if not isinstance(vector, list) or not vector:
            raise BadRequestError(f"vector `{name}` takes a list of vectors")
        if any(not isinstance(row, list) or len(row) != space.multi[name] for row in vector):
            raise BadRequestError(f"Vector dimension error: vector `{name}` takes rows of {space.multi[name]} numbers")
        for row in vector:
            check_finite(row)
        return vector
    if name in INFERENCE_FIELDS:
        raise NotServedError("inference: send vectors, not texts or pictures")
    raise BadRequestError(f"Not existing vector name error: `{name}`")


def _shape(vector: Any) -> str:
    return f"got {len(vector)}" if isinstance(vector, list) else f"got {type(vector).__name__}"


def write_vector(vector: Any) -> Any:
    """Return the engine's vector(s) of a point as JSON."""
    if isinstance(vector, dict):
        return {name: write_vector(one) for name, one in vector.items()}
    if isinstance(vector, edge.SparseVector):
        return {"indices": vector.indices, "values": vector.values}
    return vector


def write_record(record: edge.Record) -> Json:
    """Return a retrieved point as JSON; payload and vector only if they were asked for."""
    body: Json = {"id": record.id}
    return _with_content(body, record)


def write_scored(point: edge.ScoredPoint) -> Json:
    """Return a found point as JSON."""
    body: Json = {"id": point.id, "version": point.version, "score": point.score}
    return _with_content(body, point)


def _with_content(body: Json, point: Any) -> Json:
    payload = point.payload
    if payload is not None:
        body["payload"] = payload
    vector = point.vector
    if vector is not None:
        body["vector"] = write_vector(vector)
    order_value = point.order_value
    if order_value is not None:
        body["order_value"] = order_value
    return body
