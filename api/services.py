"""The composition root of the web process. Building it opens no connection and starts no thread."""

from __future__ import annotations

from dataclasses import dataclass

from api.administration import Administration, build_administration
from api.guard.guard import Guard
from api.health import Check, HealthChecker
from api.picture_search_services import build_picture_parts, build_picture_search
from api.picture_services import PictureServices, build_picture_services
from api.title_reasons import TitleReasons, build_title_reasons
from api.upkeep import build_chores
from core.errors import DependencyUnavailableError
from core.settings import Settings
from messaging.app import create_sender
from messaging.broker import BrokerProbe
from messaging.hints import HintSender
from messaging.names import QUEUE_QUERY
from messaging.picture_call import PictureWorkerClient
from messaging.query_call import QueryWorkerClient
from search.answers import AnswerCache
from search.asked import AskedQueries
from search.backend import QdrantCall, SearchBackend, run_calls
from search.cache_counts import CacheCounts
from search.chores import Chores
from search.cursors import CursorStore
from search.dispatcher import Dispatcher
from search.encoding import EncodedQuery, QueryEncoder, encode_each
from search.facets import FacetService
from search.live import LiveIndexReader
from search.names.keeper import NameIndexKeeper
from search.pictures.embedding import PictureEncoderClient
from search.pictures.live import LivePicturesReader
from search.pictures.service import PictureSearchService
from search.qdrant_query import ScoredPoint
from search.referring import TitleFinder
from search.service import SearchService
from search.understanding.understander import Understander
from storage.cache import Cache
from storage.cache_writer import CacheWriter
from storage.database.generations import GenerationRepository
from storage.database.jobs import JobRepository
from storage.database.keys import KeyRepository
from storage.database.links import LinkRepository
from storage.database.names import NameRepository
from storage.database.query_log import QueryLogRepository
from storage.database.relatives import RelativesRepository
from storage.database.session import Database
from storage.database.titles import TitleRepository
from storage.database.visibility import VisibilityRepository
from storage.rate_limits import RateLimiter
from storage.vectors.store import VectorStore

_PROBE_TIMEOUT_S = 1.0
# While one waits for Qdrant, what the other has brought is worked on.
_RETRIEVAL_LANES = 2
# What Postgres is asked while somebody waits for a title or a search, and for a job.
_LOOKUP_TIMEOUT_S = 2
_JOBS_TIMEOUT_S = 10
# Reading the names of all titles, in the background.
_NAMES_TIMEOUT_S = 120


@dataclass(frozen=True)
class ApiServices:
    """Everything that routes call."""

    settings: Settings
    guard: Guard
    admin: Administration
    facets: FacetService
    search: SearchService
    picture_search: PictureSearchService
    names: NameIndexKeeper
    live: LiveIndexReader
    live_pictures: LivePicturesReader
    pictures: PictureServices
    explaining: TitleReasons
    links: LinkRepository
    jobs: JobRepository
    titles: TitleRepository
    store: VectorStore
    hints: HintSender
    health: HealthChecker
    databases: tuple[Database, ...]
    chores: tuple[Chores, ...]

    def forget_index(self) -> None:
        """Something was written just now: look at the index again with the next search of this process."""
        self.live.forget()
        self.live_pictures.forget()

    def start(self) -> None:
        """Begin what a serving process does beside answering; never called by those who only look something up."""
        for chores in self.chores:
            chores.start()
        self.names.get()

    def close(self) -> None:
        """Let waiting requests go and close what was opened."""
        self.guard.close()
        for chores in self.chores:
            chores.close()
        self.search.close()
        self.picture_search.close()
        self.names.close()
        self.admin.close()
        self.pictures.close()
        self.health.close()
        self.store.close()
        for database in self.databases:
            database.close()


def build_services(
    settings: Settings, *, encoder: QueryEncoder | None = None, picture_encoder: PictureEncoderClient | None = None
) -> ApiServices:
    """The services over the servers that the settings name. The encoders replace the query worker, for tests."""
    lookups = _open_database(settings, timeout_s=_LOOKUP_TIMEOUT_S)
    jobs = _open_database(settings, timeout_s=_JOBS_TIMEOUT_S)
    # A pool of their own: those who try wrong keys must not use up the connections of everybody's lookups.
    keys = _open_database(settings, timeout_s=_LOOKUP_TIMEOUT_S, pool_size=2)
    reading = _open_database(settings, timeout_s=_NAMES_TIMEOUT_S, pool_size=1)
    names = NameIndexKeeper(NameRepository(reading))
    cache, store, titles = Cache(settings), VectorStore(settings), TitleRepository(lookups)
    live = LiveIndexReader(
        GenerationRepository(lookups),
        JobRepository(lookups),
        VisibilityRepository(lookups, lease_s=settings.lease_s),
        alias=settings.qdrant_collection_name,
        lease_s=settings.lease_s,
    )
    counts, query_log = CacheCounts(cache), QueryLogRepository(jobs)
    asked = AskedQueries(query_log.add, is_on=settings.query_log)
    backend = SearchBackend(
        settings,
        live=live,
        store=store,
        embedding=_build_embedding(settings, encoder or QueryWorkerClient(settings)),
        retrieval=[_build_retrieval(settings, store, lane=lane) for lane in range(_RETRIEVAL_LANES)],
    )
    writer, cursors = CacheWriter(cache), CursorStore(cache)
    kept = AnswerCache(cache, writer, counts, max_bytes=settings.cache_max_answer_bytes)
    finder = TitleFinder(titles, RelativesRepository(lookups))
    parts = build_picture_parts(
        settings,
        lookups,
        backend=backend,
        titles=finder,
        cache=cache,
        writer=writer,
        encoder=picture_encoder or PictureWorkerClient(settings),
    )
    search = SearchService(
        settings,
        backend=backend,
        kept=kept,
        asked=asked,
        cursors=cursors,
        finder=finder,
        understanding=Understander(names),
        pictures=parts.of_titles,
    )
    hints, admin = HintSender(create_sender(settings)), build_administration(settings, jobs)
    return ApiServices(
        settings=settings,
        guard=Guard(settings, keys=KeyRepository(keys), limiter=RateLimiter(settings)),
        admin=admin,
        facets=FacetService(live=live, store=store),
        search=search,
        picture_search=build_picture_search(
            settings, parts, backend=backend, kept=kept, cursors=cursors, titles=finder
        ),
        names=names,
        live=live,
        live_pictures=parts.live,
        pictures=build_picture_services(settings, lookups, jobs, hints=hints, admin=admin),
        explaining=build_title_reasons(finder, lookups),
        links=LinkRepository(jobs),
        jobs=JobRepository(jobs),
        titles=titles,
        store=store,
        hints=hints,
        health=_build_health(settings, lookups, cache),
        databases=(lookups, jobs, keys, reading),
        chores=build_chores(
            settings, cache=cache, counts=counts, asked=asked, query_log=query_log, search=search, live=live
        ),
    )


def _open_database(settings: Settings, *, timeout_s: int, pool_size: int = 5) -> Database:
    url = settings.database_url.get_secret_value()
    return Database(url, pool_size=pool_size, connect_timeout_s=min(timeout_s, 3), answer_timeout_s=timeout_s)


def _build_embedding(settings: Settings, encoder: QueryEncoder) -> Dispatcher[str, EncodedQuery]:
    return Dispatcher(
        lambda texts, timeout_s: encode_each(encoder, texts, timeout_s),
        batch_max=settings.query_batch_max,
        queue_max=settings.query_queue_max,
        name="embedding",
    )


def _build_retrieval(
    settings: Settings, store: VectorStore, *, lane: int
) -> Dispatcher[QdrantCall, list[list[ScoredPoint]]]:
    return Dispatcher(
        lambda calls, _timeout_s: run_calls(store, calls),
        batch_max=settings.query_batch_max,
        queue_max=settings.query_queue_max,
        name=f"retrieval-{lane + 1}",
    )


def _build_health(settings: Settings, database: Database, cache: Cache) -> HealthChecker:
    broker, probe = BrokerProbe(settings, timeout_s=_PROBE_TIMEOUT_S), VectorStore(settings, timeout_s=_PROBE_TIMEOUT_S)

    def check_cache() -> None:
        if not cache.ping():
            raise DependencyUnavailableError("cache", "Redis does not answer")

    return HealthChecker(
        {
            "redis": Check(broker.ping),
            "postgres": Check(database.ping),
            "qdrant": Check(probe.ping),
            "query-worker": Check(lambda: broker.check_worker(QUEUE_QUERY)),
            # Searches are answered without it, only slower.
            "cache": Check(check_cache, required=False),
        }
    )
