"""The query path on real servers: a small index, a real Celery worker with the fake encoder, and the API over both."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
import redis
from flask.testing import FlaskClient
from qdrant_client import models

from api.app import create_app
from api.services import ApiServices, build_services
from core.document import AnimeDocument, content_hash
from core.identity import build_slug, point_id
from core.settings import Settings
from core.vectors import LEXICAL_VECTOR
from embedded.services import EmbeddedServices
from indexing.payload import build_payload
from messaging.names import QUEUE_QUERY, heartbeat_key
from storage.database.generations import GenerationRepository
from storage.database.session import Database
from storage.database.titles import StoredTitle, TitleRepository
from storage.vectors.store import VectorStore

ROOT = Path(__file__).resolve().parents[3]
WORKER = Path(__file__).with_name("fake_query_worker.py")
TITLES = 200
ADULT = {
    "title": "Midnight Garden",
    "synopsis": "A forbidden orchid blooms once, at midnight.",
    "genres": ["hentai"],
    "year": 2001,
}

# Test folders are no packages, so a module beside this one is loaded by its path.
_spec = importlib.util.spec_from_file_location("fake_query_worker", WORKER)
assert _spec is not None
assert _spec.loader is not None
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)
build_encoders = _module.build_encoders

StartWorker = Callable[..., AbstractContextManager["subprocess.Popen[bytes]"]]
Client = FlaskClient


@dataclass(frozen=True)
class Index:
    """What the tests search: settings that point to it, and the documents by slug."""

    settings: Settings
    documents: dict[str, AnimeDocument]
    adult_slug: str

    def get_cosine(self, slug: str, query: str) -> float:
        """The cosine that NumPy finds between a query and a title's title_vector."""
        text, _, _ = build_encoders()
        document = self.documents[slug]
        pair = text.encode_queries([query, f"{document.title} {document.synopsis}"]).dense
        return float(pair[0] @ pair[1])


@pytest.fixture(scope="module")
def index(services: EmbeddedServices, database_url: str, redis_url: str) -> Index:
    """Titles in Postgres and Qdrant as the pipeline would leave them, behind an alias of their own."""
    services.ensure_running()
    settings = Settings(
        _env_file=None,
        database_url=database_url,
        redis_url=redis_url,
        redis_cache_url=services.env["REDIS_CACHE_URL"],
        qdrant_url=services.env["QDRANT_URL"],
        qdrant_collection_name=f"titles_{uuid.uuid4().hex[:8]}",
        query_deadline_s=3.0,
        query_max_chars=2_000,
        web_threads=8,
    )
    documents = _load_documents()
    _store_titles(database_url, documents)
    _index_titles(settings, documents)
    return Index(settings, documents, build_slug(str(ADULT["title"])))


def _load_documents() -> dict[str, AnimeDocument]:
    lines = (ROOT / "data" / "sample-catalogue.jsonl").read_bytes().splitlines()[:TITLES]
    documents = [AnimeDocument.model_validate(orjson.loads(line)) for line in lines]
    documents.append(AnimeDocument.model_validate(ADULT))
    return {build_slug(document.title): document for document in documents}


def _store_titles(database_url: str, documents: dict[str, AnimeDocument]) -> None:
    database = Database(database_url)
    titles = TitleRepository(database)
    with database.begin() as connection:
        rows = []
        for slug, document in documents.items():
            stored = document.to_json()
            rows.append(StoredTitle(slug, stored, content_hash(stored), document.is_adult, excluded=False))
        titles.insert(connection, rows)
        keys = [(p, str(e), slug) for slug, doc in documents.items() for p, e in doc.external_ids.items()]
        titles.add_ids(connection, keys)
    database.close()


def _index_titles(settings: Settings, documents: dict[str, AnimeDocument]) -> None:
    text, _, recipes = build_encoders()
    store, database = VectorStore(settings), Database(settings.database_url.get_secret_value())
    collection = f"{settings.qdrant_collection_name}_g1"
    store.create_collection(collection, text_dimension=text.recipe.dimension)
    store.upsert(collection, [_build_point(slug, document) for slug, document in documents.items()])
    store.swap_alias(settings.qdrant_collection_name, collection)
    generations = GenerationRepository(database)
    generations.create(collection, alias=settings.qdrant_collection_name, recipes=recipes)
    generations.set_live(collection, settings.qdrant_collection_name)
    database.close()
    store.close()


def _build_point(slug: str, document: AnimeDocument) -> models.PointStruct:
    text, lexical, _ = build_encoders()
    passages = {
        "title_vector": f"{document.title} {document.synopsis}",
        "genre_vector": " ".join((*document.genres, *document.tags)),
    }
    vectors: dict[str, Any] = {
        name: text.encode_queries([passage]).dense[0].tolist() for name, passage in passages.items() if passage
    }
    sparse = lexical.encode_passages([passages["title_vector"]])[0]
    vectors[LEXICAL_VECTOR] = models.SparseVector(indices=sparse.indices.tolist(), values=sparse.values.tolist())
    payload = build_payload(slug, document.to_json(), adult=document.is_adult, vectors=frozenset(vectors))
    return models.PointStruct(id=point_id(slug), vector=vectors, payload=payload)


@pytest.fixture(scope="module")
def build_env(services: EmbeddedServices, index: Index) -> Callable[..., dict[str, str]]:
    """The environment of a process of the product over the test's index."""

    def build(**more: str) -> dict[str, str]:
        settings = index.settings
        return {
            **os.environ,
            **services.env,
            "DATABASE_URL": settings.database_url.get_secret_value(),
            "QDRANT_COLLECTION_NAME": settings.qdrant_collection_name,
            "PYTHONPATH": str(ROOT),
            "IMAGE_EMBEDDING_MODEL": "fake",
            **more,
        }

    return build


@pytest.fixture(scope="module")
def start_worker(index: Index, build_env: Callable[..., dict[str, str]]) -> StartWorker:
    """Run a query worker for the length of a `with`; keyword arguments are variables of its environment."""

    @contextmanager
    def start(**more: str) -> Iterator[subprocess.Popen[bytes]]:
        broker = redis.Redis.from_url(index.settings.redis_url.get_secret_value())
        broker.delete(heartbeat_key(QUEUE_QUERY))
        process = subprocess.Popen([sys.executable, str(WORKER)], cwd=ROOT, env=build_env(**more))
        try:
            wait_until(lambda: broker.exists(heartbeat_key(QUEUE_QUERY)) == 1, process=process)
            yield process
        finally:
            process.terminate()
            process.wait(timeout=20)
            broker.delete(heartbeat_key(QUEUE_QUERY))
            broker.close()

    return start


@pytest.fixture(scope="module")
def worker(start_worker: StartWorker) -> Iterator[None]:
    """A query worker for the whole module."""
    with start_worker():
        yield


@pytest.fixture
def api(index: Index, cache_url: str) -> Iterator[ApiServices]:
    """The services of a web process that has just begun, over an empty cache."""
    services = build_services(index.settings)
    yield services
    services.close()


@pytest.fixture
def client(api: ApiServices) -> Client:
    """The API, called in this process."""
    return create_app(api).test_client()


def wait_until(
    condition: Callable[[], bool], *, limit_s: float = 40.0, process: subprocess.Popen[bytes] | None = None
) -> None:
    """Return when the condition holds; fail when it does not in time or the process has ended."""
    deadline = time.monotonic() + limit_s
    while not condition():
        if process is not None and process.poll() is not None:
            pytest.fail(f"the process ended with status {process.returncode}", pytrace=False)
        if time.monotonic() > deadline:
            pytest.fail("the condition did not come true in time", pytrace=False)
        time.sleep(0.05)
