"""Every kind of job beyond importing and indexing, put together over the same servers."""

from __future__ import annotations

from core.settings import Settings
from indexing.chunks import ChunkSender
from indexing.copying import GenerationCopier
from indexing.downloads.building import build_download_jobs
from indexing.downloads.jobs import KIND_DOWNLOAD
from indexing.gate import Gate
from indexing.generations import GenerationService
from indexing.given import KIND_VECTORS, GivenVectorService
from indexing.gold import GoldCheck
from indexing.jobs import JobKind
from indexing.pictures.building import build_picture_jobs
from indexing.pictures.jobs import KIND_PICTURES
from indexing.reindexing import KIND_REINDEX, ReindexService
from indexing.seeding import GenerationSeeder
from indexing.snapshots import KIND_RESTORE, KIND_SNAPSHOT, RestoreService, SnapshotService
from messaging.hints import HintSender
from messaging.query_call import QueryWorkerClient
from storage.database.copying import LedgerCopyRepository
from storage.database.generations import GenerationRepository
from storage.database.jobs import JobRepository
from storage.database.ledger import LedgerRepository
from storage.database.locks import LockService
from storage.database.picture_ledger import PictureLedgerRepository
from storage.database.session import Database
from storage.database.snapshots import SnapshotRepository
from storage.database.stages import StageRepository
from storage.database.titles import TitleRepository
from storage.switching import GenerationSwitch
from storage.vectors.administration import CollectionAdministration
from storage.vectors.store import VectorStore

# A snapshot takes as long as copying the collection's files does.
_SNAPSHOT_TIMEOUT_S = 1_800


def build_job_kinds(
    settings: Settings, *, database: Database, store: VectorStore, hints: HintSender, switch: GenerationSwitch
) -> dict[str, JobKind]:
    """Services by kind, for JobService."""
    chunks = ChunkSender(settings, StageRepository(database), hints)
    return {
        KIND_PICTURES: build_picture_jobs(settings, database=database, store=store, hints=hints),
        KIND_REINDEX: _build_reindexing(settings, database, store, switch=switch, chunks=chunks),
        KIND_DOWNLOAD: build_download_jobs(settings, database, hints),
        KIND_VECTORS: _build_given(settings, database, store, chunks=chunks),
        **_build_snapshots(settings, database),
    }


def build_seeder(settings: Settings, *, database: Database, store: VectorStore) -> GenerationSeeder:
    """Begins generations with what they have in common with the live one."""
    repository, jobs = GenerationRepository(database), JobRepository(database)
    return GenerationSeeder(
        generations=GenerationService(repository, store, alias=settings.qdrant_collection_name),
        copier=_build_copier(settings, database, store),
        jobs=jobs,
        locks=LockService(database),
    )


def _build_copier(settings: Settings, database: Database, store: VectorStore) -> GenerationCopier:
    return GenerationCopier(
        settings,
        copies=LedgerCopyRepository(database),
        titles=TitleRepository(database),
        jobs=JobRepository(database),
        store=store,
    )


def _build_reindexing(
    settings: Settings, database: Database, store: VectorStore, *, switch: GenerationSwitch, chunks: ChunkSender
) -> ReindexService:
    repository, jobs, ledger = GenerationRepository(database), JobRepository(database), LedgerRepository(database)
    copies = LedgerCopyRepository(database)
    return ReindexService(
        settings,
        repository=repository,
        generations=GenerationService(repository, store, alias=settings.qdrant_collection_name),
        switch=switch,
        copier=_build_copier(settings, database, store),
        gate=Gate(settings, copies=copies, ledger=ledger, store=store, gold=_build_gold(settings, database, store)),
        jobs=jobs,
        stages=StageRepository(database),
        ledger=ledger,
        locks=LockService(database),
        store=store,
        administration=CollectionAdministration(settings, store),
        chunks=chunks,
    )


def _build_gold(settings: Settings, database: Database, store: VectorStore) -> GoldCheck | None:
    if settings.reindex_gold_path is None:
        return None
    return GoldCheck(
        settings.reindex_gold_path,
        titles=TitleRepository(database),
        store=store,
        build_encoder=lambda: QueryWorkerClient(settings),
    )


def _build_given(
    settings: Settings, database: Database, store: VectorStore, *, chunks: ChunkSender
) -> GivenVectorService:
    return GivenVectorService(
        settings,
        repository=GenerationRepository(database),
        titles=TitleRepository(database),
        jobs=JobRepository(database),
        stages=StageRepository(database),
        ledger=LedgerRepository(database),
        picture_ledger=PictureLedgerRepository(database),
        locks=LockService(database),
        store=store,
        chunks=chunks,
    )


def _build_snapshots(settings: Settings, database: Database) -> dict[str, JobKind]:
    patient = VectorStore(settings, timeout_s=_SNAPSHOT_TIMEOUT_S)
    repository, snapshots, jobs = GenerationRepository(database), SnapshotRepository(database), JobRepository(database)
    administration, locks = CollectionAdministration(settings, patient), LockService(database)
    taking = SnapshotService(
        repository=repository,
        snapshots=snapshots,
        jobs=jobs,
        locks=locks,
        store=patient,
        administration=administration,
        alias=settings.qdrant_collection_name,
    )
    restoring = RestoreService(
        repository=repository,
        snapshots=snapshots,
        copies=LedgerCopyRepository(database),
        jobs=jobs,
        locks=locks,
        store=patient,
        administration=administration,
        alias=settings.qdrant_collection_name,
    )
    return {KIND_SNAPSHOT: taking, KIND_RESTORE: restoring}
