"""The embedding of pictures, put together. Apart from the rest: only workers with an encoder import it."""

from __future__ import annotations

from core.settings import Settings
from indexing.pictures.building import build_picture_generations, build_picture_writer
from indexing.pictures.embedding import PictureEmbeddingService, PictureTables
from indexing.pictures.stored import VectorSource
from inference.pictures.base import PictureEncoder
from storage.database.downloads import DownloadRepository
from storage.database.picture_ledger import PictureLedgerRepository
from storage.database.picture_rows import PictureRowRepository
from storage.database.pictures import PictureRepository
from storage.database.session import Database
from storage.media import MediaStore
from storage.vectors.store import VectorStore


def build_picture_embedding(
    settings: Settings,
    encoder: PictureEncoder,
    *,
    database: Database,
    store: VectorStore,
    media: MediaStore,
    owner: str,
) -> PictureEmbeddingService:
    """A worker's embedding of pictures by this encoder."""
    ledger, pictures = PictureLedgerRepository(database), PictureRepository(database)
    tables = PictureTables(
        pictures=pictures,
        rows=PictureRowRepository(database),
        ledger=ledger,
        downloads=DownloadRepository(database, pictures),
    )
    return PictureEmbeddingService(
        settings,
        database=database,
        tables=tables,
        generations=build_picture_generations(settings, database, store),
        writer=build_picture_writer(database, store),
        source=VectorSource(settings, encoder, media=media, ledger=ledger, store=store),
        owner=owner,
    )
