"""Searches by picture on real servers: titles and pictures as the pipeline leaves them, a real query worker, the API.

The pictures are drawn, the picture encoder is `visual_baseline`, and texts have the fake encoder of the query path.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import redis
from flask.testing import FlaskClient
from PIL import Image
from qdrant_client import models

from api.app import create_app
from api.services import ApiServices, build_services
from core.document import AnimeDocument, content_hash
from core.identity import build_slug, point_id
from core.pictures import decode_picture, describe_picture, hash_content, to_signed
from core.recipe import RecipeSet
from core.settings import Settings
from embedded.services import EmbeddedServices
from indexing.payload import build_payload
from indexing.pictures.payload import build_picture_payload
from inference.bm25 import Bm25Encoder
from inference.fake import FakeTextEncoder
from inference.pictures.base import PictureEncoder
from inference.pictures.visual_baseline import VisualBaseline
from messaging.names import QUEUE_QUERY, heartbeat_key
from storage.database.generations import GenerationRepository
from storage.database.media import MediaRepository
from storage.database.models import PictureKind
from storage.database.picture_generations import PictureGenerationRepository
from storage.database.picture_ledger import PictureEntry, PictureLedgerRepository
from storage.database.pictures import FreePicture, MediaFile, PictureRepository, PictureRow
from storage.database.session import Database
from storage.database.titles import StoredTitle, TitleRepository
from storage.vectors.pictures import PICTURE_VECTOR
from storage.vectors.store import VectorStore
from tests.picture_host.pictures import draw, save

ROOT = Path(__file__).resolve().parents[3]
WORKER = ROOT / "tests" / "integration" / "api" / "fake_query_worker.py"
TITLES = 24
# Titles with a character picture, and the one that is for adults.
WITH_CHARACTERS = 6
ADULT = 5
FREE = 4
_HOST = "http://pictures.example.org"
StartWorker = Callable[..., AbstractContextManager["subprocess.Popen[bytes]"]]


@dataclass(frozen=True)
class PictureIndex:
    """What the tests search: settings that point to it, the files by URL, and the pictures as stored."""

    settings: Settings
    files: dict[str, bytes]
    pictures: dict[uuid.UUID, PictureRow]

    def get_cover(self, number: int) -> bytes:
        """The cover of a title, as a file."""
        return self.files[build_url("cover", number)]

    def get_character(self, number: int) -> bytes:
        """The picture of a title's character."""
        return self.files[build_url("character", number)]

    def find(self, *, slug: str | None, kind: PictureKind) -> PictureRow:
        """The first picture of a title of this kind."""
        return next(one for one in self.pictures.values() if one.slug == slug and one.kind is kind)

    @contextmanager
    def open_database(self) -> Iterator[Database]:
        """The truth."""
        database = Database(self.settings.database_url.get_secret_value())
        yield database
        database.close()


def build_url(kind: str, number: int) -> str:
    """Where a picture comes from."""
    return f"{_HOST}/{kind}/{number}.png"


def slug_of(number: int) -> str:
    """The slug of a title."""
    return build_slug(f"Title number {number}")


def build_files() -> dict[str, bytes]:
    """A cover and a banner for each title, portraits for some, and free pictures; no two are alike."""
    files = {}
    for offset, (kind, count) in enumerate(
        (("cover", TITLES), ("banner", TITLES), ("character", WITH_CHARACTERS), ("free", FREE))
    ):
        for number in range(count):
            width = 480 if kind == "banner" else 300
            files[build_url(kind, number)] = save(draw(1_000 * offset + number, width=width, height=400), "PNG")
    return files


def build_documents() -> list[AnimeDocument]:
    """Titles that have these pictures; their words say little."""
    documents = []
    for number in range(TITLES):
        raw: dict[str, Any] = {
            "title": f"Title number {number}",
            "synopsis": f"A story of hero{number} and of friends in the town of lake{number % 5}.",
            "genres": ["hentai"] if number == ADULT else ["action" if number % 2 else "drama"],
            "year": 2000 + number,
            "external_ids": {"mal": number + 1},
            "images": {"picture": build_url("cover", number), "banner": build_url("banner", number)},
        }
        if number < WITH_CHARACTERS:
            raw["characters"] = [{"name": f"Hero {number}", "image": build_url("character", number)}]
        documents.append(AnimeDocument.model_validate(raw))
    return documents


def build_recipes(encoder: PictureEncoder) -> RecipeSet:
    """The recipes of the tests' worker and of these pictures."""
    text, lexical = FakeTextEncoder(template_version=1), Bm25Encoder(template_version=1)
    return RecipeSet(text.recipe, lexical.recipe, lexical.recipe, encoder.recipe)


def encode_file(encoder: PictureEncoder, data: bytes) -> np.ndarray:  # type: ignore[type-arg]
    """The vector of a file."""
    picture = decode_picture(data, max_pixels=10_000_000, least_side=encoder.input_side)
    row: np.ndarray = encoder.encode_pictures([picture])[0]  # type: ignore[type-arg]
    return row


class Builder:
    """Fills Postgres and Qdrant."""

    def __init__(self, settings: Settings, encoder: PictureEncoder, *, has_pictures: bool = True) -> None:
        self._settings = settings
        self._encoder = encoder
        self._has_pictures = has_pictures
        self._database = Database(settings.database_url.get_secret_value())
        self._store = VectorStore(settings, timeout_s=30)
        self._files = build_files()
        self._vectors = {url: encode_file(encoder, data) for url, data in self._files.items()}

    def build(self) -> PictureIndex:
        """Titles first, then their pictures."""
        documents = {build_slug(one.title): one for one in build_documents()}
        self._store_titles(documents)
        rows = self._store_pictures()
        self._index_titles(documents)
        if self._has_pictures:
            self._index_pictures(rows)
        self._database.close()
        self._store.close()
        return PictureIndex(self._settings, self._files, rows)

    def _store_titles(self, documents: dict[str, AnimeDocument]) -> None:
        titles = TitleRepository(self._database)
        with self._database.begin() as connection:
            stored = {slug: document.to_json() for slug, document in documents.items()}
            titles.insert(
                connection,
                [
                    StoredTitle(slug, one, content_hash(one), documents[slug].is_adult, excluded=False)
                    for slug, one in stored.items()
                ],
            )
            titles.add_ids(
                connection, [(p, str(e), slug) for slug, doc in documents.items() for p, e in doc.external_ids.items()]
            )

    def _store_pictures(self) -> dict[uuid.UUID, PictureRow]:
        repository, media = PictureRepository(self._database), MediaRepository(self._database)
        repository.sync_titles()
        free = [
            FreePicture(
                name=f"still-{number}", url=build_url("free", number), tags=("still",), metadata={"scene": number}
            )
            for number in range(FREE)
        ]
        free_ids = repository.add_free(free)
        contents = {url: hash_content(data) for url, data in self._files.items()}
        with self._database.begin() as connection:
            for url, data in self._files.items():
                media.add(connection, _describe(contents[url], data))
            repository.attach_contents(connection, contents)
        of_titles = repository.load_of_titles([slug_of(number) for number in range(TITLES)])
        return {row.id: row for rows in of_titles.values() for row in rows} | repository.load(free_ids)

    def _index_titles(self, documents: dict[str, AnimeDocument]) -> None:
        alias = self._settings.qdrant_collection_name
        text, lexical = FakeTextEncoder(template_version=1), Bm25Encoder(template_version=1)
        self._store.create_collection(
            f"{alias}_g1",
            text_dimension=text.recipe.dimension,
            image_dimension=self._encoder.recipe.dimension if self._has_pictures else None,
        )
        points = []
        for number, (slug, document) in enumerate(documents.items()):
            passage = f"{document.title} {document.synopsis}"
            sparse = lexical.encode_passages([passage])[0]
            vectors: dict[str, Any] = {
                "title_vector": text.encode_queries([passage]).dense[0].tolist(),
                "lexical_sparse": models.SparseVector(indices=sparse.indices.tolist(), values=sparse.values.tolist()),
            }
            if self._has_pictures:
                vectors |= self._build_picture_vectors(number)
            payload = build_payload(slug, document.to_json(), adult=document.is_adult, vectors=frozenset(vectors))
            points.append(models.PointStruct(id=point_id(slug), vector=vectors, payload=payload))
        self._store.upsert(f"{alias}_g1", points)
        self._store.swap_alias(alias, f"{alias}_g1")
        recipes = build_recipes(self._encoder)
        generations = GenerationRepository(self._database)
        generations.create(
            f"{alias}_g1", alias=alias, recipes=recipes if self._has_pictures else replace(recipes, image=None)
        )
        generations.set_live(f"{alias}_g1", alias)

    def _build_picture_vectors(self, number: int) -> dict[str, Any]:
        mean = self._vectors[build_url("cover", number)] + self._vectors[build_url("banner", number)]
        found = {"image_vector": (mean / np.linalg.norm(mean)).tolist()}
        if number < WITH_CHARACTERS:
            found["character_image_vector"] = self._vectors[build_url("character", number)].tolist()
        return found

    def _index_pictures(self, rows: dict[uuid.UUID, PictureRow]) -> None:
        alias = self._settings.qdrant_pictures_collection_name
        repository, ledger = PictureGenerationRepository(self._database), PictureLedgerRepository(self._database)
        generation, _ = repository.find_or_create(alias, self._encoder.recipe)
        self._store.create_pictures_collection(generation.collection, dimension=self._encoder.recipe.dimension)
        points = [
            models.PointStruct(
                id=str(row.id),
                vector={PICTURE_VECTOR: self._vectors[row.url or ""].tolist()},
                payload=build_picture_payload(row),
            )
            for row in rows.values()
        ]
        self._store.upsert(generation.collection, points)
        self._store.swap_alias(alias, generation.collection)
        with repository.deciding() as connection:
            entries = [PictureEntry(row.id, row.content_hash, row.sha256 or "") for row in rows.values()]
            ledger.record(connection, generation.collection, entries)
            repository.set_live_in(connection, generation.collection, alias)


def _describe(sha256: str, data: bytes) -> MediaFile:
    facts = describe_picture(data, max_pixels=10_000_000)
    info = facts.info
    return MediaFile(sha256, len(data), info.media_type, info.width, info.height, to_signed(facts.phash), facts.colour)


def build_settings(services: EmbeddedServices, *, database_url: str, redis_url: str) -> Settings:
    """Settings over the test's servers, with aliases of their own."""
    mark = uuid.uuid4().hex[:8]
    return Settings(
        _env_file=None,
        database_url=database_url,
        redis_url=redis_url,
        redis_cache_url=services.env["REDIS_CACHE_URL"],
        qdrant_url=services.env["QDRANT_URL"],
        qdrant_collection_name=f"titles_{mark}",
        qdrant_pictures_collection_name=f"pictures_{mark}",
        image_embedding_model="visual_baseline",
        title_pictures="mean",
        query_deadline_s=5.0,
        web_threads=8,
    )


@pytest.fixture(scope="module")
def index(services: EmbeddedServices, database_url: str, redis_url: str) -> PictureIndex:
    """Titles with pictures, and free pictures."""
    services.ensure_running()
    return Builder(build_settings(services, database_url=database_url, redis_url=redis_url), VisualBaseline()).build()


@pytest.fixture(scope="module")
def start_worker(services: EmbeddedServices, index: PictureIndex) -> StartWorker:
    """Run a query worker for the length of a `with`; keyword arguments are variables of its environment."""

    @contextmanager
    def start(**more: str) -> Iterator[subprocess.Popen[bytes]]:
        env = {
            **os.environ,
            **services.env,
            "PYTHONPATH": str(ROOT),
            "IMAGE_EMBEDDING_MODEL": "visual_baseline",
            **more,
        }
        broker = redis.Redis.from_url(index.settings.redis_url.get_secret_value())
        broker.delete(heartbeat_key(QUEUE_QUERY))
        process = subprocess.Popen([sys.executable, str(WORKER)], cwd=ROOT, env=env)
        try:
            _wait_for(lambda: broker.exists(heartbeat_key(QUEUE_QUERY)) == 1, process)
            yield process
        finally:
            process.terminate()
            process.wait(timeout=20)
            broker.delete(heartbeat_key(QUEUE_QUERY))
            broker.close()

    return start


def _wait_for(condition: Callable[[], bool], process: subprocess.Popen[bytes], *, limit_s: float = 40.0) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail("the query worker did not start", pytrace=False)
        time.sleep(0.05)


@pytest.fixture(scope="module")
def worker(start_worker: StartWorker) -> Iterator[None]:
    """A query worker for the whole module."""
    with start_worker():
        yield


@pytest.fixture
def api(index: PictureIndex, cache_url: str) -> Iterator[ApiServices]:
    """The services of a web process that has just begun, over an empty cache."""
    services = build_services(index.settings)
    yield services
    services.close()


@pytest.fixture
def client(api: ApiServices) -> FlaskClient:
    """The API, called in this process."""
    return create_app(api).test_client()


def change(data: bytes, how: str) -> bytes:
    """A picture as people pass it on: cropped, smaller, or saved again with much loss."""
    image = Image.open(io.BytesIO(data)).convert("RGB")
    width, height = image.size
    if how == "crop":
        image = image.crop((width // 8, height // 8, width - width // 8, height - height // 8))
    elif how == "half":
        image = image.resize((width // 2, height // 2))
    return save(image, "JPEG", quality=30 if how == "quality" else 85)
