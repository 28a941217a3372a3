"""Everything about pictures on the write side, put together over the same servers."""

from __future__ import annotations

from core.recipe import EmbeddingRecipe
from core.settings import Settings
from indexing.pictures.following import PictureFollower
from indexing.pictures.generations import PictureGenerationService
from indexing.pictures.jobs import PictureJobs
from indexing.pictures.titles import TitlePictureSource
from indexing.pictures.writing import PicturePointWriter
from messaging.hints import HintSender
from storage.database.jobs import JobRepository
from storage.database.picture_generations import PictureGenerationRepository
from storage.database.picture_ledger import PictureLedgerRepository
from storage.database.picture_rows import PictureRowRepository
from storage.database.pictures import PictureRepository
from storage.database.session import Database
from storage.database.titles import TitleRepository
from storage.vectors.administration import CollectionAdministration
from storage.vectors.store import VectorStore


def build_picture_generations(settings: Settings, database: Database, store: VectorStore) -> PictureGenerationService:
    """Collections of pictures."""
    return PictureGenerationService(
        PictureGenerationRepository(database),
        store,
        CollectionAdministration(settings, store),
        alias=settings.qdrant_pictures_collection_name,
    )


def build_picture_jobs(settings: Settings, *, database: Database, store: VectorStore, hints: HintSender) -> PictureJobs:
    """Jobs of kind `pictures`."""
    return PictureJobs(
        settings,
        database=database,
        jobs=JobRepository(database),
        titles=TitleRepository(database),
        rows=PictureRowRepository(database),
        ledger=PictureLedgerRepository(database),
        generations=build_picture_generations(settings, database, store),
        store=store,
        hints=hints,
    )


def build_picture_writer(database: Database, store: VectorStore) -> PicturePointWriter:
    """Writes points of pictures."""
    return PicturePointWriter(database, PictureLedgerRepository(database), store)


def build_picture_follower(settings: Settings, database: Database, store: VectorStore) -> PictureFollower:
    """Has pictures follow their titles."""
    return PictureFollower(
        PictureRepository(database),
        PictureLedgerRepository(database),
        build_picture_writer(database, store),
        alias=settings.qdrant_pictures_collection_name,
    )


def build_title_pictures(
    settings: Settings, recipe: EmbeddingRecipe | None, *, database: Database, store: VectorStore
) -> TitlePictureSource:
    """Gives titles the vectors of their pictures."""
    return TitlePictureSource(settings, recipe, ledger=PictureLedgerRepository(database), store=store)
