"""Pictures of a pipeline: drawn, stored, attached and embedded, with the fake picture encoder."""

from __future__ import annotations

import io
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from core.identity import picture_id, point_id
from core.pictures import hash_content
from core.recipe import EmbeddingRecipe
from indexing.pictures.embedding import PictureEmbeddingService, PictureReport
from indexing.pictures.jobs import KIND_PICTURES, PictureJobs
from indexing.pictures.service import build_picture_embedding
from inference.pictures.base import PendingRows
from inference.pictures.fake import FakePictureEncoder
from messaging.names import TASK_EMBED_PICTURES, TASK_RUN_JOB
from storage.database.jobs import Job
from storage.database.media import MediaRepository
from storage.database.picture_generations import PictureGenerationRepository
from storage.database.picture_ledger import PictureLedgerRepository
from storage.database.pictures import MediaFile, PictureRepository
from storage.media.disk import DiskMediaStore
from storage.vectors.pictures import PICTURE_VECTOR

_URL = "https://pictures.test"


class SmallEncoder(FakePictureEncoder):
    """Another encoder: the first half of the fake one's numbers, so that its vectors have another size."""

    def __init__(self) -> None:
        super().__init__()
        self.recipe = EmbeddingRecipe("small", "1", 96, 1)

    def encode_prepared(self, batch: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        """Cut and brought to length 1."""
        rows = super().encode_prepared(batch)[:, :96]
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


class WatchedPictures(FakePictureEncoder):
    """The fake encoder, which counts what it sees, and tells when it is called."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0
        self.before_encoding: Callable[[], None] = lambda: None

    def submit_prepared(self, batch: Sequence[NDArray[Any]]) -> PendingRows:
        """As the fake does."""
        self.before_encoding()
        self.seen += len(batch)
        return super().submit_prepared(batch)


class Gallery:
    """Pictures of a pipeline: drawn, stored, attached, embedded."""

    def __init__(self, pipeline: Any, folder: Path) -> None:
        self.pipeline = pipeline
        self.media = DiskMediaStore(folder)
        self.rows = PictureRepository(pipeline.database)
        self.ledger = PictureLedgerRepository(pipeline.database)
        self.repository = PictureGenerationRepository(pipeline.database)
        self.alias: str = pipeline.settings.qdrant_pictures_collection_name
        self.encoder = WatchedPictures()
        self.embedding = self.build(self.encoder)
        self.embedding.ensure_generation()
        self.jobs: PictureJobs = pipeline.kinds[KIND_PICTURES]

    def build(self, encoder: FakePictureEncoder, *, owner: str = "pictures-1") -> PictureEmbeddingService:
        """A worker of this encoder."""
        return build_picture_embedding(
            self.pipeline.settings,
            encoder,
            database=self.pipeline.database,
            store=self.pipeline.store,
            media=self.media,
            owner=owner,
        )

    @property
    def collection(self) -> str:
        """The live collection."""
        live = self.repository.get_live(self.alias)
        assert live is not None
        return live.collection

    def attach(self, url: str, data: bytes) -> str:
        """As the downloader does; returns the SHA-256."""
        sha256 = hash_content(data)
        self.media.put(sha256, data)
        with self.pipeline.database.begin() as connection:
            file = MediaFile(sha256, len(data), "image/png", 40, 30, -7, "#102030")
            MediaRepository(self.pipeline.database).add(connection, file)
            self.rows.attach_content(connection, url, sha256)
        return sha256

    @staticmethod
    def draw(seed: int, *, side: int = 16) -> bytes:
        """A picture of noise, another for each seed."""
        pixels = np.random.default_rng(seed).integers(0, 255, (side, side, 3), dtype=np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        return buffer.getvalue()

    @staticmethod
    def build_small_encoder() -> SmallEncoder:
        """Another encoder, of 96 numbers."""
        return SmallEncoder()

    @staticmethod
    def build_document(number: int, **more: Any) -> dict[str, Any]:
        """A title with a cover, a thumbnail and a character."""
        return {
            "title": f"Title number {number}",
            "synopsis": f"Story {number}.",
            "external_ids": {"mal": number + 1},
            "images": {"picture": f"{_URL}/{number}/cover.png", "thumbnail": f"{_URL}/{number}/thumbnail.png"},
            "characters": [{"name": "Hero", "image": f"{_URL}/{number}/hero.png"}],
            **more,
        }

    @staticmethod
    def get_cover(number: int) -> str:
        """The id of the cover of `build_document`."""
        return picture_id(kind="cover", slug=f"title-number-{number}", name=f"{_URL}/{number}/cover.png")

    @staticmethod
    def get_thumbnail(number: int) -> str:
        """The id of its thumbnail."""
        return picture_id(kind="thumbnail", slug=f"title-number-{number}", name=f"{_URL}/{number}/thumbnail.png")

    def fill(self, count: int) -> None:
        """So many titles with three pictures each, stored; the titles are indexed without them."""
        self.pipeline.import_documents([self.build_document(number) for number in range(count)])
        for number in range(count):
            for place, name in enumerate(("cover", "thumbnail", "hero")):
                self.attach(f"{_URL}/{number}/{name}.png", self.draw(10 * number + place))
        self.pipeline.index()

    def deliver(self, embedding: PictureEmbeddingService | None = None) -> PictureReport:
        """Deliver all hints: chunks of pictures here, everything else by the pipeline."""
        total = PictureReport()
        hints = self.pipeline.hints
        while hints.sent:
            task, kwargs = hints.sent.pop(0)
            job_id = uuid.UUID(kwargs["job_id"])
            if task == TASK_EMBED_PICTURES:
                ids = [uuid.UUID(one) for one in kwargs["ids"]]
                total.add((embedding or self.embedding).embed_chunk(job_id, ids, kwargs["collection"]))
                self.pipeline.jobs.finish(job_id)
            elif task == TASK_RUN_JOB:
                self.pipeline.jobs.run(job_id)
            else:
                hints.sent.insert(0, (task, kwargs))
                rest = [hint for hint in hints.sent if hint[0] in (TASK_EMBED_PICTURES, TASK_RUN_JOB)]
                hints.sent[:] = [hint for hint in hints.sent if hint[0] not in (TASK_EMBED_PICTURES, TASK_RUN_JOB)]
                self.pipeline.deliver()
                hints.sent += rest
        return total

    def start(self, **params: Any) -> uuid.UUID:
        """A job whose hints are sent and not delivered."""
        job_id: uuid.UUID = self.pipeline.job_repository.create(KIND_PICTURES, params)
        self.pipeline.jobs.run(job_id)
        return job_id

    def index(self, **params: Any) -> tuple[Job, PictureReport]:
        """A whole job with what follows it."""
        job_id = self.start(**params)
        report = self.deliver()
        return self.pipeline.job_repository.get(job_id), report

    def points(self) -> dict[str, dict[str, Any]]:
        """Payloads by id of all points of the live collection."""
        ids = list(self.pipeline.store.scroll_ids(self.collection))
        return {str(record.id): record.payload for record in self.pipeline.store.retrieve(self.collection, ids)}

    def vector(self, identifier: str, *, collection: str | None = None) -> NDArray[np.float32]:
        """The stored vector of a picture."""
        [record] = self.pipeline.store.retrieve(
            collection or self.collection, [identifier], with_vectors=[PICTURE_VECTOR]
        )
        return np.asarray(record.vector[PICTURE_VECTOR], np.float32)

    def title_vectors(self, slug: str) -> dict[str, NDArray[np.float32]]:
        """The image vectors of a title."""
        [record] = self.pipeline.store.retrieve(
            self.pipeline.alias, [point_id(slug)], with_vectors=["image_vector", "character_image_vector"]
        )
        return {name: np.asarray(vector, np.float32) for name, vector in (record.vector or {}).items()}

    def assert_true_to_the_ledger(self) -> None:
        """Every picture that belongs there is there once, as its row says, and nothing else."""
        listed = {str(one) for one in self.ledger.iterate_ids(self.collection)}
        points = self.points()
        assert set(points) == listed
        rows = self.rows.load([uuid.UUID(one) for one in points])
        for identifier, payload in points.items():
            row = rows[uuid.UUID(identifier)]
            assert row.is_wanted
            assert (payload["sha256"], payload["adult"]) == (row.sha256, row.adult)


@pytest.fixture
def build_gallery(build_pipeline: Callable[..., Any], tmp_path: Path) -> Callable[[str], Gallery]:
    """Pipelines with the fake picture encoder; the collections of a name are made once and emptied."""

    def build(name: str) -> Gallery:
        pipeline = build_pipeline(
            alias=f"titles_{name}",
            qdrant_pictures_collection_name=f"pictures_{name}",
            image_embedding_model="fake",
            chunk_size=50,
            max_attempts=2,
        )
        pipeline.execute("TRUNCATE picture_generations CASCADE")
        gallery = Gallery(pipeline, tmp_path)
        pipeline.start_empty()
        pipeline.store.delete(gallery.collection, list(pipeline.store.scroll_ids(gallery.collection)))
        return gallery

    return build


@pytest.fixture
def gallery(build_gallery: Callable[[str], Gallery]) -> Gallery:
    """Pictures in collections that the tests of this module share."""
    return build_gallery("shared")


@pytest.fixture
def own_gallery(build_gallery: Callable[[str], Gallery]) -> Gallery:
    """Pictures in collections of one test's own, for tests that make further ones."""
    return build_gallery(uuid.uuid4().hex[:8])
