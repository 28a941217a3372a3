"""What searches by picture need, put together over the same servers as the searches by text."""

from __future__ import annotations

from dataclasses import dataclass

from core.settings import Settings
from messaging.picture_call import PictureQueryItem, get_size
from search.answers import AnswerCache
from search.backend import SearchBackend
from search.cursors import CursorStore
from search.dispatcher import Bounds, Dispatcher
from search.pictures.embedding import PictureEmbedding, PictureEncoderClient, PictureOutcome, encode_each_picture
from search.pictures.executor import PictureExecutor
from search.pictures.finder import PictureFinder
from search.pictures.live import LivePicturesReader
from search.pictures.lookup import PictureLookupService
from search.pictures.questions import PictureQuestionBuilder
from search.pictures.service import PictureSearchService
from search.referring import TitleFinder
from search.service import PictureParts
from storage.cache import Cache
from storage.cache_writer import CacheWriter
from storage.database.jobs import JobRepository
from storage.database.picture_generations import PictureGenerationRepository
from storage.database.pictures import PictureRepository
from storage.database.session import Database
from storage.database.visibility import VisibilityRepository

# A picture takes a large model a third of a second on a CPU, and texts wait behind it: few at a time.
_BATCH_MAX = 8
# What travels through Redis as one message, before base64, and what may wait in this process.
_BATCH_BYTES, _QUEUE_BYTES = 4_000_000, 64_000_000


@dataclass(frozen=True)
class PictureSearchParts:
    """The pieces of both services: titles by picture, and pictures by picture."""

    embedding: PictureEmbedding
    live: LivePicturesReader
    lookup: PictureLookupService
    finder: PictureFinder

    @property
    def of_titles(self) -> PictureParts:
        """What the search for titles needs."""
        return PictureParts(finder=self.finder, lookup=self.lookup)


def build_picture_parts(
    settings: Settings,
    lookups: Database,
    *,
    backend: SearchBackend,
    titles: TitleFinder,
    cache: Cache,
    writer: CacheWriter,
    encoder: PictureEncoderClient,
) -> PictureSearchParts:
    """Connects to nothing and starts no thread."""
    dispatcher: Dispatcher[PictureQueryItem, PictureOutcome] = Dispatcher(
        lambda items, timeout_s: encode_each_picture(encoder, items, timeout_s),
        batch_max=min(_BATCH_MAX, settings.query_batch_max),
        queue_max=settings.query_queue_max,
        name="picture-embedding",
        bounds=Bounds(get_size, batch_bytes=_BATCH_BYTES, queue_bytes=_QUEUE_BYTES),
    )
    embedding = PictureEmbedding(settings, dispatcher=dispatcher, cache=cache, writer=writer)
    live = LivePicturesReader(
        PictureGenerationRepository(lookups),
        JobRepository(lookups),
        VisibilityRepository(lookups, lease_s=settings.lease_s),
        alias=settings.qdrant_pictures_collection_name,
        lease_s=settings.lease_s,
    )
    return PictureSearchParts(
        embedding=embedding,
        live=live,
        lookup=PictureLookupService(embedding=embedding, pictures=live, backend=backend),
        finder=PictureFinder(PictureRepository(lookups), titles),
    )


def build_picture_search(
    settings: Settings,
    parts: PictureSearchParts,
    *,
    backend: SearchBackend,
    kept: AnswerCache,
    cursors: CursorStore,
    titles: TitleFinder,
) -> PictureSearchService:
    """The search for pictures."""
    return PictureSearchService(
        settings,
        questions=PictureQuestionBuilder(settings, titles=titles, pictures=parts.finder),
        executor=PictureExecutor(settings, backend=backend, pictures=parts.live, lookup=parts.lookup),
        embedding=parts.embedding,
        kept=kept,
        cursors=cursors,
    )
