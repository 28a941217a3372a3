"""Operators' routes over the whole write side: the API and its workers in one process, with the fake encoder.

A thread does what workers do: it runs pending jobs, embeds chunks and reconciles, all the time.
"""

from __future__ import annotations

import importlib.util
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.app import create_app
from api.services import ApiServices, build_services
from embedded.services import EmbeddedServices
from indexing.pictures.service import build_picture_embedding
from inference.picture_queries import PictureQueryService
from messaging.names import TASK_EMBED_PICTURES, TASK_FINISH_JOB
from messaging.picture_call import (
    EncodedPictures,
    PictureQueryItem,
    build_picture_result,
    pack_items,
    parse_picture_result,
    unpack_items,
)
from messaging.query_call import EncodedQueries
from storage.media import build_media_store

TITLES = 120
ADULT = {"title": "Midnight Garden", "genres": ["hentai"], "rating": "Rx", "studios": ["Nightshade"], "year": 1995}

# Test folders are no packages, so the write side's fixtures are loaded by their path.
_spec = importlib.util.spec_from_file_location(
    "indexing_fixtures", Path(__file__).parents[1] / "indexing" / "conftest.py"
)
assert _spec is not None
assert _spec.loader is not None
_indexing = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_indexing)
build_documents = _indexing.build_documents
Settings = _indexing.Settings
SecretStr = _indexing.SecretStr


class InProcessEncoder:
    """The query worker of these tests: the recipes are those of the pipeline, unless a test changes them."""

    def __init__(self, pipeline: Any) -> None:
        self._text = pipeline.encoder
        self._lexical = _indexing.Bm25Encoder(template_version=_indexing.TEMPLATE_VERSION)
        self.recipes: str = pipeline.embedding._models.recipes.text_fingerprint

    def encode(self, texts: Sequence[str], timeout_s: float) -> EncodedQueries:
        """As the worker, without the queue."""
        lexical = [(one.indices, one.values) for one in self._lexical.encode_queries(texts)]
        return EncodedQueries(recipes=self.recipes, dense=self._text.encode_queries(texts).dense, lexical=lexical)


class InProcessPictures:
    """The query worker's picture encoder, without the queue."""

    def __init__(self, pipeline: Any) -> None:
        self._service = PictureQueryService(pipeline.picture_encoder, max_pixels=pipeline.settings.picture_max_pixels)

    def encode(self, items: Sequence[PictureQueryItem], timeout_s: float) -> EncodedPictures:
        """As the worker: what is sent is packed and unpacked, too."""
        recipe, outcomes = self._service.recipe, self._service.encode(unpack_items(pack_items(items)))
        return parse_picture_result(build_picture_result(recipe=recipe, outcomes=outcomes))


class Workers:
    """A thread that does the work of all workers, again and again."""

    def __init__(self, pipeline: Any) -> None:
        self._pipeline = pipeline
        self._pictures = build_picture_embedding(
            pipeline.settings,
            pipeline.picture_encoder,
            database=pipeline.database,
            store=pipeline.store,
            media=build_media_store(pipeline.settings),
            owner="pictures-1",
        )
        self._pictures.ensure_generation()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self.error: BaseException | None = None

    def __enter__(self) -> Workers:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)
        if self.error is not None:
            raise self.error

    def _work(self) -> None:
        try:
            while not self._stop.wait(0.05):
                for job in self._pipeline.job_repository.list_open():
                    if not job.enqueued:
                        self._pipeline.jobs.run(job.id)
                self._embed_pictures()
                self._pipeline.deliver()
                self._pipeline.jobs.reconcile()
        except BaseException as error:
            self.error = error

    def _embed_pictures(self) -> None:
        """All that waits for workers of pictures; what waits for others stays."""
        hints, others = self._pipeline.hints, []
        while hints.sent:
            task, kwargs = hints.sent.pop(0)
            if task not in (TASK_EMBED_PICTURES, TASK_FINISH_JOB):
                others.append((task, kwargs))
                continue
            job_id = uuid.UUID(kwargs["job_id"])
            if task == TASK_EMBED_PICTURES:
                self._pictures.embed_chunk(job_id, [uuid.UUID(one) for one in kwargs["ids"]], kwargs["collection"])
            self._pipeline.jobs.finish(job_id)
        hints.sent.extend(others)


@pytest.fixture(scope="module")
def pipeline(
    services: EmbeddedServices, database_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    """The write side with a live generation of 120 titles and an adult one."""
    services.ensure_running()
    settings = Settings(
        _env_file=None,
        database_url=SecretStr(database_url),
        redis_url=SecretStr(redis_url),
        redis_cache_url=SecretStr(services.env["REDIS_CACHE_URL"]),
        qdrant_url=services.env["QDRANT_URL"],
        qdrant_collection_name=f"admin_{uuid.uuid4().hex[:8]}",
        chunk_size=50,
        image_embedding_model="fake",
        qdrant_pictures_collection_name=f"pictures_{uuid.uuid4().hex[:8]}",
        media_path=tmp_path_factory.mktemp("media"),
    )
    built = _indexing.Pipeline(settings)
    built.embedding.ensure_generation()
    built.import_documents([*build_documents(TITLES), ADULT])
    built.index()
    yield built
    built.close()


@pytest.fixture(scope="module")
def workers(pipeline: Any) -> Iterator[Workers]:
    """Workers for the whole module."""
    with Workers(pipeline) as running:
        yield running


@pytest.fixture
def api(pipeline: Any, cache_url: str) -> Iterator[ApiServices]:
    """A web process over the pipeline's index."""
    services = build_services(
        pipeline.settings, encoder=InProcessEncoder(pipeline), picture_encoder=InProcessPictures(pipeline)
    )
    yield services
    services.close()


@pytest.fixture
def client(api: ApiServices) -> FlaskClient:
    """The API, called in this process."""
    return create_app(api).test_client()


@pytest.fixture
def wait_for_job(pipeline: Any, workers: Workers) -> Callable[[str], Any]:
    """Wait until a job has ended; returns it."""

    def wait(job_id: str, *, limit_s: float = 60.0) -> Any:
        deadline = time.monotonic() + limit_s
        while not (job := pipeline.job_repository.get(uuid.UUID(job_id))).is_closed:
            assert workers.error is None, workers.error
            assert time.monotonic() < deadline, job
            time.sleep(0.05)
        return job

    return wait


@pytest.fixture
def make_documents() -> Callable[..., list[dict[str, Any]]]:
    """The titles of the pipeline, and as many more as are asked for."""
    build: Callable[..., list[dict[str, Any]]] = build_documents
    return build
