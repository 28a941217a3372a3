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
from messaging.query_call import EncodedQueries

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


class Workers:
    """A thread that does the work of all workers, again and again."""

    def __init__(self, pipeline: Any) -> None:
        self._pipeline = pipeline
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
                self._pipeline.deliver()
                self._pipeline.jobs.reconcile()
        except BaseException as error:
            self.error = error


@pytest.fixture(scope="module")
def pipeline(services: EmbeddedServices, database_url: str, redis_url: str) -> Iterator[Any]:
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
    services = build_services(pipeline.settings, encoder=InProcessEncoder(pipeline))
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
