"""A worker of pictures that is killed anywhere: what it left is done by the next one, once."""

from __future__ import annotations

import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.pictures import hash_content
from indexing.pictures.jobs import KIND_PICTURES
from indexing.pictures.service import build_picture_embedding
from inference.pictures.fake import FakePictureEncoder
from messaging.names import TASK_EMBED_PICTURES
from storage.database.media import MediaRepository
from storage.database.models import JobState
from storage.database.picture_ledger import PictureLedgerRepository
from storage.database.pictures import FreePicture, MediaFile, PictureRepository
from storage.media.disk import DiskMediaStore
from storage.vectors.pictures import PICTURE_VECTOR

_ROOT = Path(__file__).parents[4]
_PICTURES = 600
# Killed so many seconds after the first chunk was taken.
_KILLS_S = (0.05, 0.2, 0.4)
_WORKER = """
import sys, uuid
from core.settings import Settings
from messaging.app import create_celery
from worker.services import WorkerServices

settings = Settings(_env_file=None)
service = WorkerServices(settings, create_celery(settings)).picture_embedding
print("ready", flush=True)
for line in sys.stdin:
    job_id, collection, *ids = line.split()
    service.embed_chunk(uuid.UUID(job_id), [uuid.UUID(one) for one in ids], collection)
print("done", flush=True)
"""


@pytest.fixture
def pipeline(build_pipeline: Callable[..., Any], tmp_path: Path) -> Any:
    """A pipeline with the fake picture encoder, and pictures that no title names."""
    name = uuid.uuid4().hex[:8]
    return build_pipeline(
        alias=f"titles_{name}",
        qdrant_pictures_collection_name=f"pictures_{name}",
        image_embedding_model="fake",
        chunk_size=100,
        media_path=tmp_path,
    )


@pytest.fixture
def start_worker(pipeline: Any) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Start an embedding worker of pictures in a process of its own; it takes chunks from its stdin."""
    settings, started = pipeline.settings, []

    def start() -> subprocess.Popen[str]:
        env = {
            "PYTHONPATH": str(_ROOT),
            "DATABASE_URL": settings.database_url.get_secret_value(),
            "REDIS_URL": settings.redis_url.get_secret_value(),
            "QDRANT_URL": settings.qdrant_url,
            "QDRANT_COLLECTION_NAME": settings.qdrant_collection_name,
            "QDRANT_PICTURES_COLLECTION_NAME": settings.qdrant_pictures_collection_name,
            "IMAGE_EMBEDDING_MODEL": "fake",
            "MEDIA_PATH": str(settings.media_path),
            "PICTURE_BATCH": "16",
        }
        worker = subprocess.Popen(
            [sys.executable, "-c", _WORKER],
            cwd=_ROOT,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        started.append(worker)
        assert worker.stdout is not None
        while "ready" not in worker.stdout.readline():
            assert worker.poll() is None, "the worker did not start"
        return worker

    yield start
    for worker in started:
        worker.kill()
        worker.wait()


def _store_pictures(pipeline: Any) -> list[uuid.UUID]:
    """Free pictures of as many contents."""
    rows, media = PictureRepository(pipeline.database), DiskMediaStore(pipeline.settings.media_path)
    ids = rows.add_free([FreePicture(name=f"p{number}") for number in range(_PICTURES)])
    files = []
    for number in range(_PICTURES):
        colour = tuple(int(one) for one in np.random.default_rng(number).integers(0, 255, 3))
        path = pipeline.settings.media_path / "drawn.bmp"
        Image.new("RGB", (8, 8 + number % 9), colour).save(path)
        data = path.read_bytes() + number.to_bytes(4, "big")
        files.append(hash_content(data))
        media.put(files[-1], data)
    with pipeline.database.begin() as connection:
        for identifier, sha256 in zip(ids, files, strict=True):
            MediaRepository(pipeline.database).add(connection, MediaFile(sha256, 1, "image/bmp", 8, 8, 0, "#000000"))
            rows.attach_to(connection, [identifier], sha256)
    return ids


def _take_chunks(pipeline: Any) -> str:
    """The chunks that wait, a line each; all other hints are lost."""
    chunks = [kwargs for task, kwargs in pipeline.hints.sent if task == TASK_EMBED_PICTURES]
    pipeline.hints.sent.clear()
    return "".join(f"{one['job_id']} {one['collection']} {' '.join(one['ids'])}\n" for one in chunks)


def test_a_killed_worker_loses_and_doubles_nothing(
    pipeline: Any, start_worker: Callable[[], subprocess.Popen[str]]
) -> None:
    """Killed three times in the middle of 600 pictures: each is there once, as it would be without, none is dead."""
    ids = _store_pictures(pipeline)
    encoder = FakePictureEncoder()
    embedding = build_picture_embedding(
        pipeline.settings,
        encoder,
        database=pipeline.database,
        store=pipeline.store,
        media=DiskMediaStore(pipeline.settings.media_path),
        owner="here",
    )
    embedding.ensure_generation()
    job_id = pipeline.job_repository.create(KIND_PICTURES, {})
    pipeline.jobs.run(job_id)
    interrupted = 0
    for patience_s in _KILLS_S:
        worker = start_worker()
        assert worker.stdin is not None
        worker.stdin.write(_take_chunks(pipeline))
        worker.stdin.flush()
        _wait_for_leases(pipeline)
        time.sleep(patience_s)
        worker.kill()
        worker.wait()
        interrupted += _count_leased(pipeline)
        # Time passes: the leases of the dead run out.
        pipeline.execute("UPDATE picture_rows SET leased_until = now() - interval '1 second' WHERE state = 'leased'")
        pipeline.jobs.finish(job_id)
    assert interrupted, "no worker was killed while it held pictures"
    worker = start_worker()
    assert worker.stdin is not None and worker.stdout is not None
    worker.stdin.write(_take_chunks(pipeline))
    worker.stdin.close()
    assert "done" in worker.stdout.read()
    pipeline.jobs.finish(job_id)
    assert pipeline.job_repository.get(job_id).state is JobState.COMPLETED
    collection = pipeline.job_repository.get(job_id).collection
    points = list(pipeline.store.scroll_ids(collection))
    assert sorted(points) == sorted(str(one) for one in ids)
    assert {str(one) for one in PictureLedgerRepository(pipeline.database).iterate_ids(collection)} == set(points)
    assert pipeline.job_repository.list_dead_letters(job_id) == []
    _assert_vectors(pipeline, collection, ids)


def _count_leased(pipeline: Any) -> int:
    [(count,)] = pipeline.execute("SELECT count(*) FROM picture_rows WHERE state = 'leased'")
    return int(count)


def _wait_for_leases(pipeline: Any) -> None:
    """Until the worker has taken its first chunk, or has done them all."""
    deadline = time.monotonic() + 30
    query = "SELECT count(*) FROM picture_rows WHERE state IN ('leased', 'done')"
    before = pipeline.execute(query)[0][0]
    while pipeline.execute(query)[0][0] == before < _PICTURES:
        assert time.monotonic() < deadline, "the worker takes no chunk"
        time.sleep(0.01)


def _assert_vectors(pipeline: Any, collection: str, ids: list[uuid.UUID]) -> None:
    """Each point has the vector of its own content."""
    media, encoder = DiskMediaStore(pipeline.settings.media_path), FakePictureEncoder()
    rows = PictureRepository(pipeline.database).load(ids)
    records = pipeline.store.retrieve(collection, [str(one) for one in ids], with_vectors=[PICTURE_VECTOR])
    for record in records:
        sha256 = rows[uuid.UUID(str(record.id))].sha256
        assert record.payload["sha256"] == sha256
        file = pipeline.settings.media_path / "again.bmp"
        file.write_bytes(media.get(sha256))
        [expected] = encoder.encode_pictures([Image.open(file).convert("RGB")])
        np.testing.assert_allclose(record.vector[PICTURE_VECTOR], expected, atol=1e-5)
