"""What the server does not serve is a 501 that names it; what is wrong is a 4xx that says why."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from typing import Any

import httpx
import pytest
from qdrant_client import QdrantClient
from qdrant_client import models as m
from qdrant_client.http.exceptions import UnexpectedResponse

NAME = "refusals"
V = [1.0, 0.0]


@pytest.fixture(scope="module")
def http(server, client: QdrantClient) -> httpx.Client:
    """Plain HTTP to a server with one small collection."""
    client.create_collection(
        NAME,
        vectors_config={"d": m.VectorParams(size=2, distance=m.Distance.DOT)},
        sparse_vectors_config={"s": m.SparseVectorParams()},
    )
    client.create_payload_index(NAME, "k", "keyword")
    client.upsert(NAME, [m.PointStruct(id=i, vector={"d": [float(i), 1.0]}, payload={"k": "x"}) for i in range(3)])
    return httpx.Client(base_url=server.url)


def _query(**body: Any) -> tuple[str, str, Any]:
    return "POST", f"/collections/{NAME}/points/query", {"query": V, "using": "d", **body}


NOT_SERVED = [
    ("POST", f"/collections/{NAME}/points/query/groups", {"query": V, "group_by": "k"}, "query groups"),
    ("POST", f"/collections/{NAME}/points/search", {"vector": V, "limit": 1}, "old search"),
    ("POST", f"/collections/{NAME}/points/search/matrix/pairs", {}, "distance matrices"),
    ("POST", f"/collections/{NAME}/snapshots/upload", None, "snapshots"),
    ("PUT", f"/collections/{NAME}/snapshots/recover", {"location": "https://example.org/a.snapshot"}, "this machine"),
    ("GET", "/snapshots", None, "snapshots"),
    ("PUT", f"/collections/{NAME}/shards", {"shard_key": "a"}, "shard keys"),
    ("GET", "/cluster", None, "clusters"),
    ("GET", f"/collections/{NAME}/cluster", None, "clusters"),
    ("GET", "/telemetry", None, "telemetry"),
    ("PUT", f"/collections/{NAME}/vectors/new", {"dense": {"size": 2, "distance": "Dot"}}, "named vectors"),
    ("PUT", "/collections/sharded", {"vectors": {"size": 2, "distance": "Dot"}, "shard_number": 3}, "shard_number"),
    (*_query(lookup_from={"collection": "other"}), "lookup_from"),
    (*_query(shard_key="a"), "shard_key"),
    (*_query(query={"text": "dark", "model": "bm25"}), "inference"),
    (*_query(prefetch={"query": V, "lookup_from": {"collection": "x"}}), "lookup_from"),
]
BAD = [
    (*_query(limit=0), 400, "limit"),
    (*_query(limit="ten"), 400, "limit"),
    (*_query(offset=-1), 400, "offset"),
    (*_query(unknown=1), 400, "unknown field `unknown`"),
    (*_query(using="nope"), 400, "nope"),
    (*_query(query=[1.0, 2.0, 3.0]), 400, "dim"),
    (*_query(query=[]), 400, "vector"),
    (*_query(query=["a", "b"]), 400, "Wrong input"),
    (*_query(query=77), 404, "77"),
    (*_query(query=[1e300, 1.0]), 400, "float32"),
    (*_query(query="no-uuid"), 400, "UUID"),
    (*_query(query={"neerest": V}), 400, "expected exactly one of nearest"),
    (*_query(query={"indices": [1, 1], "values": [1.0, 2.0]}, using="s"), 400, "twice"),
    (*_query(query={"indices": [1, 2], "values": [1.0]}, using="s"), 400, "one length"),
    (*_query(query={"fusion": "rrf"}, using=None), 400, "prefetch"),
    (*_query(query={"fusion": "best"}), 400, "fusion"),
    (*_query(query={"rrf": {"weights": [-1.0]}}, prefetch=[{"query": V, "using": "d"}]), 400, "negative"),
    (*_query(query={"rrf": {"weights": [1.0, 1.0]}}, prefetch=[{"query": V, "using": "d"}]), 400, "weights"),
    (*_query(query={"nearest": V, "mmr": {"diversity": 2}}), 400, "diversity"),
    (*_query(query={"order_by": "nothing"}), 400, "range index"),
    (*_query(filter={"all": []}), 400, "unknown field `all`"),
    (*_query(filter={"must": [{"key": "k"}]}), 400, "exactly one test"),
    (*_query(filter={"must": [{"key": "k", "match": {"value": "x", "any": ["y"]}}]}), 400, "exactly one"),
    (*_query(filter={"must": [{"key": "k", "match": {"any": [1, "x"]}}]}), 400, "any"),
    (*_query(filter={"must": [{"key": "k", "range": {"gte": "soon"}}]}), 400, "date"),
    (*_query(filter={"must": [{"key": "k[", "match": {"value": "x"}}]}), 400, "path"),
    (*_query(filter=[]), 400, "object"),
    (*_query(params={"hnsw_eff": 3}), 400, "hnsw_eff"),
    (*_query(with_payload="yes"), 400, "with_payload"),
    (*_query(with_vector=["zz"]), 400, "zz"),
    ("PUT", f"/collections/{NAME}/points", {"points": [{"id": -1, "vector": {"d": V}}]}, 400, "point id"),
    ("PUT", f"/collections/{NAME}/points", {"points": [{"id": "x", "vector": {"d": V}}]}, 400, "UUID"),
    ("PUT", f"/collections/{NAME}/points", {"points": [{"id": 1}]}, 400, "vector"),
    ("PUT", f"/collections/{NAME}/points", {"points": [{"id": 1, "vector": {"z": V}}]}, 400, "`z`"),
    ("PUT", f"/collections/{NAME}/points", {"points": [{"id": 1, "vector": {"d": ["a", "b"]}}]}, 400, "Wrong input"),
    ("PUT", f"/collections/{NAME}/points", {"points": [{"id": 1, "vector": {}, "payload": [1]}]}, 400, "payload"),
    ("PUT", f"/collections/{NAME}/points", {"points": [{"id": 1, "vector": {"d": [1e39, 1.0]}}]}, 400, "float32"),
    ("PUT", f"/collections/{NAME}/points", {}, 400, "points"),
    ("PUT", f"/collections/{NAME}/points", {"batch": {"ids": [1], "vectors": [V, V]}}, 400, "length"),
    ("POST", f"/collections/{NAME}/points/delete", {}, 400, "filter"),
    ("POST", f"/collections/{NAME}/points/delete", {"points": [1], "filter": {}}, 400, "either"),
    ("POST", f"/collections/{NAME}/points/payload", {"payload": {"a": 1}, "points": [77]}, 404, "77"),
    ("POST", f"/collections/{NAME}/points/scroll", {"limit": 1, "order_by": "k", "offset": 1}, 400, "offset"),
    ("POST", f"/collections/{NAME}/facet", {"key": "none"}, 400, "index"),
    ("POST", f"/collections/{NAME}/facet", {"key": ""}, 400, "path"),
    ("PUT", f"/collections/{NAME}/index", {"field_name": "f", "field_schema": "string"}, 400, "field_schema"),
    ("PUT", "/collections/new", {}, 400, "vectors"),
    ("PUT", "/collections/new", {"vectors": {"size": 0, "distance": "Dot"}}, 400, "size"),
    ("PUT", "/collections/new", {"vectors": {"d": {"size": 4, "distance": "Far"}}}, 400, "distance"),
    ("PUT", "/collections/new", {"vectors": {"size": 4, "distance": "Dot"}, "colour": 1}, 400, "colour"),
    ("PUT", "/collections/new", {"vectors": {"size": 4, "distance": "Dot", "hnsw_config": {"m": "x"}}}, 400, "Wrong"),
    ("PUT", "/collections/a%2Fb", {"vectors": {"size": 4, "distance": "Dot"}}, 400, "name"),
    ("PATCH", f"/collections/{NAME}", {"vectors": {"zz": {"on_disk": True}}}, 400, "zz"),
    ("POST", "/collections/aliases", {"actions": [{"make": {}}]}, 400, "make"),
    ("GET", f"/collections/{NAME}/points/77", None, 404, "77"),
    ("GET", "/collections/none", None, 404, "none"),
    ("POST", "/collections/none/points/query", {"query": V}, 404, "none"),
    ("GET", "/nothing", None, 404, "nothing"),
    ("GET", f"/collections/{NAME}/points/query", None, 405, "points/query"),
]


def _assert_envelope(response: httpx.Response, status: int, word: str) -> None:
    assert response.status_code == status, response.text
    body = response.json()
    assert body["result"] is None
    assert word.lower() in body["status"]["error"].lower()


@pytest.mark.parametrize(("method", "path", "body", "word"), NOT_SERVED)
def test_what_is_missing_is_named(http: httpx.Client, method: str, path: str, body: Any, word: str) -> None:
    """A request that a real Qdrant serves and this one cannot answers 501 and says what is missing."""
    response = http.request(method, path, json=body)
    _assert_envelope(response, 501, word)
    assert "Not served by the embedded Qdrant" in response.json()["status"]["error"]


@pytest.mark.parametrize(("method", "path", "body", "status", "word"), BAD)
def test_wrong_requests_say_why(http: httpx.Client, method: str, path: str, body: Any, status: int, word: str) -> None:
    """A wrong request is a 4xx whose error names the field or the reason."""
    _assert_envelope(http.request(method, path, json=body), status, word)


def test_nothing_wrong_was_stored(http: httpx.Client) -> None:
    """After every refusal the collection holds what it held before."""
    assert http.post(f"/collections/{NAME}/points/count", json={}).json()["result"] == {"count": 3}


@pytest.mark.parametrize("body", [b"{", b"\xff", b'{"limit": NaN}', b'{"query": "\\ud800"}', b"[1]", b"nul", b""])
def test_malformed_bodies(http: httpx.Client, body: bytes) -> None:
    """A body that is not JSON, or not an object, is a 400; none at all is an empty query."""
    response = http.post(f"/collections/{NAME}/points/query", content=body)
    assert response.status_code == (200 if body == b"" else 400)


def test_a_501_reaches_the_client_with_its_reason(client: QdrantClient, http: httpx.Client) -> None:
    """The ordinary client raises an error that names what is missing."""
    with pytest.raises(UnexpectedResponse, match="query groups") as error:
        client.query_points_groups(NAME, group_by="k", query=V, using="d")
    assert error.value.status_code == 501


def test_broken_http_is_answered_and_closed(server) -> None:
    """Bytes that are no HTTP get a 400, and the server goes on."""
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(b"\x00\x01nonsense\r\n\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 400")
    assert httpx.get(f"{server.url}/healthz").text == "healthz check passed"


def test_web_pages_are_refused(http: httpx.Client) -> None:
    """A request that a browser sends for a page is refused, since the server knows no keys."""
    path = f"/collections/{NAME}/points/delete"
    response = http.post(path, json={"filter": {}}, headers={"origin": "https://example.org"})
    _assert_envelope(response, 403, "web pages")
    assert http.post(f"/collections/{NAME}/points/count", json={}).json()["result"] == {"count": 3}


def test_too_large_bodies_are_refused(server) -> None:
    """A body beyond the limit is a 413, before any of it is sent."""
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(b"POST /collections/x/points HTTP/1.1\r\ncontent-length: 99999999\r\n\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 413")


def test_requests_in_pieces_and_in_a_row(server) -> None:
    """Two requests sent in odd pieces over one connection are answered in order."""
    body = json.dumps({"exact": True}).encode()
    path = f"/collections/{NAME}/points/count".encode()
    request = b"POST %s HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%s" % (path, len(body), body)
    data = request + b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        for start in range(0, len(data), 7):
            connection.sendall(data[start : start + 7])
        received = b""
        while chunk := connection.recv(1000):
            received += chunk
    assert received.index(b'"count":3') < received.index(b"livez check passed")


def test_only_loopback(tmp_path) -> None:
    """The server refuses to listen where others could reach it, since it knows no keys."""
    command = [sys.executable, "-m", "embedded.qdrant", "--path", str(tmp_path), "--host", "0.0.0.0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 2
    assert "loopback" in done.stderr


def test_the_server_imports_nothing_of_ours_and_no_torch() -> None:
    """The server loads without torch and without any package of the product."""
    code = (
        "import sys, embedded.qdrant.__main__; roots = {name.split('.')[0] for name in sys.modules};"
        "print(sorted(roots & {'torch', 'core', 'storage', 'inference', 'search', 'indexing', 'messaging', 'celery'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.strip() == "[]"
