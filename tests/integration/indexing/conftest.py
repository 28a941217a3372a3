"""The write side put together on real Postgres and Qdrant, with the fake encoder and hints that a test delivers."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from pydantic import SecretStr

from core.identity import point_id
from core.settings import Settings
from embedded.services import EmbeddedServices
from indexing.embedding import ChunkReport, EmbeddingService, Models
from indexing.generations import GenerationService
from indexing.importing import Importer, ImportSummary
from indexing.jobs import KIND_INDEX, JobService
from indexing.kinds import build_job_kinds, build_seeder
from indexing.passages import TEMPLATE_VERSION
from indexing.pictures.building import build_picture_follower, build_picture_generations, build_title_pictures
from indexing.sources.files import RawRecord
from inference.base import Encoded
from inference.bm25 import Bm25Encoder
from inference.fake import FakeTextEncoder
from inference.pictures.base import PictureEncoder
from inference.registry import build_recipes, load_picture_encoder
from messaging.names import TASK_EMBED_CHUNK, TASK_FINISH_JOB
from storage.database.generations import GenerationRepository
from storage.database.jobs import Job, JobRepository
from storage.database.ledger import LedgerRepository
from storage.database.session import Database
from storage.database.stages import StageRepository
from storage.database.titles import TitleRepository
from storage.switching import build_generation_switch
from storage.vectors.store import VectorStore

_ALIAS = "write_side_tests"


class WatchedEncoder(FakeTextEncoder):
    """The fake encoder, which remembers what it was asked for, fails at a word, and tells when it is called."""

    def __init__(self, *, dimension: int = 32, template_version: int = TEMPLATE_VERSION) -> None:
        super().__init__(template_version=template_version, dimension=dimension)
        self.texts: list[str] = []
        self.poison: str | None = None
        self.before_encoding: Callable[[], None] = lambda: None

    def encode_passages(self, texts: Sequence[str], *, token_budget: int, with_lexical: bool = False) -> Encoded:
        """As the fake does, unless a text holds the poison."""
        self.before_encoding()
        if self.poison is not None and any(self.poison in text for text in texts):
            raise ValueError(f"cannot encode {self.poison!r}")
        self.texts.extend(texts)
        return super().encode_passages(texts, token_budget=token_budget, with_lexical=with_lexical)


class RecordedHints:
    """Keeps hints until the test delivers them, or loses them."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []

    def send(self, task: str, **kwargs: Any) -> bool:
        """Keep one."""
        self.sent.append((task, kwargs))
        return True

    def queue_length(self, queue: str) -> int:
        """How many chunks wait."""
        return sum(task == TASK_EMBED_CHUNK for task, _ in self.sent)


class Pipeline:
    """Everything that workers build, in one process and under a test's control."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.database = Database(settings.database_url.get_secret_value())
        self.titles = TitleRepository(self.database)
        self.job_repository = JobRepository(self.database)
        self.stages = StageRepository(self.database)
        self.ledger = LedgerRepository(self.database)
        self.generation_repository = GenerationRepository(self.database)
        self.store = VectorStore(settings, timeout_s=30)
        self.alias = settings.qdrant_collection_name
        self.generations = GenerationService(self.generation_repository, self.store, alias=self.alias)
        self.importer = Importer(self.database, self.titles, self.job_repository)
        self.hints = RecordedHints()
        self.encoder = WatchedEncoder()
        self.picture_encoder = load_picture_encoder(settings)
        self.embedding = self.build_embedding(self.encoder)
        self.switch = build_generation_switch(settings, self.database, self.store)
        self.kinds = build_job_kinds(
            settings,
            database=self.database,
            store=self.store,
            hints=self.hints,  # type: ignore[arg-type]
            switch=self.switch,
        )
        self.jobs = JobService(
            settings=settings,
            jobs=self.job_repository,
            stages=self.stages,
            titles=self.titles,
            ledger=self.ledger,
            generations=self.generations,
            store=self.store,
            importer=self.importer,
            hints=self.hints,  # type: ignore[arg-type]
            kinds=self.kinds,
            has_pictures=build_picture_generations(settings, self.database, self.store).is_ready_for,
            seed=build_seeder(settings, database=self.database, store=self.store).seed,
            tidy=self.switch.tidy,
        )

    def build_embedding(
        self, encoder: FakeTextEncoder, *, owner: str = "worker-1", pictures: PictureEncoder | None = None
    ) -> EmbeddingService:
        """An embedding worker of this encoder, and of the picture encoder that the settings name if none is given."""
        lexical = Bm25Encoder(template_version=TEMPLATE_VERSION)
        recipes = build_recipes(encoder, lexical, pictures or self.picture_encoder)
        return EmbeddingService(
            settings=self.settings,
            database=self.database,
            titles=self.titles,
            stages=self.stages,
            ledger=self.ledger,
            generations=self.generations,
            store=self.store,
            models=Models(encoder, lexical, recipes),
            pictures=build_title_pictures(self.settings, recipes.image, database=self.database, store=self.store),
            follower=build_picture_follower(self.settings, self.database, self.store),
            owner=owner,
        )

    def empty_database(self) -> None:
        """Forget every title, job and generation."""
        self.execute("TRUNCATE titles, jobs, generations, model_versions, pictures, media_files, downloads CASCADE")

    def start_empty(self) -> None:
        """Make the collection, or empty the one that an earlier test has left."""
        self.embedding.ensure_generation()
        self.store.delete(self.collection, list(self.store.scroll_ids(self.collection)))

    @property
    def collection(self) -> str:
        """Where jobs write to."""
        return self.generations.get_target().collection

    def import_documents(self, documents: Sequence[dict[str, Any]]) -> ImportSummary:
        """Store documents as titles, under a job of their own that is closed at once."""
        job_id = self.job_repository.create("import", {})
        records = (RawRecord(number, value=value) for number, value in enumerate(documents, start=1))
        summary = self.importer.run(job_id, records)
        self.job_repository.cancel(job_id)
        return summary

    def start_job(self, **params: Any) -> uuid.UUID:
        """An index job whose hints are sent and not delivered."""
        job_id = self.job_repository.create(KIND_INDEX, params)
        self.jobs.run(job_id)
        return job_id

    def deliver(self, embedding: EmbeddingService | None = None) -> ChunkReport:
        """Deliver all chunks that wait, and end the jobs that are done; the reports are summed up."""
        total = ChunkReport()
        while self.hints.sent:
            task, kwargs = self.hints.sent.pop(0)
            job_id = uuid.UUID(kwargs["job_id"])
            if task == TASK_EMBED_CHUNK:
                report = (embedding or self.embedding).embed_chunk(job_id, kwargs["slugs"], kwargs["collection"])
                for name in ChunkReport.__slots__:
                    setattr(total, name, getattr(total, name) + getattr(report, name))
            if task in (TASK_EMBED_CHUNK, TASK_FINISH_JOB):
                self.jobs.finish(job_id)
        return total

    def index(self, **params: Any) -> tuple[Job, ChunkReport]:
        """A whole index job, from its first row to its end."""
        job_id = self.start_job(**params)
        report = self.deliver()
        return self.job_repository.get(job_id), report

    def run_kind(self, kind: str, **params: Any) -> Job:
        """A job of another kind, with whatever its hints and the reconciler do, until it is closed."""
        job_id = self.job_repository.create(kind, params)
        self.jobs.run(job_id)
        return self.see_to_its_end(job_id)

    def see_to_its_end(self, job_id: uuid.UUID, *, limit_s: float = 60.0) -> Job:
        """Deliver and reconcile until the job is closed: Qdrant may build graphs meanwhile."""
        deadline = time.monotonic() + limit_s
        while not (job := self.job_repository.get(job_id)).is_closed:
            self.deliver()
            self.jobs.reconcile()
            assert time.monotonic() < deadline, f"{job} is still open"
            time.sleep(0.1)
        return job

    def stored_points(self) -> set[str]:
        """The ids of all points that a search could find; fails if one occurs twice."""
        ids = list(self.store.scroll_ids(self.alias))
        assert len(ids) == len(set(ids)) == self.store.count(self.alias)
        return set(ids)

    def states(self, job_id: uuid.UUID) -> dict[str, dict[str, int]]:
        """Counts by stage and state, without the import."""
        stages = self.job_repository.get_progress(self.job_repository.get(job_id)).stages
        return {stage: counts for stage, counts in stages.items() if stage != "import"}

    def execute(self, statement: str, **parameters: Any) -> list[Any]:
        """Plain SQL, for what no repository offers."""
        from sqlalchemy import text

        with self.database.begin() as connection:
            result = connection.execute(text(statement), parameters)
            return list(result) if result.returns_rows else []

    def close(self) -> None:
        """Give everything back."""
        self.database.close()
        self.store.close()


def build_documents(count: int, *, first: int = 0) -> list[dict[str, Any]]:
    """Made-up titles, each with several vectors; some passages are shared between them."""
    return [
        {
            "title": f"Title number {number}",
            "synopsis": f"Story {number} of a hero{number} in town{number % 7}.",
            "genres": ["action", "drama"] if number % 2 else ["comedy"],
            "studios": [f"Studio {number % 3}"],
            "year": 2000 + number % 20,
            "external_ids": {"mal": number + 1},
        }
        for number in range(first, first + count)
    ]


def build_point_ids(count: int, *, first: int = 0) -> set[str]:
    """The points of `build_documents`."""
    return {point_id(f"title-number-{number}") for number in range(first, first + count)}


@pytest.fixture
def make_documents() -> Callable[..., list[dict[str, Any]]]:
    """`build_documents`."""
    return build_documents


@pytest.fixture
def expected_points() -> Callable[..., set[str]]:
    """`build_point_ids`."""
    return build_point_ids


@pytest.fixture
def build_pipeline(services: EmbeddedServices, database_url: str) -> Iterator[Callable[..., Pipeline]]:
    """Pipelines of one test; `share` gives a second one with the settings of the first.

    All tests of a module share the database, the alias and its collection, which are emptied: making them takes long.
    A test of generations gives an `alias` of its own.
    """
    built: list[Pipeline] = []

    def build(*, share: Pipeline | None = None, alias: str | None = None, **overrides: Any) -> Pipeline:
        if share is not None:
            settings = share.settings.model_copy(update=overrides)
        else:
            settings = Settings(
                _env_file=None,
                database_url=SecretStr(database_url),
                redis_url=SecretStr(services.env["REDIS_URL"]),
                redis_cache_url=SecretStr(services.env["REDIS_CACHE_URL"]),
                qdrant_url=services.env["QDRANT_URL"],
                **{"qdrant_collection_name": alias or _ALIAS, "image_embedding_model": "none", **overrides},
            )
        built.append(Pipeline(settings))
        if len(built) == 1:
            built[0].empty_database()
        if share is None and alias is None:
            built[-1].start_empty()
        return built[-1]

    yield build
    for pipeline in built:
        pipeline.close()


@pytest.fixture
def pipeline(build_pipeline: Callable[..., Pipeline]) -> Pipeline:
    """A pipeline that has a generation, with chunks of 50."""
    return build_pipeline(chunk_size=50)
