"""`kill -9` under writes, again and again: whatever was acknowledged with `wait=true` is there afterwards."""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path

import pytest
from qdrant_client import QdrantClient
from qdrant_client import models as m
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

SIZE, WRITERS, IDS_A_WRITER = 24, 4, 5000
NAME = "crash"


class Writer(threading.Thread):
    """Upserts, sets payloads and deletes in its own range of ids until the server is gone.

    `acknowledged` is what the server confirmed, by id (None: deleted); `unsure` holds the ids of the
    last request, which was under way when the server died: it may or may not have been applied.
    """

    def __init__(self, client: QdrantClient, number: int, seed: int, acknowledged: dict[int, int | None]) -> None:
        super().__init__()
        self._client = client
        self._ids = range(number * IDS_A_WRITER, (number + 1) * IDS_A_WRITER)
        self._rng = random.Random(seed)
        self._acknowledged = acknowledged
        self.unsure: set[int] = set()
        self.operations = 0
        self.refusal: int | None = None

    def run(self) -> None:
        try:
            while True:
                self._write()
                self.unsure = set()
                self.operations += 1
        except ResponseHandlingException:
            return  # the server was killed
        except UnexpectedResponse as error:
            self.refusal = error.status_code

    def _write(self) -> None:
        ids = self._rng.sample(self._ids, self._rng.choice([1, 3, 40]))
        value = self._rng.randint(0, 10**9)
        kind = self._rng.choice(["upsert", "upsert", "set", "delete"])
        if kind == "set":
            ids = [i for i in ids if self._acknowledged.get(i) is not None]
        self.unsure = set(ids)
        if not ids:
            return
        if kind == "upsert":
            vector = [self._rng.random() for _ in range(SIZE)]
            self._client.upsert(NAME, [m.PointStruct(id=i, vector={"d": vector}, payload={"v": value}) for i in ids])
        elif kind == "set":
            self._client.set_payload(NAME, {"v": value}, points=ids)
        else:
            self._client.delete(NAME, m.PointIdsList(points=ids))
        self._acknowledged.update(dict.fromkeys(ids, None if kind == "delete" else value))


@pytest.mark.parametrize("during", ["writes", "a build"])
def test_nothing_acknowledged_is_lost(start_server, tmp_path: Path, during: str) -> None:
    """Killed three times under four writers, the server comes back each time with every acknowledged write."""
    server = start_server(tmp_path)
    client = server.client()
    client.create_collection(
        NAME,
        vectors_config={"d": m.VectorParams(size=SIZE, distance=m.Distance.COSINE)},
        hnsw_config=m.HnswConfigDiff(full_scan_threshold=10),
        optimizers_config=m.OptimizersConfigDiff(indexing_threshold=0),
    )
    client.create_payload_index(NAME, "v", "integer")
    acknowledged: dict[int, int | None] = {}
    rng = random.Random(during)
    for round_number in range(3):
        writers = [Writer(server.client(), n, round_number * 10 + n, acknowledged) for n in range(WRITERS)]
        for writer in writers:
            writer.start()
        time.sleep(rng.uniform(0.8, 1.5))
        alias = f"alias-{round_number}"
        client.update_collection_aliases(
            [m.CreateAliasOperation(create_alias=m.CreateAlias(collection_name=NAME, alias_name=alias))]
        )
        if during == "a build":
            client.update_collection(NAME, optimizers_config=m.OptimizersConfigDiff(indexing_threshold=1))
            time.sleep(rng.uniform(0.1, 1.5))
        server.kill()
        for writer in writers:
            writer.join(30)
        assert sum(writer.operations for writer in writers) > 50
        assert all(writer.refusal is None for writer in writers)
        server = start_server(tmp_path)
        client = server.client()
        unsure = set().union(*(writer.unsure for writer in writers))
        _assert_all_there(client, acknowledged, unsure)
        assert client.count(alias).count == client.count(NAME).count
        # What was under way is settled now: take it as it is.
        acknowledged.update(dict.fromkeys(unsure, None))
        acknowledged.update({i: v for i, v in _stored(client).items() if i in unsure})


def test_a_stop_under_writes_answers_or_refuses(start_server, tmp_path: Path) -> None:
    """Stopped by SIGTERM under writers, each request is done or refused as such, and nothing acknowledged is lost."""
    server = start_server(tmp_path)
    client = server.client()
    client.create_collection(NAME, vectors_config={"d": m.VectorParams(size=SIZE, distance=m.Distance.COSINE)})
    acknowledged: dict[int, int | None] = {}
    writers = [Writer(server.client(), n, n, acknowledged) for n in range(WRITERS)]
    for writer in writers:
        writer.start()
    time.sleep(0.7)
    assert server.stop() == 0
    for writer in writers:
        writer.join(30)
        assert writer.refusal in {None, 503}
    _assert_all_there(start_server(tmp_path).client(), acknowledged, set().union(*(w.unsure for w in writers)))


def _stored(client: QdrantClient) -> dict[int, int]:
    records = client.scroll(NAME, limit=100_000)[0]
    return {int(record.id): (record.payload or {})["v"] for record in records}


def _assert_all_there(client: QdrantClient, acknowledged: dict[int, int | None], unsure: set[int]) -> None:
    stored = _stored(client)
    wrong = {i: (v, stored.get(i)) for i, v in acknowledged.items() if i not in unsure and stored.get(i) != v}
    assert not wrong
    assert stored.keys() <= acknowledged.keys() | unsure
