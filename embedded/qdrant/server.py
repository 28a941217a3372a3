"""The routes: Qdrant's REST paths to what the store can do, in Qdrant's envelope.

Reads go straight to the engine; writes go through the collection, which orders them. What a real Qdrant
serves and this server does not is listed in `UNSERVED` and answers 501.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

import orjson
import qdrant_edge as edge

from embedded.qdrant.build import Caretaker
from embedded.qdrant.convert.body import Id, Json, as_bool, as_id, as_ids, as_int, as_list, as_object, as_string, need
from embedded.qdrant.convert.filters import read_filter, read_selector, read_vector_selector
from embedded.qdrant.convert.queries import read_order_by, read_request
from embedded.qdrant.convert.updates import read_batch
from embedded.qdrant.convert.vectors import write_record, write_scored
from embedded.qdrant.errors import (
    ApiError,
    BadRequestError,
    MethodNotAllowedError,
    NotFoundError,
    NotServedError,
    engine_errors,
)
from embedded.qdrant.http import Answer
from embedded.qdrant.snapshots import Snapshots
from embedded.qdrant.store import Store

log = logging.getLogger(__name__)
VERSION = "1.20.0"
PAGE = 500
"""Points read at a time: the engine holds the interpreter lock while it scrolls."""
SHARD_KEY = frozenset({"shard_key"})
UNSERVED = {
    "points/query/groups": "query groups",
    "points/search/matrix": "distance matrices",
    "points/search": "the old search endpoints: use points/query",
    "points/recommend": "the old recommend endpoints: use points/query",
    "points/discover": "the old discover endpoints: use points/query",
    "snapshots/upload": "uploading snapshots: use snapshots/recover",
    "shards": "shard keys",
    "cluster": "clusters",
    "vectors": "adding and removing named vectors",
    "optimizations": "the list of optimizations",
}
UNSERVED_ROOTS = {
    "cluster": "clusters",
    "snapshots": "snapshots of the whole server: take one of each collection",
    "telemetry": "telemetry",
    "metrics": "metrics",
    "quotas": "quotas",
    "issues": "issues",
    "locks": "locks",
}
JSON_TYPE = b"application/json"
Query = dict[str, list[str]]


class App:
    """Answers requests from a store; `caretaker` builds the indexes that updates ask for."""

    def __init__(self, store: Store, caretaker: Caretaker) -> None:
        self._store = store
        self._snapshots = snapshots = Snapshots(store)
        self._caretaker = caretaker
        self._started = time.monotonic()
        write = self._writer
        self._routes: dict[tuple[str, str], Callable[[str, Any, Query], Any]] = {
            ("GET", ""): lambda name, _body, _query: store.get(name).info(),
            ("PUT", ""): self._create_collection,
            ("PATCH", ""): self._update_collection,
            ("DELETE", ""): lambda name, _body, _query: store.delete(name),
            ("GET", "exists"): lambda name, _body, _query: {"exists": store.exists(name)},
            ("GET", "aliases"): lambda name, _body, _query: {"aliases": store.aliases(store.get(name).name)},
            ("PUT", "index"): self._create_index,
            ("PUT", "points"): write("upsert"),
            ("POST", "points/delete"): write("delete"),
            ("PUT", "points/vectors"): write("update_vectors"),
            ("POST", "points/vectors/delete"): write("delete_vectors"),
            ("POST", "points/payload"): write("set_payload"),
            ("PUT", "points/payload"): write("overwrite_payload"),
            ("POST", "points/payload/delete"): write("delete_payload"),
            ("POST", "points/payload/clear"): write("clear_payload"),
            ("POST", "points/batch"): self._batch_update,
            ("POST", "points"): self._retrieve,
            ("POST", "points/scroll"): self._scroll,
            ("POST", "points/count"): self._count,
            ("POST", "points/query"): self._query,
            ("POST", "points/query/batch"): self._query_batch,
            ("POST", "facet"): self._facet,
            ("GET", "snapshots"): lambda name, _body, _query: snapshots.list(name),
            ("POST", "snapshots"): lambda name, _body, _query: snapshots.create(name),
            ("PUT", "snapshots/recover"): lambda name, body, _query: snapshots.recover(name, body),
        }

    def handle(self, method: str, target: str, body: bytes) -> Answer:
        """Answer one request; never raises."""
        started = time.perf_counter()
        try:
            path, _, query = target.partition("?")
            result = self._dispatch(method, path, body, parse_qs(query) if query else {})
            if isinstance(result, str):
                return 200, b"text/plain", result.encode()
            if isinstance(result, Path):
                return 200, b"application/octet-stream", result
            return 200, JSON_TYPE, _envelope(result, "ok", started)
        except ApiError as error:
            return error.status, JSON_TYPE, _envelope(None, {"error": str(error)}, started)
        except Exception as error:
            log.exception("%s %s failed", method, target)
            message = f"Service internal error: {type(error).__name__}: {error}"
            return 500, JSON_TYPE, _envelope(None, {"error": message}, started)

    @staticmethod
    def refuse(status: int, message: str) -> Answer:
        """Word an error of HTTP itself."""
        return status, JSON_TYPE, _envelope(None, {"error": message}, time.perf_counter())

    def _dispatch(self, method: str, path: str, body: bytes, query: Query) -> Any:
        parts = path.strip("/").split("/", 2)
        if parts[0] == "collections" and len(parts) > 1 and path != "/collections/aliases":
            return self._in_collection(method, unquote(parts[1]), parts[2] if len(parts) > 2 else "", body, query)
        return self._at_root(method, path.rstrip("/"), body)

    def _at_root(self, method: str, path: str, body: bytes) -> Any:
        if method == "POST" and path == "/collections/aliases":
            self._store.change_aliases(_parse(body))
            return True
        if method != "GET":
            raise MethodNotAllowedError(f"{method} {path}")
        match path:
            case "":
                return Bare({"title": "embedded qdrant over qdrant-edge", "version": VERSION})
            case "/healthz" | "/livez" | "/readyz":
                return f"{path[1:]} check passed"
            case "/collections":
                return {"collections": [{"name": name} for name in self._store.names]}
            case "/aliases":
                return {"aliases": self._store.aliases()}
        if (root := path.split("/")[1]) in UNSERVED_ROOTS:
            raise NotServedError(UNSERVED_ROOTS[root])
        raise NotFoundError(f"Not found: no route {path}")

    def _in_collection(self, method: str, name: str, rest: str, body: bytes, query: Query) -> Any:
        handler = self._routes.get((method, rest))
        if handler is not None:
            return handler(name, _parse(body) if body else {}, query)
        head, _, tail = rest.partition("/")
        if method == "DELETE" and head == "index" and tail:
            collection = self._store.get(name)
            return _done(collection.delete_index(unquote(tail)), query)
        if head == "snapshots" and tail and tail != "upload":
            return self._one_snapshot(method, name, unquote(tail))
        for prefix, what in UNSERVED.items():
            if rest == prefix or rest.startswith(prefix + "/"):
                raise NotServedError(what)
        if any(route == rest for _, route in self._routes):
            raise MethodNotAllowedError(f"{method} {rest}")
        if method == "GET" and head == "points" and tail and "/" not in tail:
            return self._retrieve_one(name, unquote(tail))
        raise NotFoundError(f"Not found: no route collections/{name}/{rest}")

    def _one_snapshot(self, method: str, name: str, snapshot: str) -> Any:
        match method:
            case "GET":
                return self._snapshots.find(name, snapshot)
            case "DELETE":
                return self._snapshots.delete(name, snapshot)
        raise MethodNotAllowedError(f"{method} snapshots/{snapshot}")

    # Collections

    def _create_collection(self, name: str, body: Any, _query: Query) -> bool:
        self._store.create(name, body)
        return True

    def _update_collection(self, name: str, body: Any, _query: Query) -> bool:
        collection = self._store.get(name)
        anew = collection.reconfigure(body)
        if anew or collection.wants_index():
            self._caretaker.ask(collection, anew=anew)
        return True

    def _create_index(self, name: str, body: Any, query: Query) -> Json:
        fields = as_object(body, {"field_name", "field_schema"}, what="payload index")
        field_name = as_string(need(fields, "field_name", what="payload index"), what="field_name")
        return _done(self._store.get(name).create_index(field_name, fields.get("field_schema")), query)

    # Writing

    def _writer(self, operation: str) -> Callable[[str, Any, Query], Json]:
        def write(name: str, body: Any, query: Query) -> Json:
            return _done(self._store.get(name).write([(operation, body)]), query)

        return write

    def _batch_update(self, name: str, body: Any, query: Query) -> list[Json]:
        operations = read_batch(body)
        done = _done(self._store.get(name).write(operations), query)
        return [done for _ in operations]

    # Reading

    def _query(self, name: str, body: Any, _query: Query) -> Json:
        _, shard = self._store.reading(name)
        with shard as engine, engine_errors:
            return {"points": _run(engine, body)}

    def _query_batch(self, name: str, body: Any, _query: Query) -> list[Json]:
        searches = as_list(as_object(body, {"searches"}, what="batch").get("searches"), what="searches")
        _, shard = self._store.reading(name)
        with shard as engine, engine_errors:
            requests = [read_request(search, _lookup(engine)) for search in searches]
            found = engine.query_batch(edge.QueryBatchRequest(requests)) if requests else []
            return [{"points": [write_scored(point) for point in points]} for points in found]

    def _retrieve(self, name: str, body: Any, _query: Query) -> list[Json]:
        fields = as_object(body, {"ids", "with_payload", "with_vector"}, what="retrieve", unserved=SHARD_KEY)
        ids = as_ids(need(fields, "ids", what="retrieve"), what="ids")
        with_payload = read_selector(fields.get("with_payload"), default=True)
        with_vector = read_vector_selector(fields.get("with_vector"))
        _, shard = self._store.reading(name)
        with shard as engine, engine_errors:
            pages = [ids[start : start + PAGE] for start in range(0, len(ids), PAGE)]
            records = [record for page in pages for record in engine.retrieve(page, with_payload, with_vector)]
        return [write_record(record) for record in records]

    def _retrieve_one(self, name: str, text: str) -> Json:
        point_id: Id = as_id(int(text) if text.isdecimal() else text)
        _, shard = self._store.reading(name)
        with shard as engine, engine_errors:
            records = engine.retrieve([point_id], True, True)
        if not records:
            raise NotFoundError(f"Not found: Point with id {text} does not exists!")
        return write_record(records[0])

    def _scroll(self, name: str, body: Any, _query: Query) -> Json:
        allowed = {"offset", "limit", "filter", "with_payload", "with_vector", "order_by"}
        fields = as_object(body, allowed, what="scroll", unserved=SHARD_KEY)
        limit = as_int(fields.get("limit"), what="limit", default=10, least=1)
        if fields.get("order_by") is not None and fields.get("offset") is not None:
            raise BadRequestError("scroll: `offset` cannot be used with `order_by`; use order_by.start_from")
        _, shard = self._store.reading(name)
        with shard as engine, engine_errors:
            points, following = _scroll(engine, fields, limit)
        return {"points": points, "next_page_offset": following}

    def _count(self, name: str, body: Any, _query: Query) -> Json:
        fields = as_object(body, {"filter", "exact"}, what="count", unserved=SHARD_KEY)
        _, shard = self._store.reading(name)
        with shard as engine, engine_errors:
            # Always exact: an estimate would save nothing at this size.
            return {"count": engine.count(edge.CountRequest(exact=True, filter=read_filter(fields.get("filter"))))}

    def _facet(self, name: str, body: Any, _query: Query) -> Json:
        fields = as_object(body, {"key", "limit", "filter", "exact"}, what="facet", unserved=SHARD_KEY)
        _, shard = self._store.reading(name)
        with shard as engine, engine_errors:
            request = edge.FacetRequest(
                key=as_string(need(fields, "key", what="facet"), what="key"),
                limit=as_int(fields.get("limit"), what="limit", default=10, least=1),
                exact=as_bool(fields.get("exact") or False, what="exact"),
                filter=read_filter(fields.get("filter")),
            )
            return {"hits": [{"value": hit.value, "count": hit.count} for hit in engine.facet(request)]}


class Bare(dict[str, Any]):
    """An answer without the envelope."""


def _run(engine: edge.EdgeShard, body: Any) -> list[Json]:
    return [write_scored(point) for point in engine.query(read_request(body, _lookup(engine)))]


def _lookup(engine: edge.EdgeShard) -> Callable[[Id, str], Any]:
    def vector_of(point_id: Id, name: str) -> Any:
        records = engine.retrieve([point_id], False, [name] if name else True)
        if not records:
            raise NotFoundError(f"Not found: No point with id {point_id} found")
        vector: Any = records[0].vector
        if isinstance(vector, dict):
            vector = vector.get(name)
        if vector is None:
            raise NotFoundError(f"Not found: point {point_id} has no vector `{name}`")
        return vector

    return vector_of


def _scroll(engine: edge.EdgeShard, fields: Json, limit: int) -> tuple[list[Json], Any]:
    """Read up to `limit` points in pages the engine takes quickly; returns them and the next id."""
    order_by = fields.get("order_by")
    points: list[Json] = []
    following = fields.get("offset")
    while True:
        request = edge.ScrollRequest(
            offset=None if following is None else following,
            limit=limit if order_by is not None else min(PAGE, limit - len(points)),
            filter=read_filter(fields.get("filter")),
            with_payload=read_selector(fields.get("with_payload"), default=True),
            with_vector=read_vector_selector(fields.get("with_vector")),
            order_by=None if order_by is None else read_order_by(order_by),
        )
        records, following = engine.scroll(request)
        points.extend(write_record(record) for record in records)
        if following is None or order_by is not None or len(points) >= limit:
            return points, following


def _done(number: int, query: Query) -> Json:
    waited = query.get("wait", ["false"])[-1] == "true"
    return {"operation_id": number, "status": "completed" if waited else "acknowledged"}


def _parse(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequestError(f"Format error in JSON body: {error}") from error


def _envelope(result: Any, status: Any, started: float) -> bytes:
    if isinstance(result, Bare):
        return orjson.dumps(result)
    seconds = time.perf_counter() - started
    return orjson.dumps({"result": result, "status": status, "time": seconds})
